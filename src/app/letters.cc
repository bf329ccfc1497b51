#include "letters.h"

#include <algorithm>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include <meterhub/log/record_format.h>

#include "logs.h"
#include "trace.h"

namespace meterhub::app {
namespace {

constexpr std::string_view kGroup = "letters";
constexpr std::string_view kLogs[] = {log::topics::kDeadletter, log::topics::kNoise};
constexpr std::string_view kRetried = "retried";
// Letters of one transaction.
constexpr std::size_t kAtOnce = 500;
// Their bytes, of the 64 MiB that one may have.
constexpr std::size_t kBytesAtOnce = 16 << 20;
// Letters in memory: of one round of a retry, and their bytes whoever asked.
constexpr std::size_t kRoundMax = 10'000;
constexpr std::size_t kBytesMax = 64 << 20;

// Names sort as offsets do.
std::string state_key(base::Offset offset) { return fmt::format("letter-{:020}", offset.value); }

using PacketKey = std::tuple<std::string, base::PartitionId, base::Offset, std::uint32_t>;
PacketKey packet_of(const log::Properties& properties) {
  const auto& origin = properties.origin;
  return {origin.log, origin.partition, origin.offset, origin.index};
}

std::size_t size_of(const Letter& letter) { return log::approximate_size(letter.record); }

// Leaves the newest, in order of time. Returns their bytes.
std::size_t keep_newest(std::vector<Letter>& letters, std::size_t most) {
  std::ranges::stable_sort(letters, {}, &Letter::time);
  std::size_t bytes = 0;
  std::size_t kept = 0;
  while (kept < std::min(most, letters.size())) {
    const auto size = size_of(letters[letters.size() - 1 - kept]);
    if (kept > 0 && bytes + size > kBytesMax) break;
    bytes += size;
    ++kept;
  }
  letters.erase(letters.begin(), letters.end() - static_cast<std::ptrdiff_t>(kept));
  return bytes;
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
  LetterQuery query;
  Ends ends;  // what comes back meanwhile is not taken up again
  std::vector<Letter> letters;  // of this round
  std::size_t next = 0;
  std::size_t driven = 0;
  // Readings driven again: of several gateways' copies of one, the first, or jobs would judge it several times.
  std::set<std::tuple<base::MeterNumber, base::SessionNumber, std::uint32_t, std::string>> readings;
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

base::Result<void> Letters::each_partition(
    const std::function<base::Result<void>(std::string_view log, log::TopicPartition)>& visit) const {
  for (const auto name : kLogs) {
    const auto topic = MH_TRY(log_.topic(name));
    for (std::uint32_t number = 0; number < log_.partitions(topic); ++number) {
      MH_TRY_VOID(visit(name, {topic, base::PartitionId(number)}));
    }
  }
  return {};
}

base::Result<void> Letters::each(base::Timestamp since, const Visit& visit) const {
  return each_partition([&](std::string_view name, log::TopicPartition partition) {
    return scan(log_, partition, since, [&](const log::RecordView& record) { return visit(name, partition, record); });
  });
}

base::Result<bool> Letters::is_driven(log::TopicPartition partition, base::Offset offset) const {
  return MH_TRY(log_.state(kGroup, partition, state_key(offset))).has_value();
}

base::Result<std::vector<Letter>> Letters::newest(const LetterQuery& query, const Ends* open_before) const {
  std::vector<Letter> out;
  std::size_t bytes = 0;
  base::Result<void> good;
  const auto take = [&](std::string_view log, log::TopicPartition partition, const log::RecordView& record) {
    if (open_before && record.offset >= open_before->at(partition)) return false;
    if (!query.reason.empty() && record.properties.reason != query.reason) return true;
    if (open_before) {
      const auto driven = is_driven(partition, record.offset);
      if (!driven) good = std::unexpected(driven.error());
      if (!driven || *driven) return driven.has_value();
    }
    out.push_back(letter_of(log, partition, record));
    bytes += size_of(out.back());
    if (out.size() >= 2 * query.letters_max || bytes >= 2 * kBytesMax) bytes = keep_newest(out, query.letters_max);
    return true;
  };
  MH_TRY_VOID(each(query.since, take));
  MH_TRY_VOID(std::move(good));
  keep_newest(out, query.letters_max);
  return out;
}

base::Result<std::vector<Letter>> Letters::list(const LetterQuery& query) const {
  auto out = MH_TRY(newest(query, nullptr));
  MH_TRY_VOID(judge(out));
  return out;
}

// Those driven again are resolved once the connector has read all of `retry` and nothing of them came back.
base::Result<void> Letters::judge(std::vector<Letter>& letters) const {
  std::map<PacketKey, base::Timestamp> last;  // letter of each packet that was driven, whatever its reason
  auto since = base::Timestamp::max();
  for (auto& letter : letters) {
    if (!MH_TRY(is_driven(letter.partition, letter.offset))) continue;
    letter.state = LetterState::kRetried;
    last[packet_of(letter.record.properties)] = letter.time;
    since = std::min(since, letter.time);
  }
  if (last.empty()) return {};
  if (MH_TRY(backlog(log_, log::groups::kConnector, log::topics::kRetry, base::Timestamp{})).records > 0) return {};
  MH_TRY_VOID(each(since, [&](std::string_view, log::TopicPartition, const log::RecordView& record) {
    const auto found = last.find(packet_of(record.properties));
    if (found != last.end()) found->second = std::max(found->second, record.enqueued);
    return true;
  }));
  for (auto& letter : letters) {
    const bool came_back = letter.state == LetterState::kRetried && last[packet_of(letter.record.properties)] > letter.time;
    if (letter.state == LetterState::kRetried && !came_back) letter.state = LetterState::kResolved;
  }
  return {};
}

base::Result<std::size_t> Letters::count_open(const LetterQuery& query) const {
  std::size_t count = 0;
  base::Result<void> good;
  MH_TRY_VOID(each(query.since, [&](std::string_view, log::TopicPartition partition, const log::RecordView& record) {
    if (!query.reason.empty() && record.properties.reason != query.reason) return true;
    const auto driven = is_driven(partition, record.offset);
    if (!driven) good = std::unexpected(driven.error());
    if (driven && !*driven) ++count;
    return driven.has_value();
  }));
  MH_TRY_VOID(std::move(good));
  return count;
}

void Letters::retry(const LetterQuery& query, Done done) {
  auto retry = std::make_shared<Retry>();
  retry->query = query;
  retry->query.letters_max = kRoundMax;
  retry->done = std::move(done);
  const auto noted = each_partition([&](std::string_view, log::TopicPartition partition) -> base::Result<void> {
    retry->ends[partition] = MH_TRY(log_.bounds(partition)).next;
    return {};
  });
  if (!noted) return retry->done(std::unexpected(noted.error()));
  take_up(retry);
}

void Letters::take_up(const std::shared_ptr<Retry>& retry) {
  auto letters = newest(retry->query, &retry->ends);
  if (!letters) return retry->done(std::unexpected(letters.error()));
  if (letters->empty()) return retry->done(retry->driven);
  retry->letters = std::move(*letters);
  retry->next = 0;
  go_on(retry);
}

void Letters::go_on(const std::shared_ptr<Retry>& retry) {
  if (retry->next == retry->letters.size()) return take_up(retry);
  const auto rest = std::span<const Letter>(retry->letters).subspan(retry->next);
  std::size_t count = 0;
  for (std::size_t bytes = 0; count < std::min(kAtOnce, rest.size()); ++count) {
    bytes += size_of(rest[count]);
    if (count > 0 && bytes > kBytesAtOnce) break;
  }
  auto work = transaction(rest.first(count), *retry);
  if (!work) return retry->done(std::unexpected(work.error()));
  log_.transact(std::move(*work), executor_, [this, alive = std::weak_ptr(alive_), retry, count](base::Result<log::Committed> committed) {
    if (!committed) return retry->done(std::unexpected(committed.error()));
    if (alive.expired()) return retry->done(base::fail(base::Errc::kCancelled, "the platform is stopping"));
    retry->next += count;
    retry->driven += count;
    go_on(retry);
  });
}

base::Result<log::Transaction> Letters::transaction(std::span<const Letter> letters, Retry& retry) const {
  log::Transaction out;
  for (const auto& letter : letters) {
    const auto owned = owned_.find(letter.partition);
    if (owned == owned_.end()) return base::fail(base::Errc::kUnavailable, "the letters are another process's; try again");
    const auto same = [&](const log::Ownership& owner) { return owner.partition == letter.partition; };
    if (std::ranges::none_of(out.owners, same)) {
      out.owners.push_back({std::string(kGroup), letter.partition, owned->second});
      MH_TRY_VOID(forget_expired(out, letter.partition));
    }
    const auto& p = letter.record.properties;
    const bool names_reading = p.meter.value != 0 && !is_from_deduplication(letter);
    const bool is_copy = names_reading && !retry.readings.insert({p.meter, p.session, p.fcnt, p.reason}).second;
    if (!is_copy) out.appends.push_back(MH_TRY(again(letter)));
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
