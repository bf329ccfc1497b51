// Values in fewest bytes: as packed.h has them, and four kinds more, of which meters send most. Used
// where an operator keeps a million values and more; whoever reads one gives room for its text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "packed.h"

namespace meterhub::engine {

// Appends the value: as pack() does, or shorter (docs/formats/job-state.md). Reading gives it back
// as it was, to the bit and the digit.
void pack_tight(std::string& out, const Value& value);
// Reads either form. A text that does not stand in the bytes is made in the arena.
Value take_tight(Unpacker& from, Arena& arena);
Value take_tight_behind(std::uint8_t tag, Unpacker& from, Arena& arena);  // whose first byte was read before

// A difference of times in the largest unit that it is a multiple of, which its two lowest bits say. Not negative.
void pack_step(std::string& out, Ticks step);
Ticks take_step(Unpacker& from);
// A byte that begins no step: the step is the same as the one before, and a value follows of which
// the first byte was `tag`. Nothing: of such a value it cannot be said.
std::optional<std::uint8_t> same_step_byte(std::uint8_t tag);
// The tag; nothing for a byte that begins a step.
std::optional<std::uint8_t> tag_of_same_step(std::uint8_t byte);
// A time, in five bytes when it is of whole seconds since 1970.
void pack_time(std::string& out, Ticks time);
Ticks take_time(Unpacker& from);

}  // namespace meterhub::engine
