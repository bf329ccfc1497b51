#include "event_receiver.h"

#include <utility>

#include <meterhub/amqp/message.h>
#include <meterhub/base/ascii.h>
#include <meterhub/base/logging.h>

#include "session.h"

namespace meterhub::hub {
namespace {

constexpr std::size_t kBlockBytes = 128 * 1024;
constexpr std::size_t kNameShown = 128;
constexpr std::string_view kEpoch = "com.microsoft:epoch";
constexpr std::string_view kReceiverName = "com.microsoft:receiver-name";
constexpr std::string_view kRuntimeMetric = "com.microsoft:enable-receiver-runtime-metric";

std::int64_t milliseconds(base::Timestamp time) {
  return std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

std::unexpected<FilterError> refuse(std::string_view condition, std::string text) {
  return std::unexpected(FilterError{condition, std::move(text)});
}

std::optional<std::int64_t> owner_level(const amqp::Value& properties) {
  const auto value = properties.find(kEpoch);
  const auto level = value ? value->integer() : std::nullopt;
  return level && *level >= 0 ? level : std::nullopt;
}

}  // namespace

std::expected<ReaderRequest, FilterError> read_request(const amqp::PeerAttach& attach, const LinkAddress& address,
                                                       const EventHubs& event_hubs) {
  ReaderRequest out;
  out.event_hub = event_hubs.find(address.event_hub);
  // The SDKs know these words (spec 10).
  if (out.event_hub == nullptr)
    return refuse("amqp:not-found", "The messaging entity '" + std::string(address.event_hub) + "' could not be found.");
  if (!out.event_hub->has_group(address.group))
    return refuse("amqp:not-found", "The messaging entity '" + out.event_hub->name + "/ConsumerGroups/" + std::string(address.group) +
                                        "' could not be found.");
  const auto partition = out.event_hub->partition(address.partition);
  if (!partition)
    return refuse("com.microsoft:argument-out-of-range",
                  "there is no such partition: they are 0 to " + std::to_string(out.event_hub->partitions - 1));
  out.partition = *partition;
  out.group = base::lower_case(address.group);
  const auto start = parse_start(attach.source ? attach.source->filter : amqp::Value());
  if (!start) return std::unexpected(start.error());
  out.start = *start;
  out.epoch = owner_level(attach.fields.properties);
  if (const auto name = attach.fields.properties.find(kReceiverName)) out.name = name->text().value_or("").substr(0, kNameShown);
  out.tracks_last_enqueued = attach.fields.desired_capabilities.contains_symbol(kRuntimeMetric);
  return out;
}

EventReceiver::EventReceiver(Session& session, amqp::LinkId link, ReaderRequest request)
    : session_(session),
      host_(session.host()),
      link_(link),
      request_(std::move(request)),
      place_{{request_.event_hub->topic, request_.partition}, request_.group},
      source_(std::make_shared<EventSource>(
          host_.log(), place_.partition,
          EventEncoder(host_.gateways(), request_.event_hub->name == kBuiltInEventHub ? DeviceAnnotations::kYes : DeviceAnnotations::kNo))) {
  on_reader(
      [&log = host_.log(), partition = place_.partition, start = request_.start](EventSource& source) {
        const auto offset = locate(log, partition, start);
        if (offset) source.begin_at(*offset);
        return offset;
      },
      [this](const base::Result<base::Offset>& start) { located(start); });
}

EventReceiver::~EventReceiver() { host_.receivers().leave(place_, *this); }

template <class Work, class Done>
void EventReceiver::on_reader(Work work, Done done) {
  host_.reads().post([source = source_, work = std::move(work), done = std::move(done), alive = std::weak_ptr<void>(alive_),
                      &loop = host_.loop()]() mutable {
    loop.post([result = work(*source), done = std::move(done), alive = std::move(alive)]() mutable {
      if (!alive.expired()) done(std::move(result));
    });
  });
}

void EventReceiver::located(const base::Result<base::Offset>& start) {
  if (!start) {
    const bool theirs = start.error().code == base::Errc::kInvalidArgument;
    return session_.refuse_link(link_, {theirs ? "com.microsoft:argument-error" : "amqp:internal-error", start.error().text});
  }
  const auto refused = host_.receivers().admit(place_, {this, request_.epoch, request_.name});
  if (refused) return session_.refuse_link(link_, {refused->condition, refused->text});
  session_.engine().accept(link_, {});
  open_ = true;
  session_.mark_dirty();
}

bool EventReceiver::permitted() const {
  const auto partition = std::to_string(request_.partition.value);
  return session_.may({.node = Node::kEvents, .event_hub = request_.event_hub->name, .group = request_.group, .partition = partition});
}

void EventReceiver::stolen(std::string_view by) {
  host_.metrics().receivers_stolen.add();
  session_.close_link(link_, {"amqp:link:stolen", std::string(by) + " reads this partition now; this one's owner level is " +
                                                      (request_.epoch ? std::to_string(*request_.epoch) : "none")});
}

void EventReceiver::fail(std::string_view condition, std::string_view text) { session_.close_link(link_, {condition, text}); }

// ---- sending ----

void EventReceiver::send_some() {
  if (!open_) return;
  if (request_.tracks_last_enqueued) metrics_head_.clear();
  while (sent_ < block_.ends.size()) {
    if (session_.engine().sendable(link_) == 0 || !session_.has_room()) return;
    if (!send_event(block_.event(sent_))) return;
    ++sent_;
    session_.mark_dirty();
  }
  block_ = {};
  sent_ = 0;
  read_more();
}

bool EventReceiver::send_event(base::BytesView event) {
  const auto done = session_.engine().send(link_, runtime_metrics(), event);
  if (done) {
    host_.metrics().events_sent.add();
    return true;
  }
  if (done.error().code == base::Errc::kTooLarge) fail("amqp:link:message-size-exceeded", "an event is larger than this link takes");
  return false;
}

// Made once for all that goes out together.
base::BytesView EventReceiver::runtime_metrics() {
  if (!request_.tracks_last_enqueued || !metrics_head_.empty()) return metrics_head_;
  const auto bounds = host_.log().bounds(place_.partition).value_or(log::Bounds());
  const auto last = sequence_number(bounds.next) - 1;
  amqp::MessageWriter writer(metrics_head_);
  writer.begin_delivery_annotations();
  writer.writer().symbol("last_enqueued_sequence_number");
  writer.writer().int64(last);
  writer.writer().symbol("last_enqueued_offset");
  writer.writer().string(std::to_string(last));
  writer.writer().symbol("last_enqueued_time_utc");
  writer.writer().timestamp_ms(milliseconds(bounds.last_enqueued));
  writer.writer().symbol("runtime_info_retrieval_time_utc");
  writer.writer().timestamp_ms(milliseconds(host_.clock().now()));
  writer.end();
  return metrics_head_;
}

void EventReceiver::on_drain() {
  send_some();
  if (waiting_ && !reading_) session_.engine().drained(link_);
  session_.mark_dirty();
}

// What the peer says of an event changes nothing, but what is not settled counts against what may be under way; the
// engine has its books in order after this call.
void EventReceiver::on_outcome(amqp::DeliveryId /*first*/, amqp::DeliveryId /*last*/, amqp::Outcome /*outcome*/,
                               const amqp::ErrorView& /*error*/) {
  if (sent_ < block_.ends.size()) session_.want_turn();
}

// ---- reading ----

void EventReceiver::read_more() {
  if (reading_ || waiting_ || session_.engine().sendable(link_) == 0) return;
  reading_ = true;
  on_reader([](EventSource& source) { return source.read(kBlockBytes); },
            [this](base::Result<EventBlock> block) { take(std::move(block)); });
}

void EventReceiver::take(base::Result<EventBlock> block) {
  reading_ = false;
  if (!block) {
    base::logging::error("event_read_failed", {{"event_hub", request_.event_hub->name}, {"error", block.error().text}});
    return fail("amqp:internal-error", "the event hub's log cannot be read");
  }
  block_ = std::move(*block);
  if (block_.expired > 0) {
    host_.metrics().events_expired.add(block_.expired);
    base::logging::info("reader_behind_retention", {{"event_hub", request_.event_hub->name},
                                                    {"group", request_.group},
                                                    {"partition", request_.partition.value},
                                                    {"events", block_.expired}});
  }
  if (block_.ends.empty()) return wait_for_more();
  send_some();
}

void EventReceiver::wait_for_more() {
  waiting_ = true;
  session_.engine().drained(link_);
  session_.mark_dirty();
  watch_ = host_.log().watch(place_.partition, block_.next, host_.loop(), [this, alive = std::weak_ptr<void>(alive_)] {
    if (alive.expired()) return;
    waiting_ = false;
    read_more();
  });
}

}  // namespace meterhub::hub
