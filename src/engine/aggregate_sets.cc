// COUNT(DISTINCT x) and percentiles: they keep every value of the group.
#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <meterhub/base/assert.h>

#include "aggregate_kinds.h"
#include "kept_text.h"
#include "kept_value.h"

namespace meterhub::engine {
namespace {

// ---- COUNT(DISTINCT x) ----

// Keys, each with the number of its rows, so that a row can be taken back. One alone, as most
// groups have, lies by itself: a table takes some 130 bytes.
class DistinctState {
 public:
  void add(std::string_view key, std::uint64_t rows) {
    if (keys_) {
      keys_->try_emplace(key).first->second += rows;
    } else if (one_.get().empty()) {
      set_one(key, rows);
    } else if (const auto [known, before] = one(); known == key) {
      set_one(key, before + rows);
    } else {
      keys_ = std::make_unique<KeyCounts>();
      keys_->try_emplace(StateKey(known), before);
      keys_->try_emplace(StateKey(key), rows);
      one_.set({});
    }
  }
  void add(const DistinctState& other) {
    if (!other.keys_) {
      if (other.size() > 0) add(other.one().first, other.one().second);
    } else if (size() == 0) {
      keys_ = std::make_unique<KeyCounts>(*other.keys_);
    } else {
      for (const auto& [key, rows] : *other.keys_) add(key.view(), rows);
    }
  }
  // A row that was added.
  void remove(std::string_view key) {
    if (!keys_) {
      const auto [known, before] = one();
      MH_ASSERT(known == key && before > 0);
      if (before == 1) one_.set({});
      else set_one(key, before - 1);
      return;
    }
    const auto found = keys_->find(key);
    MH_ASSERT(found != keys_->end());
    if (--found->second == 0) keys_->erase(found);
    if (keys_->empty()) keys_.reset();
  }
  bool contains(std::string_view key) const { return keys_ ? keys_->contains(key) : !one_.get().empty() && one().first == key; }
  std::size_t size() const { return keys_ ? keys_->size() : one_.get().empty() ? 0 : 1; }

  using Entry = std::pair<std::string_view, std::uint64_t>;
  // In any order.
  std::vector<Entry> entries() const {
    std::vector<Entry> out;
    if (keys_) {
      for (const auto& [key, rows] : *keys_) out.emplace_back(key.view(), rows);
    } else if (!one_.get().empty()) {
      out.push_back(one());
    }
    return out;
  }
  std::size_t heap_bytes() const {
    if (!keys_) return one_.heap_bytes();
    std::size_t bytes = sizeof(KeyCounts) + keys_->capacity() * (sizeof(KeyCounts::value_type) + 1);
    for (const auto& [key, rows] : *keys_) bytes += key.heap_bytes();
    return bytes;
  }

 private:
  using KeyCounts = absl::flat_hash_map<StateKey, std::uint64_t, KeptTextHash, KeptTextEqual>;

  Entry one() const {
    Unpacker from(one_.get());
    const auto rows = from.number();
    return {from.rest(), rows};
  }
  // `key` may be that of one().
  void set_one(std::string_view key, std::uint64_t rows) {
    std::string bytes;
    pack_number(bytes, rows);
    bytes += key;
    one_.set(bytes);
  }

  KeptBytes one_;                    // number of rows, key
  std::unique_ptr<KeyCounts> keys_;  // several
};
static_assert(sizeof(DistinctState) == 16);

class Distinct final : public AggregateOf<DistinctState> {
 public:
  explicit Distinct(bool whole) : whole_(whole) {}

