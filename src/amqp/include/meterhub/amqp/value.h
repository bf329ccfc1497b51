// AMQP 1.0 values (OASIS AMQP 1.0 part 1) as views of received bytes, and the
// writer that encodes them. Nothing here allocates in proportion to a size or
// count that the input merely claims.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <meterhub/base/bytes.h>
#include <meterhub/base/result.h>

namespace meterhub::amqp {

enum class Type : std::uint8_t {
  kNull, kBoolean, kUbyte, kUshort, kUint, kUlong, kByte, kShort, kInt, kLong, kFloat, kDouble,
  kDecimal32, kDecimal64, kDecimal128, kChar, kTimestamp, kUuid, kBinary, kString, kSymbol,
  kList, kMap, kArray, kDescribed,
};

// Text of AMQP type symbol. A view.
struct Symbol {
  std::string_view text;
  friend bool operator==(const Symbol&, const Symbol&) = default;
};

class Items;

// One value, a view of its encoding, checked in full (lengths, counts, nesting of
// at most kMaxDepth) when it was read: the accessors cannot fail, they only answer
// nothing when the type is another. Valid as long as the bytes it was read from.
class Value {
 public:
  static constexpr int kMaxDepth = 16;

  Value() = default;  // null

  // The first value of `in`, which moves past it. kInvalidArgument: not a value.
  static base::Result<Value> read(base::BytesView& in);
  // The same when `in` holds one value and nothing else.
  static base::Result<Value> parse(base::BytesView in);

  Type type() const;
  bool is_null() const { return type() == Type::kNull; }

  std::optional<bool> boolean() const;
  std::optional<std::uint64_t> unsigned_integer() const;  // ubyte … ulong
  std::optional<std::int64_t> signed_integer() const;     // byte … long
  std::optional<std::int64_t> integer() const;            // either, when it fits
  std::optional<double> floating() const;                 // float, double
  std::optional<std::int64_t> timestamp_ms() const;       // UTC, milliseconds since 1970
  std::optional<std::string_view> string() const;         // not checked to be UTF-8
  std::optional<std::string_view> symbol() const;
  std::optional<std::string_view> text() const;           // string or symbol
  std::optional<base::BytesView> binary() const;
  std::optional<base::BytesView> uuid() const;            // 16 bytes

  std::optional<Value> descriptor() const;  // of a described value
  std::optional<Value> described() const;   // what it describes
  // True for a descriptor given as this ulong or as this symbol.
  bool has_descriptor(std::uint64_t code, std::string_view name) const;

  std::uint32_t size() const;  // items of a list or array; keys and values of a map together
  Items items() const;         // none when neither list, map nor array
  // Value of a string or symbol key of a map.
  std::optional<Value> find(std::string_view key) const;
  // True when this is that symbol, or an array that holds it (fields marked "multiple").
  bool contains_symbol(std::string_view symbol) const;

  // Its complete encoding, appended.
  void append_to(base::Bytes& out) const;
  // The encoding where it stands; empty for an element of an array, which has none of its own.
  base::BytesView encoded() const;

  friend bool operator==(const Value& a, const Value& b);  // same bytes

 private:
  friend class Items;
  friend struct ValueReader;
  std::uint8_t code() const;
  base::BytesView content() const;  // behind the size

  base::BytesView constructor_;  // empty = null
  base::BytesView body_;         // with size and count where the type has them
};

// Walks through a list, map (key, value, key, …) or array.
class Items {
 public:
  std::optional<Value> next();

 private:
  friend class Value;
  base::BytesView constructor_;  // arrays: shared by the elements
  base::BytesView rest_;
  std::uint32_t left_ = 0;
};

// Appends encodings to a buffer, each in its shortest form. Compound values nest:
//   writer.begin_map(); writer.symbol("a"); writer.int64(1); writer.end();
class Writer {
 public:
  explicit Writer(base::Bytes& out) : out_(out) {}

  void null();
  void boolean(bool value);
  void uint8(std::uint8_t value);
  void uint16(std::uint16_t value);
  void uint32(std::uint32_t value);
  void uint64(std::uint64_t value);
  void int8(std::int8_t value);
  void int16(std::int16_t value);
  void int32(std::int32_t value);
  void int64(std::int64_t value);
  void float64(double value);
  void timestamp_ms(std::int64_t value);
  void uuid(base::BytesView sixteen);
  void binary(base::BytesView value);
  void string(std::string_view value);
  void symbol(std::string_view value);
  void value(const Value& value);

  // Written before the value it describes.
  void descriptor(std::uint64_t code);
  void descriptor(std::string_view symbol);

  void begin_list() { begin(0xd0); }
  void begin_map() { begin(0xd1); }
  void end();  // of the innermost list or map
  void array_of_strings(std::span<const std::string_view> values) { array(0xb1, values); }
  void array_of_symbols(std::span<const std::string_view> values) { array(0xb3, values); }

 private:
  struct Open {
    std::size_t at = 0;            // of the constructor
    std::uint32_t items = 0;
  };
  void begin(std::uint8_t code);
  void array(std::uint8_t code, std::span<const std::string_view> values);
  void variable(std::uint8_t code, base::BytesView value);
  void item();                     // counts one in the innermost compound
  template <class T>
  void fixed(std::uint8_t code, T value);

  static constexpr int kMaxOpen = Value::kMaxDepth;
  base::Bytes& out_;
  Open open_[kMaxOpen];
  int depth_ = 0;
  bool described_ = false;         // the next value belongs to a descriptor already counted
};

}  // namespace meterhub::amqp
