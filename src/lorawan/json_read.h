// Reading values out of a parsed document: absent or of another type gives nothing. Private.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string_view>

namespace meterhub::lorawan {

inline std::optional<double> number_in(simdjson::dom::element value) {
  double out = 0;
  return value.get(out) == simdjson::SUCCESS ? std::optional(out) : std::nullopt;
}

inline std::optional<std::uint32_t> uint32_in(simdjson::dom::element value) {
  std::uint64_t out = 0;
  if (value.get(out) != simdjson::SUCCESS || out > UINT32_MAX) return std::nullopt;
  return static_cast<std::uint32_t>(out);
}

// Texts longer than `size_max` count as absent: they would be carried through every stage.
inline std::optional<std::string_view> text_in(simdjson::dom::element value, std::size_t size_max) {
  std::string_view out;
  if (value.get(out) != simdjson::SUCCESS || out.size() > size_max) return std::nullopt;
  return out;
}

}  // namespace meterhub::lorawan
