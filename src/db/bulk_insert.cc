#include <meterhub/db/bulk_insert.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include <meterhub/base/assert.h>

namespace meterhub::db {
namespace {

// SQLite's limit of parameters a statement.
constexpr std::size_t kMaxParameters = 32'766;

std::string question_marks(std::size_t columns) {
  std::string out = "(";
  for (std::size_t i = 0; i < columns; ++i) out += i == 0 ? "?" : ",?";
  return out + ")";
}

}  // namespace

void bind_value(Statement& statement, int index, const Value& value) {
  struct Binder {
    Statement& to;
    int at;
    void operator()(std::monostate) const { to.bind_null(at); }
    void operator()(std::int64_t v) const { to.bind(at, v); }
    void operator()(double v) const { to.bind(at, v); }
    void operator()(const std::string& v) const { to.bind(at, std::string_view(v)); }
    void operator()(const base::Bytes& v) const { to.bind(at, base::BytesView(v)); }
  };
  std::visit(Binder{statement, index}, value);
}

BulkInsert::BulkInsert(Connection& connection, std::string into, std::size_t columns, std::string tail,
                       std::size_t rows_per_statement)
    : connection_(connection),
      into_(std::move(into)),
      columns_(columns),
      tail_(std::move(tail)),
      rows_per_statement_(std::clamp<std::size_t>(rows_per_statement, 1, kMaxParameters / columns)) {
  values_.reserve(columns_ * rows_per_statement_);
}

std::string BulkInsert::statement_text(std::size_t rows) const {
  const auto row = question_marks(columns_);
  std::string text = into_ + " VALUES ";
  for (std::size_t i = 0; i < rows; ++i) text += i == 0 ? row : "," + row;
  return tail_.empty() ? text : text + " " + tail_;
}

base::Result<void> BulkInsert::add(std::vector<Value> row) {
  MH_ASSERT(row.size() == columns_);
  std::ranges::move(row, std::back_inserter(values_));
  if (values_.size() < columns_ * rows_per_statement_) return {};
  if (full_.empty()) full_.push_back(MH_TRY(connection_.prepare(statement_text(rows_per_statement_))));
  return write(full_.front());
}

base::Result<void> BulkInsert::finish() {
  if (values_.empty()) return {};
  auto rest = MH_TRY(connection_.prepare(statement_text(values_.size() / columns_)));
  return write(rest);
}

base::Result<void> BulkInsert::write(Statement& statement) {
  int index = 0;
  for (const auto& value : values_) bind_value(statement, ++index, value);
  values_.clear();
  MH_TRY_VOID(statement.run());
  inserted_ += connection_.changes();
  return {};
}

}  // namespace meterhub::db
