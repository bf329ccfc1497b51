// Bodies of a vendor's own shape, for trying plug-ins and vendors' network servers: what
// examples/plugin-xor opens.
#pragma once

#include <string>
#include <string_view>

#include <meterhub/base/bytes.h>
#include <meterhub/base/ids.h>

namespace meterhub::sim {

inline constexpr std::size_t kXorKeyMax = 32;

// One reading as it stands in a body. `key`: 1 to kXorKeyMax bytes; `payload`: at most 255.
std::string xor_reading(base::Eui64 meter, std::uint32_t counter, base::BytesView payload, std::string_view key);
// A gateway's body of readings, one behind the other.
std::string xor_body(base::Eui64 gateway, std::string_view readings);

}  // namespace meterhub::sim
