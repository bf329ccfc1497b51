#include <meterhub/registry/exchanges.h>

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace meterhub::registry {
namespace {

constexpr std::size_t kDecimals = 3;

bool all_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

base::Result<std::int64_t> litres_of(std::string_view cubic_metres) {
  const auto point = cubic_metres.find('.');
  const bool has_point = point != cubic_metres.npos;
  const auto whole = cubic_metres.substr(0, point);
  const auto part = has_point ? cubic_metres.substr(point + 1) : std::string_view();
  std::int64_t litres = 0;
  bool good = all_digits(whole) && whole.size() <= 10 && (!has_point || (all_digits(part) && part.size() <= kDecimals));
  if (good) {
    std::string digits(whole);
    digits += part;
    digits.append(kDecimals - part.size(), '0');
    std::from_chars(digits.data(), digits.data() + digits.size(), litres);
    good = litres <= kExchangeLitresMax;
  }
  if (good) return litres;
  return base::fail(base::Errc::kInvalidArgument, "cubic metres are expected, with up to three decimals, as 1234.567");
}

std::string cubic_metres_text(std::int64_t litres) { return fmt::format("{}.{:03}", litres / 1000, litres % 1000); }

}  // namespace meterhub::registry
