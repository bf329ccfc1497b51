#include "management.h"

#include "session.h"

namespace meterhub::hub {
namespace {

constexpr std::string_view kEventHubType = "com.microsoft:eventhub";
constexpr std::string_view kPartitionType = "com.microsoft:partition";
constexpr std::size_t kNameShown = 100;

std::string_view text_of(const std::optional<amqp::Value>& value) {
  return value ? value->text().value_or(std::string_view()) : std::string_view();
}

std::int64_t milliseconds(base::Timestamp time) {
  return std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

void write_status(amqp::MessageWriter& writer, int status, std::string_view text, std::string_view condition = {}) {
  writer.begin_application_properties();
  writer.writer().string("status-code");
  writer.writer().int32(status);
  writer.writer().string("status-description");
  writer.writer().string(text);
  if (!condition.empty()) {
    writer.writer().string("error-condition");
    writer.writer().symbol(condition);
  }
  writer.end();
}

// Its keys and their types are those of Event Hubs, all of them.
void write_event_hub(amqp::Writer& map, const EventHub& event_hub, std::string_view name, base::Timestamp created) {
  std::vector<std::string> ids;
  for (std::uint32_t id = 0; id < event_hub.partitions; ++id) ids.push_back(std::to_string(id));
  const std::vector<std::string_view> views(ids.begin(), ids.end());
  map.string("name");
  map.string(name);
  map.string("type");
  map.string(kEventHubType);
  map.string("created_at");
  map.timestamp_ms(milliseconds(created));
  map.string("partition_count");
  map.int32(static_cast<std::int32_t>(event_hub.partitions));
  map.string("partition_ids");
  map.array_of_strings(views);
  map.string("georeplication_factor");
  map.int32(1);
}

void write_partition(amqp::Writer& map, std::string_view name, base::PartitionId id, const log::Bounds& bounds) {
  const auto last = sequence_number(bounds.next) - 1;  // -1: there was never one
  map.string("name");
  map.string(name);
  map.string("type");
  map.string(kPartitionType);
  map.string("partition");
  map.string(std::to_string(id.value));
  map.string("begin_sequence_number");
  map.int64(sequence_number(bounds.first));
  map.string("last_enqueued_sequence_number");
  map.int64(last);
  map.string("last_enqueued_offset");
  map.string(std::to_string(last));
  map.string("last_enqueued_time_utc");
  map.timestamp_ms(milliseconds(bounds.last_enqueued));
  map.string("is_partition_empty");
  map.boolean(bounds.first == bounds.next);
}

}  // namespace

Management::Management(Session& session) : RequestNode(session.engine()), session_(session) {}

void Management::request(const amqp::Delivery& delivery) {
  if (!delivery.settled) session_.engine().settle(delivery.session, delivery.id, delivery.id, amqp::Outcome::kAccepted);
  const auto message = amqp::Message::parse(delivery.payload);
  const auto to = message ? reply_to(*message) : std::unexpected(message.error());
  if (!to) return refuse({400, "amqp:decode-error", "the request is not an AMQP message: " + to.error().text}, {});
  const auto asked = read(*message);
  asked ? answer(*asked, *to) : refuse(asked.error(), *to);
}

std::expected<Management::Asked, Management::Refused> Management::read(const amqp::Message& message) const {
  const auto& request = message.application_properties;
  const auto type = text_of(request.find("type"));
  const bool known = type == kEventHubType || type == kPartitionType;
  if (text_of(request.find("operation")) != "READ" || !known)
    return std::unexpected(Refused{400, "amqp:not-implemented", "$management takes READ of com.microsoft:eventhub or com.microsoft:partition"});
  Asked out;
  out.name = text_of(request.find("name")).substr(0, kNameShown);
  const auto address = parse_link_address(out.name);
  if (!session_.may({.node = Node::kManagement, .event_hub = address.event_hub}))
    return std::unexpected(Refused{401, "amqp:unauthorized-access", "no token that was shown permits this"});
  out.event_hub = session_.host().event_hubs().find(address.event_hub);
  if (out.event_hub == nullptr || address.node != Node::kEventHub)
    // The SDK looks for these words (spec 8).
    return std::unexpected(Refused{404, "amqp:not-found", "The messaging entity '" + out.name + "' could not be found. status-code: 404"});
  if (type == kEventHubType) return out;
  out.partition = out.event_hub->partition(text_of(request.find("partition")));
  if (!out.partition)
    return std::unexpected(Refused{400, "com.microsoft:argument-out-of-range",
                                   "there is no such partition: they are 0 to " + std::to_string(out.event_hub->partitions - 1)});
  return out;
}

void Management::answer(const Asked& asked, const ReplyTo& to) {
  auto& host = session_.host();
  const auto bounds = asked.partition ? host.log().bounds({asked.event_hub->topic, *asked.partition}) : log::Bounds();
  if (!bounds) return refuse({500, "amqp:internal-error", bounds.error().text}, to);
  base::Bytes out;
  amqp::MessageWriter writer(out);
  begin_reply(writer, to);
  write_status(writer, 200, "OK");
  writer.begin_value();
  writer.writer().begin_map();
  if (asked.partition) {
    write_partition(writer.writer(), asked.name, *asked.partition, *bounds);
  } else {
    write_event_hub(writer.writer(), *asked.event_hub, asked.name, host.options().created);
  }
  writer.writer().end();
  push(std::move(out));
}

void Management::refuse(const Refused& refused, const ReplyTo& to) {
  base::Bytes out;
  amqp::MessageWriter writer(out);
  begin_reply(writer, to);
  write_status(writer, refused.status, refused.text, refused.condition);
  writer.begin_value();
  writer.writer().null();
  push(std::move(out));
}

void Management::push(base::Bytes reply) {
  // It asks without ever reading the answers.
  if (!replies_.push(std::move(reply))) session_.drop("management_unread");
}

}  // namespace meterhub::hub
