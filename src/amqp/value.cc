#include <meterhub/amqp/value.h>

#include <algorithm>
#include <array>
#include <bit>

#include <fmt/format.h>
#include <meterhub/base/assert.h>

#include "big_endian.h"
#include "value_reader.h"

namespace meterhub::amqp {
namespace {

constexpr std::uint8_t kNullCode = 0x40;
constexpr std::uint8_t kDescribedCode = 0x00;

// Every constructor of part 1, section 1.6. The upper half of a code tells how its
// length is found (1.2), so this table needs only the type.
struct Encoding {
  std::uint8_t code;
  Type type;
};
constexpr Encoding kEncodings[] = {
    {0x40, Type::kNull},       {0x41, Type::kBoolean},    {0x42, Type::kBoolean},    {0x56, Type::kBoolean},
    {0x50, Type::kUbyte},      {0x60, Type::kUshort},     {0x70, Type::kUint},       {0x52, Type::kUint},
    {0x43, Type::kUint},       {0x80, Type::kUlong},      {0x53, Type::kUlong},      {0x44, Type::kUlong},
    {0x51, Type::kByte},       {0x61, Type::kShort},      {0x71, Type::kInt},        {0x54, Type::kInt},
    {0x81, Type::kLong},       {0x55, Type::kLong},       {0x72, Type::kFloat},      {0x82, Type::kDouble},
    {0x74, Type::kDecimal32},  {0x84, Type::kDecimal64},  {0x94, Type::kDecimal128}, {0x73, Type::kChar},
    {0x83, Type::kTimestamp},  {0x98, Type::kUuid},       {0xa0, Type::kBinary},     {0xb0, Type::kBinary},
    {0xa1, Type::kString},     {0xb1, Type::kString},     {0xa3, Type::kSymbol},     {0xb3, Type::kSymbol},
    {0x45, Type::kList},       {0xc0, Type::kList},       {0xd0, Type::kList},       {0xc1, Type::kMap},
    {0xd1, Type::kMap},        {0xe0, Type::kArray},      {0xf0, Type::kArray},      {0x00, Type::kDescribed},
};
constexpr std::uint8_t kUnknown = 0xff;
constexpr auto kTypeOf = [] {
  std::array<std::uint8_t, 256> types{};
  types.fill(kUnknown);
  for (const Encoding& e : kEncodings) types[e.code] = static_cast<std::uint8_t>(e.type);
  return types;
}();

// Bytes of size (and, in compounds, of the count) in front of the content.
constexpr std::size_t size_width(std::uint8_t code) {
  switch (code >> 4) {
    case 0xa: case 0xc: case 0xe: return 1;
    case 0xb: case 0xd: case 0xf: return 4;
    default: return 0;
  }
}
constexpr bool is_compound(std::uint8_t code) { return code >= 0xc0; }

std::uint32_t read_width(base::BytesView bytes, std::size_t width) {
  return width == 1 ? bytes[0] : load_be<std::uint32_t>(bytes.data());
}

bool is_true(std::uint8_t code, base::BytesView body) { return code == 0x41 || (code == 0x56 && body[0] == 1); }

}  // namespace

const char* ValueReader::read(base::BytesView& in, Value& out, int depth) {
  base::BytesView constructor;
  if (const char* wrong = read_constructor(in, constructor, depth)) return wrong;
  return read_body(in, constructor, out, depth);
}

// 0x00 descriptor constructor, or one code.
const char* ValueReader::read_constructor(base::BytesView& in, base::BytesView& constructor, int depth) {
  if (depth > Value::kMaxDepth) return "a value is nested too deeply";
  const auto start = in;
  if (in.empty()) return "a value is cut short";
  const std::uint8_t code = in[0];
  if (kTypeOf[code] == kUnknown) return "a value has an unknown constructor";
  in = in.subspan(1);
  if (code == kDescribedCode) {
    Value descriptor;
    if (const char* wrong = read(in, descriptor, depth + 1)) return wrong;
    base::BytesView inner;
    if (const char* wrong = read_constructor(in, inner, depth + 1)) return wrong;
  }
  constructor = start.first(start.size() - in.size());
  return nullptr;
}

const char* ValueReader::read_body(base::BytesView& in, base::BytesView constructor, Value& out, int depth) {
  const std::uint8_t code = constructor.back();
  const std::size_t width = size_width(code);
  if (in.size() < width) return "a value is cut short";
  const std::size_t length = width == 0 ? fixed_width(code) : width + read_width(in, width);
  if (in.size() < length) return "a value is longer than what holds it";
  out.constructor_ = constructor;
  out.body_ = in.first(length);
  in = in.subspan(length);
  if (code == 0x56 && out.body_[0] > 1) return "a boolean is neither 0 nor 1";
  return is_compound(code) ? check_compound(out, depth) : nullptr;
}

std::size_t ValueReader::fixed_width(std::uint8_t code) {
  constexpr std::size_t kWidths[] = {0, 1, 2, 4, 8, 16};
  return kWidths[(code >> 4) - 4];
}

const char* ValueReader::check_compound(const Value& value, int depth) {
  const std::uint8_t code = value.constructor_.back();
  const std::size_t width = size_width(code);
  if (value.body_.size() < 2 * width) return "a list, map or array has no count";
  const std::uint32_t count = read_width(value.body_.subspan(width), width);
  base::BytesView rest = value.body_.subspan(2 * width);
  const Type type = static_cast<Type>(kTypeOf[code]);
  if (type == Type::kArray) return check_array(rest, count, depth);
  if (count > rest.size()) return "a list or map claims more items than it has bytes";
  if (type == Type::kMap && count % 2 != 0) return "a map has a key without a value";
  Value item;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (const char* wrong = read(rest, item, depth + 1)) return wrong;
  }
  return rest.empty() ? nullptr : "a list or map has bytes behind its last item";
}

