#include "reference_join.h"

#include <algorithm>
#include <span>

namespace meterhub::engine {
namespace {

constexpr std::size_t kIndicesMax = 2;

std::string_view row_at(std::string_view rows, std::uint64_t place) { return Unpacker(rows.substr(place)).bytes(); }

}  // namespace

// False: a part is NULL, which matches nothing.
bool ReferenceJoin::key(Evaluator& evaluator, bool left, std::string& out) const {
  out.clear();
  bool whole = true;
  for (const auto& pair : join_.keys) {
    const auto value = evaluator.value(left ? *pair.left : *pair.right);
    whole = whole && !value.is_null();
    append_key(out, value);
  }
  return whole;
}

const ReferenceJoin::Index& ReferenceJoin::index(Evaluator& evaluator, JoinRows rows, const ReferenceVersion& version) {
  const auto known = std::ranges::find_if(indices_, [&](const auto& one) { return one->number == version.number; });
  if (known != indices_.end()) return **known;
  auto made = std::make_unique<Index>();
  made->number = version.number;
  made->rows = version.rows();
  std::string key_of_row;
  Unpacker all(*made->rows);
  while (all.ok() && !all.done()) {
    const auto place = made->rows->size() - all.rest().size();
    ++made->count;
    Unpacker from(all.bytes());
    if (!unpacked_.read(from)) continue;
    rows.sources[right_] = unpacked_.row();
    evaluator.bind(rows.sources, 0, rows.analytics);
    if (key(evaluator, false, key_of_row)) add_row(*made, key_of_row, place);
  }
  if (indices_.size() == kIndicesMax) indices_.pop_back();
  indices_.insert(indices_.begin(), std::move(made));
  return *indices_.front();
}

// Most keys have one row.
void ReferenceJoin::add_row(Index& index, std::string_view key, std::uint64_t place) {
  const auto part = part_of_key(key);
  const auto found = index.by_key.find(part, key);
  std::string value;
  if (found == nullptr) {
    pack_number(value, place << 1);
    return index.by_key.add(part, key, value);
  }
  const auto before = Unpacker(index.by_key.get(found).value).number();
  if ((before & 1) != 0) return index.several[before >> 1].push_back(place);
  index.several.push_back({before >> 1, place});
  pack_number(value, (index.several.size() - 1) << 1 | 1);
  index.by_key.set(found, value);
}

StreamJoin::Answer ReferenceJoin::try_row(Evaluator& evaluator, JoinRows rows, Ticks now, std::string_view packed,
                                          bool& found, const StreamJoin::Matched& matched) {
  using Answer = StreamJoin::Answer;
  Unpacker from(packed);
  unpacked_.read(from);
  rows.sources[right_] = unpacked_.row();
  rows.sources[right_].time = now;
  evaluator.bind(rows.sources, now, rows.analytics);
  const bool pair = !join_.residual || evaluator.is_true(*join_.residual);
  if (!lenient_ && !evaluator.error().empty()) return Answer::kDataError;
  if (!pair) return Answer::kDone;
  found = true;
  return matched() ? Answer::kDone : Answer::kStopped;
}

StreamJoin::Answer ReferenceJoin::look_up(Evaluator& evaluator, JoinRows rows, Ticks now,
                                          const ReferenceVersion& version, const StreamJoin::Matched& matched) {
  using Answer = StreamJoin::Answer;
  const auto& table = index(evaluator, rows, version);
  evaluator.bind(rows.sources, now, rows.analytics);
  const bool can_match = key(evaluator, true, key_);
  if (!lenient_ && !evaluator.error().empty()) return Answer::kDataError;
  bool found = false;
  const auto record = can_match ? table.by_key.find(part_of_key(key_), key_) : nullptr;
  if (record != nullptr) {
    const auto value = Unpacker(table.by_key.get(record).value).number();
    const auto alone = value >> 1;
    const auto places =
        (value & 1) == 0 ? std::span(&alone, 1) : std::span<const std::uint64_t>(table.several[value >> 1]);
    for (const auto place : places) {
      const auto answer = try_row(evaluator, rows, now, row_at(*table.rows, place), found, matched);
      if (answer != Answer::kDone) return answer;
    }
  }
  if (found || !join_.left_outer) return Answer::kDone;
  rows.sources[right_] = {};
  rows.sources[right_].nobody = true;
  return matched() ? Answer::kDone : Answer::kStopped;
}

std::uint64_t ReferenceJoin::rows() const { return indices_.empty() ? 0 : indices_.front()->count; }

std::uint64_t ReferenceJoin::bytes() const {
  std::uint64_t sum = 0;
  for (const auto& index : indices_) {
    sum += index->by_key.bytes() + index->rows->size();
    using Places = std::vector<std::uint64_t>;
    for (const Places& places : index->several)
      sum += sizeof(Places) + 16 + places.capacity() * sizeof(Places::value_type);
  }
  return sum;
}

}  // namespace meterhub::engine
