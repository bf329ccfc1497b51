// Keys of any length in 16 bytes, for sets that must only tell whether a key was there.
#pragma once

#include <array>
#include <string_view>

namespace meterhub::engine {

using Digest = std::array<char, 16>;

// A key of up to 15 bytes as it is, behind its size; of a longer one SHA-256, cut to 15 bytes,
// behind 255. Two keys of a billion have the same with a chance of 4e-19; and since it is
// SHA-256, nobody can choose a payload so that another one counts as seen. The same for ever:
// checkpoints hold it.
Digest digest_of(std::string_view key);
// Whether it can be one, by its first byte.
bool is_digest(const Digest& digest);

}  // namespace meterhub::engine
