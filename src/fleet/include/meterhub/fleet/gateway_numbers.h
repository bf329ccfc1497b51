// Small numbers for gateways, so that each meter can remember one in two bytes. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace meterhub::fleet {

// Numbers are good for the life of the object only: snapshots hold ids. One thread.
class GatewayNumbers {
 public:
  static constexpr std::size_t kMost = 65'535;

  // The gateway's number, given out when it is new. 0: no gateway, or more than kMost were seen.
  std::uint16_t number(std::string_view id);
  // Empty for 0 and for numbers that were not given out.
  const std::string& id(std::uint16_t number) const;
  // One more than the highest number.
  std::size_t end() const { return ids_.size(); }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view id) const { return std::hash<std::string_view>()(id); }
  };

  std::vector<std::string> ids_{std::string()};
  std::unordered_map<std::string, std::uint16_t, Hash, std::equal_to<>> numbers_;
  // Of the last call: readings come in runs of one gateway.
  std::uint16_t last_ = 0;
};

}  // namespace meterhub::fleet
