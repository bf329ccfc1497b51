#include "packed.h"

#include <array>
#include <bit>
#include <cmath>

namespace meterhub::engine {
namespace {

// Kinds in the packed form. Written to disk: never renumber.
enum class Tag : std::uint8_t { kNull, kBigint, kFloat, kFloatDigits, kText, kDatetime, kFalse, kTrue, kRecord, kArray, kPlainDigits };

// Floats that nobody wrote: this and the number of bytes that follow, which are the first of the
// eight; those behind them are zero. Sums and differences of decimals end in many zeros.
constexpr std::uint8_t kCutFloat = 16;
// Bigints from 0 to 95 in one byte: this and the number.
constexpr std::uint8_t kSmallBigint = 32;
constexpr std::int64_t kSmallBigintEnd = 96;

// Kinds in keys, in the order in which keys sort.
enum class KeyTag : std::uint8_t { kNull = 1, kWhole, kReal, kDatetime, kEui, kText, kRecord, kArray };

constexpr std::size_t kEuiDigits = 16;

std::uint64_t zigzag(std::int64_t number) {
  return (static_cast<std::uint64_t>(number) << 1) ^ static_cast<std::uint64_t>(number >> 63);
}

std::int64_t unzigzag(std::uint64_t number) { return static_cast<std::int64_t>(number >> 1) ^ -static_cast<std::int64_t>(number & 1); }

void put_tag(std::string& out, Tag tag) { out.push_back(static_cast<char>(tag)); }

void put_fixed(std::string& out, std::uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(number >> shift & 0xFF));
}

std::uint64_t get_fixed(std::string_view bytes) {
  std::uint64_t number = 0;
  for (const char byte : bytes) number = number << 8 | static_cast<unsigned char>(byte);
  return number;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool eui_of(std::string_view text, std::uint64_t& eui) {
  if (text.size() != kEuiDigits) return false;
  eui = 0;
  for (const char c : text) {
    const int digit = hex_digit(c);
    if (digit < 0) return false;
    eui = eui << 4 | static_cast<std::uint64_t>(digit);
  }
  return true;
}

std::string eui_text(std::uint64_t eui) {
  std::string text(kEuiDigits, '0');
  for (std::size_t i = kEuiDigits; i-- > 0; eui >>= 4) text[i] = "0123456789abcdef"[eui & 0xF];
  return text;
}

// The whole number that a float is, if it is one that a bigint holds.
bool whole_of(double number, std::int64_t& whole) {
  if (!(number >= -9223372036854775808.0 && number < 9223372036854775808.0) || std::trunc(number) != number) return false;
  whole = static_cast<std::int64_t>(number);
  return true;
}

// The number that plain digits ("-979.171") are, if two exact doubles give it by one division:
// then it need not be kept beside them.
bool number_of_digits(std::string_view digits, double& number) {
  constexpr std::array<double, 16> kTens{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  const bool negative = digits.starts_with('-');
  if (negative) digits.remove_prefix(1);
  if (digits.empty() || digits.size() > kTens.size()) return false;  // 15 digits and a point: below 2^53
  std::uint64_t whole = 0;
  std::size_t decimals = 0;
  bool point = false;
  for (const char c : digits) {
    if (c == '.' && !point) {
      point = true;
      continue;
    }
    if (c < '0' || c > '9') return false;
    whole = whole * 10 + static_cast<std::uint64_t>(c - '0');
    decimals += point ? 1 : 0;
  }
  if (digits.size() == kTens.size() && !point) return false;
  const double size = static_cast<double>(whole) / kTens[decimals];
  number = negative ? -size : size;
  return true;
}

void put_float(std::string& out, const Value& value) {
  const auto bits = std::bit_cast<std::uint64_t>(value.number);
  if (value.text.empty()) {
    const auto size = static_cast<std::size_t>(8 - (bits == 0 ? 64 : std::countr_zero(bits)) / 8);
    char bytes[9];
    bytes[0] = static_cast<char>(kCutFloat + size);
    for (std::size_t i = 0; i < size; ++i) bytes[1 + i] = static_cast<char>(bits >> (56 - 8 * i));
    out.append(bytes, 1 + size);
    return;
  }
  double read = 0;
  if (number_of_digits(value.text, read) && std::bit_cast<std::uint64_t>(read) == bits) {
    put_tag(out, Tag::kPlainDigits);
    return pack_bytes(out, value.text);
  }
  put_tag(out, Tag::kFloatDigits);
  put_fixed(out, bits);
  pack_bytes(out, value.text);
}

constexpr std::uint64_t kSign = 1ULL << 63;

// Bits that sort as the doubles do.
std::uint64_t ordered_bits(double number) {
  const auto bits = std::bit_cast<std::uint64_t>(number);
  return (bits & kSign) != 0 ? ~bits : bits | kSign;
}

double from_ordered_bits(std::uint64_t bits) { return std::bit_cast<double>((bits & kSign) != 0 ? bits & ~kSign : ~bits); }

void put_key(std::string& out, KeyTag tag, std::uint64_t number) {
  out.push_back(static_cast<char>(tag));
  put_fixed(out, number);
}

// Ends with 0 0; a zero inside becomes 0 1, so that no text is the beginning of another key.
void put_key_text(std::string& out, KeyTag tag, std::string_view text) {
  out.push_back(static_cast<char>(tag));
  for (const char c : text) {
    out.push_back(c);
    if (c == '\0') out.push_back('\1');
  }
  out.append(2, '\0');
}

// The text before the two zeros, which are taken off too.
bool take_key_text(std::string_view& rest, std::string& text) {
  for (std::size_t i = 0; i + 1 < rest.size(); ++i) {
    if (rest[i] != '\0') {
      text.push_back(rest[i]);
      continue;
    }
    ++i;
    if (rest[i] == '\0') {
      rest.remove_prefix(i + 1);
      return true;
    }
    if (rest[i] != '\1') return false;
    text.push_back('\0');
  }
  return false;
}

Value key_text(KeyTag tag, std::string_view text) {
  if (tag == KeyTag::kRecord) return Value::record(text);
  return tag == KeyTag::kArray ? Value::array(text) : Value::characters(text);
}

bool take_key(std::string_view& rest, Value& value, Arena& arena) {
  if (rest.empty()) return false;
  const auto tag = static_cast<KeyTag>(rest.front());
  rest.remove_prefix(1);
  if (tag == KeyTag::kNull) {
    value = Value::null();
    return true;
  }
  if (tag >= KeyTag::kText && tag <= KeyTag::kArray) {
    std::string text;
    if (!take_key_text(rest, text)) return false;
    value = key_text(tag, arena.keep(text));
    return true;
  }
  if (rest.size() < 8) return false;
  const auto number = get_fixed(rest.substr(0, 8));
  rest.remove_prefix(8);
  switch (tag) {
    case KeyTag::kWhole: value = Value::bigint(static_cast<std::int64_t>(number ^ kSign)); return true;
    case KeyTag::kReal: value = Value::real(from_ordered_bits(number)); return true;
    case KeyTag::kDatetime: value = Value::datetime(static_cast<std::int64_t>(number ^ kSign)); return true;
    case KeyTag::kEui: value = Value::characters(arena.keep(eui_text(number))); return true;
    default: return false;
  }
}

}  // namespace

void pack_number(std::string& out, std::uint64_t number) {
  char bytes[10];
  std::size_t size = 0;
  for (; number >= 0x80; number >>= 7) bytes[size++] = static_cast<char>(number | 0x80);
  bytes[size++] = static_cast<char>(number);
  out.append(bytes, size);
}

void pack_signed(std::string& out, std::int64_t number) { pack_number(out, zigzag(number)); }

void pack_bytes(std::string& out, std::string_view bytes) {
  pack_number(out, bytes.size());
  out += bytes;
}

void pack(std::string& out, const Value& value) {
  switch (value.kind) {
    case Kind::kNull: return put_tag(out, Tag::kNull);
    case Kind::kBigint:
      if (value.integer >= 0 && value.integer < kSmallBigintEnd) return out.push_back(static_cast<char>(kSmallBigint + value.integer));
      put_tag(out, Tag::kBigint);
      return pack_signed(out, value.integer);
    case Kind::kFloat: return put_float(out, value);
    case Kind::kText:
      put_tag(out, Tag::kText);
      return pack_bytes(out, value.text);
    case Kind::kDatetime:
      put_tag(out, Tag::kDatetime);
      return pack_signed(out, value.integer);
    case Kind::kBit: return put_tag(out, value.integer != 0 ? Tag::kTrue : Tag::kFalse);
    case Kind::kRecord:
      put_tag(out, Tag::kRecord);
      return pack_bytes(out, value.text);
    case Kind::kArray:
      put_tag(out, Tag::kArray);
      return pack_bytes(out, value.text);
  }
}

std::string_view Unpacker::take(std::size_t size) {
  if (size > rest_.size()) {
    ok_ = false;
    rest_ = {};
    return {};
  }
  const auto bytes = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return bytes;
}

std::uint64_t Unpacker::number() {
  if (!rest_.empty() && static_cast<unsigned char>(rest_.front()) < 0x80) {  // nearly always
    const auto small = static_cast<unsigned char>(rest_.front());
    rest_.remove_prefix(1);
    return small;
  }
  std::uint64_t number = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const auto byte = take(1);
    if (byte.empty()) return 0;
    const auto bits = static_cast<unsigned char>(byte.front());
    if (shift == 63 && bits > 1) break;  // beyond 64 bits
    number |= static_cast<std::uint64_t>(bits & 0x7F) << shift;
    if (bits < 0x80) return number;
  }
  ok_ = false;
  rest_ = {};
  return 0;
}

std::int64_t Unpacker::signed_number() { return unzigzag(number()); }

std::string_view Unpacker::bytes() { return take(number()); }

Value Unpacker::cut_float(std::size_t size) {
  const auto bytes = take(size);
  const auto bits = bytes.empty() ? 0 : get_fixed(bytes) << (8 - bytes.size()) * 8;
  return Value::real(std::bit_cast<double>(bits));
}

Value Unpacker::value() {
  const auto first = take(1);
  if (first.empty()) return Value::null();
  return value_behind(static_cast<std::uint8_t>(first.front()));
}

Value Unpacker::value_behind(std::uint8_t tag) {
  if (tag >= kSmallBigint && tag < kSmallBigint + kSmallBigintEnd) return Value::bigint(tag - kSmallBigint);
  if (tag >= kCutFloat && tag <= kCutFloat + 8) return cut_float(tag - kCutFloat);
  switch (static_cast<Tag>(tag)) {
    case Tag::kNull: return Value::null();
    case Tag::kBigint: return Value::bigint(signed_number());
    case Tag::kFloat: return Value::real(std::bit_cast<double>(get_fixed(take(8))));
    case Tag::kFloatDigits: {
      const auto number = std::bit_cast<double>(get_fixed(take(8)));
      return Value::real(number, bytes());
    }
    case Tag::kPlainDigits: {
      double number = 0;
      const auto digits = bytes();
      if (number_of_digits(digits, number)) return Value::real(number, digits);
      break;
    }
    case Tag::kText: return Value::characters(bytes());
    case Tag::kDatetime: return Value::datetime(signed_number());
    case Tag::kFalse: return Value::bit(false);
    case Tag::kTrue: return Value::bit(true);
    case Tag::kRecord: return Value::record(bytes());
    case Tag::kArray: return Value::array(bytes());
  }
  ok_ = false;
  rest_ = {};
  return Value::null();
}

void append_key(std::string& out, const Value& value) {
  switch (value.kind) {
    case Kind::kNull: out.push_back(static_cast<char>(KeyTag::kNull)); return;
    case Kind::kBigint:
    case Kind::kBit: return put_key(out, KeyTag::kWhole, static_cast<std::uint64_t>(value.integer) ^ kSign);
    case Kind::kFloat: {
      std::int64_t whole = 0;
      if (whole_of(value.number, whole)) return put_key(out, KeyTag::kWhole, static_cast<std::uint64_t>(whole) ^ kSign);
      return put_key(out, KeyTag::kReal, ordered_bits(value.number));
    }
    case Kind::kDatetime: return put_key(out, KeyTag::kDatetime, static_cast<std::uint64_t>(value.integer) ^ kSign);
    case Kind::kText: {
      std::uint64_t eui = 0;
      if (eui_of(value.text, eui)) return put_key(out, KeyTag::kEui, eui);
      return put_key_text(out, KeyTag::kText, value.text);
    }
    case Kind::kRecord: return put_key_text(out, KeyTag::kRecord, value.text);
    case Kind::kArray: return put_key_text(out, KeyTag::kArray, value.text);
  }
}

bool read_key(std::string_view key, std::span<Value> values, Arena& arena) {
  for (auto& value : values) {
    if (!take_key(key, value, arena)) return false;
  }
  return key.empty();
}

bool key_keeps(const Value& value) {
  if (value.kind == Kind::kBit) return false;
  std::int64_t whole = 0;
  return value.kind != Kind::kFloat || !whole_of(value.number, whole);
}

}  // namespace meterhub::engine
