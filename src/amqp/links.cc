// Sessions, links and credit.
#include <algorithm>

#include <fmt/format.h>

#include "connection_engine.h"

namespace meterhub::amqp {
namespace {

constexpr std::uint32_t kMaxOutgoingWindow = 0x7fffffff;

template <class Id>
Id make_id(std::size_t slot, std::uint16_t generation) {
  return static_cast<Id>(static_cast<std::uint32_t>(generation) << 16 | static_cast<std::uint32_t>(slot));
}
template <class Id>
std::size_t slot_of(Id id) {
  return static_cast<std::uint32_t>(id) & 0xffff;
}

// Index of the first empty place, which may be the end.
template <class Pointers>
std::size_t free_slot(const Pointers& all) {
  const auto empty = [](const auto& pointer) { return pointer == nullptr; };
  return static_cast<std::size_t>(std::ranges::find_if(all, empty) - all.begin());
}

void put_pointer(std::vector<Link*>& table, std::size_t at, Link* link) {
  if (table.size() <= at) table.resize(at + 1);
  table[at] = link;
}

template <class T>
std::optional<T> composite(const Value& value) {
  if (!is<T>(value)) return std::nullopt;
  auto fields = decode<T>(value);
  return fields ? std::optional<T>(*fields) : std::nullopt;
}

PeerAttach peer_attach(const Link& link, const Attach& attach) {
  return {.session = link.session->id, .link = link.id, .peer_sends = link.receiver, .fields = attach,
          .source = composite<Source>(attach.source), .target = composite<Target>(attach.target)};
}

// The terminus as the peer gave it, with the address filled in when it asked for a dynamic one.
template <class T>
void with_address(base::Bytes& terminus, std::string_view address) {
  base::BytesView in = terminus;
  auto fields = decode<T>(in);
  if (!fields || !fields->dynamic || address.empty()) return;
  base::Bytes text;
  Writer(text).string(address);
  fields->address = Value::parse(text).value_or(Value{});
  base::Bytes changed;
  encode(changed, *fields);
  terminus = std::move(changed);
}

}  // namespace

std::string_view PeerAttach::address() const {
  if (peer_sends) return target ? target->address.string().value_or("") : "";
  return source ? source->address.string().value_or("") : "";
}

// --- tables ---

Session* Connection::Engine::session_on(std::uint16_t remote_channel) {
  return remote_channel < by_remote_channel_.size() ? by_remote_channel_[remote_channel] : nullptr;
}

Session* Connection::Engine::find(SessionId id) const {
  const std::size_t slot = slot_of(id);
  if (slot >= sessions_.size() || !sessions_[slot] || sessions_[slot]->id != id) return nullptr;
  return sessions_[slot].get();
}

Link* Connection::Engine::find(LinkId id) const {
  const std::size_t slot = slot_of(id);
  if (slot >= links_.size() || !links_[slot] || links_[slot]->id != id) return nullptr;
  return links_[slot].get();
}

Link* Connection::Engine::usable(LinkId id) const {
  Link* link = find(id);
  const bool usable = link != nullptr && link->state == Link::State::kAttached &&
                      link->session->state == Session::State::kMapped && !close_sent_ && !ended_;
  return usable ? link : nullptr;
}

Session* Connection::Engine::make_session() {
  const std::size_t slot = free_slot(sessions_);
  if (slot >= options_.limits.sessions || slot > remote_channel_max_) return nullptr;
  if (slot == sessions_.size()) {
    sessions_.emplace_back();
    session_generations_.push_back(0);
  }
  sessions_[slot] = std::make_unique<Session>();
  Session& session = *sessions_[slot];
  session.id = make_id<SessionId>(slot, ++session_generations_[slot]);
  session.channel = static_cast<std::uint16_t>(slot);
  session.incoming_window = options_.session_window;
  return &session;
}

Link* Connection::Engine::make_link(Session& session) {
  const std::size_t handle = free_slot(session.by_handle);
  const std::size_t slot = free_slot(links_);
  if (handle >= options_.limits.links_per_session || handle > session.remote_handle_max || slot > 0xffff) {
    return nullptr;
  }
  if (slot == links_.size()) {
    links_.emplace_back();
    link_generations_.push_back(0);
  }
  links_[slot] = std::make_unique<Link>();
  Link& link = *links_[slot];
  link.id = make_id<LinkId>(slot, ++link_generations_[slot]);
  link.session = &session;
  link.handle = static_cast<std::uint32_t>(handle);
  put_pointer(session.by_handle, handle, &link);
  return &link;
}

// rhea 3.0 settles what its application took after it has ended the session (seen with @azure/event-hubs 6.0.4, which closes a
// reader while events are being handed on). These say nothing about what is to come; a transfer or an attach does.
bool Connection::Engine::is_late(std::uint16_t remote_channel, std::uint64_t performative) const {
  const bool harmless = performative == 0x13 || performative == 0x15 || performative == 0x16;  // flow, disposition, detach
  return harmless && remote_channel < ended_channels_.size() && ended_channels_[remote_channel];
}

void Connection::Engine::free_link(Link& link) {
  drop_assembly(link);
  link.session->by_handle[link.handle] = nullptr;
  if (link.remote_handle) link.session->by_remote_handle[*link.remote_handle] = nullptr;
  links_[slot_of(link.id)].reset();
}

void Connection::Engine::free_session(Session& session) {
  if (session.remote_channel) {
    by_remote_channel_[*session.remote_channel] = nullptr;
    ended_channels_[*session.remote_channel] = true;
  }
  sessions_[session.channel].reset();
}

// --- sessions ---

void Connection::Engine::take_begin(std::uint16_t channel, base::BytesView body) {
  const auto begin = decoded<Begin>(body);
  if (!begin) return;
  if (channel >= options_.limits.sessions || session_on(channel) != nullptr) {
    return fail("amqp:not-allowed", "begin: the channel is in use or over channel-max");
  }
  Session* session = nullptr;
  if (begin->remote_channel) {
    if (*begin->remote_channel < sessions_.size()) session = sessions_[*begin->remote_channel].get();
    if (session == nullptr || session->remote_channel) return fail("amqp:not-allowed", "begin answers no session");
  } else {
    session = make_session();
    if (session == nullptr) return fail("amqp:resource-limit-exceeded", "too many sessions");
  }
  if (by_remote_channel_.size() <= channel) {
    by_remote_channel_.resize(std::size_t{channel} + 1);
    ended_channels_.resize(by_remote_channel_.size());
  }
  by_remote_channel_[channel] = session;
  ended_channels_[channel] = false;
  session->remote_channel = channel;
  session->next_incoming_id = begin->next_outgoing_id;
  session->remote_window = begin->incoming_window;
  session->remote_handle_max = begin->handle_max;
  if (session->state == Session::State::kEnding) return;
  session->state = Session::State::kMapped;
  if (!begin->remote_channel) send_begin(*session);
  listener_.on_session(session->id);
}

SessionId Connection::Engine::begin() {
  Session* session = close_sent_ || ended_ ? nullptr : make_session();
  if (session == nullptr) return SessionId{0};
  session->state = Session::State::kAsking;
  send_begin(*session);
  return session->id;
}

void Connection::Engine::send_begin(Session& session) {
  Begin begin;
  begin.remote_channel = session.remote_channel;
  begin.next_outgoing_id = session.next_outgoing_id;
  begin.incoming_window = session.incoming_window;
  begin.outgoing_window = kMaxOutgoingWindow;
  begin.handle_max = options_.limits.links_per_session - 1u;
  write(session.channel, begin);
}

void Connection::Engine::end(SessionId id, const ErrorView& error) {
  Session* session = find(id);
  if (session == nullptr || session->state == Session::State::kEnding || close_sent_ || ended_) return;
  flush_settlements(*session);
  session->state = Session::State::kEnding;
  base::Bytes buffer;
  write(session->channel, End{encoded_error(buffer, error)});
}

void Connection::Engine::fail_session(Session& session, std::string_view condition, std::string_view description) {
  if (session.state == Session::State::kEnding) return;
  end(session.id, {condition, description});
  drop_links(session, {condition, description});
  listener_.on_session_ended(session.id, {condition, description});
}

void Connection::Engine::take_end(Session& session, base::BytesView body) {
  const auto fields = decoded<End>(body);
  if (!fields) return;
  if (session.state != Session::State::kEnding) {
    const ErrorView error = error_of(fields->error);
    drop_links(session, error);
    end(session.id, {});
    listener_.on_session_ended(session.id, error);
  }
  drop_links(session, {});
  free_session(session);
}

// Frees every link; tells of those that the listener still believes in.
void Connection::Engine::drop_links(Session& session, const ErrorView& error) {
  const bool ours = session.state == Session::State::kEnding && error.condition.empty();
  for (std::size_t handle = 0; handle < session.by_handle.size(); ++handle) {
    Link* link = session.by_handle[handle];
    if (link == nullptr) continue;
    const bool tell = !ours && link->state != Link::State::kDetaching;
    link->state = Link::State::kDetaching;
    if (tell) listener_.on_detached(link->id, error);
    free_link(*link);
  }
}

// --- attach ---

void Connection::Engine::take_attach(Session& session, base::BytesView body) {
  const auto attach = decoded<Attach>(body);
  if (!attach) return;
  if (attach->handle >= options_.limits.links_per_session) {
    return fail("amqp:connection:framing-error", "attach: the handle is over handle-max");
  }
  // It is kept as long as the link, and the answer must repeat it.
  if (attach->name.size() > options_.limits.link_bytes) {
    return fail("amqp:resource-limit-exceeded", "attach: the name is too long");
  }
  if (remote_link(session, attach->handle) != nullptr) {
    return fail_session(session, "amqp:session:handle-in-use", "attach: the handle is in use");
  }
  const auto answers = [&](const Link* link) {
    return link != nullptr && !link->remote_handle && link->state != Link::State::kAsked &&
           link->receiver != attach->receiver && link->name == attach->name;
  };
  const auto asked = std::ranges::find_if(session.by_handle, answers);
  if (asked != session.by_handle.end()) return take_attach_reply(**asked, *attach);
  take_new_attach(session, *attach);
}

void Connection::Engine::take_attach_reply(Link& link, const Attach& attach) {
  link.remote_handle = attach.handle;
  put_pointer(link.session->by_remote_handle, attach.handle, &link);
  if (link.receiver) link.delivery_count = link.granted_to = attach.initial_delivery_count.value_or(0);
  if (link.state == Link::State::kDetaching) return;  // we changed our mind; the peer's detach follows
  if (!link.receiver) link.max_message_size = attach.max_message_size.value_or(0);
  link.state = Link::State::kAttached;
  if (link.window > 0) touch(link);
  listener_.on_attached(peer_attach(link, attach));
}

void Connection::Engine::take_new_attach(Session& session, const Attach& attach) {
  Link* link = make_link(session);
  if (link == nullptr) return fail_session(session, "amqp:resource-limit-exceeded", "too many links");
  link->receiver = !attach.receiver;
  link->name = attach.name;
  link->remote_handle = attach.handle;
  link->snd_settle_mode = attach.snd_settle_mode;
  link->presettled = !link->receiver && attach.snd_settle_mode == static_cast<std::uint8_t>(SettleMode::kSettled);
  if (link->receiver) link->delivery_count = link->granted_to = attach.initial_delivery_count.value_or(0);
  else link->max_message_size = attach.max_message_size.value_or(0);
  attach.source.append_to(link->source);
  attach.target.append_to(link->target);
  put_pointer(session.by_remote_handle, attach.handle, link);
  if (link->source.size() + link->target.size() > options_.limits.link_bytes) {
    link->source.clear();
    link->target.clear();
    return refuse(link->id, {"amqp:resource-limit-exceeded", "source and target are too long"});
  }
  const bool coordinator = link->receiver && !attach.target.is_null() && !is<Target>(attach.target);
  if (coordinator) return refuse(link->id, {"amqp:not-implemented", "transactions are not offered"});
  listener_.on_attach(peer_attach(*link, attach));
}

void Connection::Engine::accept(LinkId id, const AcceptOptions& options) {
  Link* link = find(id);
  if (link == nullptr || link->state != Link::State::kAsked || close_sent_ || ended_) return;
  if (link->receiver) link->max_message_size = options.max_message_size;
  answer_attach(*link, options, false);
  link->state = Link::State::kAttached;
  if (link->window > 0) touch(*link);
}

void Connection::Engine::refuse(LinkId id, const ErrorView& error) {
  Link* link = find(id);
  if (link == nullptr || link->state != Link::State::kAsked || close_sent_ || ended_) return;
  answer_attach(*link, {}, true);
  link->state = Link::State::kDetaching;
  send_detach(*link, error, true);
}

// A refused link's own terminus is null, which announces the detach (part 2, section 2.6.3).
void Connection::Engine::answer_attach(Link& link, const AcceptOptions& options, bool refused) {
  if (link.receiver) with_address<Target>(link.target, options.dynamic_address);
  else with_address<Source>(link.source, options.dynamic_address);
  Attach attach;
  attach.name = link.name;
  attach.handle = link.handle;
  attach.receiver = link.receiver;
  attach.snd_settle_mode = link.snd_settle_mode;
  if (!refused || !link.receiver) attach.target = Value::parse(link.target).value_or(Value{});
  if (!refused || link.receiver) attach.source = Value::parse(link.source).value_or(Value{});
  if (!link.receiver) attach.initial_delivery_count = link.delivery_count;
  if (link.receiver && !refused) attach.max_message_size = options.max_message_size;
  attach.properties = options.properties;
  attach.offered_capabilities = options.offered_capabilities;
  write(link.session->channel, attach);
  link.source = {};
  link.target = {};
}

base::Result<LinkId> Connection::Engine::attach(SessionId id, const AttachOptions& options) {
  Session* session = find(id);
  const bool open = session != nullptr && session->state != Session::State::kEnding && !close_sent_ && !ended_;
  Link* link = open ? make_link(*session) : nullptr;
  if (link == nullptr) return base::fail(base::Errc::kResourceExhausted, "no session, or too many links");
  link->state = Link::State::kAsking;
  link->name = options.name;
  link->receiver = options.receiver;
  link->max_message_size = options.max_message_size;
  link->presettled = !options.receiver && options.settle_mode == SettleMode::kSettled;

  base::Bytes addresses[2], termini[2];
  Source source;
  Target target;
  const auto address = [](base::Bytes& buffer, std::string_view text) {
    if (text.empty()) return Value{};
    Writer(buffer).string(text);
    return Value::parse(buffer).value_or(Value{});
  };
  source.address = address(addresses[0], options.source);
  source.filter = options.filter;
  target.address = address(addresses[1], options.target);
  encode(termini[0], source);
  encode(termini[1], target);
  Attach attach;
  attach.name = options.name;
  attach.handle = link->handle;
  attach.receiver = options.receiver;
  attach.snd_settle_mode = static_cast<std::uint8_t>(options.settle_mode);
  attach.source = Value::parse(termini[0]).value_or(Value{});
  attach.target = Value::parse(termini[1]).value_or(Value{});
  if (!options.receiver) attach.initial_delivery_count = 0;
  if (options.receiver) attach.max_message_size = options.max_message_size;
  attach.properties = options.properties;
  attach.desired_capabilities = options.desired_capabilities;
  write(session->channel, attach);
  return link->id;
}

// --- detach ---

void Connection::Engine::detach(LinkId id, const ErrorView& error) {
  Link* link = find(id);
  if (link == nullptr || link->state == Link::State::kDetaching || close_sent_ || ended_) return;
  if (link->session->state == Session::State::kEnding) return;
  if (link->state == Link::State::kAsked) return refuse(id, error);
  flush_settlements(*link->session);
  link->state = Link::State::kDetaching;
  send_detach(*link, error, true);
}

void Connection::Engine::send_detach(Link& link, const ErrorView& error, bool closed) {
  base::Bytes buffer;
  write(link.session->channel, Detach{link.handle, closed, encoded_error(buffer, error)});
}

void Connection::Engine::take_detach(Session& session, base::BytesView body) {
  const auto detach = decoded<Detach>(body);
  if (!detach) return;
  Link* link = remote_link(session, detach->handle);
  if (link == nullptr) return fail_session(session, "amqp:session:unattached-handle", "detach of no link");
  if (link->state != Link::State::kDetaching) {
    if (link->state == Link::State::kAsked) answer_attach(*link, {}, true);
    flush_settlements(session);
    link->state = Link::State::kDetaching;
    send_detach(*link, {}, detach->closed);
    listener_.on_detached(link->id, error_of(detach->error));
  }
  free_link(*link);
}

Link* Connection::Engine::remote_link(Session& session, std::uint32_t handle) {
  return handle < session.by_remote_handle.size() ? session.by_remote_handle[handle] : nullptr;
}

// --- flow ---

void Connection::Engine::take_flow(Session& session, base::BytesView body) {
  const auto flow = decoded<Flow>(body);
  if (!flow) return;
  const std::uint32_t expected = flow->next_incoming_id.value_or(0);
  session.remote_window = expected + flow->incoming_window - session.next_outgoing_id;
  if (session.remote_window > kMaxOutgoingWindow) session.remote_window = 0;  // more under way than the window
  flush_held(session);
  Link* link = nullptr;
  if (flow->handle) {
    link = remote_link(session, *flow->handle);
    if (link == nullptr) return fail_session(session, "amqp:session:unattached-handle", "flow on no link");
    take_link_flow(*link, *flow);
  } else if (session.held.empty() && session.remote_window > 0) {
    for (std::size_t i = 0; i < session.by_handle.size(); ++i) {
      const Link* each = session.by_handle[i];
      if (each != nullptr && !each->receiver && sendable(each->id) > 0) listener_.on_credit(each->id);
    }
  }
  if (flow->echo && session.state == Session::State::kMapped && !close_sent_) send_flow(session, link);
}

void Connection::Engine::take_link_flow(Link& link, const Flow& flow) {
  if (link.receiver) {
    // The sender used credit up without sending (drain).
    const std::uint32_t skipped = flow.delivery_count.value_or(link.delivery_count) - link.delivery_count;
    if (skipped == 0 || skipped > link.credit) return;
    link.delivery_count += skipped;
    link.credit -= skipped;
    return touch(link);
  }
  const std::uint32_t limit = flow.delivery_count.value_or(0) + flow.link_credit.value_or(0);
  const std::uint32_t credit = limit - link.delivery_count;
  link.credit = credit > kMaxOutgoingWindow ? 0 : credit;
  link.drain = flow.drain;
  if (sendable(link.id) > 0) listener_.on_credit(link.id);
  if (link.drain && link.state == Link::State::kAttached) listener_.on_drain(link.id);
}

void Connection::Engine::send_flow(Session& session, const Link* link) {
  Flow flow;
  session.incoming_window = options_.session_window;
  if (session.remote_channel) flow.next_incoming_id = session.next_incoming_id;
  flow.incoming_window = session.incoming_window;
  flow.next_outgoing_id = session.next_outgoing_id;
  flow.outgoing_window = kMaxOutgoingWindow;
  if (link != nullptr && link->state == Link::State::kAttached) {
    flow.handle = link->handle;
    flow.delivery_count = link->delivery_count;
    flow.link_credit = link->credit;
    flow.drain = link->drain;
  }
  write(session.channel, flow);
}

void Connection::Engine::set_window(LinkId id, std::uint32_t messages) {
  Link* link = find(id);
  if (link == nullptr || !link->receiver || link->window == messages) return;
  const bool less = messages < link->unsettled + link->credit;
  link->window = messages;
  if (link->state != Link::State::kAttached || link->session->state != Session::State::kMapped) return;
  if (!less || close_sent_ || ended_) return top_up(*link);
  link->credit = messages > link->unsettled ? messages - link->unsettled : 0;
  send_flow(*link->session, link);
}

void Connection::Engine::let_window_close(LinkId id, std::uint32_t messages) {
  Link* link = find(id);
  if (link != nullptr && link->receiver) link->window = std::min(link->window, messages);
}

void Connection::Engine::drained(LinkId id) {
  Link* link = usable(id);
  if (link == nullptr || link->receiver || !link->drain) return;
  link->delivery_count += link->credit;
  link->credit = 0;
  send_flow(*link->session, link);
  link->drain = false;
}

// Credit is renewed when half the window could be granted: one flow for many messages.
void Connection::Engine::top_up(Link& link) {
  if (!link.receiver || usable(link.id) == nullptr) return;
  const std::uint32_t free = link.window > link.unsettled ? link.window - link.unsettled : 0;
  if (free <= link.credit) return;
  if (link.credit > 0 && free - link.credit < (link.window + 1) / 2) return;
  link.credit = free;
  const std::uint32_t limit = link.delivery_count + link.credit;
  if (static_cast<std::int32_t>(limit - link.granted_to) > 0) link.granted_to = limit;
  send_flow(*link.session, &link);
}

void Connection::Engine::touch(Link& link) {
  if (link.touched) return;
  link.touched = true;
  touched_links_.push_back(link.id);
}

void Connection::Engine::touch(Session& session) {
  if (session.touched) return;
  session.touched = true;
  touched_sessions_.push_back(session.id);
}

// Writes what actions and deliveries have left behind: settlements, then credit.
void Connection::Engine::flush() {
  for (const SessionId id : touched_sessions_) {
    Session* session = find(id);
    if (session == nullptr) continue;
    session->touched = false;
    flush_settlements(*session);
  }
  touched_sessions_.clear();
  for (const LinkId id : touched_links_) {
    Link* link = find(id);
    if (link == nullptr) continue;
    link->touched = false;
    top_up(*link);
    Session& session = *link->session;
    const bool low = session.incoming_window < options_.session_window / 2;
    if (low && session.state == Session::State::kMapped) send_flow(session, nullptr);
  }
  touched_links_.clear();
}

}  // namespace meterhub::amqp
