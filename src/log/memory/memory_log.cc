#include <meterhub/log/memory.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <map>

#include <meterhub/base/assert.h>
#include <meterhub/base/mutex.h>
#include <meterhub/log/record_format.h>

#include "../checks.h"
#include "../groups.h"
#include "../watches.h"

namespace meterhub::log {
namespace {

using base::Errc;

struct Stored {
  base::Offset offset;
  base::Timestamp enqueued{};
  std::string record;  // encode_record()
  std::size_t size = 0;
};

RecordView view_of(const Stored& stored) {
  RecordView out;
  std::string_view bytes = stored.record;
  MH_ASSERT(decode_record(bytes, stored.enqueued, out));
  out.offset = stored.offset;
  return out;
}

struct Partition {
  std::deque<std::shared_ptr<const Stored>> records;
  Bounds bounds;
};

struct Topic {
  TopicSpec spec;
  std::vector<Partition> partitions;
  std::uint64_t bytes = 0;
};

using GroupPartition = std::pair<std::string, TopicPartition>;

}  // namespace

struct MemoryLog::Core {
  explicit Core(const base::Clock& c, MemoryOptions o)
      : clock(c), options(o), groups(c, base::Epoch(1), [](base::Task task) { task(); }) {}

  const base::Clock& clock;
  const MemoryOptions options;
  Groups groups;
  Watches watches;
  mutable base::Mutex mutex;  // docs/internals/locks.md
  std::deque<Topic> topics MH_GUARDED_BY(mutex);  // by TopicId; addresses stay
  std::uint64_t bytes MH_GUARDED_BY(mutex) = 0;
  std::map<GroupPartition, base::Offset> committed MH_GUARDED_BY(mutex);
  std::map<GroupPartition, std::map<std::string, std::string, std::less<>>> state MH_GUARDED_BY(mutex);

  const Partition* find(TopicPartition p) const MH_REQUIRES(mutex);
  Partition& at(TopicPartition p) MH_REQUIRES(mutex) { return topics[p.topic.value].partitions[p.partition.value]; }
  base::Result<void> check(const Transaction& transaction) const MH_REQUIRES(mutex);
  Committed apply(Transaction& transaction) MH_REQUIRES(mutex);
  Committed::Place append(const Appends& appends, std::size_t i) MH_REQUIRES(mutex);
  double fill() const MH_REQUIRES(mutex);
  base::Offset protected_from(const Topic& topic, TopicPartition p) const MH_REQUIRES(mutex);
  bool drop_oldest(TopicPartition p, base::Timestamp older_than) MH_REQUIRES(mutex);
  bool drop_oldest_of(base::TopicId topic) MH_REQUIRES(mutex);
  void retain() MH_REQUIRES(mutex);

