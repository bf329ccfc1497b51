// The two ways to run AES over batches. Private: aes.cc chooses once.
#pragma once

#include <span>

#include <meterhub/crypto/aes.h>

namespace meterhub::crypto {

// OpenSSL; the reference.
void evp_cmac_batch(std::span<CmacJob> jobs);
void evp_encrypt_batch(std::span<EncryptJob> jobs);

// AES-NI, eight keys interleaved. Only to be called when kernel_supported().
bool kernel_supported();
void kernel_cmac_batch(std::span<CmacJob> jobs);
void kernel_encrypt_batch(std::span<EncryptJob> jobs);

}  // namespace meterhub::crypto
