#include <meterhub/crypto/aes.h>

#include <algorithm>

#include <meterhub/base/assert.h>

#include "aes_engine.h"
#include "handles.h"

namespace meterhub::crypto {
namespace {

// One key's cipher in ECB mode. The library wipes the schedule when the context goes.
class Ecb {
 public:
  Ecb(const Key128& key, bool encrypt) : context_(EVP_CIPHER_CTX_new()) {
    MH_ASSERT(context_ != nullptr);
    static const EVP_CIPHER* const cipher = EVP_aes_128_ecb();
    MH_ASSERT(EVP_CipherInit_ex2(context_.get(), cipher, key.data(), nullptr, encrypt ? 1 : 0, nullptr) == 1);
    EVP_CIPHER_CTX_set_padding(context_.get(), 0);
  }
  void run(std::uint8_t* blocks, std::size_t size) {
    int written = 0;
    MH_ASSERT(EVP_CipherUpdate(context_.get(), blocks, &written, blocks, static_cast<int>(size)) == 1);
  }

 private:
  CipherContext context_;
};

void xor_into(Block& target, const std::uint8_t* other, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) target[i] = static_cast<std::uint8_t>(target[i] ^ other[i]);
}

// Doubling in GF(2^128), RFC 4493 section 2.3; no branch on the secret.
Block doubled(const Block& value) {
  Block out{};
  for (std::size_t i = 0; i < 16; ++i) {
    const unsigned low = i + 1 < 16 ? value[i + 1] >> 7 : 0U;
    out[i] = static_cast<std::uint8_t>(value[i] << 1 | low);
  }
  out[15] = static_cast<std::uint8_t>(out[15] ^ (0x87U & (0U - (value[0] >> 7U))));
  return out;
}

Block cmac(const Key128& key, base::BytesView message) {
  Ecb cipher(key, true);
  Block sub_key{};
  cipher.run(sub_key.data(), sub_key.size());
  sub_key = doubled(sub_key);
  const std::size_t whole = message.empty() ? 0 : (message.size() - 1) / 16;  // blocks before the last
  Block state{};
  for (std::size_t i = 0; i < whole; ++i) {
    xor_into(state, message.data() + 16 * i, 16);
    cipher.run(state.data(), state.size());
  }
  const base::BytesView last = message.subspan(16 * whole);
  if (last.size() < 16) {
    sub_key = doubled(sub_key);
    state[last.size()] ^= 0x80;
  }
  xor_into(state, last.data(), last.size());
  xor_into(state, sub_key.data(), 16);
  cipher.run(state.data(), state.size());
  return state;
}

}  // namespace

void evp_cmac_batch(std::span<CmacJob> jobs) {
  for (CmacJob& job : jobs) job.tag = cmac(*job.key, job.message);
}

void evp_encrypt_batch(std::span<EncryptJob> jobs) {
  for (EncryptJob& job : jobs) {
    if (!job.blocks.empty()) Ecb(*job.key, true).run(job.blocks.front().data(), job.blocks.size_bytes());
  }
}

Block aes128_encrypt(const Key128& key, const Block& plain) {
  Block out = plain;
  Ecb(key, true).run(out.data(), out.size());
  return out;
}

Block aes128_decrypt(const Key128& key, const Block& cipher) {
  Block out = cipher;
  Ecb(key, false).run(out.data(), out.size());
  return out;
}

Block aes_cmac(const Key128& key, base::BytesView message) {
  CmacJob job{&key, message, {}};
  aes_cmac_batch({&job, 1});
  return job.tag;
}

bool aes_kernel_available() {
  static const bool available = kernel_supported();
  return available;
}

void aes_cmac_batch(std::span<CmacJob> jobs) {
  aes_kernel_available() ? kernel_cmac_batch(jobs) : evp_cmac_batch(jobs);
}

void aes128_encrypt_batch(std::span<EncryptJob> jobs) {
  aes_kernel_available() ? kernel_encrypt_batch(jobs) : evp_encrypt_batch(jobs);
}

}  // namespace meterhub::crypto
