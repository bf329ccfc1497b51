#include <meterhub/net/udp.h>

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <vector>

#include <meterhub/net/sockets.h>

#include "socket_address.h"

namespace meterhub::net {
namespace {

constexpr std::size_t kBlock = 64;
constexpr std::size_t kDatagramMax = 65'536;
constexpr int kBlocksAtOnce = 16;

struct Outgoing {
  SocketAddress to;
  base::Bytes bytes;
};

class SystemUdpSocket final : public UdpSocket, public FdHandler {
 public:
  SystemUdpSocket(EventLoop& loop, OwnedFd fd, UdpOptions options, UdpHandler& handler)
      : loop_(loop), fd_(std::move(fd)), options_(options), handler_(handler), memory_(std::make_unique_for_overwrite<std::uint8_t[]>(kBlock * kDatagramMax)) {}
  ~SystemUdpSocket() override { loop_.unwatch(fd_.get()); }

  base::Result<void> start() {
    sockaddr_storage name{};
    socklen_t length = sizeof name;
    getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&name), &length);
    address_ = from_socket(*reinterpret_cast<const sockaddr*>(&name));
    return loop_.watch(fd_.get(), EPOLLIN, *this);
  }

  void send(const Address& to, base::BytesView bytes) override;
  const Address& address() const override { return address_; }
  const UdpStats& stats() const override { return stats_; }
  void on_ready(std::uint32_t events) override;

 private:
  int receive_block();
  void flush();
  std::size_t send_block();

  EventLoop& loop_;
  OwnedFd fd_;
  const UdpOptions options_;
  UdpHandler& handler_;
  Address address_;
  UdpStats stats_;
  std::unique_ptr<std::uint8_t[]> memory_;  // kBlock slots, not filled: the kernel backs only the pages used
  std::deque<Outgoing> queue_;
  std::size_t queued_bytes_ = 0;
  bool flush_planned_ = false;
  bool want_write_ = false;
  // Ends with the socket: a flush planned for later sees that it is gone.
  std::shared_ptr<SystemUdpSocket*> alive_ = std::make_shared<SystemUdpSocket*>(this);
};

void SystemUdpSocket::on_ready(std::uint32_t events) {
  const std::weak_ptr<SystemUdpSocket*> alive = alive_;
  if ((events & EPOLLOUT) != 0) flush();
  for (int i = 0; i < kBlocksAtOnce; ++i) {
    const int got = receive_block();
    // The handler may have destroyed the socket.
    if (alive.expired() || got < static_cast<int>(kBlock)) return;
  }
}

int SystemUdpSocket::receive_block() {
  std::array<mmsghdr, kBlock> headers{};
  std::array<iovec, kBlock> pieces{};
  std::array<sockaddr_storage, kBlock> names;
  for (std::size_t i = 0; i < kBlock; ++i) {
    pieces[i] = {memory_.get() + i * kDatagramMax, kDatagramMax};
    headers[i].msg_hdr.msg_iov = &pieces[i];
    headers[i].msg_hdr.msg_iovlen = 1;
    headers[i].msg_hdr.msg_name = &names[i];
    headers[i].msg_hdr.msg_namelen = sizeof names[i];
  }
  // An error here is an ICMP answer to an earlier send: taken up and forgotten.
  const int got = ::recvmmsg(fd_.get(), headers.data(), kBlock, MSG_DONTWAIT, nullptr);
  if (got <= 0) return got;
  std::array<Datagram, kBlock> block;
  const auto count = static_cast<std::size_t>(got);
  for (std::size_t i = 0; i < count; ++i)
    block[i] = {from_socket(*reinterpret_cast<const sockaddr*>(&names[i])),
                {memory_.get() + i * kDatagramMax, headers[i].msg_len}};
  stats_.received += count;
  handler_.on_datagrams({block.data(), count});
  return got;
}

void SystemUdpSocket::send(const Address& to, base::BytesView bytes) {
  if (queued_bytes_ + bytes.size() > options_.send_queue_max) {
    stats_.dropped_queue_full += 1;
    return;
  }
  queue_.push_back({to_socket(to), {bytes.begin(), bytes.end()}});
  queued_bytes_ += bytes.size();
  if (flush_planned_ || want_write_) return;
  flush_planned_ = true;
  loop_.before_wait([weak = std::weak_ptr(alive_)] {
    if (const auto self = weak.lock()) (*self)->flush();
  });
}

// How many left the queue; 0 when the socket takes no more.
std::size_t SystemUdpSocket::send_block() {
  std::array<mmsghdr, kBlock> headers{};
  std::array<iovec, kBlock> pieces{};
  const auto count = std::min(kBlock, queue_.size());
  for (std::size_t i = 0; i < count; ++i) {
    auto& out = queue_[i];
    pieces[i] = {out.bytes.data(), out.bytes.size()};
    headers[i].msg_hdr.msg_iov = &pieces[i];
    headers[i].msg_hdr.msg_iovlen = 1;
    headers[i].msg_hdr.msg_name = &out.to.storage;
    headers[i].msg_hdr.msg_namelen = out.to.length;
  }
  const int sent = ::sendmmsg(fd_.get(), headers.data(), static_cast<unsigned>(count), MSG_DONTWAIT);
  if (sent > 0) {
    stats_.sent += static_cast<std::size_t>(sent);
    return static_cast<std::size_t>(sent);
  }
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) return 0;
  stats_.send_errors += 1;  // this datagram cannot be sent; those behind it may
  return 1;
}

void SystemUdpSocket::flush() {
  flush_planned_ = false;
  while (!queue_.empty()) {
    const auto done = send_block();
    if (done == 0) break;
    for (std::size_t i = 0; i < done; ++i) {
      queued_bytes_ -= queue_.front().bytes.size();
      queue_.pop_front();
    }
  }
  if (want_write_ == !queue_.empty()) return;
  want_write_ = !queue_.empty();
  loop_.change(fd_.get(), want_write_ ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

}  // namespace

base::Result<std::unique_ptr<UdpSocket>> UdpSocket::bind(EventLoop& loop, const Address& at, UdpOptions options,
                                                         UdpHandler& handler) {
  if (loop.sockets() != nullptr) return loop.sockets()->bind(loop, at, handler);
  const auto target = to_socket(at);
  OwnedFd fd(::socket(target.storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return base::fail(base::Errc::kIo, system_error("socket", errno));
  const int on = 1;
  const int receive = static_cast<int>(options.receive_buffer);
  const int send = static_cast<int>(options.send_buffer);
  if (options.reuse_port) setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &receive, sizeof receive);
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &send, sizeof send);
  if (::bind(fd.get(), target.get(), target.length) != 0) {
    const auto code = errno == EADDRINUSE ? base::Errc::kAlreadyExists : base::Errc::kIo;
    return base::fail(code, system_error("cannot bind UDP " + at.text(), errno));
  }
  auto out = std::make_unique<SystemUdpSocket>(loop, std::move(fd), options, handler);
  MH_TRY_VOID(out->start());
  return out;
}

}  // namespace meterhub::net
