#include "layout.h"

#include "../varint.h"

namespace meterhub::log::layout {
namespace {

// Big endian, so that keys sort as numbers do.
template <class T>
void put_fixed(std::string& out, T value) {
  for (int shift = static_cast<int>(sizeof(T) - 1) * 8; shift >= 0; shift -= 8) {
    out += static_cast<char>(value >> shift & 0xFF);
  }
}

template <class T>
T get_fixed(std::string_view in) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) value = static_cast<T>(value << 8 | static_cast<unsigned char>(in[i]));
  return value;
}

void put_time(std::string& out, base::Timestamp time) {
  put_varint(out, static_cast<std::uint64_t>(time.time_since_epoch().count()));
}
base::Timestamp get_time(Reader& in) {
  return base::Timestamp(base::Duration(static_cast<std::int64_t>(in.varint())));
}

std::unexpected<base::Error> corrupt() { return base::fail(base::Errc::kCorrupt, "the store's catalog is damaged"); }

}  // namespace

std::string block_key(base::PartitionId partition, base::Offset first) {
  std::string out;
  put_fixed(out, partition.value);
  put_fixed(out, first.value);
  return out;
}

std::string block_key_end(base::PartitionId partition) {
  std::string out;
  put_fixed(out, partition.value + 1);
  return out;
}

std::optional<std::pair<base::PartitionId, base::Offset>> parse_block_key(std::string_view key) {
  if (key.size() != 12) return std::nullopt;
  return std::pair(base::PartitionId(get_fixed<std::uint32_t>(key)),
                   base::Offset(get_fixed<std::uint64_t>(key.substr(4))));
}

std::string group_key(std::string_view group, TopicPartition partition) {
  std::string out;
  put_text(out, group);
  put_fixed(out, partition.topic.value);
  put_fixed(out, partition.partition.value);
  return out;
}

std::optional<std::pair<std::string, TopicPartition>> parse_group_key(std::string_view key) {
  Reader in(key);
  std::string group(in.text());
  const auto rest = in.rest();
  if (!in.ok() || rest.size() < 6) return std::nullopt;
  const TopicPartition partition{base::TopicId(get_fixed<std::uint16_t>(rest)),
                                 base::PartitionId(get_fixed<std::uint32_t>(rest.substr(2)))};
  return std::pair(std::move(group), partition);
}

std::string topic_key(base::TopicId topic) {
  std::string out(kTopicPrefix);
  put_fixed(out, topic.value);
  return out;
}

std::string topic_value(const TopicSpec& spec) {
  std::string out;
  put_text(out, spec.name);
  put_varint(out, spec.partitions);
  put_varint(out, static_cast<std::uint64_t>(spec.retention_age.count()));
  put_varint(out, spec.retention_bytes);
  put_varint(out, spec.protected_groups.size());
  for (const auto& group : spec.protected_groups) put_text(out, group);
  return out;
}

base::Result<TopicSpec> parse_topic(std::string_view value) {
  Reader in(value);
  TopicSpec out;
  out.name = in.text();
  out.partitions = in.small();
  out.retention_age = std::chrono::seconds(static_cast<std::int64_t>(in.varint()));
  out.retention_bytes = in.varint();
  const auto groups = in.varint();
  for (std::uint64_t i = 0; i < groups && in.ok(); ++i) out.protected_groups.emplace_back(in.text());
  if (!in.ok()) return corrupt();
  return out;
}

std::string segment_key(std::uint64_t id) {
  std::string out(kSegmentPrefix);
  put_fixed(out, id);
  return out;
}

std::string segment_value(const SegmentRecord& segment) {
  std::string out;
  put_varint(out, segment.id);
  put_varint(out, segment.topic.value);
  put_time(out, segment.created);
  put_varint(out, segment.starts.size());
  for (const auto& start : segment.starts) {
    put_varint(out, start.first.value);
    put_time(out, start.time);
  }
  return out;
}

base::Result<SegmentRecord> parse_segment(std::string_view value) {
  Reader in(value);
  SegmentRecord out;
  out.id = in.varint();
  out.topic = base::TopicId(static_cast<std::uint16_t>(in.varint()));
  out.created = get_time(in);
  const auto count = in.varint();
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    const base::Offset first(in.varint());
    out.starts.push_back({first, get_time(in)});
  }
  if (!in.ok()) return corrupt();
  return out;
}

std::string segment_family(std::uint64_t id) { return std::string(kSegmentFamilyPrefix) + std::to_string(id); }

std::string number_value(std::uint64_t value) {
  std::string out;
  put_varint(out, value);
  return out;
}

base::Result<std::uint64_t> parse_number(std::string_view value) {
  Reader in(value);
  const auto out = in.varint();
  if (!in.ok()) return corrupt();
  return out;
}

}  // namespace meterhub::log::layout
