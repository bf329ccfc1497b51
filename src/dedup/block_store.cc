#include <meterhub/dedup/block_store.h>

#include <fmt/format.h>

namespace meterhub::dedup {

std::string BlockKey::name() const {
  return fmt::format("b{:08x}{:08x}{:08x}{:08x}", meter.value, session.value, generation.value, index);
}

base::Result<std::optional<Block>> MemoryBlockStore::get(const BlockKey& key) {
  const auto found = blocks_.find(key);
  if (found == blocks_.end()) return std::nullopt;
  return found->second;
}

}  // namespace meterhub::dedup
