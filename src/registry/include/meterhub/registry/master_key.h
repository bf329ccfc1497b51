// The key under which all keys at rest are sealed (AES-256-GCM).
#pragma once

#include <filesystem>
#include <string_view>

#include <meterhub/base/result.h>
#include <meterhub/crypto/aead.h>

namespace meterhub::registry {

// Reads the file (64 hex digits and a newline), or makes it with a random key, mode 0600,
// durably, when it is not there. kForbidden when others may read it, kCorrupt when it is
// not a key. A lost master key cannot be replaced: the docs tell users to keep a copy.
base::Result<crypto::Key256> load_or_make_master_key(const std::filesystem::path& file);
// The same for the key of a registry: made only while there is no registry that another key sealed.
// kNotFound names the file that must come back.
base::Result<crypto::Key256> master_key_of(const std::filesystem::path& registry, const std::filesystem::path& file);
// Reads it; kNotFound when it is not there.
base::Result<crypto::Key256> load_master_key(const std::filesystem::path& file);
// From text, as an environment variable gives it.
base::Result<crypto::Key256> parse_master_key(std::string_view hex);

}  // namespace meterhub::registry
