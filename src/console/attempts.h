// Wrong keys, counted by the address they come from. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/net/address.h>

namespace meterhub::console {

// An address that showed kWrongMax wrong keys within a minute learns nothing more until that minute is over:
// only keys that were good there before are looked at, so that a guess which happens to be right is
// not told from a wrong one, while neighbours behind the same proxy go on working. One thread.
class Attempts {
 public:
  static constexpr std::uint32_t kWrongMax = 20;
  static constexpr std::chrono::seconds kWindow{60};
  // Addresses that are remembered; beyond, the one that was wrong longest ago is forgotten.
  static constexpr std::size_t kAddressesMax = 1024;

  // True: answer no key of this address but those it used before.
  bool is_limited(const net::Address& from, base::MonotonicTime now) const;
  void wrong(const net::Address& from, base::MonotonicTime now);
  void good(const net::Address& from, std::uint32_t key);
  bool was_good(const net::Address& from, std::uint32_t key) const;

 private:
  struct Tries {
    base::MonotonicTime begin{};
    std::uint32_t wrong = 0;
    std::vector<std::uint32_t> good;  // sorted
  };
  Tries& of(const net::Address& from);

  std::map<std::array<std::uint8_t, 16>, Tries> tries_;  // by address, whatever the port
};

}  // namespace meterhub::console
