// Between Address and the system's sockaddr.
#pragma once

#include <sys/socket.h>

#include <string>

#include <meterhub/net/address.h>

namespace meterhub::net {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

SocketAddress to_socket(const Address& address);
// All zero for a family that is neither IPv4 nor IPv6.
Address from_socket(const sockaddr& from);

// "what: text of errno"
std::string system_error(const std::string& what, int error);

// A descriptor that is closed when it goes.
class OwnedFd {
 public:
  explicit OwnedFd(int fd = -1) : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept : fd_(other.release()) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept;
  ~OwnedFd() { reset(); }
  int get() const { return fd_; }
  int release() {
    const int out = fd_;
    fd_ = -1;
    return out;
  }
  void reset();

 private:
  int fd_;
};

}  // namespace meterhub::net
