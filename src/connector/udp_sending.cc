// What goes out: blocks into parts, parts to servers.
#include "udp_peers.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <iterator>
#include <numeric>
#include <utility>

#include <meterhub/crypto/secret.h>
#include <meterhub/lorawan/gwmp.h>

namespace meterhub::connector {
namespace {

base::Result<std::string> answers_to(const UdpTransportOptions& options, const net::Address& listener) {
  if (!options.answer_to.empty()) return options.answer_to;
  const bool everywhere = listener.ip_text() == "0.0.0.0" || listener.ip_text() == "::";
  if (!everywhere) return listener.text();
  return base::fail(base::Errc::kInvalidArgument, "ns.answer_to is needed: no server can bring answers to " + listener.text());
}

}  // namespace

std::size_t WireServer::in_flight() const {
  return std::accumulate(channels.begin(), channels.end(), std::size_t{0},
                         [](std::size_t sum, const Channel& one) { return sum + one.in_flight; });
}

UdpTransport::State::State(net::EventLoop& loop, base::Executor& executor, base::Metrics& metrics, UdpTransportOptions options)
    : loop_(loop),
      executor_(executor),
      options_(std::move(options)),
      sent_(metrics.counter("meterhub_connector_ns_parts_sent_total", "Datagrams sent to network servers.")),
      resent_(metrics.counter("meterhub_connector_ns_parts_resent_total", "Datagrams sent again.")),
      acks_(metrics.counter("meterhub_connector_ns_acks_total", "Datagrams that servers acknowledged.")),
      lines_(metrics.counter("meterhub_connector_ns_lines_total", "Lines of answers taken.")),
      unmatched_(metrics.counter("meterhub_connector_ns_lines_unmatched_total", "Lines for no request in flight.")),
      malformed_(metrics.counter("meterhub_connector_ns_lines_malformed_total", "Lines that are no answer to their request.")),
      failed_(metrics.counter("meterhub_connector_ns_failed_total", "Packets that servers failed on, put aside.")),
      left_out_(metrics.counter("meterhub_connector_ns_left_out_total", "Times a server was left out for its silence.")),
      renewed_(metrics.counter("meterhub_connector_ns_ports_renewed_total", "Source ports given up for others.")),
      healthy_(metrics.gauge("meterhub_connector_ns_healthy", "Servers that acknowledge.")) {
  for (const auto& address : options_.servers) {
    WireServer server;
    server.address = address;
    server.channels.resize(options_.sources);
    servers_.push_back(std::move(server));
  }
  healthy_.set(static_cast<double>(servers_.size()));
}

base::Result<void> UdpTransport::State::start(base::Metrics& metrics) {
  port_ = MH_TRY(AnswerPort::open(loop_, {options_.listen, options_.networks, options_.tls, options_.plaintext}, metrics,
                                  [this] { return std::make_unique<LineReader>(*this); }));
  answer_to_ = MH_TRY(answers_to(options_, port_->address()));
  for (std::size_t i = 0; i < options_.sources; ++i) {
    auto source = std::make_unique<Source>(*this, i);
    source->socket = MH_TRY(net::UdpSocket::bind(loop_, options_.bind, {}, *source));
    sources_.push_back(std::move(source));
  }
  next_renewal_ = now() + options_.port_life;
  return {};
}

void UdpTransport::State::open(Block block, Done done) {
  auto job = std::make_shared<WireJob>(WireJob{std::move(block), std::move(done), {}});
  job->opened.resize(job->block.deliveries.size());
  std::vector<PartPtr> parts;
  for (std::size_t i = 0; i < job->block.deliveries.size(); ++i) {
    auto cut = cut_delivery(job->block.deliveries[i], options_.part_max, answer_to_, reader_);
    job->opened[i].answers = std::move(cut.errors);
    for (auto& wire : cut.parts) {
      auto part = std::make_shared<Part>();
      part->job = job;
      part->delivery = i;
      part->wire = std::move(wire);
      ++job->parts_left;
      parts.push_back(std::move(part));
    }
  }
  // Datagrams of one size that leave behind each other are one message to the kernel (net/udp.h).
  std::ranges::stable_sort(parts, std::greater(), [](const PartPtr& part) { return part->wire.members.size(); });
  std::ranges::move(parts, std::back_inserter(ready_));
  if (job->parts_left == 0) finish(job);
  pump();
}

void UdpTransport::State::pump() {
  while (pump(suspects_)) {}
  while (pump(ready_)) {}
  plan_tick();
}

// False when the first of the queue finds no server with room.
bool UdpTransport::State::pump(std::deque<PartPtr>& queue) {
  if (queue.empty()) return false;
  if (!queue.front()->done) {
    const auto server = choose_server(*queue.front());
    if (!server) return false;
    send(queue.front(), *server);
  }
  queue.pop_front();
  return true;
}

bool UdpTransport::State::has_room(const WireServer& server, const Part& part) const {
  if (server.out || (part.suspect && server.suspect_under_way)) return false;
  return static_cast<double>(server.in_flight()) < server.window;
}

// In turn; the one that had the part last only when there is no other.
std::optional<std::size_t> UdpTransport::State::choose_server(const Part& part) {
  std::optional<std::size_t> again;
  bool other_lives = false;
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    const auto at = (next_server_ + i) % servers_.size();
    if (at != part.last_server && !servers_[at].out) other_lives = true;
    if (!has_room(servers_[at], part)) continue;
    if (at == part.last_server) {
      again = at;
      continue;
    }
    next_server_ = at + 1;
    return at;
  }
  return other_lives ? std::nullopt : again;
}

