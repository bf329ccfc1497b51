#include "rule.h"

#include <map>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <meterhub/base/time_text.h>
#include <meterhub/http/client.h>
#include <meterhub/lake/query.h>

namespace meterhub::app::bench {
namespace {

constexpr std::int32_t kBelowCubicMetres = 9;  // about two meters in a hundred
constexpr char kJob[] = "/api/v1/jobs/bench-rule";
constexpr char kTable[] = "bench_rule";
constexpr std::chrono::seconds kPatience{60};

// The time on the packet, untouched by policies of time, and what a reading is known by.
std::string query() {
  return fmt::format(
      "SELECT originData.app.moteeui AS DeviceID, CAST(originData.app.userdata.seqno AS bigint) AS Seq, userData.[time] AS SentAt, "
      "userData.[left] AS Remaining INTO Rows FROM EventHubInput WHERE userData.[left] < {}.0",
      kBelowCubicMetres);
}

std::string job() {
  const nlohmann::json out{{"name", "bench-rule"},
                           {"query", query()},
                           {"start", "now"},
                           {"inputs", {{"EventHubInput", {{"log", "readings"}}}}},
                           {"outputs", {{"Rows", {{"kind", "table"}, {"table", kTable}}}}}};
  return out.dump();
}

base::Result<http::Response> ask(const DataPaths& paths, http::Method method, const char* path, const std::string& body) {
  auto client = http::Client::unix_domain(paths.control_socket());
  client.set_timeout(kPatience);
  return client.request(method, path, body);
}

}  // namespace

void RuleTimes::add(base::Timestamp sent, base::Timestamp seen) {
  if (sent < requested_) return;
  if (!live_) live_ = seen - requested_;
  latencies_.add(seen - sent);
}

double rule_share(const sim::LoadTown& town) {
  std::uint32_t meters = 0;
  for (std::uint32_t i = 0; i < town.meters(); ++i) meters += town.figures(i, 0).left < kBelowCubicMetres * 1000 ? 1 : 0;
  return static_cast<double>(meters) / town.meters();
}

base::Result<std::unique_ptr<AddedRule>> AddedRule::create(const DataPaths& paths, const base::Clock& clock) {
  const auto removed = MH_TRY(ask(paths, http::Method::kDelete, kJob, {}));
  if (removed.status != 200 && removed.status != 404) return base::fail(base::Errc::kIo, "the rule of an earlier run is not removed: " + removed.body);
  auto connection = MH_TRY(db::Connection::open(paths.database(), {.read_only = true}));
  auto out = std::unique_ptr<AddedRule>(new AddedRule(paths, clock, std::move(connection)));
  const auto tables = MH_TRY(out->connection_->query_integer(fmt::format("SELECT count(*) FROM sqlite_master WHERE name = '{}'", kTable)));
  out->has_table_ = tables.value_or(0) > 0;
  if (out->has_table_) out->before_ = out->last_ = MH_TRY(out->connection_->query_integer(fmt::format("SELECT max(Id) FROM {}", kTable))).value_or(0);
  return out;
}

void AddedRule::request() {
  if (answer_.valid() || requested_ != base::Timestamp{}) return;
  requested_ = clock_.now();
  times_ = RuleTimes(requested_);
  // On a thread of its own: rows of other rules are watched meanwhile.
  answer_ = std::async(std::launch::async, [paths = paths_, &clock = clock_]() -> base::Result<base::Timestamp> {
    const auto answer = MH_TRY(ask(paths, http::Method::kPost, "/api/v1/jobs", job()));
    if (answer.status != 200) return base::fail(base::Errc::kIo, "the rule was refused: " + answer.body);
    return clock.now();
  });
}

base::Result<void> AddedRule::hear(std::chrono::milliseconds patience) {
  if (!answer_.valid() || answer_.wait_for(patience) != std::future_status::ready) return {};
  answered_ = MH_TRY(answer_.get());
  return {};
}

std::optional<base::Duration> AddedRule::answered() const {
  if (answered_ == base::Timestamp{}) return std::nullopt;
  return answered_ - requested_;
}

base::Result<void> AddedRule::look(base::Timestamp now) {
  MH_TRY_VOID(hear(std::chrono::milliseconds(0)));
  if (requested_ == base::Timestamp{}) return {};
  const auto version = MH_TRY(connection_->query_integer("PRAGMA data_version")).value_or(0);
  if (std::exchange(version_, version) == version) return {};  // nobody wrote
  if (!has_table_) {
    const auto tables = MH_TRY(connection_->query_integer(fmt::format("SELECT count(*) FROM sqlite_master WHERE name = '{}'", kTable)));
    if (tables.value_or(0) == 0) return {};
    has_table_ = true;
  }
  auto rows = MH_TRY(connection_->prepare(fmt::format("SELECT Id, SentAt FROM {} WHERE Id > ? ORDER BY Id", kTable)));
  rows.bind(1, last_);
  while (MH_TRY(rows.step())) {
    last_ = rows.integer(0);
    const auto sent = MH_TRY(base::parse_rfc3339(rows.text(1)));
    times_.add(sent.at, now);
  }
  return {};
}

base::Result<void> AddedRule::end() {
  MH_TRY_VOID(hear(kPatience));
  if (answered_ == base::Timestamp{}) return base::fail(base::Errc::kTimeout, "no answer whether the rule was added");
  const auto removed = MH_TRY(ask(paths_, http::Method::kDelete, kJob, {}));
  if (removed.status != 200) return base::fail(base::Errc::kIo, "the rule is not removed: " + removed.body);
  return {};
}

base::Result<RuleComparison> AddedRule::compare(const base::Disk& disk) const {
  RuleComparison out;
  std::map<std::pair<std::string, std::int64_t>, std::uint64_t> rows;
  auto stored = MH_TRY(connection_->prepare(fmt::format("SELECT DeviceID, Seq FROM {} WHERE Id > ?", kTable)));
  stored.bind(1, before_);
  while (MH_TRY(stored.step())) {
    ++out.rows;
    if (++rows[{std::string(stored.text(0)), stored.integer(1)}] > 1) ++out.duplicate;
  }
  auto lake = MH_TRY(lake::open_readonly(disk, paths_.lake()));
  auto readings = MH_TRY(lake.query(fmt::format("SELECT DeviceID, Seq::BIGINT FROM readings WHERE Remaining < {} AND epoch_us(EnqueuedTime) >= {}",
                                                kBelowCubicMetres, answered_.time_since_epoch().count())));
  while (const auto chunk = readings.next()) {
    for (std::size_t row = 0; row < chunk->rows(); ++row) {
      out.missing += rows.contains({std::string(chunk->text(0, row)), chunk->values<std::int64_t>(1)[row]}) ? 0 : 1;
    }
  }
  return out;
}

}  // namespace meterhub::app::bench
