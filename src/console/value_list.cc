// list_of(): filters, sorts and pages rows that are at hand as a whole.
#include <algorithm>
#include <numeric>
#include <span>

#include <meterhub/base/assert.h>
#include <meterhub/base/time_text.h>
#include <meterhub/console/list.h>

namespace meterhub::console {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// The number at the front of `text`, taken off it, without leading zeros.
std::string_view take_number(std::string_view& text) {
  const auto end = std::ranges::find_if_not(text, is_digit);
  auto digits = text.substr(0, static_cast<std::size_t>(end - text.begin()));
  text.remove_prefix(digits.size());
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
  return digits;
}

// Of kEqual and kChoice: as the API writes it.
std::string text_of(const Value& value) {
  struct Text {
    std::string operator()(std::monostate) const { return {}; }
    std::string operator()(std::int64_t number) const { return std::to_string(number); }
    std::string operator()(double number) const { return std::to_string(number); }
    std::string operator()(const std::string& text) const { return text; }
    std::string operator()(base::Timestamp time) const { return base::rfc3339(time); }
    std::string operator()(bool flag) const { return flag ? "true" : "false"; }
  };
  return std::visit(Text(), value);
}

struct Less {
  template <class T>
  bool operator()(const T& a, const T& b) const {
    return a < b;
  }
  bool operator()(const std::string& a, const std::string& b) const { return natural_less(a, b); }
  template <class A, class B>
  bool operator()(const A&, const B&) const {
    return false;  // one column holds one type
  }
};

class ValueRows final : public ListRows {
 public:
  ValueRows(const ListForm& form, std::vector<ListRow> rows, const ListQuery& query, const ListWindow& window)
      : form_(form), rows_(std::move(rows)) {
    std::erase_if(rows_, [&](const ListRow& row) { return !matches(row, query); });
    order_.resize(rows_.size());
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::ranges::stable_sort(order_,
                             [&](std::size_t a, std::size_t b) { return before(rows_[a], rows_[b], query.sort); });
    next_ = std::min<std::uint64_t>(window.offset, rows_.size());
    end_ = next_ + std::min<std::uint64_t>(window.limit, rows_.size() - next_);
  }

  std::optional<std::uint64_t> total() const override { return rows_.size(); }
  base::Result<std::vector<ListRow>> next(std::size_t most) override {
    std::vector<ListRow> out;
    for (; next_ < end_ && out.size() < most; ++next_) out.push_back(std::move(rows_[order_[next_]]));
    return out;
  }

 private:
  std::size_t column_of(const ListFilter& filter) const {
    const auto& name = filter.column.empty() ? filter.name : filter.column;
    const auto found = std::ranges::find(form_.columns, name, &ListColumn::name);
    MH_ASSERT(found != form_.columns.end());
    return static_cast<std::size_t>(found - form_.columns.begin());
  }
  bool matches(const ListRow& row, const ListQuery& query) const {
    return std::ranges::all_of(form_.filters, [&](const ListFilter& filter) {
      return !query.has(filter.name) || matches(row, query, filter);
    });
  }
  bool matches(const ListRow& row, const ListQuery& query, const ListFilter& filter) const {
    if (filter.type == FilterType::kSearch) {
      return std::ranges::any_of(row, [&](const Value& value) {
        const auto* const text = std::get_if<std::string>(&value);
        return text != nullptr && holds_text(*text, query.text(filter.name));
      });
    }
    const auto& value = row[column_of(filter)];
    if (filter.type == FilterType::kFrom || filter.type == FilterType::kTo) {
      const auto* const time = std::get_if<base::Timestamp>(&value);
      if (time == nullptr) return false;
      return filter.type == FilterType::kFrom ? *time >= *query.time(filter.name) : *time < *query.time(filter.name);
    }
    const auto text = text_of(value);
    return std::ranges::any_of(query.values(filter.name), [&](std::string_view wanted) { return wanted == text; });
  }
  // What is not known comes last, whichever way is sorted.
  static bool before(const ListRow& a, const ListRow& b, const std::vector<SortKey>& sort) {
    for (const auto& key : sort) {
      const auto& left = a[key.column];
      const auto& right = b[key.column];
      const bool no_left = std::holds_alternative<std::monostate>(left);
      const bool no_right = std::holds_alternative<std::monostate>(right);
      if (no_left || no_right) {
        if (no_left != no_right) return no_right;
        continue;
      }
      if (std::visit(Less(), left, right)) return !key.descending;
      if (std::visit(Less(), right, left)) return key.descending;
    }
    return false;
  }

  const ListForm& form_;
  std::vector<ListRow> rows_;
  std::vector<std::size_t> order_;
  std::uint64_t next_ = 0;
  std::uint64_t end_ = 0;
};

}  // namespace

bool natural_less(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    if (is_digit(a.front()) && is_digit(b.front())) {
      const auto left = take_number(a);
      const auto right = take_number(b);
      if (left.size() != right.size()) return left.size() < right.size();
      if (left != right) return left < right;
      continue;
    }
    // Letters before digits: basements lie below the ground floor.
    if (is_digit(a.front()) != is_digit(b.front())) return is_digit(b.front());
    if (a.front() != b.front()) return a.front() < b.front();
    a.remove_prefix(1);
    b.remove_prefix(1);
  }
  return a.size() < b.size();
}

bool holds_text(std::string_view whole, std::string_view part) {
  const auto found = std::ranges::search(whole, part, [](char a, char b) { return lower(a) == lower(b); });
  return part.empty() || !found.empty();
}

ListSource list_of(ListForm form, std::function<base::Result<std::vector<ListRow>>(const Caller&)> rows) {
  // Shared with the rows, which may outlive a source that is replaced.
  return [form = std::make_shared<const ListForm>(std::move(form)), rows = std::move(rows)](
             const ListQuery& query, const Caller& caller,
             const ListWindow& window) -> base::Result<std::unique_ptr<ListRows>> {
    return std::make_unique<ValueRows>(*form, MH_TRY(rows(caller)), query, window);
  };
}

}  // namespace meterhub::console
