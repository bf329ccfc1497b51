// TopOne, CollectTop and Collect: rows of the group, or a value of each.
#include <algorithm>
#include <bit>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "aggregate_kinds.h"
#include "kept_value.h"

namespace meterhub::engine {
namespace {

// A larger array is a data error: no output takes it.
constexpr std::size_t kArrayBytesMax = 16 * 1024 * 1024;

// ---- order keys ----

// Bytes of fixed size that sort as ORDER BY does: a tag, eight bytes, and what a bigint is more
// than the double nearest to it.
constexpr std::size_t kOrderBytes = 11;
enum class OrderTag : std::uint8_t { kNull = 1, kNumber, kDatetime };
constexpr std::uint64_t kSign = std::uint64_t{1} << 63;
constexpr int kNoRest = 0x8000;

void put_order(std::string& out, OrderTag tag, std::uint64_t bits, int rest) {
  out.push_back(static_cast<char>(tag));
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(bits >> shift & 0xFF));
  out.push_back(static_cast<char>(rest >> 8 & 0xFF));
  out.push_back(static_cast<char>(rest & 0xFF));
}

void put_number(std::string& out, double number, int rest) {
  const auto bits = std::bit_cast<std::uint64_t>(number + 0.0);  // no -0.0
  put_order(out, OrderTag::kNumber, (bits & kSign) != 0 ? ~bits : bits | kSign, rest);
}

// False: not a type that orders (8.4: bigint, float, datetime; bit counts as a number).
bool append_order(std::string& out, const Value& value) {
  switch (value.kind) {
    case Kind::kNull: put_order(out, OrderTag::kNull, 0, kNoRest); return true;
    case Kind::kDatetime:
      put_order(out, OrderTag::kDatetime, static_cast<std::uint64_t>(value.integer) ^ kSign, kNoRest);
      return true;
    case Kind::kFloat: put_number(out, value.number, kNoRest); return !std::isnan(value.number);
    case Kind::kBigint:
    case Kind::kBit: {
      const auto near = static_cast<double>(value.integer);
      const auto rest = static_cast<int>(static_cast<__int128>(value.integer) - static_cast<__int128>(near));
      put_number(out, near, kNoRest + rest);
      return true;
    }
    case Kind::kText:
    case Kind::kRecord:
    case Kind::kArray: break;
  }
  return false;
}

// How rows of a call stand in order.
class RowOrder {
 public:
  explicit RowOrder(const sql::AggregateCall& call) : name_(call.function->name) {
    for (const auto& key : call.order) descending_.push_back(key.descending);
  }

  std::size_t bytes() const { return descending_.size() * kOrderBytes; }

  // False after a data error.
  bool write(std::string& out, std::span<const Value> order, Evaluator& evaluator) const {
    out.clear();
    for (std::size_t i = 0; i < descending_.size(); ++i) {
      if (!append_order(out, order[i])) {
        evaluator.fail(std::string(name_) + " orders by bigint, float and datetime, not by " +
                       std::string(kind_name(order[i].kind)));
        return false;
      }
      if (!descending_[i]) continue;
      for (auto& byte : std::span(out).subspan(i * kOrderBytes)) byte = static_cast<char>(~byte);
    }
    return true;
  }

 private:
  std::string_view name_;
  std::vector<bool> descending_;
};

Value value_of(std::string_view row, std::size_t order_bytes) { return Unpacker(row.substr(order_bytes)).value(); }

// A row as save() writes it; false when it cannot be one.
bool load_row(Unpacker& from, std::size_t order_bytes, KeptBytes& row) {
  const auto bytes = from.bytes();
  if (!from.ok() || bytes.size() <= order_bytes) return false;
  Unpacker value(bytes.substr(order_bytes));
  value.value();
  if (!value.ok() || !value.done()) return false;
  row.set(bytes);
  return true;
}

// ---- TopOne ----

class TopOne final : public AggregateOf<KeptBytes> {
 public:
  explicit TopOne(const sql::AggregateCall& call) : order_(call), whole_(call.args.empty()) {}

