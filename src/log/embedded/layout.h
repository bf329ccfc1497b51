// Keys and catalog values of the store: docs/formats/store.md.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <meterhub/log/log.h>

namespace meterhub::log::layout {

inline constexpr std::string_view kVersion = "1";
inline constexpr std::string_view kVersionKey = "version";
inline constexpr std::string_view kIncarnationKey = "incarnation";
inline constexpr std::string_view kTopicPrefix = "topic/";
inline constexpr std::string_view kSegmentPrefix = "segment/";
inline constexpr std::string_view kOffsetsFamily = "offsets";
inline constexpr std::string_view kStateFamily = "state";
inline constexpr std::string_view kSegmentFamilyPrefix = "seg-";

// Where a partition stood when its segment began.
struct Start {
  base::Offset first;
  base::Timestamp time{};  // of the newest record before it
};
struct SegmentRecord {
  std::uint64_t id = 0;
  base::TopicId topic;
  base::Timestamp created{};
  std::vector<Start> starts;  // by partition
};

std::string block_key(base::PartitionId partition, base::Offset first);
// The least key behind all of a partition's.
std::string block_key_end(base::PartitionId partition);
std::optional<std::pair<base::PartitionId, base::Offset>> parse_block_key(std::string_view key);

std::string group_key(std::string_view group, TopicPartition partition);
std::optional<std::pair<std::string, TopicPartition>> parse_group_key(std::string_view key);

std::string topic_key(base::TopicId topic);
std::string topic_value(const TopicSpec& spec);
base::Result<TopicSpec> parse_topic(std::string_view value);

std::string segment_key(std::uint64_t id);
std::string segment_value(const SegmentRecord& segment);
base::Result<SegmentRecord> parse_segment(std::string_view value);
std::string segment_family(std::uint64_t id);

std::string number_value(std::uint64_t value);
base::Result<std::uint64_t> parse_number(std::string_view value);

}  // namespace meterhub::log::layout
