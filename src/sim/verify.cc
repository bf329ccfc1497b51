#include <meterhub/sim/verify.h>

#include <absl/container/flat_hash_map.h>
#include <fmt/format.h>

#include <cstring>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include <meterhub/base/time_text.h>
#include <meterhub/db/connection.h>
#include <meterhub/lake/query.h>
#include <meterhub/sim/sent_file.h>

namespace meterhub::sim {
namespace {

// Gateways without GPS pass on the server's time; with GPS the times agree to the gateway's
// own resolution, which is a microsecond as text.
constexpr base::Duration kTimeTolerance = std::chrono::milliseconds(1);

struct Identity {
  std::uint64_t meter = 0;
  std::uint32_t session = 0;
  std::uint32_t generation = 0;
  std::uint32_t fcnt = 0;

  bool operator==(const Identity&) const = default;
  template <class H>
  friend H AbslHashValue(H state, const Identity& i) {
    return H::combine(std::move(state), i.meter, i.session, i.generation, i.fcnt);
  }
};

std::string text(const Identity& i) {
  return fmt::format("meter {} session {} generation {} counter {}", base::Eui64(i.meter).text(), i.session,
                     i.generation, i.fcnt);
}

// A row of the lake, volumes in litres.
struct Row {
  Identity identity;
  base::Timestamp time{};
  bool decoded = false;
  bool has_balance = false;
  std::int64_t bought = 0, left = 0, used = 0;
  std::int32_t status = 0;
  std::string version;
};

Identity identity_of(const SentPacket& packet) {
  return {packet.meter.value, packet.session.value, packet.generation.value, packet.fcnt};
}

// What a row of the packet must say: 0 and no text where its payload says nothing.
Row expected_of(const SentOutcome& outcome) {
  const auto& sent = outcome.packet;
  const auto carried = [&]<class T>(std::uint8_t column, const T& value) {
    return (outcome.columns & column) != 0 ? value : T{};
  };
  Row out;
  out.identity = identity_of(sent);
  out.bought = carried(kSentBought, sent.bought_litres);
  out.left = carried(kSentLeft, sent.left_litres);
  out.used = carried(kSentUsed, sent.used_litres);
  out.status = carried(kSentStatus, sent.status);
  out.version =
      carried(kSentVersion, std::string(sent.version.data(), strnlen(sent.version.data(), sent.version.size())));
  return out;
}

bool same_figures(const Row& row, const Row& expected) {
  return row.bought == expected.bought && row.left == expected.left && row.used == expected.used &&
         row.status == expected.status && row.version == expected.version;
}

std::string figures(const Row& row) {
  return fmt::format("bought {} left {} used {} status {} version {}", row.bought, row.left, row.used, row.status,
                     row.version);
}

// What an alert row says of its reading; times in milliseconds, as the database keeps them exactly.
using AlertKey = std::tuple<std::uint64_t, std::int64_t, std::int64_t>;  // meter, time, used

class Comparison {
 public:
  Comparison(const VerifyOptions& options, const SentTruth& truth, const SentTruth& earlier)
      : options_(options), earlier_(earlier) {
    for (const auto& outcome : truth.packets) {
      meters_.try_emplace(outcome.packet.meter.value, true);
      sent_.emplace(identity_of(outcome.packet), &outcome);
    }
    count_heard_generations(truth);
    report_.packets = truth.packets.size();
    report_.lost_on_air = truth.lost_on_air;
  }

  void row(const Row& row);
  void alert(const Row& row);
  void unreadable(std::string what) { trouble(report_.wrong, std::move(what)); }
  VerifyReport finish(bool with_alerts);

 private:
  void count_heard_generations(const SentTruth& truth);
  const SentOutcome* sent_as(const Row& row) const;
  bool must_be_there(const SentOutcome& outcome) const;
  void trouble(std::uint64_t& count, std::string what) {
    ++count;
    if (report_.examples.size() < options_.examples_max) report_.examples.push_back(std::move(what));
  }
  void compare(const Row& row, const SentOutcome& outcome);

