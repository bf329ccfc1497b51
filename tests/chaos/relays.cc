#include "relays.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace meterhub::chaos {
namespace {

constexpr std::chrono::milliseconds kLatest{80};
constexpr std::size_t kHeldBack = 256 * 1024;  // of one direction of a connection, before its sender is not read

std::unexpected<base::Error> system_error(const char* what) {
  return base::fail(base::Errc::kIo, std::string(what) + ": " + std::strerror(errno));
}

// A socket address as bytes.
std::string loopback(std::uint16_t port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  at.sin_port = htons(port);
  return {reinterpret_cast<const char*>(&at), sizeof at};
}
const sockaddr* pointer(const std::string& address) { return reinterpret_cast<const sockaddr*>(address.data()); }
socklen_t size_of(const std::string& address) { return static_cast<socklen_t>(address.size()); }

base::Result<std::string> parsed(const std::string& text) { return loopback(MH_TRY(net::Address::parse(text)).port); }

// A socket on loopback at a port of the system's choice.
base::Result<int> bound(int type) {
  const int fd = ::socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const auto at = loopback(0);
  if (fd < 0 || ::bind(fd, pointer(at), size_of(at)) != 0) return system_error("relay");
  return fd;
}

std::string address_of(int fd) {
  sockaddr_in at{};
  socklen_t size = sizeof at;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size);
  return "127.0.0.1:" + std::to_string(ntohs(at.sin_port));
}

}  // namespace

// ---- datagrams ----

struct DatagramRelay::Socket final : net::FdHandler {
  using Take = std::function<void(std::string_view bytes, const std::string& from)>;
  Socket(net::EventLoop& l, int descriptor, Take t) : loop(l), fd(descriptor), take(std::move(t)) {}
  ~Socket() override {
    loop.unwatch(fd);
    ::close(fd);
  }
  void on_ready(std::uint32_t) override {
    std::array<char, 65'536> bytes;
    while (true) {
      std::string from(sizeof(sockaddr_in), '\0');
      socklen_t size = sizeof(sockaddr_in);
      const auto n = ::recvfrom(fd, bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(from.data()), &size);
      if (n < 0) return;
      take({bytes.data(), static_cast<std::size_t>(n)}, from);
    }
  }
  net::EventLoop& loop;
  const int fd;
  const Take take;
};

base::Result<std::unique_ptr<DatagramRelay>> DatagramRelay::create(net::EventLoop& loop, const Weather& weather,
                                                                   const std::string& server, std::uint64_t seed) {
  std::unique_ptr<DatagramRelay> out(new DatagramRelay(loop, weather, seed));
  MH_TRY_VOID(out->open(server));
  return out;
}

DatagramRelay::DatagramRelay(net::EventLoop& loop, const Weather& weather, std::uint64_t seed)
    : loop_(loop), weather_(weather), random_(seed) {}
DatagramRelay::~DatagramRelay() = default;

base::Result<void> DatagramRelay::open(const std::string& server) {
  server_ = MH_TRY(parsed(server));
  const int fd = MH_TRY(bound(SOCK_DGRAM));
  address_ = address_of(fd);
  front_ = std::make_unique<Socket>(loop_, fd, [this](std::string_view bytes, const std::string& from) { from_client(bytes, from); });
  return loop_.watch(fd, EPOLLIN, *front_);
}

void DatagramRelay::from_client(std::string_view bytes, const std::string& client) {
  auto& socket = clients_[client];
  if (!socket) {
    const auto fd = bound(SOCK_DGRAM);
    if (!fd) return;
    socket = std::make_unique<Socket>(loop_, *fd, [this, client](std::string_view answer, const std::string&) { from_server(answer, client); });
    if (!loop_.watch(*fd, EPOLLIN, *socket)) return;
  }
  carry(socket->fd, std::string(bytes), server_);
}

void DatagramRelay::from_server(std::string_view bytes, const std::string& client) { carry(front_->fd, std::string(bytes), client); }

void DatagramRelay::carry(int fd, std::string bytes, const std::string& to) {
  if (chance(weather_.lost)) {
    ++counts_.lost;
    return;
  }
  ++counts_.passed;
  const auto send = [fd, to](const std::string& what) { ::sendto(fd, what.data(), what.size(), 0, pointer(to), size_of(to)); };
  if (chance(weather_.twice)) {
    ++counts_.twice;
    send(bytes);
  }
  if (!chance(weather_.late)) return send(bytes);
  ++counts_.late;
  const auto delay = std::chrono::milliseconds(1 + random_() % kLatest.count());
  loop_.after(delay, [send, bytes = std::move(bytes), alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) send(bytes);
  });
}

// ---- connections ----

class ConnectionRelay::Door final : public net::FdHandler {
 public:
  Door(ConnectionRelay& relay, int fd) : relay_(relay), fd_(fd) {}
  ~Door() override {
    relay_.loop_.unwatch(fd_);
    ::close(fd_);
  }
  void on_ready(std::uint32_t) override { relay_.accept(); }
  int fd() const { return fd_; }

