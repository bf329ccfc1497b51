// MIN and MAX: the value as it came; of equal ones that of the earlier row.
#include <cmath>

#include "aggregate_kinds.h"
#include "kept_value.h"
#include "tight.h"

namespace meterhub::engine {
namespace {

class Extreme final : public AggregateOf<KeptValue> {
 public:
  // `as_text`: texts compare as texts; else they convert to float first (4.5).
  Extreme(bool largest, bool as_text) : largest_(largest), as_text_(as_text) {}

  bool add(std::byte* state, const AggregateInput& input, Evaluator& evaluator) const override {
    auto value = input.args[0];
    if (value.is_null()) return true;
    if (value.kind == Kind::kRecord || value.kind == Kind::kArray) {
      evaluator.fail("MIN and MAX of a " + std::string(kind_name(value.kind)));
      return false;
    }
    if (value.kind == Kind::kText && !as_text_) value = evaluator.cast(value, sql::Type::kFloat, false);
    if (value.is_null()) return false;
    if (value.kind == Kind::kFloat && !std::isfinite(value.number)) {
      evaluator.fail("a number that is not finite");
      return false;
    }
    take(of(state), value);
    return true;
  }
  void merge(std::byte* into, const std::byte* from) const override {
    const auto value = of(from).get();
    if (!value.is_null()) take(of(into), value);
  }
  Value result(const std::byte* state, Evaluator& evaluator) const override {
    return keep(of(state).get(), evaluator.arena());
  }
  void save(const std::byte* state, std::string& out) const override { pack_tight(out, of(state).get()); }
  bool load(std::byte* state, Unpacker& from) const override {
    begin(state);
    texts_.clear();
    const auto value = take_tight(from, texts_);
    const bool odd = value.kind == Kind::kRecord || value.kind == Kind::kArray ||
                     (value.kind == Kind::kFloat && !std::isfinite(value.number));
    if (!from.ok() || odd) return false;
    of(state).set(value);
    return true;
  }
  std::size_t heap_bytes(const std::byte* state) const override { return of(state).heap_bytes(); }

 private:
  void take(KeptValue& kept, const Value& value) const {
    const int sign = kept.kind() == Kind::kNull ? 0 : compare_all(value, kept.get());
    const bool better = kept.kind() == Kind::kNull || (largest_ ? sign > 0 : sign < 0);
    if (better) kept.set(value);
  }

  const bool largest_;
  const bool as_text_;
  mutable Arena texts_;  // of what load() reads
};

}  // namespace

std::unique_ptr<Aggregate> make_extreme(const sql::AggregateCall& call) {
  const bool as_text = call.args[0]->type == sql::Type::kText;
  return std::make_unique<Extreme>(call.function->id == sql::FunctionId::kMax, as_text);
}

}  // namespace meterhub::engine
