#include <meterhub/net/udp.h>

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <vector>

#include <meterhub/net/sockets.h>

#include "socket_address.h"

namespace meterhub::net {
namespace {

constexpr std::size_t kBlock = 64;
constexpr std::size_t kDatagramMax = 65'536;
constexpr int kBlocksAtOnce = 16;
// What the kernel takes as segments of one message.
constexpr std::size_t kSegmentsMax = 64;
constexpr std::size_t kSegmentedMax = 65'000;  // bytes

bool same(const SocketAddress& a, const SocketAddress& b) {
  return a.length == b.length && std::memcmp(&a.storage, &b.storage, a.length) == 0;
}

// Room for the one control message of a datagram, either way.
struct alignas(cmsghdr) SegmentSize {
  std::array<char, CMSG_SPACE(sizeof(int))> bytes{};
};

void set_segment_size(msghdr& message, SegmentSize& room, std::size_t size) {
  message.msg_control = room.bytes.data();
  message.msg_controllen = CMSG_SPACE(sizeof(std::uint16_t));
  cmsghdr* const control = CMSG_FIRSTHDR(&message);
  control->cmsg_level = IPPROTO_UDP;
  control->cmsg_type = UDP_SEGMENT;
  control->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
  const auto value = static_cast<std::uint16_t>(size);
  std::memcpy(CMSG_DATA(control), &value, sizeof value);
}

// Of datagrams that the kernel put together; `all` when it did not.
std::size_t segment_size(msghdr& message, std::size_t all) {
  for (cmsghdr* control = CMSG_FIRSTHDR(&message); control != nullptr; control = CMSG_NXTHDR(&message, control)) {
    if (control->cmsg_level != IPPROTO_UDP || control->cmsg_type != UDP_GRO) continue;
    int size = 0;
    std::memcpy(&size, CMSG_DATA(control), sizeof size);
    if (size > 0) return static_cast<std::size_t>(size);
  }
  return std::max<std::size_t>(all, 1);
}

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
  bool hand_over(std::span<const Datagram> datagrams);
  void flush();
  std::size_t run_at(std::size_t first) const;
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
  bool segments_ = true;  // until the kernel refuses them
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

// System calls' worth of datagrams, 0 or less when there are none; 0 as well when the socket is gone.
int SystemUdpSocket::receive_block() {
  std::array<mmsghdr, kBlock> headers{};
  std::array<iovec, kBlock> pieces{};
  std::array<sockaddr_storage, kBlock> names;
  std::array<SegmentSize, kBlock> sizes;
  for (std::size_t i = 0; i < kBlock; ++i) {
    pieces[i] = {memory_.get() + i * kDatagramMax, kDatagramMax};
    auto& header = headers[i].msg_hdr;
    header.msg_iov = &pieces[i];
    header.msg_iovlen = 1;
    header.msg_name = &names[i];
    header.msg_namelen = sizeof names[i];
    header.msg_control = sizes[i].bytes.data();
    header.msg_controllen = sizes[i].bytes.size();
  }
  // An error here is an ICMP answer to an earlier send: taken up and forgotten.
  const int got = ::recvmmsg(fd_.get(), headers.data(), kBlock, MSG_DONTWAIT, nullptr);
  if (got <= 0) return got;
  std::vector<Datagram> datagrams;
  for (std::size_t i = 0; i < static_cast<std::size_t>(got); ++i) {
    const auto peer = from_socket(*reinterpret_cast<const sockaddr*>(&names[i]));
    const base::BytesView all(memory_.get() + i * kDatagramMax, headers[i].msg_len);
    const auto size = segment_size(headers[i].msg_hdr, all.size());
    std::size_t at = 0;
    do {  // an empty datagram is one too
      datagrams.push_back({peer, all.subspan(at, std::min(size, all.size() - at))});
      at += size;
    } while (at < all.size());
  }
  stats_.received += datagrams.size();
  return hand_over(datagrams) ? got : 0;
}

// At most kBlock a call. False when the handler has destroyed the socket.
bool SystemUdpSocket::hand_over(std::span<const Datagram> datagrams) {
  const std::weak_ptr<SystemUdpSocket*> alive = alive_;
  for (; !datagrams.empty() && !alive.expired(); datagrams = datagrams.subspan(std::min(kBlock, datagrams.size())))
    handler_.on_datagrams(datagrams.first(std::min(kBlock, datagrams.size())));
  return !alive.expired();
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

// How many from `first` on may leave as segments of one message: one address, one size, the last may be shorter.
std::size_t SystemUdpSocket::run_at(std::size_t first) const {
  const auto& begin = queue_[first];
  const auto size = begin.bytes.size();
  if (!segments_ || size == 0) return 1;
  const auto most = std::min({kSegmentsMax, queue_.size() - first, std::max<std::size_t>(kSegmentedMax / size, 1)});
  std::size_t count = 1;
  for (; count < most; ++count) {
    const auto& next = queue_[first + count];
    if (next.bytes.empty() || next.bytes.size() > size || !same(next.to, begin.to)) break;
    if (next.bytes.size() < size) return count + 1;
  }
  return count;
}

// How many left the queue; 0 when the socket takes no more.
std::size_t SystemUdpSocket::send_block() {
  std::array<mmsghdr, kBlock> headers{};
  std::array<SegmentSize, kBlock> sizes;
  std::array<std::size_t, kBlock> runs{};
  std::vector<iovec> pieces(std::min(queue_.size(), kBlock * kSegmentsMax));
  std::size_t count = 0;
  for (std::size_t at = 0; at < pieces.size() && count < kBlock; at += runs[count++]) {
    const auto run = runs[count] = std::min(run_at(at), pieces.size() - at);
    for (std::size_t i = at; i < at + run; ++i) pieces[i] = {queue_[i].bytes.data(), queue_[i].bytes.size()};
    auto& header = headers[count].msg_hdr;
    header.msg_iov = &pieces[at];
    header.msg_iovlen = run;
    header.msg_name = &queue_[at].to.storage;
    header.msg_namelen = queue_[at].to.length;
    if (run > 1) set_segment_size(header, sizes[count], queue_[at].bytes.size());
  }
  const int sent = ::sendmmsg(fd_.get(), headers.data(), static_cast<unsigned>(count), MSG_DONTWAIT);
  if (sent > 0) {
    std::size_t datagrams = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(sent); ++i) datagrams += runs[i];
    stats_.sent += datagrams;
    return datagrams;
  }
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) return 0;
  if (runs[0] > 1) {
    // A kernel or a way without segments, or segments larger than its packets: one by one from here on.
    segments_ = false;
    return send_block();
  }
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
  setsockopt(fd.get(), IPPROTO_UDP, UDP_GRO, &on, sizeof on);  // a kernel without it hands over one by one
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
