#include <meterhub/crypto/aead.h>

#include <algorithm>

#include <meterhub/base/assert.h>
#include <meterhub/crypto/secret.h>

#include "handles.h"

namespace meterhub::crypto {
namespace {

constexpr std::size_t kNonceSize = 12;
constexpr std::size_t kTagSize = 16;
static_assert(kNonceSize + kTagSize == kSealOverhead);

// Fetched once: asking the library by name costs as much as sealing a session's keys.
const EVP_CIPHER* cipher_of_all() {
  static EVP_CIPHER* const fetched = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);  // for the process's life
  MH_ASSERT(fetched != nullptr);
  return fetched;
}

// A context ready for data, its associated data taken in.
CipherContext start(const Key256& key, const std::uint8_t* nonce, base::BytesView context, bool encrypt) {
  CipherContext cipher(EVP_CIPHER_CTX_new());
  MH_ASSERT(cipher != nullptr);
  MH_ASSERT(EVP_CipherInit_ex2(cipher.get(), cipher_of_all(), key.data(), nonce, encrypt ? 1 : 0, nullptr) == 1);
  int written = 0;
  if (!context.empty()) {
    MH_ASSERT(EVP_CipherUpdate(cipher.get(), nullptr, &written, context.data(), static_cast<int>(context.size())) == 1);
  }
  return cipher;
}

void run(EVP_CIPHER_CTX* cipher, base::BytesView in, std::uint8_t* out) {
  int written = 0;
  if (in.empty()) return;
  MH_ASSERT(EVP_CipherUpdate(cipher, out, &written, in.data(), static_cast<int>(in.size())) == 1);
}

}  // namespace

base::Bytes seal(const Key256& key, base::BytesView plain, base::BytesView context) {
  base::Bytes out(plain.size() + kSealOverhead);
  random_bytes(std::span(out).first(kNonceSize));
  const CipherContext cipher = start(key, out.data(), context, true);
  run(cipher.get(), plain, out.data() + kNonceSize);
  std::uint8_t* tag = out.data() + kNonceSize + plain.size();
  int written = 0;
  MH_ASSERT(EVP_CipherFinal_ex(cipher.get(), tag, &written) == 1);
  MH_ASSERT(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTagSize, tag) == 1);
  return out;
}

base::Result<base::Bytes> open(const Key256& key, base::BytesView sealed, base::BytesView context) {
  if (sealed.size() < kSealOverhead) return base::fail(base::Errc::kCorrupt, "a sealed value is too short");
  const base::BytesView body = sealed.subspan(kNonceSize, sealed.size() - kSealOverhead);
  std::array<std::uint8_t, kTagSize> tag;
  std::copy_n(sealed.data() + sealed.size() - kTagSize, kTagSize, tag.begin());
  const CipherContext cipher = start(key, sealed.data(), context, false);
  base::Bytes out(body.size());
  run(cipher.get(), body, out.data());
  MH_ASSERT(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTagSize, tag.data()) == 1);
  int written = 0;
  std::uint8_t rest[kTagSize];
  if (EVP_CipherFinal_ex(cipher.get(), rest, &written) != 1) {
    wipe(std::span(out));
    return base::fail(base::Errc::kCorrupt, "a sealed value does not open: another key, place or content");
  }
  return out;
}

}  // namespace meterhub::crypto
