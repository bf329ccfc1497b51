// Values in few bytes: for rows that outlive their event (those that wait for their turn,
// those that operators keep), for keys, and for checkpoints (docs/formats/job-state.md).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <meterhub/engine/value.h>

namespace meterhub::engine {

// Appends an unsigned number in 1 to 10 bytes (LEB128), and a signed one by zig-zag.
void pack_number(std::string& out, std::uint64_t number);
void pack_signed(std::string& out, std::int64_t number);
void pack_bytes(std::string& out, std::string_view bytes);  // behind their length
// Appends the value as it is: kind, digits of a float, JSON of a record.
void pack(std::string& out, const Value& value);

// Reads what the functions above wrote. After bytes that they cannot have written ok() is
// false and everything is zero, empty or NULL. Views point into the bytes given.
class Unpacker {
 public:
  explicit Unpacker(std::string_view bytes) : rest_(bytes) {}

  std::uint64_t number();
  std::int64_t signed_number();
  std::string_view bytes();
  Value value();
  // A value of which the first byte was read before.
  Value value_behind(std::uint8_t tag);
  void skip(std::size_t size) { take(size); }
  // As if the bytes had been foreign.
  void refuse() {
    ok_ = false;
    rest_ = {};
  }

  bool ok() const { return ok_; }
  bool done() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view take(std::size_t size);
  Value cut_float(std::size_t size);

  std::string_view rest_;
  bool ok_ = true;
};

// ---- keys of GROUP BY, PARTITION BY and joins ----
// Equal bytes for equal values: 1, 1.0 and a bit of 1 are one key, '1' is another, NULL is one of
// its own (4.6). Texts of 16 lower-case hex digits (EUIs) take nine bytes. Bytes sort as NULL,
// whole numbers, other numbers, times, EUIs, other texts and the rest, each in its own order.
void append_key(std::string& out, const Value& value);

// The values back from a key's bytes, as far as the bytes tell: a float that is whole comes
// back as a bigint. Texts live in the arena.
bool read_key(std::string_view key, std::span<Value> values, Arena& arena);

// True when read_key() gives back the value as it was, but for a float's digits.
bool key_keeps(const Value& value);

}  // namespace meterhub::engine
