// AES-128 and AES-CMAC (RFC 4493), one call a message and in batches. The batch calls run
// on an AES-NI kernel that works on eight keys at once where the processor has the
// instructions, else on OpenSSL; results are the same. Keys are expanded on every call and
// wiped after it: no schedule is kept per device. Any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <meterhub/base/bytes.h>

namespace meterhub::crypto {

using Key128 = std::array<std::uint8_t, 16>;
using Block = std::array<std::uint8_t, 16>;

// One block in ECB mode. Decryption is what a LoRaWAN join-accept is made with.
Block aes128_encrypt(const Key128& key, const Block& plain);
Block aes128_decrypt(const Key128& key, const Block& cipher);

// The whole 16-byte tag; LoRaWAN's MIC is its first four bytes.
Block aes_cmac(const Key128& key, base::BytesView message);

// Tag of one message under one key. The views must outlive the call.
struct CmacJob {
  const Key128* key = nullptr;
  base::BytesView message;
  Block tag{};  // out
};
void aes_cmac_batch(std::span<CmacJob> jobs);

// Blocks to encrypt in place (ECB) under one key: a counter mode's key stream.
struct EncryptJob {
  const Key128* key = nullptr;
  std::span<Block> blocks;
};
void aes128_encrypt_batch(std::span<EncryptJob> jobs);

// True when the batch calls use the AES-NI kernel.
bool aes_kernel_available();

}  // namespace meterhub::crypto
