// Lists of the HTTP API, declared: columns, filters, and where the rows come from. The frame
// reads the query string, pages, sorts, and writes JSON, CSV and XLSX (docs/reference/http-api.md).
//
// A list is a ListForm and a ListSource, given to Console::add_list(). Rows that are at hand
// as a whole (thousands) need no source of their own: see list_of().
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/result.h>
#include <meterhub/console/caller.h>
#include <meterhub/http/message.h>

namespace meterhub::console {

enum class ValueType : std::uint8_t {
  kText,
  kInteger,
  kNumber,
  kVolume,  // an integer of litres, shown as cubic metres: exact decimals
  kTime,
  kFlag,
};

// Nothing known; integer (also litres); number; text in UTF-8; time; flag.
using Value = std::variant<std::monostate, std::int64_t, double, std::string, base::Timestamp, bool>;
// One Value a column of the form.
using ListRow = std::vector<Value>;

struct ListColumn {
  std::string name;  // in JSON and in `sort`
  ValueType type = ValueType::kText;
  std::string english;  // headers of exports
  std::string chinese;
  bool sortable = true;
};

enum class FilterType : std::uint8_t {
  kEqual,   // the column's text is this one; asked several times: one of them
  kChoice,  // the same, of a known set; also several with commas between
  kSearch,  // some text column holds this; ASCII letters in any case
  kFrom,    // the column's time is not before this one
  kTo,      // … is before this one
};

struct ListFilter {
  std::string name;  // in the query string
  FilterType type = FilterType::kEqual;
  std::string column{};                // for list_of(): which one; empty = as `name`. kSearch: all texts
  std::vector<std::string> choices{};  // of kChoice
};

struct SortKey {
  std::size_t column = 0;
  bool descending = false;
  bool operator==(const SortKey&) const = default;
};

struct ListForm {
  std::string name;  // file name of exports: letters, digits and '-'
  std::string english;  // title of a sheet
  std::string chinese;
  std::vector<ListColumn> columns{};
  std::vector<ListFilter> filters{};
  std::vector<SortKey> order{};  // when the query names none
  // The JSON form is a bare array, without `total`.
  bool bare_array = false;

  // Null when there is none.
  const ListColumn* column(std::string_view column_name) const;
};

inline constexpr std::uint64_t kPageMax = 1000;
inline constexpr std::uint64_t kPageDefault = 100;
// Rows of one export. A sheet holds 1,048,576 with its header.
inline constexpr std::uint64_t kSheetRowsMax = 1'048'575;
inline constexpr std::uint64_t kExportRowsMax = 5'000'000;
// Of a list that does not know its total, unless `limit` says otherwise.
inline constexpr std::uint64_t kExportDefault = 100'000;

enum class ListFormat : std::uint8_t { kJson, kCsv, kXlsx };
enum class Language : std::uint8_t { kEnglish, kChinese };

// What a query string asked for; checked against the form.
struct ListQuery {
  std::vector<std::pair<std::string, std::string>> filters{};  // name, value; those of kChoice one by one
  std::vector<SortKey> sort{};  // never empty when the form has an order
  std::uint64_t offset = 0;
  std::optional<std::uint64_t> limit{};
  ListFormat format = ListFormat::kJson;
  Language language = Language::kEnglish;

  bool has(std::string_view name) const;
  // All values of a filter, in the order asked.
  std::vector<std::string_view> values(std::string_view name) const;
  // Of kFrom and kTo; the last one asked.
  std::optional<base::Timestamp> time(std::string_view name) const;
  // Of kSearch; empty: none.
  std::string_view text(std::string_view name) const;
};
// From `format`, else from the header Accept; kInvalidArgument names what there is.
base::Result<ListFormat> list_format(const http::Request& request);
// kInvalidArgument names what there is: filters, columns, formats.
base::Result<ListQuery> parse_list_query(const http::Request& request, const ListForm& form);

// Which of the matching rows are wanted.
struct ListWindow {
  std::uint64_t offset = 0;
  std::uint64_t limit = 0;
};

// What a query matched, in its order. On the list's executor, one call at a time.
class ListRows {
 public:
  virtual ~ListRows() = default;
  // How many match, whatever the window; nothing: that would take too long to count.
  virtual std::optional<std::uint64_t> total() const = 0;
  // The window's next rows, at most `most`; empty: the end.
  virtual base::Result<std::vector<ListRow>> next(std::size_t most) = 0;
};
// Runs on the list's executor. Shows a caller with a tenant nothing of another one. Rows that
// are equal in what is sorted by keep one order, whatever the window.
using ListSource =
    std::function<base::Result<std::unique_ptr<ListRows>>(const ListQuery&, const Caller&, const ListWindow&)>;

// A source over rows that `rows` gives whole and in their stable order, already without those
// of other tenants: filters, sorts (nothing known comes last; texts by their numbers: "9"
// before "10") and pages them.
ListSource list_of(ListForm form, std::function<base::Result<std::vector<ListRow>>(const Caller&)> rows);

// "9" before "10", "B1" before "1": numbers inside count as numbers.
bool natural_less(std::string_view a, std::string_view b);
// `part` is in `whole`; ASCII letters in any case, all other bytes as they are. No wildcards.
bool holds_text(std::string_view whole, std::string_view part);

}  // namespace meterhub::console