const char* ValueReader::check_array(base::BytesView rest, std::uint32_t count, int depth) {
  if (count == 0 && rest.empty()) return nullptr;  // seen without a constructor
  base::BytesView constructor;
  if (const char* wrong = read_constructor(rest, constructor, depth + 1)) return wrong;
  // Elements of no width cost the sender nothing: they are not looked at one by one, and
  // their number is bounded.
  const bool no_width = constructor.back() >> 4 == 4;
  if (count > (no_width ? kMaxEmptyElements : rest.size())) return "an array claims more items than it has bytes";
  if (no_width) return rest.empty() ? nullptr : "an array has bytes behind its last item";
  Value item;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (const char* wrong = read_body(rest, constructor, item, depth + 1)) return wrong;
  }
  return rest.empty() ? nullptr : "an array has bytes behind its last item";
}

base::Result<Value> Value::read(base::BytesView& in) {
  Value value;
  if (const char* wrong = ValueReader::read(in, value, 0)) return base::fail(base::Errc::kInvalidArgument, wrong);
  return value;
}

base::Result<Value> Value::parse(base::BytesView in) {
  const Value value = MH_TRY(read(in));
  if (!in.empty()) return base::fail(base::Errc::kInvalidArgument, "bytes behind the value");
  return value;
}

std::uint8_t Value::code() const { return constructor_.empty() ? kNullCode : constructor_.back(); }

Type Value::type() const {
  const std::uint8_t code = constructor_.empty() ? kNullCode : constructor_.front();
  return static_cast<Type>(kTypeOf[code]);
}

base::BytesView Value::content() const { return body_.subspan(size_width(code())); }

std::optional<bool> Value::boolean() const {
  if (type() != Type::kBoolean) return std::nullopt;
  return is_true(code(), body_);
}

std::optional<std::uint64_t> Value::unsigned_integer() const {
  switch (type()) {
    case Type::kUbyte: case Type::kUshort: case Type::kUint: case Type::kUlong: return load_be_any(body_);
    default: return std::nullopt;
  }
}

std::optional<std::int64_t> Value::signed_integer() const {
  switch (type()) {
    case Type::kByte: case Type::kShort: case Type::kInt: case Type::kLong: break;
    default: return std::nullopt;
  }
  const auto unused_bits = static_cast<int>(64 - 8 * body_.size());
  return static_cast<std::int64_t>(load_be_any(body_) << unused_bits) >> unused_bits;
}

std::optional<std::int64_t> Value::integer() const {
  if (const auto value = unsigned_integer()) {
    if (*value > INT64_MAX) return std::nullopt;
    return static_cast<std::int64_t>(*value);
  }
  return signed_integer();
}

