#include <algorithm>

#include <fmt/format.h>

#include "binder.h"
#include "names.h"

namespace meterhub::sql {

void Binder::bind_where(Scope& scope) {
  if (scope.written->where) scope.select->where = bind(*scope.written->where, Context{&scope, Clause::kWhere});
}

// Exactly one window, Windows(...) or System.Timestamp(); beside a window the latter is a key.
void Binder::bind_grouping(Scope& scope) {
  const ast::Select& written = *scope.written;
  const auto aggregates = [](const ast::Item& item) { return holds_aggregate(*item.expr); };
  const auto first = std::ranges::find_if(written.items, aggregates);
  const bool having = written.having && holds_aggregate(*written.having);
  if (written.group.empty()) {
    if (first == written.items.end() && !having) return;
    const Span span = first != written.items.end() ? first->expr->span : written.having->span;
    report_.error(span, "missing_window", "an aggregate needs GROUP BY with a window", {},
                  "GROUP BY TumblingWindow(minute, 5)");
    return;
  }
  const auto windows = std::ranges::count_if(written.group, [](const ast::GroupItem& g) { return !g.windows.empty(); });
  const auto snapshot = [&](const ast::GroupItem& g) { return windows == 0 && g.key && is_timestamp(*g.key); };
  const auto snapshots = std::ranges::count_if(written.group, snapshot);
  Grouping grouping;
  bool seen = false;
  for (const ast::GroupItem& item : written.group) {
    const bool window = !item.windows.empty() || snapshot(item);
    if (window && seen)
      report_.error(item.span, "two_windows", "GROUP BY has one window only", {},
                    "Windows(...) for the union of several");
    if (window && !seen) {
      check_windows_list(item);
      for (const ast::Window& one : item.windows) grouping.windows.push_back(bind_window(one, scope));
      if (item.windows.empty()) grouping.windows.push_back(Window{WindowKind::kSnapshot, {}, 0, 0, 0, 0, 0, {}});
    }
    seen = seen || window;
    if (!window) grouping.keys.push_back(bind(*item.key, Context{&scope, Clause::kGroupBy}));
  }
  if (windows + snapshots == 0) {
    const Span span{written.group.front().span.begin, written.group.back().span.end};
    report_.error(span, "missing_window", "GROUP BY needs a window",
                  "TumblingWindow, HoppingWindow, SlidingWindow, SessionWindow or System.Timestamp()",
                  "GROUP BY ..., TumblingWindow(minute, 5)");
  }
  scope.select->stateful = true;
  scope.select->grouping = std::move(grouping);
}

void Binder::check_windows_list(const ast::GroupItem& item) {
  if (!item.is_windows_list) return;
  const auto named = std::ranges::count_if(item.windows, [](const ast::Window& w) { return w.id.has_value(); });
  if (named != 0 && named != std::ssize(item.windows)) {
    report_.error(item.span, "windows_names", "either all windows of Windows(...) have a name or none has",
                  "Window('name', ...)");
  }
  for (std::size_t i = 0; i < item.windows.size(); ++i) {
    for (std::size_t k = 0; k < i; ++k) {
      if (!item.windows[i].id || !item.windows[k].id || !same_name(*item.windows[i].id, *item.windows[k].id)) continue;
      report_.error(item.windows[i].span, "windows_names",
                    fmt::format("two windows are called '{}'", *item.windows[i].id));
    }
  }
}

Window Binder::bind_window(const ast::Window& written, Scope& scope) {
  Window result;
  result.kind = written.kind;
  result.id = written.id;
  result.partition = bind_all(written.partition, Context{&scope, Clause::kGroupBy});
  if (written.kind == WindowKind::kSnapshot) return result;
  const Ticks size = bind_duration(written.size, 1);
  const Ticks second = written.hop ? bind_duration(*written.hop, 1) : size;
  if (written.kind == WindowKind::kSession) {
    result.timeout = size;
    result.maximum = second;
    if (size > second)
      report_.error(written.span, "bad_size", "the timeout of a session is longer than its longest duration");
    return result;
  }
  result.size = size;
  result.hop = second;
  if (written.offset) {
    constexpr std::int64_t kAnySign = INT64_MIN;
    result.offset = bind_duration(*written.offset, kAnySign);
  }
  return result;
}

void Binder::bind_items(Scope& scope) {
  Select& select = *scope.select;
  for (std::size_t i = 0; i < scope.written->items.size(); ++i) {
    const ast::Item& item = scope.written->items[i];
    if (item.expr->kind == ast::ExprKind::kStar) {
      bind_star(scope, item);
      continue;
    }
    Item bound;
    bound.expr = after_grouping(bind_item(scope, i), select);
    bound.name = item.alias ? item.alias->text : implicit_name(*item.expr);
    if (bound.name.empty()) bound.name = fmt::format("column{}", i + 1);
    const auto same = [&](const Item& other) {
      return other.kind == ItemKind::kValue && same_name(other.name, bound.name);
    };
    // Columns that came from `*` give way to explicit ones; two explicit ones are a mistake.
    if (std::ranges::any_of(select.items, same)) {
      report_.error(item.alias ? item.alias->span : item.span, "duplicate_column",
                    fmt::format("two columns are called '{}'", bound.name), {}, "AS another_name");
    }
    select.items.push_back(std::move(bound));
  }
}

void Binder::bind_star(Scope& scope, const ast::Item& item) {
  Select& select = *scope.select;
  if (select.grouping) {
    report_.error(item.span, "star_in_group", "'*' cannot stand in a query with GROUP BY",
                  "the keys of GROUP BY and aggregates", "TopOne() or Collect() give whole events");
    return;
  }
  const auto named = item.expr->path.size() == 1 ? source_named(select, item.expr->path[0].text) : std::nullopt;
  if (named) return expand_star(scope, *named, item.span);
  if (!item.expr->path.empty()) {
    ast::Expr path;
    path.kind = ast::ExprKind::kPath;
    path.span = item.span;
    path.path = item.expr->path;
    select.items.push_back(Item{ItemKind::kSpread, {}, bind_path(path, Context{&scope, Clause::kItem}), 0});
    return;
  }
  const bool streams =
      std::ranges::any_of(select.sources, [](const Source& s) { return s.join && !s.join->reference; });
  if (streams) {
    report_.error(item.span, "star_over_join", "SELECT * cannot stand over a join of streams", "columns",
                  fmt::format("{}.*", select.sources[0].alias));
    return;
  }
  for (std::uint32_t i = 0; i < select.sources.size(); ++i) expand_star(scope, i, item.span);
}

// Known columns become items of their own; explicit names elsewhere in the SELECT win.
void Binder::expand_star(Scope& scope, std::uint32_t index, Span span) {
  Select& select = *scope.select;
  const Source& source = select.sources[index];
  const bool open = (source.kind == SourceKind::kReader && plan_.readers[source.index].columns.empty()) ||
                    (source.kind == SourceKind::kReference && plan_.references[source.index].columns.empty()) ||
                    (source.kind == SourceKind::kStep && plan_.steps[source.index].open);
  for (const std::string& name : columns_of(source)) {
    const auto written = [&](const ast::Item& item) {
      if (item.expr->kind == ast::ExprKind::kStar) return false;
      return same_name(item.alias ? item.alias->text : implicit_name(*item.expr), name);
    };
    const auto taken = [&](const Item& item) { return item.kind == ItemKind::kValue && same_name(item.name, name); };
    if (std::ranges::any_of(scope.written->items, written) || std::ranges::any_of(select.items, taken)) continue;
    if (!spend(1, span)) return;
    select.items.push_back(Item{ItemKind::kValue, name, column(select, index, {name}, span), 0});
  }
  if (open) select.items.push_back(Item{ItemKind::kStar, {}, nullptr, index});
}

void Binder::bind_having(Scope& scope) {
  if (!scope.written->having) return;
  scope.select->having = after_grouping(bind(*scope.written->having, Context{&scope, Clause::kHaving}), *scope.select);
}

ExprPtr Binder::after_grouping(const ExprPtr& expr, const Select& select) {
  return select.grouping ? lift(expr, select) : expr;
}

// What stands after grouping may read keys and aggregates only. System.Timestamp() is the
// window's end there, also when the time of the event is a key.
ExprPtr Binder::lift(const ExprPtr& expr, const Select& select) {
  if (expr->kind != ExprKind::kTimestamp && expr->kind != ExprKind::kLiteral) {
    const auto same = [&](const ExprPtr& key) { return same_expression(*key, *expr); };
    const auto key = std::ranges::find_if(select.grouping->keys, same);
    if (key != select.grouping->keys.end()) {
      auto result = std::make_shared<Expr>();
      result->kind = ExprKind::kGroupKey;
      result->type = expr->type;
      result->span = expr->span;
      result->index = static_cast<std::uint32_t>(key - select.grouping->keys.begin());
      return result;
    }
  }
  if (expr->kind == ExprKind::kColumn || expr->kind == ExprKind::kAnalytic) {
    const std::string text = expression_text(*expr, select);
    report_.error(expr->span, "not_grouped",
                  fmt::format("'{}' is neither a key of GROUP BY nor inside an aggregate", text), {},
                  fmt::format("add it to GROUP BY, or write MAX({})", text));
    return null_at(expr->span);
  }
  if (expr->args.empty()) return expr;
  auto result = std::make_shared<Expr>(*expr);
  for (ExprPtr& arg : result->args) arg = lift(arg, select);
  return result;
}

}  // namespace meterhub::sql
