#include "key_digest.h"

#include <algorithm>
#include <span>

#include <meterhub/base/bytes.h>
#include <meterhub/crypto/hash.h>

namespace meterhub::engine {
namespace {

constexpr std::size_t kHeld = 15;
constexpr unsigned char kHashed = 255;

}  // namespace

Digest digest_of(std::string_view key) {
  Digest out{};
  if (key.size() <= kHeld) {
    out.front() = static_cast<char>(key.size());
    std::ranges::copy(key, out.begin() + 1);
    return out;
  }
  const auto hash = crypto::sha256(base::as_bytes(key));
  out.front() = static_cast<char>(kHashed);
  std::ranges::transform(std::span(hash).first(kHeld), out.begin() + 1,
                         [](std::uint8_t byte) { return static_cast<char>(byte); });
  return out;
}

bool is_digest(const Digest& digest) {
  const auto first = static_cast<unsigned char>(digest.front());
  return first <= kHeld || first == kHashed;
}

}  // namespace meterhub::engine
