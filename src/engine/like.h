// LIKE and PATINDEX patterns: % any text, _ one character, [a-c] and [^a-c] classes.
#pragma once

#include <cstddef>
#include <string_view>

namespace meterhub::engine {

// The whole text. `escape`: one character that takes the next one literally, or empty.
// Time is bounded by text × pattern, whatever the pattern.
bool matches_like(std::string_view text, std::string_view pattern, std::string_view escape = {});

// Bytes of the UTF-8 character that begins at `at`; 1 for bytes that begin none.
std::size_t character_bytes(std::string_view text, std::size_t at);
// Characters in the text.
std::size_t character_count(std::string_view text);
// Byte position of the n-th character (from 0), or the text's size.
std::size_t character_position(std::string_view text, std::size_t n);

}  // namespace meterhub::engine
