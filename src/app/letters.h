// Dead letters and noise: what was put aside, why, and driving it again.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <meterhub/base/executor.h>
#include <meterhub/log/log.h>

namespace meterhub::app {

// Where a letter stands: put aside; driven again and not judged yet, or put aside once more;
// driven again and not come back.
enum class LetterState : std::uint8_t { kOpen, kRetried, kResolved };
std::string_view state_name(LetterState state);

struct LetterQuery {
  std::string reason;          // empty = any
  base::Timestamp since{};
  std::size_t letters_max = 100;  // the newest ones
};

struct Letter {
  std::string log;  // deadletter or noise
  log::TopicPartition partition;
  base::Offset offset;
  base::Timestamp time{};
  LetterState state = LetterState::kOpen;
  log::NewRecord record;
};

// Owns the state of all letters: a member of group `letters` on both logs. All calls on the
// executor; log and executor outlive it.
class Letters final : public log::GroupListener {
 public:
  static base::Result<std::unique_ptr<Letters>> create(log::Log& log, base::Executor& executor);

  // In order of time. Blocks for the scan.
  base::Result<std::vector<Letter>> list(const LetterQuery& query) const;
  // How many retry() would drive again. Blocks for the scan.
  base::Result<std::size_t> count_open(const LetterQuery& query) const;
  // Drives every open letter of the query again, however many; state and record move in one
  // transaction. `done` gets how many; kCancelled when this ends before.
  using Done = std::move_only_function<void(base::Result<std::size_t>)>;
  void retry(const LetterQuery& query, Done done);
  void drain(base::Task done);

  void assigned(std::vector<log::Assignment> partitions) override;
  void revoked(std::vector<log::TopicPartition> partitions, base::Task drained) override;
  void lost(std::vector<log::TopicPartition> partitions) override;

 private:
  struct Retry;
  using Visit = std::function<bool(std::string_view log, log::TopicPartition, const log::RecordView&)>;
  Letters(log::Log& log, base::Executor& executor) : log_(log), executor_(executor) {}

  base::Result<void> each_partition(
      const std::function<base::Result<void>(std::string_view log, log::TopicPartition)>& visit) const;
  // Every letter since then; `visit` returns false to leave its partition.
  base::Result<void> each(base::Timestamp since, const Visit& visit) const;
  using Ends = std::map<log::TopicPartition, base::Offset>;
  // The newest of the query, without their state; only open ones before these ends when they are given.
  base::Result<std::vector<Letter>> newest(const LetterQuery& query, const Ends* open_before) const;
  base::Result<void> judge(std::vector<Letter>& letters) const;
  base::Result<bool> is_driven(log::TopicPartition partition, base::Offset offset) const;
  void take_up(const std::shared_ptr<Retry>& retry);
  void go_on(const std::shared_ptr<Retry>& retry);
  base::Result<log::Transaction> transaction(std::span<const Letter> letters, Retry& retry) const;
  base::Result<void> forget_expired(log::Transaction& transaction, log::TopicPartition partition) const;
  base::Result<log::Append> again(const Letter& letter) const;

  log::Log& log_;
  base::Executor& executor_;
  std::map<log::TopicPartition, base::Epoch> owned_;
  std::unique_ptr<log::Membership> membership_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);  // a commit may be answered after the end
};

}  // namespace meterhub::app
