#include <meterhub/ns/feed_server.h>

#include <list>
#include <optional>
#include <utility>

#include <meterhub/base/logging.h>
#include <meterhub/crypto/secret.h>
#include <meterhub/net/connection.h>

namespace meterhub::ns {
namespace {

// Where the feed calls a client: on the loop, but not while the client has enough to read. The feed
// gives its next message only after the last was taken, so at most one task waits here.
class Gate final : public base::Executor, public std::enable_shared_from_this<Gate> {
 public:
  explicit Gate(net::EventLoop& loop) : loop_(loop) {}

  void post(base::Task task) override {
    loop_.post([weak = weak_from_this(), task = std::move(task)]() mutable {
      if (const auto gate = weak.lock()) gate->take(std::move(task));
    });
  }
  TimerId after(std::chrono::nanoseconds delay, base::Task task) override { return loop_.after(delay, std::move(task)); }
  void cancel(TimerId timer) override { loop_.cancel(timer); }
  const base::Clock& clock() const override { return loop_.clock(); }

  void close() { closed_ = true; }
  void open() {
    closed_ = false;
    if (auto task = std::exchange(held_, std::nullopt)) (*task)();
  }

 private:
  void take(base::Task task) {
    if (closed_) {
      held_ = std::move(task);
    } else {
      task();
    }
  }

  net::EventLoop& loop_;
  bool closed_ = false;
  std::optional<base::Task> held_;
};

class Publisher final : public FeedServer {
 public:
  Publisher(net::EventLoop& loop, registry::SessionFeed& feed, base::Metrics& metrics, FeedServerOptions options)
      : loop_(loop),
        feed_(feed),
        options_(std::move(options)),
        refused_(metrics.counter("meterhub_feed_refused_total", "Clients of the session feed with another's certificate.")),
        bytes_(metrics.counter("meterhub_feed_bytes_total", "Bytes of the session feed given to clients.")) {}

  base::Result<void> start(base::Metrics& metrics) {
    net::ListenOptions listen;
    listen.tls = options_.tls;
    listen.limits.output_high = options_.output_high;
    listen.limits.output_max = options_.output_high + 4 * registry::kMaxFeedFrame;
    listen.max_connections = options_.connections_max;
    listen.name = "session_feed";
    listener_ = MH_TRY(net::Listener::tcp(loop_, options_.listen, std::move(listen), metrics,
                                          [this](net::ConnectionPtr c) { accept(std::move(c)); }));
    return {};
  }
  const net::Address& address() const override { return listener_->address(); }
  std::size_t clients() const override { return clients_.size(); }

 private:
  struct Client;

  void accept(net::ConnectionPtr connection);
  void remove(Client& client);
  std::shared_ptr<Gate> take_gate();

  net::EventLoop& loop_;
  registry::SessionFeed& feed_;
  const FeedServerOptions options_;
  base::Counter& refused_;
  base::Counter& bytes_;
  // Used again, never destroyed while the feed may still call: a stale task finds its receiver gone.
  std::vector<std::shared_ptr<Gate>> idle_gates_;
  std::list<std::unique_ptr<Client>> clients_;
  std::unique_ptr<net::Listener> listener_;
};

struct Publisher::Client final : net::ConnectionHandler, registry::SessionListener {
  Client(Publisher& p, net::ConnectionPtr c, std::shared_ptr<Gate> g)
      : publisher(p), connection(std::move(c)), gate(std::move(g)) {
    connection->set_handler(*this);
    subscription = publisher.feed_.subscribe(*this, *gate);
  }
  ~Client() override {
    subscription.reset();
    gate->open();  // what it held finds nobody and wipes its keys
    if (connection) connection->abort();
  }

  void on_feed(const registry::FeedMessage& message) override {
    base::Bytes bytes;
    registry::encode(message, bytes);
    connection->write(bytes);
    publisher.bytes_.add(bytes.size());
    crypto::wipe(bytes);
    if (connection->output_waiting() > publisher.options_.output_high) gate->close();
  }
  void on_writable() override { gate->open(); }
  void on_data(base::BytesView /*bytes*/) override {}  // clients say nothing
  void on_closed(net::CloseReason reason, std::string_view text) override {
    base::logging::info("session_feed_client_gone", {{"peer", connection->peer().text()}, {"reason", net::close_reason_name(reason)}, {"text", text}});
    connection.reset();
    publisher.remove(*this);
  }

  Publisher& publisher;
  net::ConnectionPtr connection;
  std::shared_ptr<Gate> gate;
  std::unique_ptr<registry::Subscription> subscription;
};

void Publisher::accept(net::ConnectionPtr connection) {
  if (!options_.client_name.empty() && connection->peer_name() != options_.client_name) {
    base::logging::warn("session_feed_client_refused", {{"peer", connection->peer().text()}, {"name", connection->peer_name()}});
    refused_.add();
    connection->abort();
    return;
  }
  base::logging::info("session_feed_client", {{"peer", connection->peer().text()}, {"name", connection->peer_name()}});
  clients_.push_back(std::make_unique<Client>(*this, std::move(connection), take_gate()));
}

std::shared_ptr<Gate> Publisher::take_gate() {
  if (idle_gates_.empty()) return std::make_shared<Gate>(loop_);
  auto out = std::move(idle_gates_.back());
  idle_gates_.pop_back();
  return out;
}

void Publisher::remove(Client& client) {
  idle_gates_.push_back(client.gate);
  clients_.remove_if([&](const auto& one) { return one.get() == &client; });
}

}  // namespace

base::Result<std::unique_ptr<FeedServer>> FeedServer::create(net::EventLoop& loop, registry::SessionFeed& feed,
                                                             base::Metrics& metrics, FeedServerOptions options) {
  if (!options.tls && !options.listen.is_loopback()) {
    return base::fail(base::Errc::kInvalidArgument, "the session feed on " + options.listen.text() + " carries keys: it needs TLS");
  }
  if (options.connections_max == 0) return base::fail(base::Errc::kInvalidArgument, "the session feed needs at least one connection");
  auto out = std::make_unique<Publisher>(loop, feed, metrics, std::move(options));
  MH_TRY_VOID(out->start(metrics));
  return out;
}

}  // namespace meterhub::ns