  bool add(std::byte* state, const AggregateInput& input, Evaluator& evaluator) const override {
    if (!order_.write(key_, input.order, evaluator)) return false;
    if (!comes_first(key_, of(state))) return true;
    packed_.clear();
    pack(packed_, taken_value(input, whole_));
    of(state).set(key_, packed_);
    return true;
  }
  void merge(std::byte* into, const std::byte* from) const override {
    const auto row = of(from).get();
    if (!row.empty() && comes_first(row.substr(0, order_.bytes()), of(into))) of(into).set(row);
  }
  Value result(const std::byte* state, Evaluator& evaluator) const override {
    const auto row = of(state).get();
    return row.empty() ? Value::null() : keep(value_of(row, order_.bytes()), evaluator.arena());
  }
  void save(const std::byte* state, std::string& out) const override { pack_bytes(out, of(state).get()); }
  bool load(std::byte* state, Unpacker& from) const override {
    begin(state);
    if (from.rest().starts_with('\0')) return from.number() == 0;  // no row
    return load_row(from, order_.bytes(), of(state));
  }
  std::size_t heap_bytes(const std::byte* state) const override { return of(state).heap_bytes(); }

 private:
  bool comes_first(std::string_view key, const KeptBytes& row) const {
    return row.get().empty() || key < row.get().substr(0, order_.bytes());
  }

  const RowOrder order_;
  const bool whole_;
  mutable std::string key_;     // of the row at hand
  mutable std::string packed_;
};

// ---- CollectTop ----

using Rows = std::vector<KeptBytes>;

struct RowsState {
  std::unique_ptr<Rows> rows;  // in order; null: none
  Rows& made() {
    if (!rows) rows = std::make_unique<Rows>();
    return *rows;
  }
};

class CollectTop final : public AggregateOf<RowsState> {
 public:
  CollectTop(const sql::AggregateCall& call, std::size_t count)
      : order_(call), whole_(call.args.size() < 2), count_(count) {}

  bool add(std::byte* state, const AggregateInput& input, Evaluator& evaluator) const override {
    if (!order_.write(key_, input.order, evaluator)) return false;
    auto& rows = of(state).made();
    const auto place = place_of(rows, key_);
    if (place == count_) return true;
    packed_.clear();
    pack(packed_, taken_value(input, whole_));
    KeptBytes row;
    row.set(key_, packed_);
    insert(rows, place, std::move(row));
    return true;
  }
  void merge(std::byte* into, const std::byte* from) const override {
    if (!of(from).rows) return;
    auto& rows = of(into).made();
    for (const auto& other : *of(from).rows) {
      const auto place = place_of(rows, other.get().substr(0, order_.bytes()));
      if (place == count_) return;
      KeptBytes row;
      row.set(other.get());
      insert(rows, place, std::move(row));
    }
  }
  Value result(const std::byte* state, Evaluator& evaluator) const override {
    std::string json = "[";
    std::size_t rank = 0;
    for (const auto& row : rows_of(state)) {
      json += rank == 0 ? "{\"rank\":" : ",{\"rank\":";
      json += std::to_string(++rank);
      json += ",\"value\":";
      append_json(json, value_of(row.get(), order_.bytes()));
      json += '}';
      if (json.size() > kArrayBytesMax) return evaluator.fail("CollectTop gives an array of more than 16 MiB");
    }
    json += ']';
    return Value::array(evaluator.arena().keep(json));
  }
  void save(const std::byte* state, std::string& out) const override {
    const auto rows = rows_of(state);
    pack_number(out, rows.size());
    for (const auto& row : rows) pack_bytes(out, row.get());
  }
  bool load(std::byte* state, Unpacker& from) const override {
    begin(state);
    const auto size = from.number();
    bool good = from.ok() && size <= count_;
    for (std::uint64_t i = 0; good && i < size; ++i) {
      auto& rows = of(state).made();
      KeptBytes row;
      good = load_row(from, order_.bytes(), row) && place_of(rows, row.get().substr(0, order_.bytes())) == rows.size();
      rows.push_back(std::move(row));
    }
    if (!good) begin_again(state);
    return good;
  }
  std::size_t heap_bytes(const std::byte* state) const override {
    if (!of(state).rows) return 0;
    std::size_t bytes = sizeof(Rows) + of(state).rows->capacity() * sizeof(KeptBytes);
    for (const auto& row : *of(state).rows) bytes += row.heap_bytes();
    return bytes;
  }

