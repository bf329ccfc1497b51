// What comes back: acknowledgements and lines of answers.
#include <algorithm>
#include <utility>

#include <meterhub/lorawan/gwmp.h>

#include "udp_peers.h"

namespace meterhub::connector {
namespace {

constexpr std::size_t kLineMax = lorawan::kBodySizeMax;
constexpr std::uint8_t kPushAck = 1;

}  // namespace

bool UdpTransport::State::LineReader::feed(std::string_view bytes) {
  for (;;) {
    const auto end = bytes.find('\n');
    if (end == std::string_view::npos) break;
    if (rest.empty()) {
      state.line(bytes.substr(0, end));
    } else {
      rest += bytes.substr(0, end);
      state.line(rest);
      rest.clear();
    }
    bytes.remove_prefix(end + 1);
  }
  rest += bytes;
  state.pump();
  return rest.size() <= kLineMax;
}

// PUSH_ACK or, after a probe, PULL_ACK: the server is there.
void UdpTransport::State::acknowledged(std::size_t source, const net::Datagram& datagram) {
  const auto server = std::ranges::find(servers_, datagram.peer, &WireServer::address);
  if (server == servers_.end() || datagram.bytes.size() != 4) return;
  acks_.add();
  server->unacknowledged = 0;
  server->doubted = false;
  if (std::exchange(server->out, false)) healthy_.add(1);
  if (datagram.bytes[3] != kPushAck) return;
  const auto token = static_cast<std::uint16_t>(datagram.bytes[1] << 8 | datagram.bytes[2]);
  auto& tokens = server->channels[source].tokens;
  const auto rid = tokens.find(token);
  if (rid == tokens.end()) return;
  if (const auto attempt = attempts_.find(rid->second); attempt != attempts_.end()) attempt->second->acknowledged = true;
}

void UdpTransport::State::line(std::string_view text) {
  if (text.empty()) return;
  auto read = lorawan::read_answer(text);
  if (!read) {
    malformed_.add();
    return;
  }
  const auto found = attempts_.find(read->envelope.rid);
  if (found == attempts_.end()) {
    unmatched_.add();
    return;
  }
  auto& attempt = *found->second;
  if (!take_line(attempt, std::move(*read))) {
    malformed_.add();
  } else if (attempt.lines_have == attempt.lines.size()) {
    complete(attempt);
  }
}

// False for a line that cannot belong to the request; a repeated one changes nothing.
bool UdpTransport::State::take_line(Attempt& attempt, lorawan::AnswerLine line) {
  const auto& wire = attempt.part->wire;
  const auto& envelope = line.envelope;
  if (envelope.n > wire.lines_max()) return false;
  if (envelope.n == 0) return attempt.lines.empty() && line.answer.kind == lorawan::AnswerKind::kNothing;
  if (attempt.lines.empty()) attempt.lines.resize(envelope.n);
  if (attempt.lines.size() != envelope.n || envelope.k >= envelope.n) return false;
  const auto index = line.answer.index;
  if (index && !wire.raw && (*index < wire.first_index || *index >= wire.first_index + wire.count)) return false;
  auto& slot = attempt.lines[envelope.k];
  if (slot) return true;
  lines_.add();
  slot = std::move(line.answer);
  ++attempt.lines_have;
  if (envelope.snapshot) attempt.fresh_as_of = envelope.snapshot->at;
  return true;
}

void UdpTransport::State::remember(const WirePart& part, const lorawan::Answer& answer) {
  if (part.raw || !answer.proven || !answer.dev_addr) return;
  if (hints_.size() >= kHintsMax) hints_.clear();
  hints_[answer.dev_addr->value] = answer.fcnt;
}

void UdpTransport::State::complete(Attempt& attempt) {
  const PartPtr part = attempt.part;
  auto& server = servers_[attempt.server];
  server.answered_sent = std::max(server.answered_sent, attempt.sent);
  const auto room = static_cast<double>(options_.in_flight_max * options_.sources);
  server.window = std::min(room, server.window + 1);
  auto& opened = part->job->opened[part->delivery];
  for (auto& line : attempt.lines) {
    remember(part->wire, *line);
    opened.answers.push_back(std::move(*line));
  }
  // The oldest of a delivery's parts; none is no time at all.
  if (attempt.fresh_as_of && (!opened.fresh_as_of || *attempt.fresh_as_of < *opened.fresh_as_of)) opened.fresh_as_of = attempt.fresh_as_of;
  finish_part(part);
}

void UdpTransport::State::finish_part(const PartPtr& part) {
  part->done = true;
  for (Attempt* const attempt : std::exchange(part->open_attempts, {})) forget(*attempt);
  if (--part->job->parts_left == 0) finish(part->job);
}

// The answers of a delivery in the order of its packets, `stat` last, whatever came first.
void UdpTransport::State::finish(const std::shared_ptr<WireJob>& job) {
  for (auto& opened : job->opened) {
    std::ranges::stable_sort(opened.answers, {}, [](const lorawan::Answer& one) { return one.index.value_or(UINT32_MAX); });
  }
  executor_.post([done = std::move(job->done), opened = std::move(job->opened), storage = std::move(job->block.storage)]() mutable {
    done(std::move(opened));
  });
}

}  // namespace meterhub::connector
