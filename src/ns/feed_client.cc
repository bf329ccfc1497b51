#include <meterhub/ns/feed_client.h>

#include <utility>

#include <meterhub/base/logging.h>
#include <meterhub/base/time_text.h>
#include <meterhub/crypto/secret.h>
#include <meterhub/net/connection.h>

#include "session_file.h"

namespace meterhub::ns {
namespace {

using registry::FeedMessage;

class Client final : public FeedClient, public net::ConnectionHandler {
 public:
  Client(net::EventLoop& loop, decrypt::SessionTable& table, base::Disk& disk, base::Metrics& metrics, FeedClientOptions options)
      : loop_(loop),
        table_(table),
        options_(std::move(options)),
        file_(disk, options_.file, options_.file_key),
        messages_(metrics.counter("meterhub_ns_feed_messages_total", "Messages of the session feed.")),
        connects_(metrics.counter("meterhub_ns_feed_connects_total", "Connections to the session feed begun.")),
        file_errors_(metrics.counter("meterhub_ns_session_file_errors_total", "Writes of the sessions' copy that failed.")),
        connected_(metrics.gauge("meterhub_ns_feed_connected", "1 while the session feed is connected.")),
        sessions_(metrics.gauge("meterhub_ns_sessions", "Sessions in memory.")),
        backoff_(options_.reconnect_first) {}
  ~Client() override {
    if (connection_) connection_->abort();
    crypto::wipe(input_);
  }

  void start() {
    load();
    connect();
    watch_silence();
  }
  bool has_sessions() const override { return has_sessions_; }
  bool connected() const override { return open_; }

  void on_open() override {
    open_ = true;
    heard_ = loop_.clock().monotonic();
    connected_.set(1);
    base::logging::info("session_feed_connected", {{"server", connection_->peer().text()}});
  }
  void on_data(base::BytesView bytes) override;
  void on_closed(net::CloseReason reason, std::string_view text) override {
    base::logging::warn("session_feed_lost", {{"reason", net::close_reason_name(reason)}, {"text", text}});
    disconnected();
  }

 private:
  void load();
  void connect();
  void connect_later();
  void disconnected();
  void reconnect();
  void watch_silence();
  bool take_input();
  void apply(const FeedMessage& message);
  void take(const registry::SnapshotBegin& message);
  void take(const registry::SnapshotEnd& message);
  void take(const registry::SessionsPut& message);
  void take(const registry::SessionsDropped& message);
  void take(const registry::Heartbeat& message);
  void keep(const FeedMessage& message);
  template <class Call>
  void later(std::chrono::milliseconds delay, Call call) {
    loop_.after(delay, [weak = std::weak_ptr(alive_), call] {
      if (const auto self = weak.lock()) ((*self)->*call)();
    });
  }