  bool add(std::byte* state, const AggregateInput& input, Evaluator&) const override {
    const auto value = taken_value(input, whole_);
    if (!value.is_null()) of(state).add(key_of(value), 1);
    return true;
  }
  void merge(std::byte* into, const std::byte* from) const override {
    of(into).add(of(from));
  }
  bool removable() const override { return true; }
  void remove(std::byte* state, const AggregateInput& input, Evaluator&) const override {
    const auto value = taken_value(input, whole_);
    if (!value.is_null()) of(state).remove(key_of(value));
  }
  Value result(const std::byte* state, Evaluator&) const override { return Value::bigint(static_cast<std::int64_t>(of(state).size())); }
  // By key, so that the bytes do not depend on the table's order.
  void save(const std::byte* state, std::string& out) const override {
    auto sorted = of(state).entries();
    std::ranges::sort(sorted);
    pack_number(out, sorted.size());
    for (const auto& [key, rows] : sorted) {
      pack_bytes(out, key);
      pack_number(out, rows);
    }
  }
  bool load(std::byte* state, Unpacker& from) const override {
    begin(state);
    for (auto left = from.number(); left > 0; --left) {
      const auto key = from.bytes();
      const auto rows = from.number();
      if (from.ok() && rows > 0 && !of(state).contains(key)) {
        of(state).add(key, rows);
        continue;
      }
      begin_again(state);
      return false;
    }
    return from.ok();
  }
  std::size_t heap_bytes(const std::byte* state) const override { return of(state).heap_bytes(); }

 private:
  static std::string key_of(const Value& value) {
    std::string key;
    append_key(key, value);
    return key;
  }

  const bool whole_;
};

// ---- PERCENTILE_CONT, PERCENTILE_DISC ----

// Numbers of one kind: a sorted part, then those that came since.
template <class T>
class Numbers {
 public:
  void add(T number) { numbers_.push_back(number); }
  void add(const Numbers& other) { numbers_.insert(numbers_.end(), other.numbers_.begin(), other.numbers_.end()); }
  void remove(T number) {
    sort();
    const auto found = std::ranges::lower_bound(numbers_, number);
    MH_ASSERT(found != numbers_.end() && *found == number);
    numbers_.erase(found);
    sorted_ = numbers_.size();
  }
  const std::vector<T>& in_order() const {
    sort();
    return numbers_;
  }
  std::size_t heap_bytes() const { return numbers_.capacity() * sizeof(T); }

 private:
  void sort() const {
    const auto middle = numbers_.begin() + static_cast<std::ptrdiff_t>(sorted_);
    std::sort(middle, numbers_.end());
    std::inplace_merge(numbers_.begin(), middle, numbers_.end());
    sorted_ = numbers_.size();
  }

  mutable std::vector<T> numbers_;
  mutable std::size_t sorted_ = 0;
};

struct NumberList {
  Numbers<std::int64_t> wholes;
  Numbers<double> reals;
};

struct PercentileState {
  std::unique_ptr<NumberList> list;  // null: no numbers
  NumberList& made() {
    if (!list) list = std::make_unique<NumberList>();
    return *list;
  }
};

class Percentile final : public AggregateOf<PercentileState> {
 public:
  // `between`: values between two rows are made up (CONT).
  Percentile(double part, bool between, bool descending) : part_(part), between_(between), descending_(descending) {}

  bool add(std::byte* state, const AggregateInput& input, Evaluator& evaluator) const override {
    const auto [number, taken] = number_argument(input.order[0], evaluator);
    if (number.is_null()) return taken;
    if (number.kind == Kind::kFloat) of(state).made().reals.add(number.number + 0.0);  // no -0.0
    else of(state).made().wholes.add(number.integer);
    return true;
  }
  void merge(std::byte* into, const std::byte* from) const override {
    if (!of(from).list) return;
    of(into).made().wholes.add(of(from).list->wholes);
    of(into).made().reals.add(of(from).list->reals);
  }
  bool removable() const override { return true; }
  void remove(std::byte* state, const AggregateInput& input, Evaluator& evaluator) const override {
    const auto number = number_argument(input.order[0], evaluator).number;
    if (number.is_null()) return;
    if (number.kind == Kind::kFloat) of(state).list->reals.remove(number.number);
    else of(state).list->wholes.remove(number.integer);
  }
  Value result(const std::byte* state, Evaluator& evaluator) const override {
    if (!of(state).list) return Value::null();
    const auto& wholes = of(state).list->wholes.in_order();
    const auto& reals = of(state).list->reals.in_order();
    const auto count = wholes.size() + reals.size();
    if (count == 0) return Value::null();
    const auto value_at = [&](std::size_t place) { return at(wholes, reals, descending_ ? count - 1 - place : place); };
    if (!between_) return value_at(std::clamp<std::size_t>(rows_of_part(count), 1, count) - 1);
    const double place = part_ * static_cast<double>(count - 1);
    const auto below = std::min(static_cast<std::size_t>(place), count - 1);
    const double low = real_of(value_at(below));
    const double high = real_of(value_at(std::min(below + 1, count - 1)));
    return evaluator.finite(mix(low, high, place - static_cast<double>(below)));
  }
  void save(const std::byte* state, std::string& out) const override {
    static const NumberList kNone;
    const auto& list = of(state).list ? *of(state).list : kNone;
    pack_number(out, list.wholes.in_order().size());
    for (const auto number : list.wholes.in_order()) pack(out, Value::bigint(number));
    pack_number(out, list.reals.in_order().size());
    for (const auto number : list.reals.in_order()) pack(out, Value::real(number));
  }
  bool load(std::byte* state, Unpacker& from) const override {
    begin(state);
    if (load_kind(state, from, Kind::kBigint) && load_kind(state, from, Kind::kFloat)) return true;
    begin_again(state);
    return false;
  }
  std::size_t heap_bytes(const std::byte* state) const override {
    const auto& list = of(state).list;
    return list ? sizeof(NumberList) + list->wholes.heap_bytes() + list->reals.heap_bytes() : 0;
  }

