#include <meterhub/lorawan/radio.h>

#include <algorithm>
#include <limits>
#include <tuple>

namespace meterhub::lorawan {
namespace {

// Sorts missing values behind all others when read high to low.
double or_lowest(const std::optional<double>& value) { return value.value_or(-std::numeric_limits<double>::infinity()); }

bool better(const Reception& a, const Reception& b) {
  const auto rank = [](const Reception& r) { return std::tuple(-or_lowest(r.lsnr), -or_lowest(r.rssi), r.gateway.value); };
  return rank(a) < rank(b);
}

}  // namespace

void merge_receptions(std::vector<Reception>& receptions) {
  if (receptions.size() < 2) return;
  std::vector<Reception> kept;
  kept.reserve(receptions.size());
  std::ranges::stable_sort(receptions, better);
  for (Reception& reception : receptions) {
    // Identical ones have the same rank, so only the end of the list can hold one.
    const auto same_rank = std::find_if(kept.rbegin(), kept.rend(), [&](const Reception& k) { return better(k, reception); });
    if (std::find(kept.rbegin(), same_rank, reception) == same_rank) kept.push_back(reception);
  }
  receptions = std::move(kept);
}

std::chrono::microseconds airtime(const LoraSettings& settings, std::size_t phy_bytes) {
  const std::int64_t factor = settings.spreading_factor;
  // Low data rate optimisation from symbols of 16 ms on.
  const std::int64_t symbol_us = (std::int64_t{1} << factor) * 1'000'000 / settings.bandwidth_hz;
  const std::int64_t reduced = symbol_us >= 16'000 ? 2 : 0;
  const std::int64_t bits = 8 * static_cast<std::int64_t>(phy_bytes) - 4 * factor + 28 + 16;
  const std::int64_t per_code_word = 4 * (factor - reduced);
  const std::int64_t code_words = bits > 0 ? (bits + per_code_word - 1) / per_code_word : 0;
  const std::int64_t payload_symbols = 8 + code_words * settings.coding_rate;
  const std::int64_t quarter_symbols = 4 * (settings.preamble_symbols + 4 + payload_symbols) + 1;
  return std::chrono::microseconds((quarter_symbols << factor) * 1'000'000 / (4 * std::int64_t{settings.bandwidth_hz}));
}

}  // namespace meterhub::lorawan
