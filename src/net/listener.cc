#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <list>
#include <map>
#include <optional>
#include <unordered_map>

#include <meterhub/base/logging.h>
#include <meterhub/net/accept_rate.h>
#include <meterhub/net/connection.h>
#include <meterhub/net/sockets.h>

#include "stream.h"
#include "unix_address.h"

namespace meterhub::net {
namespace {

constexpr Source kThisHostV6{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
constexpr int kBacklog = 16'384;  // or what net.core.somaxconn allows
constexpr int kAcceptsAtOnce = 64;
constexpr std::chrono::milliseconds kPauseWithoutDescriptors{100};
// Whoever says nothing for longer gives its place away when all are taken; whoever has begun may be a slow machine
// behind a slow network, among thousands that return at once.
constexpr std::chrono::seconds kSilentUndisturbed{1};
constexpr std::chrono::seconds kHandshakeUndisturbed{3};
// Of the oldest, so many are compared.
constexpr int kCompared = 64;
constexpr std::chrono::milliseconds kLookForRoom{50};

// What outlives the listener with the connections it gave away.
struct Tally {
  Tally(base::Metrics& m, const std::string& listener)
      : metrics(m),
        name(listener),
        accepted(m.counter("meterhub_net_connections_accepted_total", "Connections accepted", {{"listener", name}})),
        delayed(m.counter("meterhub_net_connections_delayed_total",
                          "Of them those that waited because of their address's rate", {{"listener", name}})),
        open_gauge(m.gauge("meterhub_net_connections", "Open connections", {{"listener", name}})) {}

  void refused(std::string_view reason) {
    metrics
        .counter("meterhub_net_connections_refused_total", "Connections closed at once, by limit",
                 {{"listener", name}, {"reason", std::string(reason)}})
        .add();
  }
  void handshake_failed(std::string_view why) {
    metrics
        .counter("meterhub_net_handshakes_failed_total", "TLS handshakes that did not end well",
                 {{"listener", name}, {"reason", std::string(why)}})
        .add();
  }
  void ended(CloseReason why) {
    open -= 1;
    open_gauge.add(-1);
    metrics
        .counter("meterhub_net_connections_closed_total", "Connections ended",
                 {{"listener", name}, {"reason", std::string(close_reason_name(why))}})
        .add();
  }

  base::Metrics& metrics;
  const std::string name;
  base::Counter& accepted;
  base::Counter& delayed;
  base::Gauge& open_gauge;
  std::size_t open = 0;
};

class SocketListener final : public Listener, public FdHandler {
 public:
  SocketListener(EventLoop& loop, OwnedFd fd, ListenOptions options, base::Metrics& metrics, Accept accept)
      : loop_(loop),
        fd_(std::move(fd)),
        options_(std::move(options)),
        accept_(std::move(accept)),
        tally_(std::make_shared<Tally>(metrics, options_.name)),
        rate_(options_.accepts_per_second, options_.accept_burst, options_.accept_wait) {}

  ~SocketListener() override {
    loop_.cancel(pause_);
    loop_.cancel(look_);
    loop_.unwatch(fd_.get());
    for (const auto* newcomers : {&silent_, &queued_, &shaking_})
      for (const auto& one : *newcomers) one.stream->abort();
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
  // Not ready yet: silent, then queued or shaking hands.
  struct Newcomer {
    std::shared_ptr<Stream> stream;
    base::MonotonicTime since;  // in its list
    std::map<Source, std::size_t>::iterator place;
    std::list<Newcomer>* list;
  };
  using Newcomers = std::list<Newcomer>;

  bool accept_one();
  void pause(std::chrono::milliseconds span);
  bool is_spared(const Address& peer) const;
  std::optional<std::chrono::nanoseconds> delay_of(const Address& peer);
  std::optional<Newcomers::iterator> to_displace(Newcomers& among, std::chrono::seconds undisturbed);
  void displace(Newcomers::iterator newcomer);
  void move(Newcomers::iterator newcomer, Newcomers& to);
  void forget(Newcomers::iterator newcomer);
  void open(OwnedFd fd, const Address& peer, std::chrono::nanoseconds delay);
  bool may_begin(Stream* stream);
  void serve_queue();
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
  base::Executor::TimerId look_ = base::Executor::TimerId::kNone;
  Newcomers silent_, queued_, shaking_;  // each oldest first
  std::unordered_map<Stream*, Newcomers::iterator> newcomer_of_;
  std::map<Source, std::size_t> places_;  // newcomers of each source
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
  const bool full = newcomer_of_.size() >= options_.max_newcomers;
  const auto displaced = full ? to_displace(silent_, kSilentUndisturbed) : std::nullopt;
  if (full && !displaced) {
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
  if (tally_->open >= options_.max_connections) {
    tally_->refused("connections");
    return true;
  }
  const auto delay = delay_of(peer);
  if (!delay) {
    tally_->refused("rate");
    return true;
  }
  tally_->accepted.add();
  if (*delay > std::chrono::nanoseconds(0)) tally_->delayed.add();
  if (displaced) displace(*displaced);
  open(std::move(fd), peer, *delay);
  return true;
}

bool SocketListener::is_spared(const Address& peer) const {
  if (!path_.empty()) return true;
  return options_.spares_this_host && (peer.ip == Address::loopback().ip || peer.ip == kThisHostV6);
}

// How long it waits for its turn; nothing: too long.
std::optional<std::chrono::nanoseconds> SocketListener::delay_of(const Address& peer) {
  if (is_spared(peer)) return std::chrono::nanoseconds(0);
  return rate_.admit(peer, loop_.clock().monotonic());
}

// When all places are taken, the oldest of the source that holds most of them gives its own away: whoever opens
// connections and does not go on keeps nobody else out.
std::optional<SocketListener::Newcomers::iterator> SocketListener::to_displace(Newcomers& among,
                                                                               std::chrono::seconds undisturbed) {
  const auto before = loop_.clock().monotonic() - undisturbed;
  std::optional<Newcomers::iterator> chosen;
  int compared = 0;
  for (auto it = among.begin(); it != among.end() && it->since <= before && compared < kCompared; ++it, ++compared) {
    if (chosen && it->place->second <= (*chosen)->place->second) continue;
    // It may be us who let it wait.
    if (it->list == &silent_ && !it->stream->is_silent()) continue;
    chosen = it;
  }
  return chosen;
}

void SocketListener::displace(Newcomers::iterator newcomer) {
  tally_->handshake_failed("displaced");
  newcomer->stream->abort();
  forget(newcomer);
}

void SocketListener::move(Newcomers::iterator newcomer, Newcomers& to) {
  to.splice(to.end(), *newcomer->list, newcomer);
  newcomer->list = &to;
  newcomer->since = loop_.clock().monotonic();
}

void SocketListener::forget(Newcomers::iterator newcomer) {
  if (--newcomer->place->second == 0) places_.erase(newcomer->place);
  newcomer_of_.erase(newcomer->stream.get());
  newcomer->list->erase(newcomer);
  if (std::exchange(waits_for_room_, false)) {
    loop_.cancel(pause_);
    loop_.change(fd_.get(), EPOLLIN);
  }
}

void SocketListener::open(OwnedFd fd, const Address& peer, std::chrono::nanoseconds delay) {
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
  setup.ended = [tally = tally_](CloseReason why) { tally->ended(why); };
  auto slot = std::make_shared<Stream*>(nullptr);
  setup.may_begin = [this, slot] { return may_begin(*slot); };
  setup.opened = [this, slot](bool ok, CloseReason why) { opened(*slot, ok, why); };
  tally_->open += 1;
  tally_->open_gauge.add(1);
  const auto stream = std::make_shared<Stream>(loop_, std::move(setup));
  *slot = stream.get();
  const auto place = places_.try_emplace(source_of(peer), 0).first;
  ++place->second;
  silent_.push_back({stream, loop_.clock().monotonic(), place, &silent_});
  newcomer_of_.emplace(stream.get(), std::prev(silent_.end()));
  if (stream->start_after(delay)) return;
  tally_->refused("no_memory");
  forget(newcomer_of_.at(stream.get()));
}

// It has spoken, which makes it cost more than its socket.
bool SocketListener::may_begin(Stream* stream) {
  const auto newcomer = newcomer_of_.at(stream);
  if (newcomer->list == &silent_) {
    move(newcomer, queued_);
    serve_queue();
  }
  return newcomer->list == &shaking_;
}

void SocketListener::serve_queue() {
  while (!queued_.empty()) {
    if (shaking_.size() >= options_.max_handshakes) {
      const auto displaced = to_displace(shaking_, kHandshakeUndisturbed);
      if (!displaced) break;
      displace(*displaced);
    }
    const auto next = queued_.begin();
    move(next, shaking_);
    next->stream->admit();
  }
  loop_.cancel(look_);
  if (!queued_.empty()) look_ = loop_.after(kLookForRoom, [this] { serve_queue(); });
}

void SocketListener::opened(Stream* stream, bool ok, CloseReason why) {
  const auto newcomer = newcomer_of_.at(stream);
  const auto kept = newcomer->stream;
  forget(newcomer);
  serve_queue();
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