 private:
  // The place-th of both lists in order, from 0; of equals the bigint first.
  static Value at(const std::vector<std::int64_t>& wholes, const std::vector<double>& reals, std::size_t place) {
    // How many bigints stand before it: the smallest number that leaves no float too many.
    std::size_t low = place > reals.size() ? place - reals.size() : 0;
    std::size_t high = std::min(place, wholes.size());
    while (low < high) {
      const auto middle = low + (high - low) / 2;
      const bool more = compare_numbers(Value::bigint(wholes[middle]), Value::real(reals[place - middle - 1])) <= 0;
      if (more) low = middle + 1;
      else high = middle;
    }
    const auto real = place - low;
    if (low == wholes.size()) return Value::real(reals[real]);
    if (real == reals.size()) return Value::bigint(wholes[low]);
    const bool whole = compare_numbers(Value::bigint(wholes[low]), Value::real(reals[real])) <= 0;
    return whole ? Value::bigint(wholes[low]) : Value::real(reals[real]);
  }

  // The least number of rows that are part_ of all. Within a rounding error a whole number is
  // meant: 0.55 of 100 rows are 55, though the nearest double is a little more than 0.55.
  std::size_t rows_of_part(std::size_t count) const {
    constexpr double kRoundingError = 1e-12;
    const double rows = part_ * static_cast<double>(count);
    const double whole = std::round(rows);
    return static_cast<std::size_t>(std::abs(rows - whole) <= kRoundingError * rows ? whole : std::ceil(rows));
  }

  static double mix(double low, double high, double part) {
    const double distance = high - low;
    return std::isfinite(distance) ? low + distance * part : low * (1 - part) + high * part;
  }

  bool load_kind(std::byte* state, Unpacker& from, Kind kind) const {
    for (auto left = from.number(); left > 0; --left) {
      const auto value = from.value();
      if (!from.ok() || value.kind != kind) return false;
      if (kind == Kind::kBigint) {
        of(state).made().wholes.add(value.integer);
      } else {
        if (!std::isfinite(value.number)) return false;
        of(state).made().reals.add(value.number);
      }
    }
    return from.ok();
  }

  const double part_;
  const bool between_;
  const bool descending_;
};

double part_of(const sql::Expr& literal) {
  if (const auto* real = std::get_if<double>(&literal.literal)) return *real;
  const auto* whole = std::get_if<std::int64_t>(&literal.literal);
  return whole != nullptr ? static_cast<double>(*whole) : 0;
}

}  // namespace

std::unique_ptr<Aggregate> make_distinct(const sql::AggregateCall& call) {
  return std::make_unique<Distinct>(call.args.empty());
}

std::unique_ptr<Aggregate> make_percentile(const sql::AggregateCall& call) {
  const double part = part_of(*call.args[0]);  // the binder takes 0 to 1 only
  const bool descending = !call.order.empty() && call.order[0].descending;
  return std::make_unique<Percentile>(std::clamp(part, 0.0, 1.0), call.function->id == sql::FunctionId::kPercentileCont,
                                      descending);
}

}  // namespace meterhub::engine
