// What does not come back: resending, health of servers, packets that servers fail on.
#include <algorithm>
#include <set>
#include <utility>

#include <meterhub/base/logging.h>

#include "udp_peers.h"

namespace meterhub::connector {
namespace {

constexpr std::chrono::milliseconds kTick{20};
// Fewer lost datagrams in a row are bad luck.
constexpr std::size_t kSilentDatagrams = 8;
// Attempts of a part that answers may still come to.
constexpr std::size_t kOpenAttemptsMax = 8;
constexpr double kWindowMin = 16;
// A server in doubt is asked this often, so that it is out within kSilentDatagrams of them.
constexpr std::chrono::milliseconds kDoubtProbe{50};
// PULL_DATA of no gateway: asks for nothing but an acknowledgement.
constexpr std::array<std::uint8_t, 12> kProbe{2, 0, 0, 2};

}  // namespace

void UdpTransport::State::plan_tick() {
  const bool idle = deadlines_.empty() && ready_.empty() && suspects_.empty() && doubted_.empty() &&
                    std::ranges::none_of(servers_, &WireServer::out);
  if (idle || tick_planned_) return;
  tick_planned_ = true;
  loop_.after(kTick, [weak = weak_from_this()] {
    if (const auto state = weak.lock()) state->tick();
  });
}

void UdpTransport::State::tick() {
  tick_planned_ = false;
  const auto time = now();
  while (!deadlines_.empty() && deadlines_.begin()->first <= time) {
    const auto rid = std::move(deadlines_.begin()->second);
    deadlines_.erase(deadlines_.begin());
    expire(rid);
  }
  for (auto& server : servers_) check_health(server);
  settle_doubted();
  renew_a_port();
  pump();
}

// One socket after the other, each once in `port_life`. With a fixed port there is nothing to change.
void UdpTransport::State::renew_a_port() {
  if (options_.bind.port != 0 || now() < next_renewal_) return;
  next_renewal_ = now() + options_.port_life / sources_.size();
  auto& source = *sources_[next_renewed_++ % sources_.size()];
  auto fresh = net::UdpSocket::bind(loop_, options_.bind, {}, source);
  if (!fresh) return;  // the old one still works; the next turn tries again
  source.before = std::exchange(source.socket, std::move(*fresh));
  renewed_.add();
}

void UdpTransport::State::expire(const std::string& rid) {
  const auto found = attempts_.find(rid);
  if (found == attempts_.end()) return;
  auto& attempt = *found->second;
  const PartPtr part = attempt.part;
  auto& server = servers_[attempt.server];
  // One cut for all that was lost together.
  if (!attempt.acknowledged && now() - server.window_cut > options_.resend_after) {
    server.window = std::max(kWindowMin, server.window / 2);
    server.window_cut = now();
  }
  give_up_slot(attempt);
  if (!attempt.acknowledged || server.out) return settle(part);
  // Did it die of this? The part goes to no other before that is known.
  server.doubted = true;
  doubted_.push_back(part);
}

void UdpTransport::State::settle_doubted() {
  for (const auto& part : std::exchange(doubted_, {})) {
    if (part->done) continue;
    if (servers_[*part->last_server].doubted) {
      doubted_.push_back(part);
    } else {
      settle(part);
    }
  }
}

// Unanswered in time: again, or aside.
void UdpTransport::State::settle(const PartPtr& part) {
  judge(*part);
  if (is_poison(*part)) return poison(part);
  if (part->open_attempts.size() == kOpenAttemptsMax) {
    forget(*part->open_attempts.front());
    part->open_attempts.erase(part->open_attempts.begin());
  }
  (part->suspect ? suspects_ : ready_).push_front(part);
}

void UdpTransport::State::give_up_slot(Attempt& attempt) {
  if (!std::exchange(attempt.holds_slot, false)) return;
  auto& server = servers_[attempt.server];
  --server.channels[attempt.channel].in_flight;
  if (attempt.as_suspect) server.suspect_under_way = false;
}

void UdpTransport::State::forget(Attempt& attempt) {
  give_up_slot(attempt);
  auto& tokens = servers_[attempt.server].channels[attempt.channel].tokens;
  if (const auto token = tokens.find(attempt.token); token != tokens.end() && token->second == attempt.rid) tokens.erase(token);
  attempts_.erase(attempts_.find(attempt.rid));
}

// An attempt that arrived and whose server has answered what was sent to it later, or has fallen
// silent while another answered. Mere loss, and an outage of all, are no failures.
bool UdpTransport::State::has_failed(const Attempt& attempt) const {
  if (!attempt.acknowledged) return false;
  const auto& server = servers_[attempt.server];
  if (server.answered_sent > attempt.sent) return true;
  return server.out && std::ranges::any_of(servers_, [&](const WireServer& other) { return other.answered_sent > attempt.sent; });
}

void UdpTransport::State::judge(Part& part) {
  for (Attempt* const attempt : part.open_attempts) {
    if (attempt->judged_failed || !has_failed(*attempt)) continue;
    attempt->judged_failed = true;
    part.failed_servers.push_back(attempt->server);
  }
  if (!part.failed_servers.empty()) part.suspect = true;
}

bool UdpTransport::State::is_poison(const Part& part) const {
  if (servers_.size() < kPoisonAttempts) return part.failed_servers.size() >= kPoisonAttempts;
  return std::set(part.failed_servers.begin(), part.failed_servers.end()).size() >= kPoisonAttempts;
}

// Several packets in one part: each is asked about alone, so that its neighbours are answered.
void UdpTransport::State::poison(const PartPtr& part) {
  const auto& job = part->job;
  auto singles = part->wire.raw ? std::vector<WirePart>() : cut_single(part->wire, reader_);
  if (singles.size() > 1) {
    for (auto& single : singles) {
      auto own = std::make_shared<Part>();
      own->job = job;
      own->delivery = part->delivery;
      own->wire = std::move(single);
      own->suspect = true;
      ++job->parts_left;
      suspects_.push_back(std::move(own));
    }
    return finish_part(part);
  }
  const auto& delivery = job->block.deliveries[part->delivery];
  failed_.add();
  base::logging::warn("ns_failed_on_packet", {{"log", delivery.origin.log}, {"offset", delivery.origin.offset.value}, {"index", part->wire.first_index}});
  lorawan::Answer answer;
  answer.kind = lorawan::AnswerKind::kError;
  answer.error = lorawan::PacketError::kNsFailed;
  answer.gateway = delivery.gateway;
  if (!part->wire.raw && part->wire.count > 0) answer.index = part->wire.first_index;
  job->opened[part->delivery].answers.push_back(std::move(answer));
  finish_part(part);
}

void UdpTransport::State::count_sent(WireServer& server) {
  if (server.unacknowledged++ == 0) server.unacknowledged_since = now();
}

void UdpTransport::State::probe(WireServer& server, std::chrono::milliseconds pause) {
  if (now() < server.next_probe) return;
  server.next_probe = now() + pause;
  count_sent(server);
  // From another port each time: the balancer may have one of them with a dead server.
  sources_[next_probe_++ % sources_.size()]->socket->send(server.address, kProbe);
}

void UdpTransport::State::check_health(WireServer& server) {
  if (!server.out && server.unacknowledged >= kSilentDatagrams && now() - server.unacknowledged_since >= options_.silent_after) {
    server.out = true;
    server.doubted = false;
    server.window = 64;
    left_out_.add();
    healthy_.add(-1);
    base::logging::warn("ns_left_out", {{"server", server.address.text()}});
  }
  if (server.out) probe(server, options_.probe_every);
  if (server.doubted) probe(server, kDoubtProbe);
}

}  // namespace meterhub::connector
