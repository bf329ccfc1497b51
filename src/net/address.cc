#include <meterhub/net/address.h>

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>
#include <optional>

#include "socket_address.h"

namespace meterhub::net {
namespace {

constexpr std::array<std::uint8_t, 12> kV4Prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

std::optional<std::array<std::uint8_t, 16>> parse_ip(const std::string& text) {
  std::array<std::uint8_t, 16> ip{};
  if (inet_pton(AF_INET6, text.c_str(), ip.data()) == 1) return ip;
  std::ranges::copy(kV4Prefix, ip.begin());
  if (inet_pton(AF_INET, text.c_str(), ip.data() + kV4Prefix.size()) == 1) return ip;
  return std::nullopt;
}

template <class T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const auto end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc{} || at != end) return std::nullopt;
  return value;
}

struct HostPort {
  std::string host;
  std::string_view port;  // empty = none
};

HostPort split(std::string_view text) {
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return {};
    const auto rest = text.substr(end + 1);
    if (!rest.empty() && !rest.starts_with(':')) return {};
    return {std::string(text.substr(1, end - 1)), rest.empty() ? rest : rest.substr(1)};
  }
  const auto colon = text.find(':');
  // More than one colon without brackets: a bare IPv6 address.
  if (colon == std::string_view::npos || text.find(':', colon + 1) != std::string_view::npos)
    return {std::string(text), {}};
  return {std::string(text.substr(0, colon)), text.substr(colon + 1)};
}

}  // namespace

Address Address::v4(std::uint32_t host_order, std::uint16_t port) {
  Address out;
  std::ranges::copy(kV4Prefix, out.ip.begin());
  const std::uint32_t network = htonl(host_order);
  std::memcpy(out.ip.data() + kV4Prefix.size(), &network, sizeof network);
  out.port = port;
  return out;
}

base::Result<Address> Address::parse(std::string_view text) {
  const auto parts = split(text);
  const auto ip = parse_ip(parts.host);
  const auto port = parts.port.empty() ? std::optional<std::uint16_t>(std::uint16_t{0})
                                       : parse_number<std::uint16_t>(parts.port);
  if (!ip || !port)
    return base::fail(base::Errc::kInvalidArgument,
                      "'" + std::string(text) + "' is not an address such as 127.0.0.1:5671 or [::1]:5671");
  return Address{*ip, *port};
}

bool Address::is_v4() const { return std::equal(kV4Prefix.begin(), kV4Prefix.end(), ip.begin()); }

bool Address::is_loopback() const {
  if (is_v4()) return ip[12] == 127;
  constexpr std::array<std::uint8_t, 16> kV6Loopback{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return ip == kV6Loopback;
}

std::string Address::ip_text() const {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  if (is_v4()) {
    inet_ntop(AF_INET, ip.data() + kV4Prefix.size(), buffer.data(), buffer.size());
  } else {
    inet_ntop(AF_INET6, ip.data(), buffer.data(), buffer.size());
  }
  return buffer.data();
}

std::string Address::text() const {
  const auto host = ip_text();
  return (is_v4() ? host : "[" + host + "]") + ":" + std::to_string(port);
}

base::Result<Network> Network::parse(std::string_view text) {
  const auto slash = text.find('/');
  const auto ip = parse_ip(std::string(text.substr(0, slash)));
  Network out;
  auto bits = std::optional<unsigned>(128u);
  if (ip && slash != std::string_view::npos) {
    const bool v4 = std::equal(kV4Prefix.begin(), kV4Prefix.end(), ip->begin());
    bits = parse_number<unsigned>(text.substr(slash + 1));
    if (bits && *bits > (v4 ? 32u : 128u)) bits.reset();
    if (bits && v4) *bits += 96;
  }
  if (!ip || !bits)
    return base::fail(base::Errc::kInvalidArgument, "'" + std::string(text) + "' is not a network such as 10.0.0.0/8");
  out.ip_ = *ip;
  out.bits_ = *bits;
  return out;
}

bool Network::contains(const Address& address) const {
  const unsigned whole = bits_ / 8;
  if (!std::equal(ip_.begin(), ip_.begin() + whole, address.ip.begin())) return false;
  if (bits_ % 8 == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xff << (8 - bits_ % 8));
  return (ip_[whole] & mask) == (address.ip[whole] & mask);
}

base::Result<std::vector<Address>> resolve(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found); error != 0)
    return base::fail(base::Errc::kUnavailable, "cannot resolve '" + host + "': " + gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
  std::vector<Address> out;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    auto address = from_socket(*entry->ai_addr);
    address.port = port;
    if (std::ranges::find(out, address) == out.end()) out.push_back(address);
  }
  return out;
}

SocketAddress to_socket(const Address& address) {
  SocketAddress out;
  if (address.is_v4()) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(address.port);
    std::memcpy(&in.sin_addr, address.ip.data() + kV4Prefix.size(), 4);
    std::memcpy(&out.storage, &in, sizeof in);
    out.length = sizeof in;
  } else {
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(address.port);
    std::memcpy(&in.sin6_addr, address.ip.data(), 16);
    std::memcpy(&out.storage, &in, sizeof in);
    out.length = sizeof in;
  }
  return out;
}

Address from_socket(const sockaddr& from) {
  Address out;
  if (from.sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &from, sizeof in);
    return Address::v4(ntohl(in.sin_addr.s_addr), ntohs(in.sin_port));
  }
  if (from.sa_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &from, sizeof in);
    std::memcpy(out.ip.data(), &in.sin6_addr, 16);
    out.port = ntohs(in.sin6_port);
  }
  return out;
}

}  // namespace meterhub::net