 private:
  static std::span<const KeptBytes> rows_of(const std::byte* state) {
    return of(state).rows ? std::span<const KeptBytes>(*of(state).rows) : std::span<const KeptBytes>();
  }
  // Behind all rows that are not after it: of equals the earlier stands first.
  std::size_t place_of(const Rows& rows, std::string_view key) const {
    const auto key_of = [this](const KeptBytes& row) { return row.get().substr(0, order_.bytes()); };
    return static_cast<std::size_t>(std::ranges::upper_bound(rows, key, {}, key_of) - rows.begin());
  }
  void insert(Rows& rows, std::size_t place, KeptBytes row) const {
    if (rows.size() == count_) rows.pop_back();
    rows.insert(rows.begin() + static_cast<std::ptrdiff_t>(place), std::move(row));
  }

  const RowOrder order_;
  const bool whole_;
  const std::size_t count_;
  mutable std::string key_;
  mutable std::string packed_;
};

// ---- Collect ----

// Elements of the array, joined by commas. Beyond kArrayBytesMax only their size is kept.
struct CollectState {
  std::unique_ptr<std::string> elements;
  std::uint64_t size = 0;  // with a comma for each element

  void add(std::string_view more, std::uint64_t more_size) {
    const bool first = size == 0;
    size += more_size;
    if (size > kArrayBytesMax) return elements.reset();
    if (!elements) elements = std::make_unique<std::string>();
    if (!first) *elements += ',';
    *elements += more;
  }
};

class Collect final : public AggregateOf<CollectState> {
 public:
  explicit Collect(bool whole) : whole_(whole) {}

  bool add(std::byte* state, const AggregateInput& input, Evaluator&) const override {
    const auto value = taken_value(input, whole_);
    if (value.is_null()) return true;
    json_.clear();
    append_json(json_, value);
    of(state).add(json_, json_.size() + 1);
    return true;
  }
  void merge(std::byte* into, const std::byte* from) const override {
    if (of(from).size > 0) of(into).add(of(from).elements ? *of(from).elements : std::string_view(), of(from).size);
  }
  Value result(const std::byte* state, Evaluator& evaluator) const override {
    const auto& s = of(state);
    if (s.size > kArrayBytesMax) return evaluator.fail("Collect gives an array of more than 16 MiB");
    return Value::array(evaluator.arena().keep(s.elements ? '[' + *s.elements + ']' : "[]"));
  }
  void save(const std::byte* state, std::string& out) const override {
    pack_number(out, of(state).size);
    pack_bytes(out, of(state).elements ? *of(state).elements : std::string_view());
  }
  bool load(std::byte* state, Unpacker& from) const override {
    begin(state);
    const auto size = from.number();
    const auto elements = from.bytes();
    const auto expected = size == 0 ? 0 : size - 1;  // the last comma is not there
    if (!from.ok() || (size > kArrayBytesMax ? !elements.empty() : elements.size() != expected)) return false;
    if (size > 0) of(state).add(elements, size);
    return true;
  }
  std::size_t heap_bytes(const std::byte* state) const override {
    return of(state).elements ? sizeof(std::string) + of(state).elements->capacity() : 0;
  }

 private:
  const bool whole_;
  mutable std::string json_;
};

std::size_t count_of(const sql::Expr& literal) {
  const auto* count = std::get_if<std::int64_t>(&literal.literal);
  return count != nullptr && *count > 0 ? static_cast<std::size_t>(*count) : 1;
}

}  // namespace

std::unique_ptr<Aggregate> make_top(const sql::AggregateCall& call) {
  if (call.function->id == sql::FunctionId::kTopOne) return std::make_unique<TopOne>(call);
  return std::make_unique<CollectTop>(call, count_of(*call.args[0]));  // the binder takes constants only
}

std::unique_ptr<Aggregate> make_collect(const sql::AggregateCall& call) {
  return std::make_unique<Collect>(call.args.empty());
}

}  // namespace meterhub::engine
