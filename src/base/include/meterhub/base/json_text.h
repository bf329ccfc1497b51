// Pieces of JSON text for writers on the hot path. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace meterhub::base {

// With quotes; escapes what JSON requires. The text must be UTF-8.
void append_json_string(std::string& out, std::string_view text);

// Shortest text that reads back as the same number ("481.5", "9"); null for what JSON cannot say.
void append_json_number(std::string& out, double value);
void append_json_number(std::string& out, std::int64_t value);
void append_json_number(std::string& out, std::uint64_t value);

}  // namespace meterhub::base
