#include "reference_join.h"

#include <algorithm>

namespace meterhub::engine {
namespace {

constexpr std::size_t kIndicesMax = 2;

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
  made->rows = version.rows().rows;
  std::string key_of_row;
  for (std::uint32_t i = 0; i < made->rows.size(); ++i) {
    Unpacker from(made->rows[i]);
    if (!unpacked_.read(from)) continue;
    rows.sources[right_] = unpacked_.row();
    evaluator.bind(rows.sources, 0, rows.analytics);
    if (key(evaluator, false, key_of_row)) made->by_key[key_of_row].push_back(i);
  }
  if (indices_.size() == kIndicesMax) indices_.pop_back();
  indices_.insert(indices_.begin(), std::move(made));
  return *indices_.front();
}

StreamJoin::Answer ReferenceJoin::look_up(Evaluator& evaluator, JoinRows rows, Ticks now, const ReferenceVersion& version,
                                          const StreamJoin::Matched& matched) {
  using Answer = StreamJoin::Answer;
  const auto& table = index(evaluator, rows, version);
  evaluator.bind(rows.sources, now, rows.analytics);
  const bool can_match = key(evaluator, true, key_);
  if (!lenient_ && !evaluator.error().empty()) return Answer::kDataError;
  bool found = false;
  const auto bucket = can_match ? table.by_key.find(key_) : table.by_key.end();
  if (bucket != table.by_key.end()) {
    for (const auto row : bucket->second) {
      Unpacker from(table.rows[row]);
      unpacked_.read(from);
      rows.sources[right_] = unpacked_.row();
      rows.sources[right_].time = now;
      evaluator.bind(rows.sources, now, rows.analytics);
      const bool pair = !join_.residual || evaluator.is_true(*join_.residual);
      if (!lenient_ && !evaluator.error().empty()) return Answer::kDataError;
      if (!pair) continue;
      found = true;
      if (!matched()) return Answer::kStopped;
    }
  }
  if (found || !join_.left_outer) return Answer::kDone;
  rows.sources[right_] = {};
  rows.sources[right_].nobody = true;
  return matched() ? Answer::kDone : Answer::kStopped;
}

std::uint64_t ReferenceJoin::rows() const { return indices_.empty() ? 0 : indices_.front()->rows.size(); }

std::uint64_t ReferenceJoin::bytes() const {
  std::uint64_t sum = 0;
  for (const auto& index : indices_) {
    sum += index->rows.capacity() * sizeof(std::string) + index->by_key.capacity() * (sizeof(std::string) + sizeof(std::vector<std::uint32_t>) + 1);
    for (const auto& row : index->rows) sum += row.capacity() > 15 ? row.capacity() + 17 : 0;
    sum += index->by_key.size() * 32;
  }
  return sum;
}

}  // namespace meterhub::engine