  base::Result<Batch> read(TopicPartition p, base::Offset& position, std::size_t max_bytes) const;
  base::Offset next_of(TopicPartition p) const;
};

const Partition* MemoryLog::Core::find(TopicPartition p) const {
  if (p.topic.value >= topics.size()) return nullptr;
  const auto& partitions = topics[p.topic.value].partitions;
  return p.partition.value < partitions.size() ? &partitions[p.partition.value] : nullptr;
}

double MemoryLog::Core::fill() const {
  if (options.quota_bytes == 0) return 0;
  return static_cast<double>(bytes) / static_cast<double>(options.quota_bytes);
}

base::Result<void> MemoryLog::Core::check(const Transaction& transaction) const {
  MH_TRY_VOID(check_shape(transaction, transaction_size(transaction)));
  for (std::size_t i = 0; i < transaction.appends.size(); ++i) {
    if (!find(transaction.appends.to(i))) return base::fail(Errc::kNotFound, "no such log or partition");
  }
  for (const auto& owner : transaction.owners) {
    if (!groups.current(owner)) return base::fail(Errc::kFenced, "a newer owner exists");
  }
  return check_quota(transaction, fill());
}

Committed::Place MemoryLog::Core::append(const Appends& appends, std::size_t i) {
  const auto to = appends.to(i);
  auto& partition = at(to);
  auto& bounds = partition.bounds;
  auto stored = std::make_shared<Stored>();
  stored->offset = bounds.next;
  stored->enqueued = std::max(bounds.last_enqueued, clock.now());
  stored->size = appends.bytes(i);
  encode_record(stored->record, appends.record(i), base::Duration(0));
  bounds.next = base::Offset(bounds.next.value + 1);
  bounds.last_enqueued = stored->enqueued;
  topics[to.topic.value].bytes += stored->size;
  bytes += stored->size;
  const Committed::Place place{stored->offset, stored->enqueued};
  partition.records.push_back(std::move(stored));
  return place;
}

Committed MemoryLog::Core::apply(Transaction& transaction) {
  Committed out;
  out.places.reserve(transaction.appends.size());
  for (std::size_t i = 0; i < transaction.appends.size(); ++i) out.places.push_back(append(transaction.appends, i));
  for (auto& commit : transaction.offsets) committed[{std::move(commit.group), commit.partition}] = commit.next;
  for (auto& write : transaction.state) {
    auto& values = state[{std::move(write.group), write.partition}];
    if (write.value) {
      values[std::move(write.name)] = std::move(*write.value);
    } else {
      values.erase(write.name);
    }
  }
  if (!transaction.appends.empty()) retain();
  return out;
}

// The first offset that a protected group still needs.
base::Offset MemoryLog::Core::protected_from(const Topic& topic, TopicPartition p) const {
  auto needed = base::Offset(UINT64_MAX);
  for (const auto& group : topic.spec.protected_groups) {
    const auto it = committed.find({group, p});
    needed = std::min(needed, it == committed.end() ? base::Offset(0) : it->second);
  }
  return needed;
}

bool MemoryLog::Core::drop_oldest(TopicPartition p, base::Timestamp older_than) {
  auto& topic = topics[p.topic.value];
  auto& partition = at(p);
  if (partition.records.empty()) return false;
  const auto& oldest = *partition.records.front();
  if (oldest.enqueued >= older_than || oldest.offset >= protected_from(topic, p)) return false;
  topic.bytes -= oldest.size;
  bytes -= oldest.size;
  partition.bounds.first = base::Offset(oldest.offset.value + 1);
  partition.records.pop_front();
  return true;
}

// Drops from the partition whose oldest record is the oldest of all that may go.
bool MemoryLog::Core::drop_oldest_of(base::TopicId id) {
  const auto& topic = topics[id.value];
  std::optional<std::pair<base::Timestamp, TopicPartition>> oldest;
  for (std::uint32_t i = 0; i < topic.partitions.size(); ++i) {
    const TopicPartition p{id, base::PartitionId(i)};
    const auto& records = topic.partitions[i].records;
    if (records.empty() || records.front()->offset >= protected_from(topic, p)) continue;
    if (!oldest || records.front()->enqueued < oldest->first) oldest.emplace(records.front()->enqueued, p);
  }
  return oldest && drop_oldest(oldest->second, base::Timestamp::max());
}

void MemoryLog::Core::retain() {
  for (std::uint16_t t = 0; t < topics.size(); ++t) {
    const auto& topic = topics[t];
    const auto older_than = clock.now() - topic.spec.retention_age;
    for (std::uint32_t i = 0; i < topic.partitions.size(); ++i) {
      while (drop_oldest({base::TopicId(t), base::PartitionId(i)}, older_than)) {}
    }
    const auto limit = topic.spec.retention_bytes;
    while (limit != 0 && topic.bytes > limit && drop_oldest_of(base::TopicId(t))) {}
  }
  for (std::uint16_t t = 0; t < topics.size(); ++t) {
    if (topics[t].spec.retention_bytes != 0) continue;
    while (fill() > kShrinkAbove && drop_oldest_of(base::TopicId(t))) {}
  }
}

base::Result<Batch> MemoryLog::Core::read(TopicPartition p, base::Offset& position, std::size_t max_bytes) const {
  const base::Lock lock(mutex);
  const auto& partition = *find(p);
  const auto first = partition.bounds.first;
  if (position < first) {
    position = first;
    return base::fail(Errc::kNotFound, "retention has dropped this position");
  }
  auto kept = std::make_shared<std::vector<std::shared_ptr<const Stored>>>();
  Batch out;
  for (std::size_t bytes_read = 0; position < partition.bounds.next; position.value++) {
    const auto& stored = partition.records[position.value - first.value];
    auto record = view_of(*stored);
    bytes_read += record.key.size() + record.sections.size() + record.body.size();
    if (bytes_read > max_bytes && !kept->empty()) break;
    kept->push_back(stored);
    out.records.push_back(std::move(record));
  }
  out.storage = std::move(kept);
  return out;
}

base::Offset MemoryLog::Core::next_of(TopicPartition p) const {
  const base::Lock lock(mutex);
  return find(p)->bounds.next;
}

namespace {

class MemoryCursor final : public Cursor {
 public:
  using Read = std::function<base::Result<Batch>(base::Offset&, std::size_t)>;
  MemoryCursor(base::Offset from, Read read) : position_(from), read_(std::move(read)) {}
  base::Result<Batch> next(std::size_t max_bytes) override { return read_(position_, max_bytes); }
  base::Offset position() const override { return position_; }
  void seek(base::Offset to) override { position_ = to; }

