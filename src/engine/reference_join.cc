#include "reference_join.h"

#include <algorithm>

namespace meterhub::engine {
namespace {

constexpr std::size_t kIndicesMax = 2;
constexpr char kOne = 0;
constexpr char kSeveral = 1;

std::size_t number_of(std::string_view several) { return Unpacker(several.substr(1)).number(); }

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
  std::string room, key_of_row;
  Unpacker all(version.rows(room));
  while (all.ok() && !all.done()) {
    const auto row = all.bytes();
    ++made->rows;
    Unpacker from(row);
    if (!unpacked_.read(from)) continue;
    rows.sources[right_] = unpacked_.row();
    evaluator.bind(rows.sources, 0, rows.analytics);
    if (key(evaluator, false, key_of_row)) add_row(*made, key_of_row, row);
  }
  if (indices_.size() == kIndicesMax) indices_.pop_back();
  indices_.insert(indices_.begin(), std::move(made));
  return *indices_.front();
}

// Most keys have one row, which lies with them.
void ReferenceJoin::add_row(Index& index, std::string_view key, std::string_view row) {
  const auto part = part_of_key(key);
  const auto found = index.by_key.find(part, key);
  if (found == nullptr) {
    std::string value(1, kOne);
    value += row;
    return index.by_key.add(part, key, value);
  }
  const auto value = index.by_key.get(found).value;
  if (value.front() == kSeveral) {
    index.several[number_of(value)].emplace_back(row);
    return;
  }
  index.several.push_back({std::string(value.substr(1)), std::string(row)});
  std::string list(1, kSeveral);
  pack_number(list, index.several.size() - 1);
  index.by_key.set(found, list);
}

StreamJoin::Answer ReferenceJoin::try_row(Evaluator& evaluator, JoinRows rows, Ticks now, std::string_view packed, bool& found,
                                          const StreamJoin::Matched& matched) {
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

StreamJoin::Answer ReferenceJoin::look_up(Evaluator& evaluator, JoinRows rows, Ticks now, const ReferenceVersion& version,
                                          const StreamJoin::Matched& matched) {
  using Answer = StreamJoin::Answer;
  const auto& table = index(evaluator, rows, version);
  evaluator.bind(rows.sources, now, rows.analytics);
  const bool can_match = key(evaluator, true, key_);
  if (!lenient_ && !evaluator.error().empty()) return Answer::kDataError;
  bool found = false;
  const auto record = can_match ? table.by_key.find(part_of_key(key_), key_) : nullptr;
  if (record != nullptr) {
    const auto value = table.by_key.get(record).value;
    if (value.front() == kOne) {
      const auto answer = try_row(evaluator, rows, now, value.substr(1), found, matched);
      if (answer != Answer::kDone) return answer;
    } else {
      for (const auto& row : table.several[number_of(value)]) {
        const auto answer = try_row(evaluator, rows, now, row, found, matched);
        if (answer != Answer::kDone) return answer;
      }
    }
  }
  if (found || !join_.left_outer) return Answer::kDone;
  rows.sources[right_] = {};
  rows.sources[right_].nobody = true;
  return matched() ? Answer::kDone : Answer::kStopped;
}

std::uint64_t ReferenceJoin::rows() const { return indices_.empty() ? 0 : indices_.front()->rows; }

std::uint64_t ReferenceJoin::bytes() const {
  std::uint64_t sum = 0;
  for (const auto& index : indices_) {
    sum += index->by_key.bytes();
    for (const auto& rows : index->several) {
      sum += sizeof(rows) + rows.capacity() * sizeof(std::string);
      for (const auto& row : rows) sum += row.capacity() > 15 ? row.capacity() + 17 : 0;
    }
  }
  return sum;
}

}  // namespace meterhub::engine
