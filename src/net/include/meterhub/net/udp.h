// UDP in blocks: up to 64 messages a system call, both ways. Datagrams to one address that follow each other with equal
// sizes (the last may be shorter) are segments of one message where the kernel has UDP_SEGMENT, and come as one where it has
// UDP_GRO: a fifteenth of the cost on loopback (docs/performance.md).
#pragma once

#include <memory>
#include <span>

#include <meterhub/base/bytes.h>
#include <meterhub/base/result.h>
#include <meterhub/net/address.h>
#include <meterhub/net/event_loop.h>

namespace meterhub::net {

struct Datagram {
  Address peer;
  base::BytesView bytes;  // at most 65,535
};

// Loop thread.
class UdpHandler {
 public:
  virtual ~UdpHandler() = default;
  // At most 64. The bytes are good until the call returns.
  virtual void on_datagrams(std::span<const Datagram> block) = 0;
};

struct UdpOptions {
  std::size_t receive_buffer = 4 * 1024 * 1024;  // asked of the kernel, which may give less
  std::size_t send_buffer = 4 * 1024 * 1024;
  // Sends over this wait are dropped and counted.
  std::size_t send_queue_max = 4 * 1024 * 1024;  // bytes
  bool reuse_port = false;
};

struct UdpStats {
  std::uint64_t received = 0;
  std::uint64_t sent = 0;
  std::uint64_t dropped_queue_full = 0;
  std::uint64_t send_errors = 0;
};

// Loop thread.
class UdpSocket {
 public:
  static base::Result<std::unique_ptr<UdpSocket>> bind(EventLoop& loop, const Address& at, UdpOptions options,
                                                       UdpHandler& handler);
  virtual ~UdpSocket() = default;
  // Copied, sent at the iteration's end.
  virtual void send(const Address& to, base::BytesView bytes) = 0;
  virtual const Address& address() const = 0;
  virtual const UdpStats& stats() const = 0;
};

}  // namespace meterhub::net