 private:
  base::Offset position_;
  Read read_;
};

}  // namespace

MemoryLog::MemoryLog(const base::Clock& clock, MemoryOptions options)
    : core_(std::make_shared<Core>(clock, options)) {}
MemoryLog::~MemoryLog() = default;

base::Result<base::TopicId> MemoryLog::declare(const TopicSpec& spec) {
  MH_TRY_VOID(check_spec(spec));
  const base::Lock lock(core_->mutex);
  auto& topics = core_->topics;
  const auto it = std::ranges::find(topics, spec.name, [](const Topic& t) { return t.spec.name; });
  const base::TopicId id(static_cast<std::uint16_t>(it - topics.begin()));
  if (it == topics.end()) {
    topics.push_back({spec, std::vector<Partition>(spec.partitions), 0});
  } else if (it->spec.partitions != spec.partitions) {
    return base::fail(Errc::kPrecondition, "log " + spec.name + " has another number of partitions");
  } else {
    it->spec = spec;
  }
  return id;
}

base::Result<base::TopicId> MemoryLog::topic(std::string_view name) const {
  const base::Lock lock(core_->mutex);
  const auto it = std::ranges::find(core_->topics, name, [](const Topic& t) { return std::string_view(t.spec.name); });
  if (it == core_->topics.end()) return base::fail(Errc::kNotFound, "no log named " + std::string(name));
  return base::TopicId(static_cast<std::uint16_t>(it - core_->topics.begin()));
}

std::string MemoryLog::topic_name(base::TopicId topic) const {
  const base::Lock lock(core_->mutex);
  return topic.value < core_->topics.size() ? core_->topics[topic.value].spec.name : std::string();
}

std::uint32_t MemoryLog::partitions(base::TopicId topic) const {
  const base::Lock lock(core_->mutex);
  return topic.value < core_->topics.size() ? core_->topics[topic.value].spec.partitions : 0;
}

std::vector<std::string> MemoryLog::topics() const {
  const base::Lock lock(core_->mutex);
  std::vector<std::string> out;
  for (const auto& topic : core_->topics) out.push_back(topic.spec.name);
  return out;
}

void MemoryLog::transact(Transaction transaction, base::Executor& reply_on, Done done) {
  std::map<TopicPartition, base::Offset> grown;
  base::Result<Committed> result;
  {
    const base::Lock lock(core_->mutex);
    if (auto checked = core_->check(transaction); !checked) {
      result = std::unexpected(std::move(checked).error());
    } else {
      for (std::size_t i = 0; i < transaction.appends.size(); ++i) grown[transaction.appends.to(i)];
      result = core_->apply(transaction);
      for (auto& [partition, next] : grown) next = core_->find(partition)->bounds.next;
    }
    // Under the lock, so that replies come in the order of the transactions.
    reply_on.post([done = std::move(done), result = std::move(result)]() mutable { done(std::move(result)); });
  }
  for (const auto& [partition, next] : grown) core_->watches.advanced(partition, next);
}

base::Result<std::unique_ptr<Cursor>> MemoryLog::open(TopicPartition partition, From from) {
  const auto held = MH_TRY(bounds(partition));
  base::Offset start = held.first;
  if (std::holds_alternative<Latest>(from)) start = held.next;
  if (const auto* offset = std::get_if<base::Offset>(&from)) start = *offset;
  if (const auto* time = std::get_if<base::Timestamp>(&from)) start = MH_TRY(offset_for_time(partition, *time));
  return std::make_unique<MemoryCursor>(start, [core = core_, partition](base::Offset& position, std::size_t max) {
    return core->read(partition, position, max);
  });
}

std::unique_ptr<Watch> MemoryLog::watch(TopicPartition partition, base::Offset position, base::Executor& call_on,
                                        base::Task appended) {
  return core_->watches.add(partition, position, call_on, std::move(appended), [&] {
    const auto held = bounds(partition);
    return held ? held->next : base::Offset(0);
  });
}

// A record has its time and can be read under one lock.
base::Timestamp MemoryLog::complete_until() const {
  const base::Lock lock(core_->mutex);
  return core_->clock.now();
}

base::Result<Bounds> MemoryLog::bounds(TopicPartition partition) const {
  const base::Lock lock(core_->mutex);
  const auto* found = core_->find(partition);
  if (!found) return base::fail(Errc::kNotFound, "no such log or partition");
  return found->bounds;
}

base::Result<base::Offset> MemoryLog::offset_for_time(TopicPartition partition, base::Timestamp time) const {
  const base::Lock lock(core_->mutex);
  const auto* found = core_->find(partition);
  if (!found) return base::fail(Errc::kNotFound, "no such log or partition");
  const auto it = std::ranges::lower_bound(found->records, time, {}, [](const auto& r) { return r->enqueued; });
  return it == found->records.end() ? found->bounds.next : (*it)->offset;
}

base::Result<std::optional<base::Offset>> MemoryLog::committed(std::string_view group,
                                                               TopicPartition partition) const {
  const base::Lock lock(core_->mutex);
  const auto it = core_->committed.find({std::string(group), partition});
  if (it == core_->committed.end()) return std::nullopt;
  return it->second;
}

base::Result<std::optional<std::string>> MemoryLog::state(std::string_view group, TopicPartition partition,
                                                          std::string_view name) const {
  const base::Lock lock(core_->mutex);
  const auto values = core_->state.find({std::string(group), partition});
  if (values == core_->state.end()) return std::nullopt;
  const auto it = values->second.find(name);
  if (it == values->second.end()) return std::nullopt;
  return it->second;
}

base::Result<void> MemoryLog::scan_state(
    std::string_view group, TopicPartition partition, std::string_view prefix,
    const std::function<bool(std::string_view name, std::string_view value)>& visit) const {
  std::vector<std::pair<std::string, std::string>> found;  // visit() runs without our lock
  {
    const base::Lock lock(core_->mutex);
    const auto values = core_->state.find({std::string(group), partition});
    if (values == core_->state.end()) return {};
    for (auto it = values->second.lower_bound(prefix); it != values->second.end(); ++it) {
      if (!it->first.starts_with(prefix)) break;
      found.emplace_back(*it);
    }
  }
  for (const auto& [name, value] : found) {
    if (!visit(name, value)) break;
  }
  return {};
}

base::Result<std::unique_ptr<Membership>> MemoryLog::join(std::string_view group, std::vector<base::TopicId> topics,
                                                          std::vector<TopicPartition> only,
                                                          base::Executor& executor, GroupListener& listener) {
  auto interest = MH_TRY(interest_of(*this, topics, std::move(only)));
  return core_->groups.join(group, std::move(interest), executor, listener);
}

double MemoryLog::fill() const {
  const base::Lock lock(core_->mutex);
  return core_->fill();
}

void MemoryLog::retain() {
  const base::Lock lock(core_->mutex);
  core_->retain();
}

}  // namespace meterhub::log
