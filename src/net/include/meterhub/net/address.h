// An IP address with a port, and networks of them.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/result.h>

namespace meterhub::net {

// IPv4 is kept in its IPv6-mapped form, so that one rule fits both. Immutable in use.
struct Address {
  std::array<std::uint8_t, 16> ip{};
  std::uint16_t port = 0;

  auto operator<=>(const Address&) const = default;

  static Address v4(std::uint32_t host_order, std::uint16_t port);
  static Address loopback(std::uint16_t port = 0) { return v4(0x7f000001, port); }
  // "127.0.0.1:80", "[::1]:80", "127.0.0.1" (port 0). Numbers only; names: resolve().
  static base::Result<Address> parse(std::string_view text);

  bool is_v4() const;
  bool is_loopback() const;
  // "127.0.0.1:80", "[::1]:80"
  std::string text() const;
  // Without the port.
  std::string ip_text() const;
};

// "10.0.0.0/8", "fd00::/8", "192.0.2.7" (that host alone).
class Network {
 public:
  static base::Result<Network> parse(std::string_view text);
  bool contains(const Address& address) const;

 private:
  std::array<std::uint8_t, 16> ip_{};
  unsigned bits_ = 128;
};

// All addresses of a name (or number). Blocks on DNS: never on an event loop's thread.
base::Result<std::vector<Address>> resolve(const std::string& host, std::uint16_t port);

}  // namespace meterhub::net