  net::EventLoop& loop_;
  decrypt::SessionTable& table_;
  const FeedClientOptions options_;
  SessionFile file_;
  base::Counter& messages_;
  base::Counter& connects_;
  base::Counter& file_errors_;
  base::Gauge& connected_;
  base::Gauge& sessions_;
  std::chrono::milliseconds backoff_;
  std::size_t next_server_ = 0;
  net::ConnectionPtr connection_;
  base::Bytes input_;
  base::MonotonicTime heard_{};
  bool open_ = false;
  bool has_sessions_ = false;
  bool in_snapshot_ = false;
  std::shared_ptr<Client*> alive_ = std::make_shared<Client*>(this);
};

void wipe(FeedMessage& message) {
  if (auto* put = std::get_if<registry::SessionsPut>(&message)) decrypt::wipe_keys(put->sessions);
}

void Client::load() {
  const auto loaded = file_.replay([this](const FeedMessage& message) { apply(message); });
  if (loaded) {
    base::logging::info("sessions_loaded", {{"sessions", table_.size()}, {"as_of", base::rfc3339(table_.fresh_as_of())}});
  } else if (loaded.error().code != base::Errc::kNotFound) {
    base::logging::error("sessions_not_loaded", {{"error", loaded.error().text}});
  }
}

void Client::connect() {
  const auto& server = options_.servers[next_server_++ % options_.servers.size()];
  net::ConnectOptions how;
  how.tls = options_.tls;
  how.server_name = options_.server_name.empty() ? server.ip_text() : options_.server_name;
  connects_.add();
  auto made = net::connect(loop_, server, std::move(how), *this);
  if (made) {
    connection_ = std::move(*made);
    return;
  }
  base::logging::warn("session_feed_unreachable", {{"server", server.text()}, {"error", made.error().text}});
  connect_later();
}

void Client::connect_later() {
  later(backoff_, &Client::connect);
  backoff_ = std::min(backoff_ * 2, options_.reconnect_max);
}

void Client::disconnected() {
  connection_.reset();
  crypto::wipe(input_);
  input_.clear();
  open_ = false;
  connected_.set(0);
  connect_later();
}

void Client::reconnect() {
  connection_->abort();
  disconnected();
}

void Client::watch_silence() {
  if (open_ && loop_.clock().monotonic() - heard_ > options_.silence_max) {
    base::logging::warn("session_feed_silent");
    reconnect();
  }
  later(options_.silence_max / 2, &Client::watch_silence);
}

void Client::on_data(base::BytesView bytes) {
  heard_ = loop_.clock().monotonic();
  input_.insert(input_.end(), bytes.begin(), bytes.end());
  if (!take_input()) return reconnect();
  if (file_.changes() > options_.file_changes_max) reconnect();  // a new snapshot shortens the copy
}

bool Client::take_input() {
  std::size_t at = 0;
  bool good = true;
  while (good) {
    std::size_t used = 0;
    auto message = registry::decode(base::BytesView(input_).subspan(at), used);
    good = message.has_value();
    if (!good) base::logging::error("session_feed_unreadable", {{"error", message.error().text}});
    if (!good || !*message) break;
    at += used;
    messages_.add();
    backoff_ = options_.reconnect_first;
    apply(**message);
    keep(**message);
    wipe(**message);
  }
  crypto::wipe(std::span(input_).first(at));
  input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(at));
  return good;
}

void Client::apply(const FeedMessage& message) {
  std::visit([this](const auto& one) { take(one); }, message);
}

void Client::take(const registry::SnapshotBegin& /*message*/) {
  in_snapshot_ = true;
  table_.begin_snapshot();
}

void Client::take(const registry::SnapshotEnd& /*message*/) {
  // An end without a beginning would drop everything.
  if (!std::exchange(in_snapshot_, false)) return;
  table_.end_snapshot();
  has_sessions_ = true;
  sessions_.set(static_cast<double>(table_.size()));
}

void Client::take(const registry::SessionsPut& message) {
  for (const auto& session : message.sessions) {
    if (const auto kept = table_.upsert(session); !kept) {
      base::logging::error("session_not_kept", {{"meter", session.meter.value}, {"error", kept.error().text}});
    }
  }
}

void Client::take(const registry::SessionsDropped& message) {
  for (const auto& key : message.sessions) table_.drop(key.meter, key.session);
}

void Client::take(const registry::Heartbeat& message) {
  if (!has_sessions_ || in_snapshot_) return;
  table_.set_fresh_as_of(message.current_to);
  sessions_.set(static_cast<double>(table_.size()));
}

void Client::keep(const FeedMessage& message) {
  if (const auto kept = file_.add(message); !kept) {
    file_errors_.add();
    base::logging::error("sessions_not_kept_on_disk", {{"error", kept.error().text}});
  }
}

}  // namespace

base::Result<std::unique_ptr<FeedClient>> FeedClient::create(net::EventLoop& loop, decrypt::SessionTable& table, base::Disk& disk,
                                                             base::Metrics& metrics, FeedClientOptions options) {
  if (options.servers.empty()) return base::fail(base::Errc::kInvalidArgument, "no session feed is named");
  for (const auto& server : options.servers) {
    if (!options.tls && !server.is_loopback()) {
      return base::fail(base::Errc::kInvalidArgument, "the session feed at " + server.text() + " carries keys: it needs TLS");
    }
  }
  auto out = std::make_unique<Client>(loop, table, disk, metrics, std::move(options));
  out->start();
  return out;
}

}  // namespace meterhub::ns
