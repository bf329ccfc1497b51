// AES-256-GCM for keys at rest. Any thread.
#pragma once

#include <array>
#include <cstdint>

#include <meterhub/base/bytes.h>
#include <meterhub/base/result.h>

namespace meterhub::crypto {

using Key256 = std::array<std::uint8_t, 32>;

// Sealed form: nonce (12) | ciphertext | tag (16) (docs/formats/sealed.md). The nonce is random.
inline constexpr std::size_t kSealOverhead = 28;

// `context` is bound but not stored: what opens must give the same (for example table, row
// and column), so a sealed value cannot be moved elsewhere.
base::Bytes seal(const Key256& key, base::BytesView plain, base::BytesView context = {});

// kCorrupt when the key, the context or a bit is another; nothing of the plaintext is given out.
base::Result<base::Bytes> open(const Key256& key, base::BytesView sealed, base::BytesView context = {});

}  // namespace meterhub::crypto
