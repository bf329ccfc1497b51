#include "devicebound_records.h"

#include <meterhub/base/byte_io.h>

namespace meterhub::hub {
namespace {

enum class Kind : std::uint8_t { kMessage = 1, kEnd = 2, kHeard = 3 };

log::NewRecord begin(std::string_view device, Kind kind) {
  log::NewRecord out;
  out.key = device;
  out.properties.gateway = device;
  base::ByteWriter(out.body).number(static_cast<std::uint8_t>(kind));
  return out;
}

DeviceboundMessage read_message(const log::RecordView& record, base::ByteReader& in) {
  DeviceboundMessage out;
  out.number = record.offset;
  out.device = record.key;
  out.enqueued = record.enqueued;
  out.ack = static_cast<Ack>(in.number<std::uint8_t>() & 3U);
  out.expires = base::Timestamp(base::Duration(in.number<std::int64_t>()));
  out.id = in.text();
  out.payload = in.raw(in.remaining());
  return out;
}

base::Result<LoggedEnd> read_end(const log::RecordView& record, base::ByteReader& in) {
  LoggedEnd out;
  out.message = base::Offset(in.number<std::uint64_t>());
  const auto fate = in.number<std::uint8_t>();
  if (fate >= kFates) return base::fail(base::Errc::kCorrupt, "an end of a kind that this version does not know");
  out.feedback = in.number<std::uint8_t>() != 0;
  out.record = {record.offset, std::string(record.key), std::string(in.text()), static_cast<Fate>(fate),
                record.enqueued};
  return out;
}

LoggedHeard read_heard(base::ByteReader& in) {
  LoggedHeard out;
  while (in.ok() && in.remaining() > 0) out.feedback.emplace_back(in.number<std::uint64_t>());
  return out;
}

base::Result<LoggedDevicebound> read_kind(const log::RecordView& record, base::ByteReader& in) {
  switch (static_cast<Kind>(in.number<std::uint8_t>())) {
    case Kind::kMessage: return read_message(record, in);
    case Kind::kEnd: return MH_TRY(read_end(record, in));
    case Kind::kHeard: return read_heard(in);
  }
  return base::fail(base::Errc::kCorrupt, "a record of a kind that this version does not know");
}

}  // namespace

log::NewRecord record_of(const DeviceboundMessage& message) {
  auto out = begin(message.device, Kind::kMessage);
  base::ByteWriter writer(out.body);
  writer.number(static_cast<std::uint8_t>(message.ack));
  writer.number(static_cast<std::int64_t>(message.expires.time_since_epoch().count()));
  writer.text(message.id);
  writer.raw(message.payload);
  return out;
}

log::NewRecord record_of(const EndedMessage& ended) {
  auto out = begin(ended.device, Kind::kEnd);
  base::ByteWriter writer(out.body);
  writer.number(ended.number.value);
  writer.number(static_cast<std::uint8_t>(ended.fate));
  writer.number(static_cast<std::uint8_t>(wants_feedback(ended.ack, ended.fate) ? 1 : 0));
  writer.text(ended.id);
  return out;
}

log::NewRecord record_of_heard(std::span<const base::Offset> feedback) {
  auto out = begin({}, Kind::kHeard);
  base::ByteWriter writer(out.body);
  for (const auto number : feedback) writer.number(number.value);
  return out;
}

base::Result<LoggedDevicebound> read_record(const log::RecordView& record) {
  base::ByteReader in(record.body);
  auto out = MH_TRY(read_kind(record, in));
  if (!in.ok()) return base::fail(base::Errc::kCorrupt, "the record is shorter than it says");
  return out;
}

}  // namespace meterhub::hub
