#include "aggregate_set.h"

#include <algorithm>
#include <utility>

#include "tight.h"

namespace meterhub::engine {
namespace {

// The percentile, and CollectTop's n, do not come from rows.
std::size_t constants_of(const sql::AggregateCall& call) {
  const auto id = call.function->id;
  return id == sql::FunctionId::kPercentileCont || id == sql::FunctionId::kPercentileDisc || id == sql::FunctionId::kCollectTop ? 1 : 0;
}

}  // namespace

AggregateStates::AggregateStates(const AggregateSet& set) : set_(&set), bytes_(new std::byte[set.size() + 1]) { set.begin(bytes_.get()); }

AggregateStates::AggregateStates(AggregateStates&& other) noexcept : set_(other.set_), bytes_(std::move(other.bytes_)) {}

AggregateStates& AggregateStates::operator=(AggregateStates&& other) noexcept {
  if (this == &other) return *this;
  if (bytes_) set_->end(bytes_.get());
  set_ = other.set_;
  bytes_ = std::move(other.bytes_);
  return *this;
}

AggregateStates::~AggregateStates() {
  if (bytes_) set_->end(bytes_.get());
}

AggregateSet::AggregateSet(std::vector<sql::AggregateCall> calls, bool lenient) : lenient_(lenient) {
  std::size_t values = 0;
  for (auto& call : calls) {
    Part part;
    part.aggregate = make_aggregate(call);
    part.at = size_;
    part.constants = constants_of(call);
    // COUNT(*) needs no row.
    part.whole = call.whole_event && (call.distinct || call.function->id != sql::FunctionId::kCount);
    size_ += part.aggregate->size();
    removable_ = removable_ && part.aggregate->removable();
    whole_ = whole_ || part.whole;
    part.call = std::move(call);
    const auto before = std::ranges::find_if(parts_, [&](const Part& other) { return same_values(other, part); });
    part.shares = before != parts_.end();
    part.first = part.shares ? before->first : values;
    if (!part.shares) values += part.call.args.size() - part.constants + part.call.order.size();
    parts_.push_back(std::move(part));
  }
  values_.resize(values);
}

// AVG(x) and COUNT(x) look at the same value: it is computed, and kept, once.
bool AggregateSet::same_values(const Part& a, const Part& b) {
  const auto same = [](const sql::ExprPtr& x, const sql::ExprPtr& y) { return sql::same_expression(*x, *y); };
  return a.call.order.empty() && b.call.order.empty() &&
         std::ranges::equal(std::span(a.call.args).subspan(a.constants), std::span(b.call.args).subspan(b.constants), same);
}

bool AggregateSet::take(Evaluator& evaluator, std::string_view whole) {
  row_ = whole_ ? whole : std::string_view();
  auto value = values_.begin();
  for (const auto& part : parts_) {
    if (part.shares) continue;
    for (std::size_t i = part.constants; i < part.call.args.size(); ++i) *value++ = evaluator.value(*part.call.args[i]);
    for (const auto& key : part.call.order) *value++ = evaluator.value(*key.expr);
  }
  return evaluator.error().empty();
}

bool AggregateSet::unpack(Unpacker& from) {
  texts_.clear();
  for (auto& value : values_) value = take_tight(from, texts_);
  row_ = whole_ ? from.bytes() : std::string_view();
  return from.ok();
}

bool AggregateSet::unpack_behind(std::uint8_t tag, Unpacker& from) {
  texts_.clear();
  values_.front() = take_tight_behind(tag, from, texts_);
  for (auto& value : std::span(values_).subspan(1)) value = take_tight(from, texts_);
  row_ = whole_ ? from.bytes() : std::string_view();
  return from.ok();
}

void AggregateSet::pack(std::string& out) const {
  for (const auto& value : values_) pack_tight(out, value);
  if (whole_) pack_bytes(out, row_);
}

AggregateInput AggregateSet::input(const Part& part) const {
  const auto args = part.call.args.size() - part.constants;
  const std::span values(values_);
  return {values.subspan(part.first, args), values.subspan(part.first + args, part.call.order.size()), row_};
}

void AggregateSet::begin(std::byte* states) const {
  for (const auto& part : parts_) part.aggregate->begin(states + part.at);
}

void AggregateSet::end(std::byte* states) const {
  for (const auto& part : parts_) part.aggregate->end(states + part.at);
}

bool AggregateSet::add(std::byte* states, Evaluator& evaluator) const {
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    if (parts_[i].aggregate->add(states + parts_[i].at, input(parts_[i]), evaluator) || lenient_) continue;
    for (std::size_t k = 0; k < i; ++k) {
      if (parts_[k].aggregate->removable()) parts_[k].aggregate->remove(states + parts_[k].at, input(parts_[k]), evaluator);
    }
    return false;
  }
  return true;
}

void AggregateSet::remove(std::byte* states, Evaluator& evaluator) const {
  for (const auto& part : parts_) part.aggregate->remove(states + part.at, input(part), evaluator);
}

void AggregateSet::merge(std::byte* into, const std::byte* from) const {
  for (const auto& part : parts_) part.aggregate->merge(into + part.at, from + part.at);
}

bool AggregateSet::results(const std::byte* states, Evaluator& evaluator, std::vector<Value>& out) const {
  out.clear();
  for (const auto& part : parts_) out.push_back(part.aggregate->result(states + part.at, evaluator));
  return evaluator.error().empty();
}

void AggregateSet::save(const std::byte* states, std::string& out) const {
  for (const auto& part : parts_) part.aggregate->save(states + part.at, out);
}

bool AggregateSet::load(std::byte* states, Unpacker& from) const {
  bool ok = true;
  for (const auto& part : parts_) ok = part.aggregate->load(states + part.at, from) && ok;
  return ok;
}

std::size_t AggregateSet::heap_bytes(const std::byte* states) const {
  std::size_t sum = 0;
  for (const auto& part : parts_) sum += part.aggregate->heap_bytes(states + part.at);
  return sum;
}

}  // namespace meterhub::engine
