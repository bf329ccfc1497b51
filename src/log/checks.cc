#include "checks.h"

#include <algorithm>

#include <meterhub/log/record_format.h>

namespace meterhub::log {
namespace {

constexpr std::size_t kSmall = 64;  // an offset, a name's frame
constexpr std::uint32_t kPartitionsLimit = 1024;

bool owned(const Transaction& transaction, std::string_view group, TopicPartition partition) {
  return std::ranges::any_of(transaction.owners, [&](const Ownership& owner) {
    return owner.partition == partition && owner.group == group;
  });
}

// Also of another log's partition of the same number: a stage that reads one log may say how much of
// another it needs.
bool offset_owned(const Transaction& transaction, const OffsetCommit& commit) {
  return std::ranges::any_of(transaction.owners, [&](const Ownership& owner) {
    return owner.partition.partition == commit.partition.partition && owner.group == commit.group;
  });
}

}  // namespace

std::size_t transaction_size(const Transaction& transaction) {
  std::size_t size = kSmall * (1 + transaction.offsets.size() + transaction.state.size());
  size += transaction.appends.bytes();
  for (const auto& write : transaction.state) size += write.name.size() + (write.value ? write.value->size() : 0);
  return size;
}

base::Result<void> check_shape(const Transaction& transaction, std::size_t size) {
  if (size > kTransactionLimit) return base::fail(base::Errc::kTooLarge, "a transaction holds at most 64 MiB");
  const auto good_offset = [&](const OffsetCommit& commit) { return offset_owned(transaction, commit); };
  const auto good_state = [&](const StateWrite& write) { return owned(transaction, write.group, write.partition); };
  if (!std::ranges::all_of(transaction.offsets, good_offset) || !std::ranges::all_of(transaction.state, good_state)) {
    return base::fail(base::Errc::kInvalidArgument, "offsets and state are written by the owner of the partition");
  }
  return {};
}

base::Result<void> check_quota(const Transaction& transaction, double fill) {
  const double limit = transaction.writer == Writer::kOutside ? kOutsideLimit : kInnerLimit;
  if (transaction.appends.empty() || fill < limit) return {};
  return base::fail(base::Errc::kResourceExhausted, "the logs are full");
}

base::Result<void> check_spec(const TopicSpec& spec) {
  if (spec.name.empty() || spec.name.size() > 255) {
    return base::fail(base::Errc::kInvalidArgument, "a log's name has 1 to 255 bytes");
  }
  if (spec.partitions == 0 || spec.partitions > kPartitionsLimit) {
    return base::fail(base::Errc::kInvalidArgument, "log " + spec.name + ": 1 to 1024 partitions");
  }
  return {};
}

}  // namespace meterhub::log
