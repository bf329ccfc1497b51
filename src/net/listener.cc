#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <unordered_map>

#include <meterhub/base/logging.h>
#include <meterhub/net/connection.h>

#include "accept_rate.h"
#include "stream.h"
#include "unix_address.h"

namespace meterhub::net {
namespace {

constexpr int kBacklog = 4096;
constexpr int kAcceptsAtOnce = 256;
constexpr std::chrono::milliseconds kPauseWithoutDescriptors{100};
// A handshake that takes longer gives its place away when all are taken.
constexpr std::chrono::seconds kUndisturbed{1};

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
    for (auto& [stream, opening] : opening_) opening.stream->abort();
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
    return loop_.watch(fd_.get(), EPOLLIN, *this);
  }

  const Address& address() const override { return address_; }
  std::size_t connections() const override { return tally_->open; }
  void on_ready(std::uint32_t events) override;

 private:
  struct Opening {
    std::shared_ptr<Stream> stream;
    base::MonotonicTime since;
  };

  bool accept_one();
  std::string_view limit_hit(const Address& peer);
  bool has_room_for_handshake();
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
  std::unordered_map<Stream*, Opening> opening_;
};

void SocketListener::on_ready(std::uint32_t /*events*/) {
  for (int i = 0; i < kAcceptsAtOnce && accept_one(); ++i) {
  }
}

bool SocketListener::accept_one() {
  sockaddr_storage name{};
  socklen_t length = sizeof name;
  OwnedFd fd(::accept4(fd_.get(), reinterpret_cast<sockaddr*>(&name), &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (fd.get() < 0) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      // The backlog stays readable: without a pause the loop would spin on it.
      tally_->refused("no_descriptors");
      loop_.change(fd_.get(), 0);
      pause_ = loop_.after(kPauseWithoutDescriptors, [this] { loop_.change(fd_.get(), EPOLLIN); });
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
  open(std::move(fd), peer);
  return true;
}

std::string_view SocketListener::limit_hit(const Address& peer) {
  if (tally_->open >= options_.max_connections) return "connections";
  if (path_.empty() && !rate_.allow(peer, loop_.clock().monotonic())) return "rate";
  if (options_.tls && !has_room_for_handshake()) return "handshakes";
  return {};
}

// When all places are taken, the oldest handshake of the source that holds most of them gives
// its own away: whoever opens connections and says nothing keeps nobody else out.
bool SocketListener::has_room_for_handshake() {
  if (opening_.size() < options_.max_handshakes) return true;
  std::map<Source, std::size_t> places;
  for (const auto& [stream, opening] : opening_) ++places[source_of(stream->peer())];
  const auto before = loop_.clock().monotonic() - kUndisturbed;
  auto chosen = opening_.end();
  for (auto it = opening_.begin(); it != opening_.end(); ++it) {
    if (it->second.since > before) continue;
    const auto rank = [&](auto at) { return std::pair(places[source_of(at->first->peer())], before - at->second.since); };
    if (chosen == opening_.end() || rank(it) > rank(chosen)) chosen = it;
  }
  if (chosen == opening_.end()) return false;
  tally_->handshake_failed("displaced");
  chosen->second.stream->abort();
  opening_.erase(chosen);
  return true;
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
  if (options_.tls) {
    setup.ssl = options_.tls->state().make();
    if (!setup.ssl) return tally_->refused("no_memory");
    SSL_set_accept_state(setup.ssl.get());
  }
  const bool tls = options_.tls != nullptr;
  setup.ended = [tally = tally_](CloseReason why) { tally->ended(why); };
  auto slot = std::make_shared<Stream*>(nullptr);
  setup.opened = [this, slot](bool ok, CloseReason why) { opened(*slot, ok, why); };
  tally_->open += 1;
  tally_->open_gauge.add(1);
  auto stream = std::make_shared<Stream>(loop_, std::move(setup));
  *slot = stream.get();
  if (!stream->start(false)) return tally_->refused("no_memory");
  opening_.emplace(stream.get(), Opening{stream, loop_.clock().monotonic()});
  if (!tls) stream->on_ready(EPOLLIN);  // nothing to shake hands about
}

void SocketListener::opened(Stream* stream, bool ok, CloseReason why) {
  const auto node = opening_.extract(stream);
  if (!ok) return tally_->handshake_failed(close_reason_name(why));
  accept_(node.mapped().stream);
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
