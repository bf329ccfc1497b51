// Records on their way into a log, already in the form of docs/formats/record.md: what comes
// from one thread and is taken apart by another is one piece of memory, not six for each record.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/ids.h>
#include <meterhub/log/record.h>

namespace meterhub::log {

struct TopicPartition {
  base::TopicId topic;
  base::PartitionId partition;
  constexpr auto operator<=>(const TopicPartition&) const = default;
};

struct Append {
  TopicPartition to;
  NewRecord record;
};

// A record but for its enqueue time, which is known only when it is written.
struct EncodedRecord {
  std::uint32_t flags = 0;
  std::string_view fields;
};
// Appends the record as a block holds it; `since` as for encode_record().
void encode_record(std::string& out, EncodedRecord record, base::Duration since);

// In the order in which they were added. One thread; views into it live until the next change.
class Appends {
 public:
  // Copies what `record` points to.
  void add(TopicPartition to, const RecordParts& record);
  void push_back(const Append& append) { add(append.to, parts_of(append.record)); }

  bool empty() const { return places_.empty(); }
  std::size_t size() const { return places_.size(); }
  TopicPartition to(std::size_t i) const { return places_[i].to; }
  EncodedRecord record(std::size_t i) const;
  // Of one record: its bytes and a little for what is kept beside them. What queues and quotas count.
  std::size_t bytes(std::size_t i) const;
  std::size_t bytes() const;
  void reserve(std::size_t records, std::size_t bytes);

 private:
  struct Place {
    TopicPartition to;
    std::uint32_t flags;
    std::size_t end;  // of its fields, which begin where the one before ends
  };
  std::size_t begin(std::size_t i) const { return i == 0 ? 0 : places_[i - 1].end; }

  std::vector<Place> places_;
  std::string fields_;
};

}  // namespace meterhub::log
