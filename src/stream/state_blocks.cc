#include "state_blocks.h"

#include <algorithm>

#include <meterhub/base/byte_io.h>

namespace meterhub::stream {
namespace {

// Value: the block's 16 bytes, then the minute since 1970 in which it was put.
constexpr std::size_t kValueSize = 20;

std::string encode(const dedup::Block& block, base::Timestamp now) {
  std::string out(reinterpret_cast<const char*>(block.data()), block.size());
  base::ByteWriter(out).number(static_cast<std::uint32_t>(
      std::chrono::duration_cast<std::chrono::minutes>(now.time_since_epoch()).count()));
  return out;
}

base::Timestamp put_at(std::string_view value) {
  return base::Timestamp(std::chrono::minutes(base::ByteReader(value.substr(16)).number<std::uint32_t>()));
}

}  // namespace

StateBlocks::StateBlocks(const log::Log& log, log::TopicPartition partition) : log_(log), partition_(partition) {}

base::Result<std::optional<dedup::Block>> StateBlocks::get(const dedup::BlockKey& key) {
  const auto name = key.name();
  if (const auto it = pending_.find(name); it != pending_.end()) return it->second;
  const auto value = MH_TRY(log_.state(log::groups::kDeduplication, partition_, name));
  if (!value) return std::nullopt;
  if (value->size() != kValueSize) return base::fail(base::Errc::kCorrupt, "a block of seen counters has the wrong size");
  if (now_ - put_at(*value) > dedup::kBlockLifetime) return std::nullopt;
  dedup::Block block;
  std::copy_n(reinterpret_cast<const std::uint8_t*>(value->data()), block.size(), block.begin());
  return block;
}

void StateBlocks::put(const dedup::BlockKey& key, const dedup::Block& block) { pending_[key.name()] = block; }

void StateBlocks::collect(std::vector<log::StateWrite>& out) const {
  for (const auto& [name, block] : pending_) {
    out.push_back({std::string(log::groups::kDeduplication), partition_, name, encode(block, now_)});
  }
}

base::Result<void> StateBlocks::sweep(base::MeterNumber meter, std::vector<log::StateWrite>& out) const {
  // The first nine characters of a name are its meter (dedup::BlockKey::name).
  const auto prefix = dedup::BlockKey{meter, {}, {}, 0}.name().substr(0, 9);
  return log_.scan_state(log::groups::kDeduplication, partition_, prefix, [&](std::string_view name, std::string_view value) {
    const bool expired = value.size() != kValueSize || now_ - put_at(value) > dedup::kBlockLifetime;
    if (expired) out.push_back({std::string(log::groups::kDeduplication), partition_, std::string(name), std::nullopt});
    return true;
  });
}

}  // namespace meterhub::stream
