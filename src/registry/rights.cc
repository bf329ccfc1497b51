#include <algorithm>
#include <array>

#include <meterhub/registry/entities.h>

namespace meterhub::registry {
namespace {

constexpr std::array<std::string_view, 4> kNames{"read", "operate", "manage", "admin"};

}  // namespace

std::string_view right_name(Right right) { return kNames[static_cast<std::size_t>(right)]; }

base::Result<Right> parse_right(std::string_view name) {
  const auto found = std::ranges::find(kNames, name);
  if (found != kNames.end()) return static_cast<Right>(found - kNames.begin());
  return base::fail(base::Errc::kInvalidArgument, "a right is one of read, operate, manage, admin");
}

}  // namespace meterhub::registry
