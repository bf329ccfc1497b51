#include <meterhub/crypto/secret.h>

#include <string.h>  // NOLINT(modernize-deprecated-headers): explicit_bzero

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <meterhub/base/assert.h>

namespace meterhub::crypto {

void random_bytes(std::span<std::uint8_t> out) { MH_ASSERT(RAND_bytes(out.data(), static_cast<int>(out.size())) == 1); }

base::Bytes random_bytes(std::size_t count) {
  base::Bytes out(count);
  random_bytes(std::span(out));
  return out;
}

bool equal_constant_time(base::BytesView a, base::BytesView b) {
  return a.size() == b.size() && (a.empty() || CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0);
}

void wipe(std::span<std::uint8_t> bytes) {
  if (!bytes.empty()) explicit_bzero(bytes.data(), bytes.size());  // which takes no null pointer
}

void wipe(std::string& text) {
  explicit_bzero(text.data(), text.size());
  text.clear();
}

}  // namespace meterhub::crypto
