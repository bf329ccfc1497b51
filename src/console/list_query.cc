// Query string -> ListQuery.
#include <algorithm>
#include <charconv>

#include <meterhub/base/time_text.h>
#include <meterhub/console/list.h>

namespace meterhub::console {
namespace {

using base::Errc;
using base::Result;

constexpr std::string_view kOwn[] = {"sort", "limit", "offset", "format", "lang"};
// Texts searched for are compared with every row.
constexpr std::size_t kFilterBytesMax = 256;
constexpr std::size_t kFilterValuesMax = 100;
constexpr std::size_t kSortKeysMax = 4;

template <class Names>
std::string listed(const Names& names) {
  std::string out;
  for (const auto& name : names) out += (out.empty() ? "" : ", ") + std::string(name);
  return out;
}

std::unexpected<base::Error> refuse(std::string text) { return base::fail(Errc::kInvalidArgument, std::move(text)); }

std::unexpected<base::Error> unknown_filter(std::string_view name, const ListForm& form) {
  std::vector<std::string> known;
  for (const auto& filter : form.filters) known.push_back(filter.name);
  for (const auto own : kOwn) known.emplace_back(own);
  return refuse("there is no filter '" + std::string(name.substr(0, 64)) + "': the list knows " + listed(known));
}

Result<std::uint64_t> whole_number(std::string_view name, std::string_view text, std::uint64_t least,
                                   std::uint64_t most) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most) {
    return refuse(std::string(name) + " is a whole number from " + std::to_string(least) + " to " +
                  std::to_string(most));
  }
  return value;
}

// "-last_seen,unit"
Result<std::vector<SortKey>> sort_of(std::string_view text, const ListForm& form) {
  std::vector<SortKey> out;
  while (!text.empty()) {
    auto name = text.substr(0, text.find(','));
    text.remove_prefix(std::min(name.size() + 1, text.size()));
    const bool descending = name.starts_with('-');
    if (descending) name.remove_prefix(1);
    const auto found = std::ranges::find(form.columns, name, &ListColumn::name);
    if (found == form.columns.end() || !found->sortable) {
      std::vector<std::string> known;
      for (const auto& column : form.columns) {
        if (column.sortable) known.push_back(column.name);
      }
      return refuse("there is no column '" + std::string(name.substr(0, 64)) + "' to sort by: the list knows " +
                    listed(known));
    }
    out.push_back({static_cast<std::size_t>(found - form.columns.begin()), descending});
    if (out.size() > kSortKeysMax) return refuse("at most " + std::to_string(kSortKeysMax) + " columns to sort by");
  }
  return out;
}

Result<void> add_choices(const ListFilter& filter, std::string_view value, ListQuery& out) {
  do {
    const auto one = value.substr(0, value.find(','));
    value.remove_prefix(std::min(one.size() + 1, value.size()));
    if (std::ranges::find(filter.choices, one) == filter.choices.end()) {
      return refuse(filter.name + " is one of " + listed(filter.choices));
    }
    out.filters.emplace_back(filter.name, one);
  } while (!value.empty());
  return {};
}

Result<void> add_filter(const ListFilter& filter, std::string_view value, ListQuery& out) {
  if (value.size() > kFilterBytesMax)
    return refuse(filter.name + " has at most " + std::to_string(kFilterBytesMax) + " bytes");
  if (out.filters.size() >= kFilterValuesMax)
    return refuse("at most " + std::to_string(kFilterValuesMax) + " values to filter by");
  if (filter.type == FilterType::kChoice) return add_choices(filter, value, out);
  if (filter.type == FilterType::kFrom || filter.type == FilterType::kTo) {
    if (!base::parse_rfc3339(value)) return refuse(filter.name + " is a time as 2026-01-31T00:00:00Z");
  }
  out.filters.emplace_back(filter.name, value);
  return {};
}

// The first of the two that a browser names is the one its user prefers.
Result<Language> language_of(const http::Request& request) {
  const auto text = request.query_value("lang");
  if (text == "zh") return Language::kChinese;
  if (text == "en") return Language::kEnglish;
  if (!text.empty()) return refuse("lang is one of en, zh");
  const auto accept = request.header("Accept-Language");
  return accept.find("zh") < accept.find("en") ? Language::kChinese : Language::kEnglish;
}

Result<void> read_paging(std::string_view name, std::string_view value, const ListForm& form, ListQuery& out) {
  if (name == "sort") out.sort = MH_TRY(sort_of(value, form));
  if (name == "limit")
    out.limit = MH_TRY(whole_number("limit", value, 1, out.format == ListFormat::kJson ? kPageMax : kExportRowsMax));
  if (name == "offset") out.offset = MH_TRY(whole_number("offset", value, 0, UINT32_MAX));
  return {};
}

}  // namespace

const ListColumn* ListForm::column(std::string_view column_name) const {
  const auto found = std::ranges::find(columns, column_name, &ListColumn::name);
  return found == columns.end() ? nullptr : &*found;
}

bool ListQuery::has(std::string_view name) const {
  return std::ranges::any_of(filters, [&](const auto& filter) { return filter.first == name; });
}

std::vector<std::string_view> ListQuery::values(std::string_view name) const {
  std::vector<std::string_view> out;
  for (const auto& [filter, value] : filters) {
    if (filter == name) out.emplace_back(value);
  }
  return out;
}

std::string_view ListQuery::text(std::string_view name) const {
  const auto all = values(name);
  return all.empty() ? std::string_view() : all.back();
}

std::optional<base::Timestamp> ListQuery::time(std::string_view name) const {
  const auto parsed = base::parse_rfc3339(text(name));
  return parsed ? std::optional(parsed->at) : std::nullopt;
}

Result<ListFormat> list_format(const http::Request& request) {
  const auto text = request.query_value("format");
  if (text == "json") return ListFormat::kJson;
  if (text == "csv") return ListFormat::kCsv;
  if (text == "xlsx") return ListFormat::kXlsx;
  if (!text.empty()) return refuse("format is one of json, csv, xlsx");
  const auto accept = request.header("Accept");
  if (accept.starts_with("text/csv")) return ListFormat::kCsv;
  if (accept.starts_with("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")) return ListFormat::kXlsx;
  return ListFormat::kJson;
}

Result<ListQuery> parse_list_query(const http::Request& request, const ListForm& form) {
  ListQuery out;
  out.format = MH_TRY(list_format(request));
  out.language = MH_TRY(language_of(request));
  for (const auto& [name, value] : request.query) {
    if (std::ranges::find(kOwn, name) != std::end(kOwn)) {
      MH_TRY_VOID(read_paging(name, value, form, out));
      continue;
    }
    const auto filter = std::ranges::find(form.filters, name, &ListFilter::name);
    if (filter == form.filters.end()) return unknown_filter(name, form);
    MH_TRY_VOID(add_filter(*filter, value, out));
  }
  if (out.sort.empty()) out.sort = form.order;
  return out;
}

}  // namespace meterhub::console
