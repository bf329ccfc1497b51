#include <meterhub/log/embedded.h>

#include <deque>

#include "core.h"

namespace meterhub::log {
namespace {

using base::Errc;

// Reads blocks through `read` and hands out their records.
class EmbeddedCursor final : public Cursor {
 public:
  using Read = std::function<base::Result<std::vector<BlockRef>>(base::Offset, std::size_t)>;
  using First = std::function<base::Offset()>;
  EmbeddedCursor(base::Offset from, Read read, First first)
      : position_(from), read_(std::move(read)), first_(std::move(first)) {}

  base::Result<Batch> next(std::size_t max_bytes) override {
    Batch out;
    auto kept = std::make_shared<std::vector<BlockRef>>();
    for (std::size_t bytes = 0; out.records.empty() || bytes < max_bytes;) {
      auto found = read_one(max_bytes - std::min(bytes, max_bytes), *kept, out.records);
      // What was found stands: it lies before position(). The next call meets the error again.
      if (!found && !out.records.empty()) break;
      if (!found && found.error().code == Errc::kNotFound) position_ = first_();
      if (!MH_TRY(std::move(found))) break;
      const auto& record = out.records.back();
      if (record.offset < position_) {
        out.records.pop_back();
        continue;
      }
      position_ = base::Offset(record.offset.value + 1);
      bytes += record.key.size() + record.sections.size() + record.body.size();
    }
    out.storage = std::move(kept);
    return out;
  }

  base::Offset position() const override { return position_; }

  void seek(base::Offset to) override {
    position_ = to;
    reader_.reset();
    ahead_.clear();
  }

 private:
  // Adds the next record; false when there is none.
  base::Result<bool> read_one(std::size_t wanted, std::vector<BlockRef>& kept, std::vector<RecordView>& out) {
    if (!MH_TRY(advance(wanted, kept))) return false;
    if (out.size() == out.capacity()) out.reserve(out.size() * 2 + reader_->left());
    auto read = reader_->next(out.emplace_back());
    if (!read) out.pop_back();
    MH_TRY_VOID(std::move(read));
    return true;
  }

  // Makes reader_ stand before a record; false when there is none. The block read from
  // is the last of `kept`.
  base::Result<bool> advance(std::size_t wanted, std::vector<BlockRef>& kept) {
    if (reader_ && reader_->at_end()) {
      reader_.reset();
      ahead_.pop_front();
    }
    if (ahead_.empty()) {
      const auto blocks = MH_TRY(read_(position_, wanted));
      ahead_.assign(blocks.begin(), blocks.end());
      if (ahead_.empty()) return false;
    }
    if (!reader_) reader_.emplace(*ahead_.front());
    if (kept.empty() || kept.back() != ahead_.front()) kept.push_back(ahead_.front());
    return true;
  }

