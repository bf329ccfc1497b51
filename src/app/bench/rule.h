// A rule that is added to a running platform while packets flow: how soon it works, and how soon after a packet its row
// is there.
#pragma once

#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>

#include <meterhub/base/clock.h>
#include <meterhub/base/disk.h>
#include <meterhub/base/result.h>
#include <meterhub/db/connection.h>
#include <meterhub/sim/latencies.h>
#include <meterhub/sim/load_town.h>

#include "../data_directory.h"

namespace meterhub::app::bench {

// Of rows in the order in which they were seen; those of packets sent before the request do not count, since a rule may
// read them or not.
class RuleTimes {
 public:
  explicit RuleTimes(base::Timestamp requested) : requested_(requested) {}
  // `sent` is the time that the gateway wrote on the packet, `seen` when another process could read the row.
  void add(base::Timestamp sent, base::Timestamp seen);
  // From the request until the first of them was seen; nothing before.
  std::optional<base::Duration> live() const { return live_; }
  // From `sent` to `seen`.
  const sim::Latencies& latencies() const { return latencies_; }

 private:
  base::Timestamp requested_;
  std::optional<base::Duration> live_;
  sim::Latencies latencies_;
};

// The rule's rows against the lake's readings that it is about: those whose packet the hub took after the rule was
// there.
struct RuleComparison {
  std::uint64_t rows = 0;  // in the table, of this run
  std::uint64_t missing = 0, duplicate = 0;
};

// What share of the town's meters the rule is about, always the same ones.
double rule_share(const sim::LoadTown& town);

// A job over `readings` with a table, added through the HTTP API on the control socket. One thread, beside its own one
// for the request.
class AddedRule {
 public:
  // Removes what an earlier run in this directory left.
  static base::Result<std::unique_ptr<AddedRule>> create(const DataPaths& paths, const base::Clock& clock);

  // Asks for the rule and returns at once; only the first time.
  void request();
  // Takes new rows; their time is now. Errors: the rule was refused; the database cannot be read.
  base::Result<void> look(base::Timestamp now);
  // Waits for the answer; then the job is removed and its table stays.
  base::Result<void> end();

  std::optional<base::Duration> answered() const;
  const RuleTimes& times() const { return times_; }
  // Once the lake holds all readings and nobody writes.
  base::Result<RuleComparison> compare(const base::Disk& disk) const;

 private:
  AddedRule(const DataPaths& paths, const base::Clock& clock, std::unique_ptr<db::Connection> connection)
      : paths_(paths), clock_(clock), connection_(std::move(connection)) {}
  base::Result<void> hear(std::chrono::milliseconds patience);

  const DataPaths paths_;
  const base::Clock& clock_;
  std::unique_ptr<db::Connection> connection_;
  std::int64_t before_ = 0, last_ = 0;  // newest row of earlier runs, and of all
  std::int64_t version_ = -1;
  bool has_table_ = false;
  base::Timestamp requested_{}, answered_{};
  RuleTimes times_{base::Timestamp::max()};
  std::future<base::Result<base::Timestamp>> answer_;
};

}  // namespace meterhub::app::bench
