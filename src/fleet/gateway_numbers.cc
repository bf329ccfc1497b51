#include <meterhub/fleet/gateway_numbers.h>

namespace meterhub::fleet {

std::uint16_t GatewayNumbers::number(std::string_view id) {
  if (id.empty()) return 0;
  if (last_ != 0 && ids_[last_] == id) return last_;
  if (const auto found = numbers_.find(id); found != numbers_.end()) return last_ = found->second;
  if (ids_.size() > kMost) return 0;
  last_ = static_cast<std::uint16_t>(ids_.size());
  ids_.emplace_back(id);
  numbers_.emplace(ids_.back(), last_);
  return last_;
}

const std::string& GatewayNumbers::id(std::uint16_t number) const { return ids_[number < ids_.size() ? number : 0]; }

}  // namespace meterhub::fleet
