// Transfers in and out, and their settlement.
#include <algorithm>

#include <meterhub/base/assert.h>

#include "big_endian.h"
#include "connection_engine.h"

namespace meterhub::amqp {
namespace {

constexpr std::size_t kKeepCapacity = 64 * 1024;
constexpr std::size_t kMaxTag = 32;  // part 2, section 2.8.7

// The verdict that a state stands for; nothing for one that is not terminal.
std::optional<Outcome> outcome_of(const Value& state) {
  if (is<Accepted>(state)) return Outcome::kAccepted;
  if (is<Rejected>(state)) return Outcome::kRejected;
  if (is<Released>(state)) return Outcome::kReleased;
  if (is<Modified>(state)) return Outcome::kModified;
  return std::nullopt;
}

ErrorView rejection_of(const Value& state) {
  if (!is<Rejected>(state)) return {};
  const auto rejected = decode<Rejected>(state);
  return rejected ? error_of(rejected->error) : ErrorView{};
}

void encode_outcome(base::Bytes& out, Outcome outcome, const ErrorView& error) {
  switch (outcome) {
    case Outcome::kAccepted: return encode(out, Accepted{});
    case Outcome::kReleased: return encode(out, Released{});
    case Outcome::kModified:
      return encode(out, Modified{.delivery_failed = true, .undeliverable_here = false, .message_annotations = {}});
    case Outcome::kRejected: break;
  }
  base::Bytes buffer;
  encode(out, Rejected{encoded_error(buffer, error)});
}

// Bytes `begin` … of head followed by body, at most `count`.
void append_part(base::Bytes& out, base::BytesView head, base::BytesView body, std::size_t begin, std::size_t count) {
  if (begin < head.size()) {
    const auto part = head.subspan(begin, std::min(count, head.size() - begin));
    out.insert(out.end(), part.begin(), part.end());
    begin += part.size();
    count -= part.size();
  }
  if (count == 0) return;
  const auto part = body.subspan(begin - head.size(), count);
  out.insert(out.end(), part.begin(), part.end());
}

}  // namespace

// --- in ---

void Connection::Engine::take_transfer(Session& session, base::BytesView body) {
  auto fields = decode<Transfer>(body);  // moves body to the payload
  if (!fields) return fail("amqp:decode-error", fields.error().text);
  const Transfer& transfer = *fields;
  Link* link = remote_link(session, transfer.handle);
  if (link != nullptr && link->receiver && !link->incoming.under_way && link->awaits_credit()) {
    short_of_credit_ = link->id;
    return;
  }
  ++statistics_.transfers_in;
  ++session.next_incoming_id;
  if (session.incoming_window == 0) {
    return fail_session(session, "amqp:session:window-violation", "a transfer beyond the session's window");
  }
  --session.incoming_window;
  if (link == nullptr || !link->receiver) {
    return fail_session(session, "amqp:session:unattached-handle", "a transfer on no link");
  }
  touch(*link);
  if (!link->incoming.under_way && !begin_delivery(session, *link, transfer)) return;
  if (transfer.aborted) return abort_delivery(*link);
  if (link->state != Link::State::kAttached) {
    link->incoming.under_way = transfer.more;
    return;
  }
  take_payload(*link, transfer, body);
}

bool Connection::Engine::begin_delivery(Session& session, Link& link, const Transfer& transfer) {
  if (!transfer.delivery_id || !transfer.delivery_tag || transfer.delivery_tag->size() > kMaxTag) {
    fail_session(session, "amqp:invalid-field", "a delivery begins without id and tag");
    return false;
  }
  DeliveryRing& ring = session.incoming;
  if (!ring.started()) ring.start_at(*transfer.delivery_id);
  if (*transfer.delivery_id != ring.next_id()) {
    fail_session(session, "amqp:invalid-field", "delivery ids are not consecutive");
    return false;
  }
  if (ring.size() >= options_.limits.deliveries_in_flight) {
    fail_session(session, "amqp:resource-limit-exceeded", "too many unsettled deliveries");
    return false;
  }
  const bool dead = link.state == Link::State::kDetaching;
  link.incoming.settled = transfer.settled.value_or(false);
  ring.push({link.id, !link.incoming.settled && !dead});
  ++link.delivery_count;
  if (link.credit > 0) --link.credit;
  link.incoming.under_way = true;
  link.incoming.single = !transfer.more;
  link.incoming.oversized = false;
  link.incoming.id = *transfer.delivery_id;
  link.incoming.format = transfer.message_format.value_or(0);
  link.incoming.bytes = 0;
  // Later transfers need not repeat the tag.
  if (transfer.more) link.incoming.tag.assign(transfer.delivery_tag->begin(), transfer.delivery_tag->end());
  if (dead) return true;
  if (!link.incoming.settled) ++link.unsettled;
  return true;
}

void Connection::Engine::take_payload(Link& link, const Transfer& transfer, base::BytesView payload) {
  Link::Incoming& in = link.incoming;
  if (transfer.settled.value_or(false) && !in.settled) {
    in.settled = true;
    if (auto* entry = link.session->incoming.find(in.id)) entry->open = false;
    --link.unsettled;
    link.session->incoming.shrink();
  }
  in.bytes += payload.size();
  const bool fits = in.single || assembled_ + payload.size() <= options_.limits.assembly_bytes;
  if (link.max_message_size != 0 && in.bytes > link.max_message_size) in.oversized = true;
  if (!fits) in.oversized = true;
  if (in.oversized) {
    drop_assembly(link);
    if (!transfer.more) reject_oversized(link);
    return;
  }
  if (in.single) return complete_delivery(link, *transfer.delivery_tag, payload);
  in.payload.insert(in.payload.end(), payload.begin(), payload.end());
  assembled_ += payload.size();
  if (!transfer.more) complete_delivery(link, in.tag, in.payload);
}

void Connection::Engine::abort_delivery(Link& link) {
  link.incoming.under_way = false;
  if (auto* entry = link.session->incoming.find(link.incoming.id); entry != nullptr && entry->open) {
    entry->open = false;
    --link.unsettled;
  }
  link.session->incoming.shrink();
  drop_assembly(link);
}

void Connection::Engine::drop_assembly(Link& link) {
  assembled_ -= link.incoming.payload.size();
  link.incoming.payload.clear();
  if (link.incoming.payload.capacity() > kKeepCapacity) link.incoming.payload = {};
}

void Connection::Engine::complete_delivery(Link& link, base::BytesView tag, base::BytesView payload) {
  link.incoming.under_way = false;
  ++statistics_.deliveries_in;
  listener_.on_delivery({.session = link.session->id,
                         .link = link.id,
                         .id = link.incoming.id,
                         .tag = tag,
                         .message_format = link.incoming.format,
                         .settled = link.incoming.settled,
                         .payload = payload});
  drop_assembly(link);
}

void Connection::Engine::reject_oversized(Link& link) {
  link.incoming.under_way = false;
  ++statistics_.oversized;
  const DeliveryId id = link.incoming.id;
  if (!link.incoming.settled) {
    settle(link.session->id, id, id, Outcome::kRejected,
           {"amqp:link:message-size-exceeded", "the message is larger than the link allows"});
  }
  listener_.on_oversized(link.id, link.incoming.bytes);
}

// --- settling what came in ---

void Connection::Engine::settle(SessionId id, DeliveryId first, DeliveryId last, Outcome outcome,
                                const ErrorView& error) {
  Session* session = find(id);
  if (session == nullptr || session->state != Session::State::kMapped) return;
  const auto [begin, end] = session->incoming.clamp(first, last);
  for (std::uint32_t i = begin; i < end; ++i) {
    DeliveryRing::Entry& entry = session->incoming.at(i);
    if (!entry.open) continue;
    entry.open = false;
    if (Link* link = find(entry.link)) {
      --link->unsettled;
      touch(*link);
    }
    const DeliveryId delivery = session->incoming.id_at(i);
    auto& all = session->settlements;
    const bool joins = !all.empty() && all.back().last + 1 == delivery && all.back().outcome == outcome &&
                       all.back().condition == error.condition && all.back().description == error.description;
    if (joins) all.back().last = delivery;
    else all.push_back({delivery, delivery, outcome, std::string(error.condition), std::string(error.description)});
  }
  session->incoming.shrink();
  touch(*session);
}

void Connection::Engine::flush_settlements(Session& session) {
  base::Bytes state;
  for (const Session::Settlement& each : session.settlements) {
    state.clear();
    encode_outcome(state, each.outcome, {each.condition, each.description});
    Disposition disposition;
    disposition.receiver = true;
    disposition.first = each.first;
    if (each.last != each.first) disposition.last = each.last;
    disposition.settled = true;
    disposition.state = Value::parse(state).value_or(Value{});
    write(session.channel, disposition);
  }
  session.settlements.clear();
}

// --- verdicts on what went out ---

void Connection::Engine::take_disposition(Session& session, base::BytesView body) {
  const auto disposition = decoded<Disposition>(body);
  if (!disposition) return;
  if (disposition->receiver) return take_outcome(session, *disposition);
  take_sender_settled(session, *disposition);
}

void Connection::Engine::take_outcome(Session& session, const Disposition& disposition) {
  const auto verdict = outcome_of(disposition.state);
  if (!verdict && !disposition.settled) return;
  const ErrorView error = rejection_of(disposition.state);
  DeliveryRing& ring = session.outgoing;
  const DeliveryId last = disposition.last.value_or(disposition.first);
  auto [i, end] = ring.clamp(disposition.first, last);
  while (i < end) {
    const LinkId id = ring.at(i).link;
    const std::uint32_t run = i;
    for (; i < end && ring.at(i).open && ring.at(i).link == id; ++i) ring.at(i).open = false;
    if (i == run) {
      ++i;
      continue;
    }
    Link* link = find(id);
    if (link == nullptr) continue;
    link->unsettled -= i - run;
    listener_.on_outcome(id, ring.id_at(run), ring.id_at(i - 1), verdict.value_or(Outcome::kAccepted), error);
  }
  ring.shrink();
  if (disposition.settled || close_sent_ || session.state != Session::State::kMapped) return;
  Disposition answer;
  answer.first = disposition.first;
  answer.last = disposition.last;
  answer.settled = true;
  write(session.channel, answer);
}

// The sender forgets deliveries of its own accord: nothing is left to answer.
void Connection::Engine::take_sender_settled(Session& session, const Disposition& disposition) {
  if (!disposition.settled) return;
  const auto [begin, end] = session.incoming.clamp(disposition.first, disposition.last.value_or(disposition.first));
  for (std::uint32_t i = begin; i < end; ++i) {
    DeliveryRing::Entry& entry = session.incoming.at(i);
    if (!entry.open) continue;
    entry.open = false;
    if (Link* link = find(entry.link)) {
      --link->unsettled;
      if (link->incoming.under_way && link->incoming.id == session.incoming.id_at(i)) link->incoming.settled = true;
      touch(*link);
    }
  }
  session.incoming.shrink();
}

// --- out ---

std::uint32_t Connection::Engine::sendable(LinkId id) const {
  const Link* link = usable(id);
  if (link == nullptr || link->receiver || output_full()) return 0;
  const Session& session = *link->session;
  const std::uint32_t limit = options_.limits.deliveries_in_flight;
  if (!session.held.empty() || session.remote_window == 0 || session.outgoing.size() >= limit) return 0;
  return std::min({link->credit, session.remote_window, limit - session.outgoing.size()});
}

std::uint32_t Connection::Engine::unsettled(LinkId id) const {
  const Link* link = find(id);
  return link != nullptr && !link->receiver ? link->unsettled : 0;
}

base::Result<DeliveryId> Connection::Engine::send(LinkId id, base::BytesView head, base::BytesView body,
                                                  const SendOptions& options) {
  Link* link = usable(id);
  if (link == nullptr || link->receiver) return base::fail(base::Errc::kNotFound, "no such sending link");
  MH_ASSERT(options.tag.size() <= kMaxTag);
  const bool too_large = link->max_message_size != 0 && head.size() + body.size() > link->max_message_size;
  if (too_large) return base::fail(base::Errc::kTooLarge, "the message is larger than the peer takes");
  if (sendable(id) == 0) return base::fail(base::Errc::kUnavailable, "no credit");
  Session& session = *link->session;
  // A reply does not overtake the settlement of its request: uAMQP takes that for a failure, and falls.
  flush_settlements(session);
  const DeliveryId delivery = session.outgoing.next_id();
  std::uint8_t tag[4];
  store_be(tag, delivery);
  Transfer transfer;
  transfer.handle = link->handle;
  transfer.delivery_id = delivery;
  transfer.delivery_tag = options.tag.empty() ? base::BytesView(tag) : options.tag;
  transfer.message_format = options.message_format;
  transfer.settled = options.settled || link->presettled;
  write_transfer(session, transfer, head, body);
  session.outgoing.push({id, !*transfer.settled});
  if (!*transfer.settled) ++link->unsettled;
  ++link->delivery_count;
  --link->credit;
  ++statistics_.deliveries_out;
  return delivery;
}

void Connection::Engine::write_transfer(Session& session, const Transfer& first, base::BytesView head,
                                        base::BytesView body) {
  const std::size_t total = head.size() + body.size();
  Transfer transfer = first;
  std::size_t sent = 0;
  do {
    const bool hold = session.remote_window == 0;
    base::Bytes& out = hold ? session.held.emplace_back() : frames_out();
    const std::size_t at = begin_frame(out, 0, session.channel);
    transfer.more = false;
    encode(out, transfer);
    if (total - sent > remote_max_frame_ - (out.size() - at)) {
      out.resize(at + 8);
      transfer.more = true;
      encode(out, transfer);
    }
    const std::size_t part = std::min(total - sent, remote_max_frame_ - (out.size() - at));
    append_part(out, head, body, sent, part);
    end_frame(out, at);
    sent += part;
    if (!hold) {
      ++session.next_outgoing_id;
      --session.remote_window;
    }
    transfer = Transfer{};
    transfer.handle = first.handle;
  } while (sent < total);
}

void Connection::Engine::flush_held(Session& session) {
  while (!session.held.empty() && session.remote_window > 0) {
    const base::Bytes& frame = session.held.front();
    output_.insert(output_.end(), frame.begin(), frame.end());
    session.held.pop_front();
    ++session.next_outgoing_id;
    --session.remote_window;
    last_out_ = now_;
  }
}

}  // namespace meterhub::amqp
