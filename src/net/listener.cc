#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <list>
#include <map>
#include <unordered_map>

#include <meterhub/base/logging.h>
#include <meterhub/net/connection.h>
#include <meterhub/net/sockets.h>

#include "accept_rate.h"
#include "stream.h"
#include "unix_address.h"

namespace meterhub::net {
namespace {

constexpr Source kThisHostV6{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
constexpr int kBacklog = 4096;
constexpr int kAcceptsAtOnce = 64;
constexpr std::chrono::milliseconds kPauseWithoutDescriptors{100};
// A handshake that takes longer gives its place away when all are taken.
constexpr std::chrono::seconds kUndisturbed{1};
constexpr std::chrono::milliseconds kLookForRoom{50};

// What outlives the listener with the connections it gave away.
struct Tally {
  Tally(base::Metrics& m, const std::string& listener)
      : metrics(m), name(listener),
        accepted(m.counter("meterhub_net_connections_accepted_total", "Connections accepted", {{"listener", name}})),
        open_gauge(m.gauge("meterhub_net_connections", "Open connections", {{"listener", name}})) {}

  void refused(std::string_view reason) {
    metrics.counter("meterhub_net_connections_refused_total", "Connections closed at once, by limit",
                    {{"listener", name}, {"reason", std::string(reason)}}).add();
  }
  void handshake_failed(std::string_view why) {
    metrics.counter("meterhub_net_handshakes_failed_total", "TLS handshakes that did not end well",
                    {{"listener", name}, {"reason", std::string(why)}}).add();
  }
  void ended(CloseReason why) {
    open -= 1;
    open_gauge.add(-1);
    metrics.counter("meterhub_net_connections_closed_total", "Connections ended",
                    {{"listener", name}, {"reason", std::string(close_reason_name(why))}}).add();
  }

  base::Metrics& metrics;
  const std::string name;
  base::Counter& accepted;
  base::Gauge& open_gauge;
  std::size_t open = 0;
};

class SocketListener final : public Listener, public FdHandler {
 public:
  SocketListener(EventLoop& loop, OwnedFd fd, ListenOptions options, base::Metrics& metrics, Accept accept)
      : loop_(loop), fd_(std::move(fd)), options_(std::move(options)), accept_(std::move(accept)),
        tally_(std::make_shared<Tally>(metrics, options_.name)),
        rate_(options_.accepts_per_second, options_.accept_burst) {}

  ~SocketListener() override {
    loop_.cancel(pause_);
    loop_.unwatch(fd_.get());
    for (auto& opening : opening_) opening.stream->abort();
    if (!path_.empty()) ::unlink(path_.c_str());
  }

  base::Result<void> start(std::string path) {
    path_ = std::move(path);
    if (path_.empty()) {
      sockaddr_storage name{};
      socklen_t length = sizeof name;
      getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&name), &length);
      address_ = from_socket(*reinterpret_cast<const sockaddr*>(&name));
    }
    return loop_.watch(fd_.get(), EPOLLIN, *this, Urgency::kCanWait);
  }

  const Address& address() const override { return address_; }
  std::size_t connections() const override { return tally_->open; }
  void on_ready(std::uint32_t events) override;

 private:
  struct Opening {
    std::shared_ptr<Stream> stream;
    base::MonotonicTime since;
    std::map<Source, std::size_t>::iterator place;
  };
  using Openings = std::list<Opening>;

  bool accept_one();
  void pause(std::chrono::milliseconds span);
  std::string_view limit_hit(const Address& peer);
  bool is_spared(const Address& peer) const;
  Openings::iterator to_displace();
  void displace(Openings::iterator opening);
  void forget(Openings::iterator opening);
  void open(OwnedFd fd, const Address& peer);
  void opened(Stream* stream, bool ok, CloseReason why);

