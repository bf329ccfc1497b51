#include "check.h"

#include <algorithm>
#include <vector>

#include <meterhub/db/connection.h>
#include <meterhub/lake/query.h>
#include <meterhub/sim/load_driver.h>

namespace meterhub::app::bench {
namespace {

using sim::PacketState;

constexpr char kRows[] =
    "SELECT DeviceID, Session::BIGINT, Generation::BIGINT, Seq::BIGINT, CAST(Bought * 1000 AS BIGINT), "
    "CAST(Remaining * 1000 AS BIGINT), CAST(TotalUsed * 1000 AS BIGINT), Bought IS NOT NULL FROM readings";
// The case study's rule, statement 02.
constexpr char kLowRows[] = "SELECT count(*)::BIGINT FROM readings WHERE Remaining < 5.0";

// The packets of the run, and how often each is in the lake.
class Ledger {
 public:
  Ledger(const sim::LoadTown& town, std::string_view states, std::uint32_t first_fcnt)
      : town_(town), states_(states), first_fcnt_(first_fcnt), found_(states.size()) {}

  void take(const duck::Chunk& chunk, std::size_t row) {
    ++out_.lake_rows;
    const auto number = [&](std::size_t column) { return chunk.values<std::int64_t>(column)[row]; };
    const auto fcnt = number(3);
    if (fcnt < first_fcnt_) return;  // of an earlier run
    ++out_.rows;
    const auto eui = base::Eui64::parse(chunk.text(0, row));
    const auto meter = eui ? town_.index_of(*eui) : std::nullopt;
    const auto packet = meter ? static_cast<std::uint64_t>(fcnt - first_fcnt_) * town_.meters() + *meter : UINT64_MAX;
    const bool sent = packet < states_.size() && state(packet) != PacketState::kNone;
    const bool right = sent && number(1) == 1 && number(2) == 0 && chunk.values<bool>(7)[row] &&
                       same(town_.figures(*meter, static_cast<std::uint32_t>(fcnt)), number(4), number(5), number(6));
    out_.wrong += right ? 0 : 1;
    if (sent && found_[packet]++ > 0) ++out_.duplicate;
  }

  Comparison finish() {
    for (std::uint64_t packet = 0; packet < states_.size(); ++packet) {
      if (state(packet) != PacketState::kSettled) continue;
      ++out_.settled;
      out_.missing += found_[packet] == 0 ? 1 : 0;
    }
    return out_;
  }

 private:
  PacketState state(std::uint64_t packet) const { return static_cast<PacketState>(states_[packet]); }
  static bool same(const sim::LoadFigures& figures, std::int64_t bought, std::int64_t left, std::int64_t used) {
    return figures.bought == bought && figures.left == left && figures.used == used;
  }

  const sim::LoadTown& town_;
  const std::string_view states_;
  const std::int64_t first_fcnt_;
  std::vector<std::uint8_t> found_;
  Comparison out_;
};

base::Result<std::uint64_t> count(duck::Connection& connection, const char* sql) {
  auto rows = MH_TRY(connection.query(sql));
  const auto chunk = rows.next();
  return chunk ? static_cast<std::uint64_t>(chunk->values<std::int64_t>(0)[0]) : 0;
}

base::Result<void> compare_alerts(const DataPaths& paths, Comparison& out) {
  const auto database = MH_TRY(db::Connection::open(paths.database(), {.read_only = true}));
  const auto all = MH_TRY(database->query_integer("SELECT count(*) FROM alerts"));
  const auto distinct = MH_TRY(database->query_integer("SELECT count(*) FROM (SELECT DISTINCT DeviceID, DateTime, TotalUsed FROM alerts)"));
  out.alert_rows = static_cast<std::uint64_t>(all.value_or(0));
  out.alerts_duplicate = out.alert_rows - static_cast<std::uint64_t>(distinct.value_or(0));
  const auto once = out.alert_rows - out.alerts_duplicate;
  out.alerts_missing = out.low_rows - std::min(out.low_rows, once);
  return {};
}

}  // namespace

base::Result<Comparison> compare(const base::Disk& disk, const DataPaths& paths, const sim::LoadTown& town,
                                 const std::string& states, std::uint32_t first_fcnt) {
  const auto sent = MH_TRY(disk.read(states));
  Ledger ledger(town, sent, first_fcnt);
  auto connection = MH_TRY(lake::open_readonly(disk, paths.lake()));
  auto rows = MH_TRY(connection.query(kRows));
  while (const auto chunk = rows.next()) {
    for (std::size_t row = 0; row < chunk->rows(); ++row) ledger.take(*chunk, row);
  }
  auto out = ledger.finish();
  out.low_rows = MH_TRY(count(connection, kLowRows));
  MH_TRY_VOID(compare_alerts(paths, out));
  return out;
}

}  // namespace meterhub::app::bench
