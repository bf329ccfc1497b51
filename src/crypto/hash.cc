#include <meterhub/crypto/hash.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <meterhub/base/assert.h>

namespace meterhub::crypto {

Digest256 sha256(base::BytesView bytes) {
  Digest256 out;
  unsigned size = 0;
  MH_ASSERT(EVP_Digest(bytes.data(), bytes.size(), out.data(), &size, EVP_sha256(), nullptr) == 1);
  return out;
}

Digest256 hmac_sha256(base::BytesView key, base::BytesView message) {
  // The library takes a null key pointer for "keep the last key", so an empty key needs an address.
  static constexpr std::uint8_t kNothing = 0;
  Digest256 out;
  unsigned size = 0;
  const std::uint8_t* bytes = key.empty() ? &kNothing : key.data();
  MH_ASSERT(HMAC(EVP_sha256(), bytes, static_cast<int>(key.size()), message.data(), message.size(), out.data(), &size) != nullptr);
  return out;
}

}  // namespace meterhub::crypto