  const VerifyOptions& options_;
  const SentTruth& earlier_;
  VerifyReport report_;
  absl::flat_hash_map<std::uint64_t, bool> meters_;
  absl::flat_hash_map<Identity, const SentOutcome*> sent_;
  // By the generation that the platform can know of, where that is another one.
  absl::flat_hash_map<Identity, const SentOutcome*> heard_as_;
  absl::flat_hash_map<const SentOutcome*, std::uint32_t> seen_;
  struct Alert {
    std::int64_t balance = 0;  // expected minus found
    Row row;                   // of the lake; the last one of its key
  };
  void compare(const Row& alert, const Row& row);
  std::map<AlertKey, Alert> alerts_;
};

AlertKey alert_key(const Row& row) {
  return {row.identity.meter, std::chrono::floor<std::chrono::milliseconds>(row.time.time_since_epoch()).count(),
          row.used};
}

void Comparison::row(const Row& row) {
  if (!meters_.contains(row.identity.meter)) {
    ++report_.foreign_rows;
    return;
  }
  ++report_.rows;
  const auto* sent = sent_as(row);
  if (sent == nullptr) {
    trouble(report_.wrong, text(row.identity) + ": no meter sent it");
    return;
  }
  if (++seen_[sent] > 1) {
    trouble(report_.duplicate, text(row.identity) + ": there more than once");
    return;
  }
  report_.copies += sent->packet.heard_by.size();
  compare(row, *sent);
  if (!row.has_balance || row.left >= options_.low_limit_litres) return;
  auto& expected = alerts_[alert_key(row)];
  ++expected.balance;
  expected.row = row;
}

// A platform that heard nothing of a meter before its counter began again cannot know that it did:
// it counts only generations of which something reached it.
void Comparison::count_heard_generations(const SentTruth& truth) {
  std::map<std::pair<std::uint64_t, std::uint32_t>, std::set<std::uint32_t>> heard;  // of a meter's session
  for (const auto& outcome : truth.packets) {
    const auto id = identity_of(outcome.packet);
    if (outcome.settled > 0) heard[{id.meter, id.session}].insert(id.generation);
  }
  for (const auto& outcome : truth.packets) {
    auto id = identity_of(outcome.packet);
    if (id.generation == 0) continue;
    const auto& generations = heard[{id.meter, id.session}];
    const auto before = std::distance(generations.begin(), generations.lower_bound(id.generation));
    if (std::cmp_equal(before, id.generation)) continue;
    id.generation = static_cast<std::uint32_t>(before);
    auto& at = heard_as_[id];
    if (at == nullptr || outcome.settled > 0) at = &outcome;
  }
}

const SentOutcome* Comparison::sent_as(const Row& row) const {
  const auto exact = sent_.find(row.identity);
  const auto other = heard_as_.find(row.identity);
  if (exact == sent_.end()) return other == heard_as_.end() ? nullptr : other->second;
  if (other == heard_as_.end() || same_figures(row, expected_of(*exact->second))) return exact->second;
  return other->second;
}

void Comparison::compare(const Row& row, const SentOutcome& outcome) {
  const auto& sent = outcome.packet;
  if (row.decoded == sent.undecodable) {
    trouble(report_.wrong, text(row.identity) + (row.decoded ? ": has figures and was sent none" : ": has no figures"));
    return;
  }
  const auto off = std::chrono::abs(row.time - sent.time);
  if (options_.compare_times && sent.time_certain && off > kTimeTolerance) {
    trouble(report_.wrong, fmt::format("{}: time {} instead of {}", text(row.identity), base::rfc3339(row.time),
                                       base::rfc3339(sent.time)));
    return;
  }
  if (!row.decoded) return;
  const auto expected = expected_of(outcome);
  if (same_figures(row, expected)) return;
  trouble(report_.wrong, fmt::format("{}: {} instead of {}", text(row.identity), figures(row), figures(expected)));
}

void Comparison::alert(const Row& row) {
  if (!meters_.contains(row.identity.meter)) return;
  ++report_.alerts;
  auto& expected = alerts_[alert_key(row)];
  if (--expected.balance >= 0) compare(row, expected.row);
}

void Comparison::compare(const Row& alert, const Row& row) {
  if (figures(alert) == figures(row)) return;
  trouble(report_.wrong,
          fmt::format("alert of {}: {} instead of {}", text(row.identity), figures(alert), figures(row)));
}

bool Comparison::must_be_there(const SentOutcome& outcome) const {
  if (options_.settled_by.empty()) return outcome.settled > 0;
  const auto number = outcome.packet.number;
  return number < earlier_.packets.size() && earlier_.packets[number].settled > 0;
}

VerifyReport Comparison::finish(bool with_alerts) {
  for (const auto& [identity, outcome] : sent_) {
    if (outcome->packet.heard_by.empty()) continue;
    if (outcome->settled == 0) {
      ++report_.unsettled;
    } else if (must_be_there(*outcome) && !seen_.contains(outcome)) {
      trouble(report_.missing, text(identity) + ": settled and not in the lake");
    }
  }
  for (const auto& [key, expected] : alerts_) {
    const auto balance = expected.balance;
    if (!with_alerts || balance == 0) continue;
    const auto what = fmt::format("alert of meter {} at {}", base::Eui64(std::get<0>(key)).text(),
                                  base::rfc3339(base::Timestamp(std::chrono::milliseconds(std::get<1>(key)))));
    if (balance > 0) trouble(report_.missing, what + ": not in the table");
    if (balance < 0) trouble(report_.duplicate, what + ": more rows than readings");
  }
  return report_;
}

base::Result<void> read_lake(const base::Disk& disk, const std::string& lake, Comparison& comparison) {
  constexpr const char* kRows =
      "SELECT DeviceID, Session::BIGINT, Generation::BIGINT, Seq::BIGINT, DateTime, Payload IS NULL, "
      "CAST(COALESCE(Bought, 0) * 1000 AS BIGINT), CAST(COALESCE(Remaining, 0) * 1000 AS BIGINT), "
      "CAST(COALESCE(TotalUsed, 0) * 1000 AS BIGINT), CAST(COALESCE(MeterStatus, 0) AS BIGINT), COALESCE(MeterSoftwareVer, ''), "
      "Remaining IS NOT NULL "
      "FROM readings";
  auto connection = MH_TRY(lake::open_readonly(disk, lake));
  auto rows = MH_TRY(connection.query(kRows));
  while (const auto chunk = rows.next()) {
    for (std::size_t i = 0; i < chunk->rows(); ++i) {
      const auto eui = base::Eui64::parse(chunk->text(0, i));
      if (!eui) {
        comparison.unreadable(fmt::format("a row of the lake with the device \"{}\"", chunk->text(0, i)));
        continue;
      }
      Row row;
      row.identity = {eui->value, static_cast<std::uint32_t>(chunk->values<std::int64_t>(1)[i]),
                      static_cast<std::uint32_t>(chunk->values<std::int64_t>(2)[i]),
                      static_cast<std::uint32_t>(chunk->values<std::int64_t>(3)[i])};
      row.time = base::Timestamp(base::Duration(chunk->values<std::int64_t>(4)[i]));
      row.decoded = chunk->values<bool>(5)[i];
      row.bought = chunk->values<std::int64_t>(6)[i];
      row.left = chunk->values<std::int64_t>(7)[i];
      row.used = chunk->values<std::int64_t>(8)[i];
      row.status = static_cast<std::int32_t>(chunk->values<std::int64_t>(9)[i]);
      row.version = chunk->text(10, i);
      row.has_balance = chunk->values<bool>(11)[i];
      comparison.row(row);
    }
  }
  return {};
}

base::Result<void> read_alerts(const std::string& file, Comparison& comparison) {
  auto connection = MH_TRY(db::Connection::open(file, {.read_only = true}));
  auto statement = MH_TRY(connection->prepare(
      "SELECT DeviceID, DateTime, CAST(ROUND(Bought * 1000) AS INTEGER), CAST(ROUND(Remaining * 1000) AS INTEGER), "
      "CAST(ROUND(TotalUsed * 1000) AS INTEGER), MeterStatus, MeterSoftwareVer FROM alerts"));
  while (MH_TRY(statement.step())) {
    const auto eui = base::Eui64::parse(statement.text(0));
    const auto time = base::parse_rfc3339(statement.text(1));
    if (!eui || !time) {
      comparison.unreadable(
          fmt::format("an alert of the device \"{}\" at \"{}\"", statement.text(0), statement.text(1)));
      continue;
    }
    Row row;
    row.identity.meter = eui->value;
    row.time = time->at;
    row.bought = statement.integer(2);
    row.left = statement.integer(3);
    row.used = statement.integer(4);
    row.status = static_cast<std::int32_t>(statement.integer(5));
    row.version = statement.text(6);
    comparison.alert(row);
  }
  return {};
}

}  // namespace

std::string VerifyReport::verdict() const {
  return fmt::format("missing {} duplicate {} wrong {}", missing, duplicate, wrong);
}

std::string VerifyReport::text() const {
  std::string out = verdict() + "\n";
  out += fmt::format("packets sent {}, lost on the air {}, never acknowledged {}\n", packets, lost_on_air, unsettled);
  out += fmt::format("rows in the lake {} from {} copies heard; alerts {}\n", rows, copies, alerts);
  if (foreign_rows > 0) out += fmt::format("rows of other meters {}: not judged\n", foreign_rows);
  for (const auto& example : examples) out += "  " + example + "\n";
  return out;
}

base::Result<VerifyReport> verify(const base::Disk& disk, const VerifyOptions& options) {
  const auto truth = MH_TRY(load_sent(disk, options.sent_file));
  SentTruth earlier;
  if (!options.settled_by.empty()) earlier = MH_TRY(load_sent(disk, options.settled_by));
  Comparison comparison(options, truth, earlier);
  MH_TRY_VOID(read_lake(disk, options.lake, comparison));
  const bool with_alerts = !options.database.empty();
  if (with_alerts) MH_TRY_VOID(read_alerts(options.database, comparison));
  return comparison.finish(with_alerts);
}

}  // namespace meterhub::sim
