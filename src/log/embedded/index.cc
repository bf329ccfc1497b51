#include "index.h"

#include <algorithm>

#include <meterhub/base/assert.h>

namespace meterhub::log {
namespace {

// What a cached block takes, its frame included.
std::size_t cached_size(const Block& block) { return block.records.size() + 160; }

}  // namespace

base::TopicId Index::add(const TopicSpec& spec) {
  const base::Lock lock(mutex_);
  const base::TopicId id(static_cast<std::uint16_t>(topics_.size()));
  topics_.push_back({spec, std::vector<Bounds>(spec.partitions), {}, std::vector<std::deque<BlockRef>>(spec.partitions)});
  return id;
}

void Index::update(base::TopicId topic, const TopicSpec& spec) {
  const base::Lock lock(mutex_);
  topics_[topic.value].spec = spec;
}

std::optional<base::TopicId> Index::find(std::string_view name) const {
  const base::Lock lock(mutex_);
  const auto it = std::ranges::find(topics_, name, [](const Topic& t) { return std::string_view(t.spec.name); });
  if (it == topics_.end()) return std::nullopt;
  return base::TopicId(static_cast<std::uint16_t>(it - topics_.begin()));
}

std::optional<TopicSpec> Index::spec(base::TopicId topic) const {
  const base::Lock lock(mutex_);
  if (topic.value >= topics_.size()) return std::nullopt;
  return topics_[topic.value].spec;
}

std::vector<std::string> Index::names() const {
  const base::Lock lock(mutex_);
  std::vector<std::string> out;
  for (const auto& topic : topics_) out.push_back(topic.spec.name);
  return out;
}

std::size_t Index::topic_count() const {
  const base::Lock lock(mutex_);
  return topics_.size();
}

const Index::Topic* Index::topic_at(TopicPartition p) const {
  if (p.topic.value >= topics_.size()) return nullptr;
  const auto& topic = topics_[p.topic.value];
  return p.partition.value < topic.bounds.size() ? &topic : nullptr;
}

bool Index::exists(TopicPartition partition) const {
  const base::Lock lock(mutex_);
  return topic_at(partition) != nullptr;
}

std::optional<Bounds> Index::bounds(TopicPartition partition) const {
  const base::Lock lock(mutex_);
  const auto* topic = topic_at(partition);
  if (!topic) return std::nullopt;
  return topic->bounds[partition.partition.value];
}

std::vector<Bounds> Index::all_bounds(base::TopicId topic) const {
  const base::Lock lock(mutex_);
  return topics_[topic.value].bounds;
}

void Index::set_bounds(TopicPartition partition, const Bounds& bounds) {
  const base::Lock lock(mutex_);
  topics_[partition.topic.value].bounds[partition.partition.value] = bounds;
}

SegmentRef Index::active(base::TopicId topic) const {
  const base::Lock lock(mutex_);
  const auto& segments = topics_[topic.value].segments;
  return segments.empty() ? nullptr : segments.back();
}

void Index::add_segment(SegmentRef segment) {
  const base::Lock lock(mutex_);
  bytes_ += segment->bytes;
  auto& segments = topics_[segment->record.topic.value].segments;
  segments.push_back(std::move(segment));
}

std::vector<SegmentRef> Index::segments(base::TopicId topic) const {
  const base::Lock lock(mutex_);
  const auto& segments = topics_[topic.value].segments;
  return {segments.begin(), segments.end()};
}

void Index::drop_oldest(base::TopicId id) {
  const base::Lock lock(mutex_);
  auto& topic = topics_[id.value];
  MH_ASSERT(topic.segments.size() > 1);  // the last one keeps the bounds
  bytes_ -= topic.segments.front()->bytes;
  topic.segments.pop_front();
  for (std::size_t p = 0; p < topic.bounds.size(); ++p) {
    topic.bounds[p].first = topic.segments.front()->record.starts[p].first;
  }
}

std::uint64_t Index::bytes(base::TopicId topic) const {
  const base::Lock lock(mutex_);
  std::uint64_t sum = 0;
  for (const auto& segment : topics_[topic.value].segments) sum += segment->bytes;
  return sum;
}

void Index::grow(const std::vector<Growth>& growth) {
  const base::Lock lock(mutex_);
  for (const auto& [partition, segment, blocks, stored_bytes] : growth) {
    auto& topic = topics_[partition.topic.value];
    auto& bounds = topic.bounds[partition.partition.value];
    MH_ASSERT(blocks.front()->first == bounds.next);
    bounds.next = blocks.back()->end();
    bounds.last_enqueued = blocks.back()->newest;
    segment->bytes += stored_bytes;
    bytes_ += stored_bytes;
    for (const auto& block : blocks) {
      topic.tails[partition.partition.value].push_back(block);
      tail_order_.push_back(partition);
      tail_bytes_ += cached_size(*block);
    }
  }
  trim_tails();
}

void Index::trim_tails() {
  while (tail_bytes_ > tail_limit_) {
    const auto partition = tail_order_.front();
    tail_order_.pop_front();
    auto& tail = topics_[partition.topic.value].tails[partition.partition.value];
    tail_bytes_ -= cached_size(*tail.front());
    tail.pop_front();
  }
}

Index::Found Index::locate(TopicPartition partition, base::Offset position, std::size_t max_bytes) const {
  const base::Lock lock(mutex_);
  const auto& topic = *topic_at(partition);
  const auto& tail = topic.tails[partition.partition.value];
  Found out;
  out.bounds = topic.bounds[partition.partition.value];
  if (position < out.bounds.first || position >= out.bounds.next) return out;
  if (!tail.empty() && tail.front()->first <= position) {
    auto it = std::prev(std::ranges::upper_bound(tail, position, {}, [](const auto& block) { return block->first; }));
    for (std::size_t bytes = 0; it != tail.end() && bytes < max_bytes; ++it) {
      bytes += (*it)->records.size();
      out.blocks.push_back(*it);
    }
    return out;
  }
  const auto starts_at = [&](const SegmentRef& s) { return s->start(partition.partition).first; };
  out.segment = *std::prev(std::ranges::upper_bound(topic.segments, position, {}, starts_at));
  return out;
}

Index::Span Index::locate_time(TopicPartition partition, base::Timestamp time) const {
  const base::Lock lock(mutex_);
  const auto& topic = *topic_at(partition);
  const auto& bounds = topic.bounds[partition.partition.value];
  if (bounds.last_enqueued < time || bounds.first == bounds.next) return {};
  for (std::size_t i = 0; i < topic.segments.size(); ++i) {
    const auto end = i + 1 < topic.segments.size()
                         ? topic.segments[i + 1]->start(partition.partition)
                         : layout::Start{bounds.next, bounds.last_enqueued};
    if (end.time >= time) return {topic.segments[i], topic.segments[i]->start(partition.partition).first, end.first};
  }
  return {};
}

void Index::commit(const std::vector<OffsetCommit>& commits) {
  const base::Lock lock(mutex_);
  for (const auto& commit : commits) committed_[{commit.group, commit.partition}] = commit.next;
}

std::optional<base::Offset> Index::committed(std::string_view group, TopicPartition partition) const {
  const base::Lock lock(mutex_);
  const auto it = committed_.find({std::string(group), partition});
  if (it == committed_.end()) return std::nullopt;
  return it->second;
}

}  // namespace meterhub::log
