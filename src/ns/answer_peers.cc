#include "answer_peers.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <meterhub/base/logging.h>

namespace meterhub::ns {
namespace {

// After a connection failed or ended, before the next is tried.
constexpr std::chrono::milliseconds kReconnectPause{100};
// A full peer that has taken nothing for so long is connected anew.
constexpr std::chrono::seconds kStuck{5};

}  // namespace

struct AnswerPeers::Peer final : net::ConnectionHandler {
  Peer(AnswerPeers& p, const net::Address& a) : peers(p), address(a) {}
  ~Peer() override {
    if (connection) connection->abort();
  }

  base::MonotonicTime now() const { return peers.loop_.clock().monotonic(); }

  // False when there is no connection and it is too early for a new one.
  bool connect() {
    if (connection) return true;
    if (retry_at && now() < *retry_at) return false;
    retry_at = now() + kReconnectPause;
    net::ConnectOptions options;
    if (!address.is_loopback()) options.tls = peers.options_.tls;
    options.server_name = address.ip_text();
    options.limits.output_max = 2 * peers.options_.output_max;
    auto made = net::connect(peers.loop_, address, std::move(options), *this);
    if (!made) return false;
    connection = std::move(*made);
    peers.connects_.add();
    taken = 0;
    progress = now();
    return true;
  }

  // Frees a peer that neither reads nor dies.
  void check_stuck() {
    if (connection->bytes_out() != taken) {
      taken = connection->bytes_out();
      progress = now();
    }
    if (now() - progress < kStuck) return;
    connection->abort();
    connection.reset();
  }

  void on_data(base::BytesView /*bytes*/) override {}  // connectors say nothing here
  void on_closed(net::CloseReason reason, std::string_view text) override {
    connection.reset();
    retry_at = now() + kReconnectPause;
    base::logging::info("answer_connection_ended", {{"peer", address.text()}, {"reason", net::close_reason_name(reason)}, {"text", text}});
  }

  AnswerPeers& peers;
  const net::Address address;
  net::ConnectionPtr connection;
  std::optional<base::MonotonicTime> retry_at;
  std::uint64_t taken = 0;
  base::MonotonicTime progress{};
  base::MonotonicTime used{};
};

AnswerPeers::AnswerPeers(net::EventLoop& loop, base::Metrics& metrics, Options options)
    : loop_(loop),
      options_(std::move(options)),
      sent_(metrics.counter("meterhub_ns_lines_total", "Lines of answers given to connections.")),
      dropped_(metrics.counter("meterhub_ns_lines_dropped_total", "Lines dropped: no connection, or a slow peer.")),
      connects_(metrics.counter("meterhub_ns_answer_connects_total", "Connections to connectors begun.")) {}

AnswerPeers::~AnswerPeers() = default;

// A place for a new peer: that of one without a connection, or of the one unused for longest.
bool AnswerPeers::make_room() {
  if (peers_.size() < options_.peers_max) return true;
  const auto oldest = std::ranges::min_element(peers_, {}, [](const auto& one) {
    return std::pair(one.second->connection != nullptr, one.second->used);
  });
  if (oldest->second->connection && oldest->second->connection->output_waiting() > 0) return false;
  peers_.erase(oldest);
  return true;
}

AnswerPeers::Peer* AnswerPeers::find_or_make(const net::Address& to) {
  if (const auto it = peers_.find(to); it != peers_.end()) return it->second.get();
  if (!make_room()) return nullptr;
  return peers_.emplace(to, std::make_unique<Peer>(*this, to)).first->second.get();
}

void AnswerPeers::drop(std::string_view lines) { dropped_.add(static_cast<std::uint64_t>(std::ranges::count(lines, '\n'))); }

void AnswerPeers::send(const net::Address& to, std::string_view lines) {
  Peer* const peer = find_or_make(to);
  if (peer == nullptr || !peer->connect()) return drop(lines);
  peer->used = peer->now();
  if (peer->connection->output_waiting() + lines.size() > options_.output_max) {
    peer->check_stuck();
    return drop(lines);
  }
  sent_.add(static_cast<std::uint64_t>(std::ranges::count(lines, '\n')));
  peer->connection->write(base::as_bytes(lines));
}

std::size_t AnswerPeers::connected() const {
  return static_cast<std::size_t>(std::ranges::count_if(peers_, [](const auto& one) { return one.second->connection != nullptr; }));
}

}  // namespace meterhub::ns