 private:
  ConnectionRelay& relay_;
  const int fd_;
};

// One connection's two ends.
struct ConnectionRelay::Pair {
  struct End final : net::FdHandler {
    End(Pair& p, int descriptor) : pair(p), fd(descriptor) {}
    void on_ready(std::uint32_t events) override { pair.ready(*this, events); }
    Pair& pair;
    const int fd;
    std::string waiting{};  // to be written here
    bool ended = false;     // nothing more comes from here
    End* other = nullptr;
  };

  Pair(ConnectionRelay& r, int client, int server) : relay(r), a(*this, client), b(*this, server) {
    a.other = &b;
    b.other = &a;
  }
  ~Pair() { close(false); }

  bool watch() { return relay.loop_.watch(a.fd, EPOLLIN, a) && relay.loop_.watch(b.fd, EPOLLIN | EPOLLOUT, b); }
  void ready(End& end, std::uint32_t events) {
    if (closed) return;
    if ((events & EPOLLERR) != 0) return fail();
    if ((events & EPOLLOUT) != 0) write(end);
    if (!closed && (events & (EPOLLIN | EPOLLHUP)) != 0) read(end);
    if (!closed) go_on();
  }
  void read(End& end) {
    std::array<char, 65'536> bytes;
    while (!end.ended && end.other->waiting.size() < kHeldBack) {
      const auto n = ::recv(end.fd, bytes.data(), bytes.size(), 0);
      if (n < 0 && (errno == EAGAIN || errno == EINTR)) break;
      if (n < 0) return fail();
      if (n == 0) end.ended = true;
      end.other->waiting.append(bytes.data(), static_cast<std::size_t>(n));
    }
    write(*end.other);
  }
  void write(End& end) {
    while (!end.waiting.empty()) {
      const auto n = ::send(end.fd, end.waiting.data(), end.waiting.size(), MSG_NOSIGNAL);
      if (n < 0 && (errno == EAGAIN || errno == ENOTCONN || errno == EINTR)) return;
      if (n < 0) return fail();
      end.waiting.erase(0, static_cast<std::size_t>(n));
    }
  }
  // Whoever ended has ended both, once the other has all that came.
  void go_on() {
    if ((a.ended && b.waiting.empty()) || (b.ended && a.waiting.empty())) {
      close(false);
      return relay.forget(*this);
    }
    for (auto* end : {&a, &b}) {
      const bool reads = !end->ended && end->other->waiting.size() < kHeldBack;
      relay.loop_.change(end->fd, (reads ? EPOLLIN : 0U) | (end->waiting.empty() ? 0U : EPOLLOUT));
    }
  }
  void fail() {
    close(true);
    relay.forget(*this);
  }
  void close(bool by_reset) {
    if (std::exchange(closed, true)) return;
    for (auto* end : {&a, &b}) {
      const linger at_once{1, 0};
      if (by_reset) ::setsockopt(end->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
      relay.loop_.unwatch(end->fd);
      ::close(end->fd);
    }
  }

  ConnectionRelay& relay;
  End a, b;
  bool closed = false;
};

base::Result<std::unique_ptr<ConnectionRelay>> ConnectionRelay::create(net::EventLoop& loop, const std::string& server) {
  std::unique_ptr<ConnectionRelay> out(new ConnectionRelay(loop));
  MH_TRY_VOID(out->open(server));
  return out;
}

ConnectionRelay::ConnectionRelay(net::EventLoop& loop) : loop_(loop) {}
ConnectionRelay::~ConnectionRelay() = default;

base::Result<void> ConnectionRelay::open(const std::string& server) {
  server_ = MH_TRY(parsed(server));
  const int fd = MH_TRY(bound(SOCK_STREAM));
  if (::listen(fd, SOMAXCONN) != 0) return system_error("relay");
  address_ = address_of(fd);
  door_ = std::make_unique<Door>(*this, fd);
  return loop_.watch(fd, EPOLLIN, *door_);
}

void ConnectionRelay::accept() {
  while (true) {
    const int client = ::accept4(door_->fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client < 0) return;
    const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const bool begun = ::connect(server, pointer(server_), size_of(server_)) == 0 || errno == EINPROGRESS;
    pairs_.push_back(std::make_unique<Pair>(*this, client, server));
    if (!begun || !pairs_.back()->watch()) pairs_.back()->fail();
  }
}

std::uint64_t ConnectionRelay::reset(std::uint32_t share, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uint64_t count = 0;
  for (const auto& pair : pairs_) {
    if (pair->closed || random() % 256 >= share) continue;
    pair->fail();
    ++count;
  }
  return count;
}

// Whoever calls is inside the pair: it goes later.
void ConnectionRelay::forget(Pair& pair) {
  loop_.post([this, gone = &pair, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    std::erase_if(pairs_, [&](const auto& one) { return one.get() == gone; });
  });
}

}  // namespace meterhub::chaos