std::size_t UdpTransport::State::choose_channel(WireServer& server) {
  for (std::size_t i = 0; i < server.channels.size(); ++i) {
    const auto at = (server.next_channel + i) % server.channels.size();
    if (server.channels[at].in_flight >= options_.in_flight_max) continue;
    server.next_channel = at + 1;
    return at;
  }
  return 0;  // the window is never wider than all channels
}

std::vector<lorawan::CounterHint> UdpTransport::State::hints_of(const WirePart& part) const {
  std::vector<lorawan::CounterHint> out;
  for (const auto address : part.addresses) {
    if (const auto it = hints_.find(address.value); it != hints_.end()) out.push_back({address, it->second});
  }
  return out;
}

void UdpTransport::State::send(const PartPtr& part, std::size_t to) {
  auto& server = servers_[to];
  const auto& delivery = part->job->block.deliveries[part->delivery];
  auto attempt = std::make_unique<Attempt>();
  attempt->part = part;
  attempt->server = to;
  attempt->channel = choose_channel(server);
  attempt->sent = now();
  auto& channel = server.channels[attempt->channel];
  attempt->token = channel.next_token++;
  attempt->rid = request_id(delivery.origin, part->wire.number, part->attempts_made, std::bit_cast<std::uint64_t>(crypto::random_array<8>()));
  const std::array<std::uint8_t, 2> token{static_cast<std::uint8_t>(attempt->token >> 8), static_cast<std::uint8_t>(attempt->token & 0xFF)};
  const auto hints = hints_of(part->wire);
  sources_[attempt->channel]->socket->send(
      server.address, base::as_bytes(build_datagram(delivery, part->wire, {token, attempt->rid, answer_to_, hints, options_.part_max})));

  (part->attempts_made == 0 ? sent_ : resent_).add();
  count_sent(server);
  ++channel.in_flight;
  channel.tokens[attempt->token] = attempt->rid;
  attempt->as_suspect = part->suspect;
  if (part->suspect) server.suspect_under_way = true;
  // Longer each time, up to eight times: a server that is merely slow is not buried in copies.
  deadlines_.emplace(attempt->sent + options_.resend_after * (1 << std::min(part->attempts_made, 3U)), attempt->rid);
  ++part->attempts_made;
  part->last_server = to;
  part->open_attempts.push_back(attempt.get());
  attempts_.emplace(attempt->rid, std::move(attempt));
}

}  // namespace meterhub::connector