  EventLoop& loop_;
  OwnedFd fd_;
  ListenOptions options_;
  Accept accept_;
  std::shared_ptr<Tally> tally_;
  AcceptRate rate_;
  Address address_;
  std::string path_;
  base::Executor::TimerId pause_ = base::Executor::TimerId::kNone;
  Openings opening_;  // oldest first
  std::unordered_map<Stream*, Openings::iterator> opening_of_;
  std::map<Source, std::size_t> places_;  // openings of each source
  bool waits_for_room_ = false;
};

void SocketListener::on_ready(std::uint32_t /*events*/) {
  for (int i = 0; i < kAcceptsAtOnce && accept_one(); ++i) {
  }
}

void SocketListener::pause(std::chrono::milliseconds span) {
  loop_.change(fd_.get(), 0);
  loop_.cancel(pause_);
  pause_ = loop_.after(span, [this] {
    waits_for_room_ = false;
    loop_.change(fd_.get(), EPOLLIN);
  });
}

bool SocketListener::accept_one() {
  const bool full = options_.tls && opening_.size() >= options_.max_handshakes;
  const auto displaced = full ? to_displace() : opening_.end();
  if (full && displaced == opening_.end()) {
    waits_for_room_ = true;
    pause(kLookForRoom);
    return false;
  }
  sockaddr_storage name{};
  socklen_t length = sizeof name;
  OwnedFd fd(::accept4(fd_.get(), reinterpret_cast<sockaddr*>(&name), &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (fd.get() < 0) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      // The backlog stays readable: without a pause the loop would spin on it.
      tally_->refused("no_descriptors");
      pause(kPauseWithoutDescriptors);
      return false;
    }
    return errno == EINTR || errno == ECONNABORTED;
  }
  const auto peer = from_socket(*reinterpret_cast<const sockaddr*>(&name));
  if (const auto limit = limit_hit(peer); !limit.empty()) {
    tally_->refused(limit);
    return true;
  }
  tally_->accepted.add();
  if (full) displace(displaced);
  open(std::move(fd), peer);
  return true;
}

bool SocketListener::is_spared(const Address& peer) const {
  if (!path_.empty()) return true;
  return options_.spares_this_host && (peer.ip == Address::loopback().ip || peer.ip == kThisHostV6);
}

std::string_view SocketListener::limit_hit(const Address& peer) {
  if (tally_->open >= options_.max_connections) return "connections";
  if (!is_spared(peer) && !rate_.allow(peer, loop_.clock().monotonic())) return "rate";
  return {};
}

// When all places are taken, the oldest handshake of the source that holds most of them gives
// its own away: whoever opens connections and says nothing keeps nobody else out.
SocketListener::Openings::iterator SocketListener::to_displace() {
  const auto before = loop_.clock().monotonic() - kUndisturbed;
  auto chosen = opening_.end();
  for (auto it = opening_.begin(); it != opening_.end() && it->since <= before; ++it) {
    if (chosen == opening_.end() || it->place->second > chosen->place->second) chosen = it;
  }
  return chosen;
}

void SocketListener::displace(Openings::iterator opening) {
  tally_->handshake_failed("displaced");
  opening->stream->abort();
  forget(opening);
}

void SocketListener::forget(Openings::iterator opening) {
  if (--opening->place->second == 0) places_.erase(opening->place);
  opening_of_.erase(opening->stream.get());
  opening_.erase(opening);
  if (std::exchange(waits_for_room_, false)) {
    loop_.cancel(pause_);
    loop_.change(fd_.get(), EPOLLIN);
  }
}

void SocketListener::open(OwnedFd fd, const Address& peer) {
  Stream::Setup setup;
  if (path_.empty()) {
    const int on = 1;
    setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  }
  setup.fd = std::move(fd);
  setup.peer = peer;
  setup.local = !path_.empty();
  setup.limits = options_.limits;
  setup.accepts = options_.tls;
  const bool tls = options_.tls != nullptr;
  setup.ended = [tally = tally_](CloseReason why) { tally->ended(why); };
  auto slot = std::make_shared<Stream*>(nullptr);
  setup.opened = [this, slot](bool ok, CloseReason why) { opened(*slot, ok, why); };
  tally_->open += 1;
  tally_->open_gauge.add(1);
  auto stream = std::make_shared<Stream>(loop_, std::move(setup));
  *slot = stream.get();
  if (!stream->start(false)) return tally_->refused("no_memory");
  const auto place = places_.try_emplace(source_of(peer), 0).first;
  ++place->second;
  opening_.push_back({stream, loop_.clock().monotonic(), place});
  opening_of_.emplace(stream.get(), std::prev(opening_.end()));
  if (!tls) stream->on_ready(EPOLLIN);  // nothing to shake hands about
}

void SocketListener::opened(Stream* stream, bool ok, CloseReason why) {
  const auto opening = opening_of_.find(stream)->second;
  const auto kept = opening->stream;
  forget(opening);
  if (!ok) return tally_->handshake_failed(close_reason_name(why));
  accept_(kept);
}

base::Result<OwnedFd> listening(int family, const sockaddr* at, socklen_t length, const std::string& shown,
                                bool reuse_port) {
  OwnedFd fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return base::fail(base::Errc::kIo, system_error("socket", errno));
  const int on = 1;
  if (family != AF_UNIX) setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // Linux gives the socket's mode to the file that bind() makes.
  if (family == AF_UNIX) ::fchmod(fd.get(), 0600);
  if (reuse_port) setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (::bind(fd.get(), at, length) != 0 || ::listen(fd.get(), kBacklog) != 0) {
    const auto code = errno == EADDRINUSE ? base::Errc::kAlreadyExists : base::Errc::kIo;
    return base::fail(code, system_error("cannot listen on " + shown, errno));
  }
  return fd;
}

// True when a process accepts connections there; else removes the file it left.
bool somebody_listens(const UnixAddress& at, const std::string& path) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0 || !S_ISSOCK(info.st_mode)) return false;
  const OwnedFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (::connect(probe.get(), at.get(), at.length) == 0 || errno == EAGAIN) return true;
  ::unlink(path.c_str());
  return false;
}

}  // namespace

base::Result<std::unique_ptr<Listener>> Listener::tcp(EventLoop& loop, const Address& at, ListenOptions options,
                                                      base::Metrics& metrics, Accept accept) {
  if (loop.sockets() != nullptr) return loop.sockets()->listen(loop, at, std::move(accept));
  const auto target = to_socket(at);
  auto fd = MH_TRY(listening(target.storage.ss_family, target.get(), target.length, at.text(), options.reuse_port));
  auto out = std::make_unique<SocketListener>(loop, std::move(fd), std::move(options), metrics, std::move(accept));
  MH_TRY_VOID(out->start({}));
  return out;
}

base::Result<std::unique_ptr<Listener>> Listener::unix_domain(EventLoop& loop, const std::string& path,
                                                              ListenOptions options, base::Metrics& metrics,
                                                              Accept accept) {
  const auto target = MH_TRY(unix_address(path));
  if (somebody_listens(target, path))
    return base::fail(base::Errc::kAlreadyExists, "another process listens on " + path);
  auto fd = MH_TRY(listening(AF_UNIX, target.get(), target.length, path, false));
  auto out = std::make_unique<SocketListener>(loop, std::move(fd), std::move(options), metrics, std::move(accept));
  MH_TRY_VOID(out->start(path));
  return out;
}

}  // namespace meterhub::net
