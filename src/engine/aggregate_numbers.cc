// COUNT, SUM, AVG, STDEV, STDEVP, VAR, VARP: counts and exact sums, which can be taken back.
#include <cmath>

#include "aggregate_kinds.h"
#include "exact_sum.h"

namespace meterhub::engine {
namespace {

// ---- COUNT(*), COUNT(x) ----

class Count final : public AggregateOf<std::uint64_t> {
 public:
  explicit Count(bool rows) : rows_(rows) {}

  bool add(std::byte* state, const AggregateInput& input, Evaluator&) const override {
    if (counts(input)) ++of(state);
    return true;
  }
  void merge(std::byte* into, const std::byte* from) const override { of(into) += of(from); }
  bool removable() const override { return true; }
  void remove(std::byte* state, const AggregateInput& input, Evaluator&) const override {
    if (counts(input)) --of(state);
  }
  Value result(const std::byte* state, Evaluator&) const override {
    return Value::bigint(static_cast<std::int64_t>(of(state)));
  }
  void save(const std::byte* state, std::string& out) const override { pack_number(out, of(state)); }
  bool load(std::byte* state, Unpacker& from) const override {
    begin(state);
    of(state) = from.number();
    return from.ok();
  }
  std::size_t heap_bytes(const std::byte*) const override { return 0; }

 private:
  bool counts(const AggregateInput& input) const { return rows_ || !input.args[0].is_null(); }

  const bool rows_;
};

// ---- SUM ----

struct SumState {
  ExactSum sum;
  std::uint64_t count = 0;   // numbers
  std::uint64_t floats = 0;  // of them: one makes the sum a float (4.3)
};
static_assert(sizeof(SumState) == 40);

class Sum final : public AggregateOf<SumState> {
 public:
  bool add(std::byte* state, const AggregateInput& input, Evaluator& evaluator) const override {
    const auto [number, taken] = number_argument(input.args[0], evaluator);
    if (number.is_null()) return taken;
    auto& s = of(state);
    ++s.count;
    if (number.kind == Kind::kFloat) {
      ++s.floats;
      s.sum.add(number.number);
    } else {
      s.sum.add(number.integer);
    }
    return true;
  }
  void merge(std::byte* into, const std::byte* from) const override {
    of(into).sum.add(of(from).sum);
    of(into).count += of(from).count;
    of(into).floats += of(from).floats;
  }
  bool removable() const override { return true; }
  void remove(std::byte* state, const AggregateInput& input, Evaluator& evaluator) const override {
    const auto number = number_argument(input.args[0], evaluator).number;
    if (number.is_null()) return;
    auto& s = of(state);
    --s.count;
    if (number.kind == Kind::kFloat) {
      --s.floats;
      s.sum.subtract(number.number);
    } else {
      s.sum.subtract(number.integer);
    }
  }
  Value result(const std::byte* state, Evaluator& evaluator) const override {
    const auto& s = of(state);
    if (s.count == 0) return Value::null();
    if (s.floats > 0) return evaluator.finite(s.sum.value());
    const auto whole = s.sum.whole();
    return whole ? Value::bigint(*whole) : evaluator.fail("bigint overflow in SUM");
  }
  void save(const std::byte* state, std::string& out) const override {
    const auto& s = of(state);
    pack_number(out, s.count);
    pack_number(out, s.floats);
    s.sum.save(out);
  }
  bool load(std::byte* state, Unpacker& from) const override {
    begin(state);
    auto& s = of(state);
    s.count = from.number();
    s.floats = from.number();
    if (from.ok() && s.floats <= s.count && s.sum.load(from)) return true;
    begin_again(state);
    return false;
  }
  std::size_t heap_bytes(const std::byte* state) const override { return of(state).sum.heap_bytes(); }
};

// ---- AVG ----

struct AverageState {
  ExactSum sum;
  std::uint64_t count = 0;
};
static_assert(sizeof(AverageState) == 32);

// STDEV and its like have the same shape: numbers go in, a float comes out.
template <class State>
class FromNumbers : public AggregateOf<State> {
 public:
  bool add(std::byte* state, const AggregateInput& input, Evaluator& evaluator) const override {
    const auto [number, taken] = number_argument(input.args[0], evaluator);
    if (number.is_null()) return taken;
    auto& s = this->of(state);
    ++s.count;
    if (number.kind == Kind::kFloat) s.sum.add(number.number);
    else s.sum.add(number.integer);
    return true;
  }
  void merge(std::byte* into, const std::byte* from) const override {
    this->of(into).sum.add(this->of(from).sum);
    this->of(into).count += this->of(from).count;
  }
  bool removable() const override { return true; }
  void remove(std::byte* state, const AggregateInput& input, Evaluator& evaluator) const override {
    const auto number = number_argument(input.args[0], evaluator).number;
    if (number.is_null()) return;
    auto& s = this->of(state);
    --s.count;
    if (number.kind == Kind::kFloat) s.sum.subtract(number.number);
    else s.sum.subtract(number.integer);
  }
  void save(const std::byte* state, std::string& out) const override {
    pack_number(out, this->of(state).count);
    this->of(state).sum.save(out);
  }
  bool load(std::byte* state, Unpacker& from) const override {
    this->begin(state);
    this->of(state).count = from.number();
    if (from.ok() && this->of(state).sum.load(from)) return true;
    this->begin_again(state);
    return false;
  }
  std::size_t heap_bytes(const std::byte* state) const override { return this->of(state).sum.heap_bytes(); }
};

class Average final : public FromNumbers<AverageState> {
 public:
  Value result(const std::byte* state, Evaluator& evaluator) const override {
    const auto& s = of(state);
    return s.count == 0 ? Value::null() : evaluator.finite(s.sum.mean(s.count));
  }
};

// ---- STDEV, STDEVP, VAR, VARP ----

struct DeviationState {
  ExactMoments sum;
  std::uint64_t count = 0;
};
static_assert(sizeof(DeviationState) == 64);

class Deviation final : public FromNumbers<DeviationState> {
 public:
  Deviation(bool sample, bool root) : sample_(sample), root_(root) {}

  Value result(const std::byte* state, Evaluator& evaluator) const override {
    const auto& s = of(state);
    const std::uint64_t less = sample_ ? 1 : 0;
    if (s.count <= less) return Value::null();
    const double variance = s.sum.variance(s.count, s.count - less);
    return evaluator.finite(root_ ? std::sqrt(variance) : variance);
  }

 private:
  const bool sample_;
  const bool root_;
};

}  // namespace

std::unique_ptr<Aggregate> make_count(const sql::AggregateCall& call) {
  return std::make_unique<Count>(call.args.empty());
}
std::unique_ptr<Aggregate> make_sum() { return std::make_unique<Sum>(); }
std::unique_ptr<Aggregate> make_average() { return std::make_unique<Average>(); }

std::unique_ptr<Aggregate> make_deviation(sql::FunctionId id) {
  using sql::FunctionId;
  const bool sample = id == FunctionId::kStdev || id == FunctionId::kVar;
  const bool root = id == FunctionId::kStdev || id == FunctionId::kStdevp;
  return std::make_unique<Deviation>(sample, root);
}

}  // namespace meterhub::engine