std::optional<double> Value::floating() const {
  if (type() == Type::kFloat) return std::bit_cast<float>(load_be<std::uint32_t>(body_.data()));
  if (type() == Type::kDouble) return std::bit_cast<double>(load_be<std::uint64_t>(body_.data()));
  return std::nullopt;
}

std::optional<std::int64_t> Value::timestamp_ms() const {
  if (type() != Type::kTimestamp) return std::nullopt;
  return static_cast<std::int64_t>(load_be<std::uint64_t>(body_.data()));
}

std::optional<std::string_view> Value::string() const {
  if (type() != Type::kString) return std::nullopt;
  return base::as_text(content());
}

std::optional<std::string_view> Value::symbol() const {
  if (type() != Type::kSymbol) return std::nullopt;
  return base::as_text(content());
}

std::optional<std::string_view> Value::text() const {
  if (type() != Type::kString && type() != Type::kSymbol) return std::nullopt;
  return base::as_text(content());
}

std::optional<base::BytesView> Value::binary() const {
  if (type() != Type::kBinary) return std::nullopt;
  return content();
}

std::optional<base::BytesView> Value::uuid() const {
  if (type() != Type::kUuid) return std::nullopt;
  return body_;
}

std::optional<Value> Value::descriptor() const {
  if (type() != Type::kDescribed) return std::nullopt;
  base::BytesView in = constructor_.subspan(1);
  Value descriptor;
  MH_ASSERT(ValueReader::read(in, descriptor, 0) == nullptr);
  return descriptor;
}

std::optional<Value> Value::described() const {
  if (type() != Type::kDescribed) return std::nullopt;
  base::BytesView in = constructor_.subspan(1);
  Value inner;
  MH_ASSERT(ValueReader::read(in, inner, 0) == nullptr);
  inner.constructor_ = in;
  inner.body_ = body_;
  return inner;
}

bool Value::has_descriptor(std::uint64_t code, std::string_view name) const {
  const auto found = descriptor();
  return found && (found->unsigned_integer() == code || found->symbol() == name);
}

std::uint32_t Value::size() const {
  const std::uint8_t c = code();
  if (type() == Type::kDescribed || !is_compound(c)) return 0;
  const std::size_t width = size_width(c);
  return read_width(body_.subspan(width), width);
}

Items Value::items() const {
  Items items;
  const std::uint8_t c = code();
  items.left_ = size();
  if (items.left_ == 0) return items;
  items.rest_ = body_.subspan(2 * size_width(c));
  if (type() == Type::kArray) {
    MH_ASSERT(ValueReader::read_constructor(items.rest_, items.constructor_, 0) == nullptr);
  }
  return items;
}

std::optional<Value> Items::next() {
  if (left_ == 0) return std::nullopt;
  --left_;
  Value value;
  const char* wrong = constructor_.empty() ? ValueReader::read(rest_, value, 0)
                                           : ValueReader::read_body(rest_, constructor_, value, 0);
  MH_ASSERT(wrong == nullptr);  // checked when the whole was read
  return value;
}

std::optional<Value> Value::find(std::string_view key) const {
  if (type() != Type::kMap) return std::nullopt;
  Items all = items();
  while (const auto name = all.next()) {
    const auto value = all.next();
    if (name->text() == key) return value;
  }
  return std::nullopt;
}

bool Value::contains_symbol(std::string_view wanted) const {
  if (type() == Type::kSymbol) return symbol() == wanted;
  if (type() != Type::kArray) return false;
  Items all = items();
  while (const auto item = all.next()) {
    if (item->symbol() == wanted) return true;
  }
  return false;
}

void Value::append_to(base::Bytes& out) const {
  if (constructor_.empty()) {
    out.push_back(kNullCode);
    return;
  }
  out.insert(out.end(), constructor_.begin(), constructor_.end());
  out.insert(out.end(), body_.begin(), body_.end());
}

base::BytesView Value::encoded() const {
  static constexpr std::uint8_t kNull[] = {kNullCode};
  if (constructor_.empty()) return kNull;
  if (!body_.empty() && constructor_.data() + constructor_.size() != body_.data()) return {};
  return {constructor_.data(), constructor_.size() + body_.size()};
}

bool operator==(const Value& a, const Value& b) {
  if (a.is_null() && b.is_null()) return true;
  return std::ranges::equal(a.constructor_, b.constructor_) && std::ranges::equal(a.body_, b.body_);
}

}  // namespace meterhub::amqp