  base::Offset position_;
  Read read_;
  First first_;
  std::deque<BlockRef> ahead_;         // read and not yet handed out, at most about 256 KiB or what was asked for
  std::optional<BlockReader> reader_;  // of ahead_.front()
};

std::unexpected<base::Error> no_partition() { return base::fail(Errc::kNotFound, "no such log or partition"); }

}  // namespace

EmbeddedLog::EmbeddedLog(std::shared_ptr<Core> core) : core_(std::move(core)) {}
EmbeddedLog::~EmbeddedLog() { core_->close(); }

base::Result<std::unique_ptr<EmbeddedLog>> EmbeddedLog::open(EmbeddedOptions options, const base::Clock& clock,
                                                             base::Executor& writer, base::Metrics& metrics) {
  auto core = std::make_shared<Core>(std::move(options), clock, writer, metrics);
  MH_TRY_VOID(core->start());
  return std::unique_ptr<EmbeddedLog>(new EmbeddedLog(std::move(core)));
}

base::Result<base::TopicId> EmbeddedLog::declare(const TopicSpec& spec) { return core_->declare(spec); }

base::Result<base::TopicId> EmbeddedLog::topic(std::string_view name) const {
  const auto found = core_->index().find(name);
  if (!found) return base::fail(Errc::kNotFound, "no log named " + std::string(name));
  return *found;
}

std::string EmbeddedLog::topic_name(base::TopicId topic) const {
  const auto spec = core_->index().spec(topic);
  return spec ? spec->name : std::string();
}

std::uint32_t EmbeddedLog::partitions(base::TopicId topic) const {
  const auto spec = core_->index().spec(topic);
  return spec ? spec->partitions : 0;
}

std::vector<std::string> EmbeddedLog::topics() const { return core_->index().names(); }

void EmbeddedLog::transact(Transaction transaction, base::Executor& reply_on, Done done) {
  core_->transact(std::move(transaction), reply_on, std::move(done));
}

base::Result<std::unique_ptr<Cursor>> EmbeddedLog::open(TopicPartition partition, From from) {
  const auto held = MH_TRY(bounds(partition));
  base::Offset start = held.first;
  if (std::holds_alternative<Latest>(from)) start = held.next;
  if (const auto* offset = std::get_if<base::Offset>(&from)) start = *offset;
  if (const auto* time = std::get_if<base::Timestamp>(&from)) start = MH_TRY(offset_for_time(partition, *time));
  return std::make_unique<EmbeddedCursor>(
      start,
      [core = core_, partition](base::Offset position, std::size_t max_bytes) {
        return core->read(partition, position, max_bytes);
      },
      [core = core_, partition] { return core->index().bounds(partition)->first; });
}

std::unique_ptr<Watch> EmbeddedLog::watch(TopicPartition partition, base::Offset position, base::Executor& call_on,
                                          base::Task appended) {
  return core_->watches().add(partition, position, call_on, std::move(appended), [&] {
    const auto held = core_->index().bounds(partition);
    return held ? held->next : base::Offset(0);
  });
}

base::Timestamp EmbeddedLog::complete_until() const { return core_->complete_until(); }

base::Result<Bounds> EmbeddedLog::bounds(TopicPartition partition) const {
  const auto held = core_->index().bounds(partition);
  if (!held) return no_partition();
  return *held;
}

base::Result<base::Offset> EmbeddedLog::offset_for_time(TopicPartition partition, base::Timestamp time) const {
  const auto held = MH_TRY(bounds(partition));
  const auto span = core_->index().locate_time(partition, time);
  if (!span.segment) return held.next;
  return search_time(span, partition.partition, time);
}

base::Result<std::optional<base::Offset>> EmbeddedLog::committed(std::string_view group,
                                                                 TopicPartition partition) const {
  return core_->index().committed(group, partition);
}

base::Result<std::optional<std::string>> EmbeddedLog::state(std::string_view group, TopicPartition partition,
                                                            std::string_view name) const {
  return core_->store().state(group, partition, name);
}

base::Result<void> EmbeddedLog::scan_state(
    std::string_view group, TopicPartition partition, std::string_view prefix,
    const std::function<bool(std::string_view name, std::string_view value)>& visit) const {
  return core_->store().scan_state(group, partition, prefix, visit);
}

base::Result<std::unique_ptr<Membership>> EmbeddedLog::join(std::string_view group,
                                                            std::vector<base::TopicId> topics,
                                                            std::vector<TopicPartition> only,
                                                            base::Executor& executor, GroupListener& listener) {
  auto interest = MH_TRY(interest_of(*this, topics, std::move(only)));
  return core_->groups().join(group, std::move(interest), executor, listener);
}

double EmbeddedLog::fill() const { return core_->fill(); }

base::Result<void> EmbeddedLog::checkpoint(const std::string& directory) const { return core_->store().checkpoint(directory); }

void EmbeddedLog::retain() { core_->maintain(); }

}  // namespace meterhub::log
