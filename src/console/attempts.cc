#include "attempts.h"

#include <algorithm>

namespace meterhub::console {
namespace {

constexpr std::size_t kGoodMax = 64;

}  // namespace

Attempts::Tries& Attempts::of(const net::Address& from) {
  auto& out = tries_[from.ip];
  if (tries_.size() <= kAddressesMax) return out;
  const auto oldest = std::ranges::min_element(tries_, {}, [&](const auto& entry) {
    return entry.first == from.ip ? base::MonotonicTime::max() : entry.second.begin;
  });
  tries_.erase(oldest);
  return out;
}

bool Attempts::is_limited(const net::Address& from, base::MonotonicTime now) const {
  const auto found = tries_.find(from.ip);
  return found != tries_.end() && found->second.wrong >= kWrongMax && now - found->second.begin < kWindow;
}

void Attempts::wrong(const net::Address& from, base::MonotonicTime now) {
  auto& tries = of(from);
  if (tries.wrong == 0 || now - tries.begin >= kWindow) {
    tries.begin = now;
    tries.wrong = 0;
  }
  ++tries.wrong;
}

void Attempts::good(const net::Address& from, std::uint32_t key) {
  auto& keys = of(from).good;
  const auto place = std::ranges::lower_bound(keys, key);
  if ((place != keys.end() && *place == key) || keys.size() >= kGoodMax) return;
  keys.insert(place, key);
}

bool Attempts::was_good(const net::Address& from, std::uint32_t key) const {
  const auto found = tries_.find(from.ip);
  return found != tries_.end() && std::ranges::binary_search(found->second.good, key);
}

}  // namespace meterhub::console
