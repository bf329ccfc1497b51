// Columns of values as DuckDB reads them. A BatchView points at buffers of the
// caller's; a Batch owns some. Nothing is copied row by row on the way in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace meterhub::duck {

// How a value lies in memory: kBoolean 1 byte (0 or 1), kTimestamp int64 microseconds
// UTC, kDecimal int64 thousandths as DECIMAL(12,3), kVarchar a Text, the rest as named.
enum class Type : std::uint8_t {
  kBoolean,
  kUtinyint,
  kInteger,
  kUinteger,
  kBigint,
  kUbigint,
  kDouble,
  kVarchar,
  kTimestamp,
  kDecimal,
  kHugeint,  // results only: 128 bits, see Chunk::hugeint()
  kOther,    // results only: anything else; ask for it as ::VARCHAR
};

// Bytes of one value; 0 for kOther.
std::size_t width_of(Type type);
// DuckDB's name of it: "BIGINT", "DECIMAL(12,3)".
std::string_view name_of(Type type);

struct Column {
  std::string name;
  Type type;
};

// A piece of text in DuckDB's own layout: up to 12 bytes inside, longer ones by pointer.
// Longer bytes are not copied: they must stay where they are until the statement has run.
class Text {
 public:
  Text() : Text(std::string_view()) {}
  explicit Text(std::string_view text) : length_(static_cast<std::uint32_t>(text.size())) {
    std::memset(bytes_, 0, sizeof bytes_);
    if (text.size() <= sizeof bytes_) {
      if (!text.empty()) std::memcpy(bytes_, text.data(), text.size());
      return;
    }
    std::memcpy(bytes_, text.data(), 4);
    const char* pointer = text.data();
    std::memcpy(bytes_ + 4, &pointer, sizeof pointer);
  }
  std::string_view view() const {
    if (length_ <= sizeof bytes_) return {bytes_, length_};
    const char* pointer = nullptr;
    std::memcpy(&pointer, bytes_ + 4, sizeof pointer);
    return {pointer, length_};
  }

 private:
  std::uint32_t length_;
  char bytes_[12];
};
static_assert(sizeof(Text) == 16);

// One column of a batch. `valid`: bit r % 64 of word r / 64 is set when row r has a
// value; none = every row has one.
struct ColumnView {
  const void* data = nullptr;
  const std::uint64_t* valid = nullptr;
};

struct BatchView {
  std::size_t rows = 0;
  std::span<const ColumnView> columns;
};

// Buffers for rows that are appended value by value. One thread.
class Batch {
 public:
  explicit Batch(std::vector<Column> columns);

  // Each row: one append per column, in any order of columns; all columns must have the
  // same length when the batch is bound. T must be the column's type in memory.
  template <class T>
  void append(std::size_t column, T value) {
    Buffer& buffer = buffers_[column];
    const std::size_t at = buffer.bytes.size();
    buffer.bytes.resize(at + sizeof(T));
    std::memcpy(buffer.bytes.data() + at, &value, sizeof(T));
    ++buffer.rows;
  }
  void append_null(std::size_t column);
  // Room for `count` values more, for the caller to set; set_null() takes one of them back.
  template <class T>
  std::span<T> extend(std::size_t column, std::size_t count) {
    Buffer& buffer = buffers_[column];
    buffer.bytes.resize((buffer.rows + count) * sizeof(T));
    T* const values = reinterpret_cast<T*>(buffer.bytes.data()) + buffer.rows;
    buffer.rows += count;
    return {values, count};
  }
  void set_null(std::size_t column, std::size_t row) { buffers_[column].nulls.push_back(row); }
  // The bytes are kept by the caller until the statement has run.
  void append_text(std::size_t column, std::string_view text) { append(column, Text(text)); }
  // The bytes are copied into the batch.
  void append_copy(std::size_t column, std::string_view text);

  void reserve(std::size_t rows);
  // Empties it, keeps the memory.
  void clear();
  std::size_t rows_of(std::size_t column) const { return buffers_[column].rows; }
  std::size_t rows() const { return buffers_.empty() ? 0 : buffers_.front().rows; }
  const std::vector<Column>& columns() const { return columns_; }
  // Valid until the batch changes.
  BatchView view();

 private:
  struct Buffer {
    std::vector<std::byte> bytes;
    std::vector<std::size_t> nulls;     // rows without a value
    std::vector<std::uint64_t> valid;   // made from nulls by view()
    std::size_t rows = 0;
  };
  std::vector<Column> columns_;
  std::vector<Buffer> buffers_;
  std::vector<ColumnView> views_;
  std::deque<std::string> kept_;
};

}  // namespace meterhub::duck
