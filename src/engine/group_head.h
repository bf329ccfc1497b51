// What every group keeps beside its aggregates.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "grouping.h"

namespace meterhub::engine {

class GroupHead {
 public:
  GroupHead() = default;
  explicit GroupHead(const GroupedRow& row) : tenant_(row.tenant) {
    if (!row.original.empty()) original_ = std::make_unique<std::string>(row.original);
  }

  // Another row of the group.
  void join(std::uint32_t tenant) {
    if (tenant != tenant_) tenant_ = 0;
  }
  WindowState::Group group() const { return {original_ ? std::string_view(*original_) : std::string_view(), tenant_}; }

  void save(std::string& out) const {
    pack_number(out, tenant_);
    pack_bytes(out, group().original);
  }
  void load(Unpacker& from) {
    tenant_ = static_cast<std::uint32_t>(from.number());
    const auto original = from.bytes();
    if (!original.empty()) original_ = std::make_unique<std::string>(original);
  }

 private:
  std::unique_ptr<std::string> original_;  // the key's values, where the key's bytes do not keep them
  std::uint32_t tenant_ = 0;
};

}  // namespace meterhub::engine
