#include "letters.h"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "logs.h"
#include "trace.h"

namespace meterhub::app {
namespace {

constexpr std::string_view kGroup = "letters";
constexpr std::string_view kLogs[] = {log::topics::kDeadletter, log::topics::kNoise};
constexpr std::string_view kRetried = "retried";
// Letters of one transaction.
constexpr std::size_t kAtOnce = 500;
// Letters that one retry takes up; who has more asks again.
constexpr std::size_t kRetryMax = 1'000'000;

// Names sort as offsets do.
std::string state_key(base::Offset offset) { return fmt::format("letter-{:020}", offset.value); }

using PacketKey = std::tuple<std::string, base::PartitionId, base::Offset, std::uint32_t>;
PacketKey packet_of(const Letter& letter) {
  const auto& origin = letter.record.properties.origin;
  return {origin.log, origin.partition, origin.offset, origin.index};
}

Letter letter_of(std::string_view log, log::TopicPartition partition, const log::RecordView& record) {
  Letter out;
  out.log = log;
  out.partition = partition;
  out.offset = record.offset;
  out.time = record.enqueued;
  out.record = {std::string(record.key), record.properties, std::string(record.sections), std::string(record.body)};
  return out;
}

// Judged by deduplication, not by the connector: they go back to where it reads.
bool is_from_deduplication(const Letter& letter) {
  const auto& reason = letter.record.properties.reason;
  return reason == "conflict" || reason == "counter_reset";
}

}  // namespace

// One retry on its way through its letters.
struct Letters::Retry {
  std::vector<Letter> letters;
  std::size_t next = 0;
  Done done;
};

std::string_view state_name(LetterState state) {
  switch (state) {
    case LetterState::kOpen: return "open";
    case LetterState::kRetried: return "retried";
    case LetterState::kResolved: return "resolved";
  }
  return "";
}

base::Result<std::unique_ptr<Letters>> Letters::create(log::Log& log, base::Executor& executor) {
  std::unique_ptr<Letters> out(new Letters(log, executor));
  std::vector<base::TopicId> topics;
  for (const auto name : kLogs) topics.push_back(MH_TRY(log.topic(name)));
  out->membership_ = MH_TRY(log.join(kGroup, std::move(topics), {}, executor, *out));
  return out;
}

void Letters::assigned(std::vector<log::Assignment> partitions) {
  for (const auto& one : partitions) owned_[one.partition] = one.epoch;
}
void Letters::revoked(std::vector<log::TopicPartition> partitions, base::Task drained) {
  lost(std::move(partitions));
  drained();
}
void Letters::lost(std::vector<log::TopicPartition> partitions) {
  for (const auto& one : partitions) owned_.erase(one);
}

void Letters::drain(base::Task done) { membership_->leave(std::move(done)); }

base::Result<std::vector<Letter>> Letters::list(const LetterQuery& query) const {
  std::vector<Letter> out;
  std::map<PacketKey, base::Timestamp> newest;  // of each packet, whatever its reason
  for (const auto name : kLogs) {
    const auto topic = MH_TRY(log_.topic(name));
    for (std::uint32_t number = 0; number < log_.partitions(topic); ++number) {
      const log::TopicPartition partition{topic, base::PartitionId(number)};
      MH_TRY_VOID(scan(log_, partition, query.since, [&](const log::RecordView& record) {
        auto letter = letter_of(name, partition, record);
        auto& last = newest[packet_of(letter)];
        last = std::max(last, letter.time);
        if (query.reason.empty() || record.properties.reason == query.reason) out.push_back(std::move(letter));
        return out.size() < kRetryMax;
      }));
    }
  }
  std::ranges::stable_sort(out, {}, &Letter::time);
  if (out.size() > query.letters_max) out.erase(out.begin(), out.end() - static_cast<std::ptrdiff_t>(query.letters_max));
  const auto waiting = MH_TRY(backlog(log_, log::groups::kConnector, log::topics::kRetry, base::Timestamp{})).records;
  for (auto& letter : out) {
    const auto state = MH_TRY(log_.state(kGroup, letter.partition, state_key(letter.offset)));
    if (!state) continue;
    const bool came_back = newest[packet_of(letter)] > letter.time;
    letter.state = waiting == 0 && !came_back ? LetterState::kResolved : LetterState::kRetried;
  }
  return out;
}

void Letters::retry(const LetterQuery& query, Done done) {
  auto all = query;
  all.letters_max = kRetryMax;
  auto letters = list(all);
  if (!letters) return done(std::unexpected(letters.error()));
  std::erase_if(*letters, [](const Letter& letter) { return letter.state != LetterState::kOpen; });
  go_on(std::make_shared<Retry>(Retry{std::move(*letters), 0, std::move(done)}));
}

void Letters::go_on(const std::shared_ptr<Retry>& retry) {
  if (retry->next == retry->letters.size()) return retry->done(retry->next);
  const auto first = retry->letters.begin() + static_cast<std::ptrdiff_t>(retry->next);
  const auto count = std::min(kAtOnce, retry->letters.size() - retry->next);
  auto work = transaction({first, first + static_cast<std::ptrdiff_t>(count)});
  if (!work) return retry->done(std::unexpected(work.error()));
  log_.transact(std::move(*work), executor_, [this, retry, count](base::Result<log::Committed> committed) {
    if (!committed) return retry->done(std::unexpected(committed.error()));
    retry->next += count;
    go_on(retry);
  });
}

base::Result<log::Transaction> Letters::transaction(const std::vector<Letter>& letters) const {
  log::Transaction out;
  for (const auto& letter : letters) {
    const auto owned = owned_.find(letter.partition);
    if (owned == owned_.end()) return base::fail(base::Errc::kUnavailable, "the letters are another process's; try again");
    const auto same = [&](const log::Ownership& owner) { return owner.partition == letter.partition; };
    if (std::ranges::none_of(out.owners, same)) {
      out.owners.push_back({std::string(kGroup), letter.partition, owned->second});
      MH_TRY_VOID(forget_expired(out, letter.partition));
    }
    out.appends.push_back(MH_TRY(again(letter)));
    out.state.push_back({std::string(kGroup), letter.partition, state_key(letter.offset), std::string(kRetried)});
  }
  return out;
}

// States of letters that retention has taken.
base::Result<void> Letters::forget_expired(log::Transaction& transaction, log::TopicPartition partition) const {
  const auto first = state_key(MH_TRY(log_.bounds(partition)).first);
  return log_.scan_state(kGroup, partition, "letter-", [&](std::string_view name, std::string_view) {
    if (name >= first) return false;
    transaction.state.push_back({std::string(kGroup), partition, std::string(name), std::nullopt});
    return true;
  });
}

base::Result<log::Append> Letters::again(const Letter& letter) const {
  auto record = letter.record;
  if (is_from_deduplication(letter)) {
    record.properties.reason.clear();
    const auto decoded = MH_TRY(log_.topic(log::topics::kDecoded));
    const auto partition = base::partition_of(base::shard_of(record.properties.meter), log_.partitions(decoded));
    return log::Append{{decoded, partition}, std::move(record)};
  }
  return log::Append{{MH_TRY(log_.topic(log::topics::kRetry)), base::PartitionId(0)}, std::move(record)};
}

}  // namespace meterhub::app
