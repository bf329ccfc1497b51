#include <meterhub/duck/batch.h>

#include <meterhub/base/assert.h>

namespace meterhub::duck {
namespace {

struct TypeInfo {
  std::size_t width;
  std::string_view name;
};
// In the order of Type.
constexpr TypeInfo kTypes[] = {
    {1, "BOOLEAN"}, {1, "UTINYINT"},         {4, "INTEGER"},    {4, "UINTEGER"},
    {8, "BIGINT"},  {8, "UBIGINT"},          {8, "DOUBLE"},     {sizeof(Text), "VARCHAR"},
    {8, "TIMESTAMP"}, {8, "DECIMAL(12,3)"},  {16, "HUGEINT"},   {0, "other"}};

constexpr std::size_t kBits = 64;

}  // namespace

std::size_t width_of(Type type) { return kTypes[static_cast<std::size_t>(type)].width; }
std::string_view name_of(Type type) { return kTypes[static_cast<std::size_t>(type)].name; }

Batch::Batch(std::vector<Column> columns)
    : columns_(std::move(columns)), buffers_(columns_.size()), views_(columns_.size()) {}

void Batch::append_null(std::size_t column) {
  Buffer& buffer = buffers_[column];
  buffer.nulls.push_back(buffer.rows);
  buffer.bytes.resize(buffer.bytes.size() + width_of(columns_[column].type));
  ++buffer.rows;
}

void Batch::append_copy(std::size_t column, std::string_view text) {
  append_text(column, text.size() <= 12 ? text : std::string_view(kept_.emplace_back(text)));
}

void Batch::reserve(std::size_t rows) {
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    buffers_[c].bytes.reserve(rows * width_of(columns_[c].type));
  }
}

void Batch::clear() {
  for (Buffer& buffer : buffers_) {
    buffer.bytes.clear();
    buffer.nulls.clear();
    buffer.rows = 0;
  }
  kept_.clear();
}

BatchView Batch::view() {
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    Buffer& buffer = buffers_[c];
    MH_ASSERT(buffer.rows == rows());
    views_[c] = {buffer.bytes.data(), nullptr};
    if (buffer.nulls.empty()) continue;
    buffer.valid.assign((buffer.rows + kBits - 1) / kBits, ~std::uint64_t{0});
    for (const std::size_t row : buffer.nulls) buffer.valid[row / kBits] &= ~(std::uint64_t{1} << (row % kBits));
    views_[c].valid = buffer.valid.data();
  }
  return {rows(), views_};
}

}  // namespace meterhub::duck
