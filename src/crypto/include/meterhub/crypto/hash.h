// SHA-256 and HMAC-SHA256. Any thread.
#pragma once

#include <array>
#include <cstdint>

#include <meterhub/base/bytes.h>

namespace meterhub::crypto {

using Digest256 = std::array<std::uint8_t, 32>;

Digest256 sha256(base::BytesView bytes);
Digest256 hmac_sha256(base::BytesView key, base::BytesView message);

}  // namespace meterhub::crypto
