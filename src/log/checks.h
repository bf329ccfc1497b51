// What a transaction must satisfy in every engine, whatever is stored.
#pragma once

#include <meterhub/log/log.h>

namespace meterhub::log {

inline constexpr std::size_t kTransactionLimit = std::size_t{64} << 20;  // bytes, also of all that wait
inline constexpr double kOutsideLimit = 0.95;                            // of the quota
inline constexpr double kInnerLimit = 0.97;
// Logs without a limit of their own shrink from here on, so that the hub's 85 % is not reached.
inline constexpr double kShrinkAbove = 0.80;

// Bytes of appends, commits and state, as queues count them.
std::size_t transaction_size(const Transaction& transaction);
// kInvalidArgument when a commit or a state write comes without its ownership, kTooLarge.
base::Result<void> check_shape(const Transaction& transaction, std::size_t size);
// kResourceExhausted when the logs are too full for this writer. Commits and state always pass.
base::Result<void> check_quota(const Transaction& transaction, double fill);
// kInvalidArgument for a name or a number of partitions no engine could keep.
base::Result<void> check_spec(const TopicSpec& spec);

}  // namespace meterhub::log
