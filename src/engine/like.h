// LIKE and PATINDEX patterns: % any text, _ one character, [a-c] and [^a-c] classes.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace meterhub::engine {

// The whole text. `escape`: one character that takes the next one literally, or empty.
// Time is bounded by text × pattern, whatever the pattern.
bool matches_like(std::string_view text, std::string_view pattern, std::string_view escape = {});

// Where in the text the first match of the pattern begins, in bytes: of what stands behind a
// leading %, else 0 (PATINDEX). Nothing when the whole text does not match.
std::optional<std::size_t> find_like(std::string_view text, std::string_view pattern);

// Bytes of the UTF-8 character that begins at `at`; 1 for bytes that begin none.
std::size_t character_bytes(std::string_view text, std::size_t at);
// Characters in the text.
std::size_t character_count(std::string_view text);
// Byte position of the n-th character (from 0), or the text's size.
std::size_t character_position(std::string_view text, std::size_t n);
// The Unicode number of a character's bytes; U+FFFD when they are none.
char32_t code_point(std::string_view character);
// The bytes of the character with this number, which must not be a surrogate.
std::string utf8(char32_t number);

}  // namespace meterhub::engine
