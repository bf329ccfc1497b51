#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <meterhub/base/assert.h>

#include <meterhub/sql/limits.h>

#include "binder.h"
#include "names.h"

namespace meterhub::sql {
namespace {

constexpr std::array<std::string_view, 3> kHubColumns = {"EventProcessedUtcTime", "PartitionId", "EventEnqueuedUtcTime"};

bool metadata_column(InputMetadata metadata, std::string_view name) {
  if (metadata == InputMetadata::kNone) return false;
  if (metadata == InputMetadata::kIotHub && same_name(name, "IoTHub")) return true;
  return std::ranges::any_of(kHubColumns, [&](std::string_view column) { return same_name(column, name); });
}

std::vector<std::string> texts(const std::vector<ast::Name>& names, std::size_t from = 0) {
  std::vector<std::string> result;
  for (std::size_t i = from; i < names.size(); ++i) result.push_back(names[i].text);
  return result;
}

std::string dotted(const std::vector<ast::Name>& names) {
  std::string result;
  for (const ast::Name& name : names) result += (result.empty() ? "" : ".") + name.text;
  return result;
}

Type declared_type(const std::vector<KnownColumn>& columns, const std::vector<std::string>& path) {
  if (path.size() != 1) return Type::kAny;
  for (const KnownColumn& column : columns) {
    if (same_name(column.name, path[0])) return column.type;
  }
  return Type::kAny;
}

}  // namespace

std::string_view clause_name(Clause clause) {
  constexpr std::array<std::string_view, 10> kNames = {"SELECT", "WHERE",        "GROUP BY",     "HAVING", "ON",
                                                       "APPLY",  "TIMESTAMP BY", "PARTITION BY", "DEFINE", "MEASURES"};
  return kNames[static_cast<std::size_t>(clause)];
}

std::string path_key(const std::vector<std::string>& path) {
  std::string key;
  for (const std::string& part : path) key += folded(part) + '\x1f';
  return key;
}

bool is_timestamp(const ast::Expr& expr) {
  const bool shape = expr.kind == ast::ExprKind::kPath || (expr.kind == ast::ExprKind::kCall && expr.operands.empty() && expr.fields.empty());
  return shape && expr.path.size() == 2 && same_name(expr.path[0].text, "System") && same_name(expr.path[1].text, "Timestamp");
}

std::string implicit_name(const ast::Expr& expr) {
  if (is_timestamp(expr)) return "timestamp";
  if (expr.kind == ast::ExprKind::kPath) return expr.path.back().text;
  if (expr.kind != ast::ExprKind::kCall) return {};
  return expr.fields.empty() ? folded(expr.path.back().text) : expr.fields.back().text;
}

ExprPtr Binder::bind_path(const ast::Expr& expr, const Context& context) {
  const Select& select = *context.scope->select;
  if (is_timestamp(expr) && !source_named(select, "System")) return bind_system(expr, context);
  if (context.match != nullptr) return bind_match_path(expr, context);
  if (ExprPtr alias = bind_alias(expr, context)) return alias;
  const auto source = source_named(select, expr.path[0].text);
  const bool column_too = expr.path.size() == 1 && source && knows(select.sources[*source], expr.path[0].text) == Knows::kYes;
  if (source && !column_too) return bind_qualified(*source, expr, context);
  return bind_unqualified(expr, context);
}

// stream-sql 3.3. Null: the name is not an alias here.
ExprPtr Binder::bind_alias(const ast::Expr& expr, const Context& context) {
  const bool clause = context.clause == Clause::kWhere || context.clause == Clause::kGroupBy || context.clause == Clause::kHaving;
  const bool visible = clause && !context.in_analytic && options_.alias_scope == AliasScope::kOpen;
  if (!visible || expr.path.size() != 1) return nullptr;
  Scope& scope = *context.scope;
  const std::vector<ast::Item>& items = scope.written->items;
  const auto item = std::ranges::find_if(items, [&](const ast::Item& i) { return i.alias && same_name(i.alias->text, expr.path[0].text); });
  if (item == items.end()) return nullptr;
  if (context.clause != Clause::kHaving) {
    const auto known = [&](const Source& s) { return knows(s, expr.path[0].text) == Knows::kYes; };
    if (std::ranges::any_of(scope.select->sources, known) || holds_aggregate(*item->expr)) return nullptr;
  }
  if (context.in_aggregate && holds_aggregate(*item->expr)) return nullptr;
  plan_.alias_bindings.push_back({item->alias->text, std::string(clause_name(context.clause)), scope.step, expr.span});
  const auto index = static_cast<std::size_t>(item - items.begin());
  ExprPtr bound = bind_item(scope, index);
  return spend(scope.item_nodes[index], expr.span) ? bound : null_at(expr.span);
}

ExprPtr Binder::bind_item(Scope& scope, std::size_t index) {
  scope.items.resize(scope.written->items.size());
  scope.item_nodes.resize(scope.written->items.size());
  if (!scope.items[index]) {
    scope.items[index] = bind(*scope.written->items[index].expr, Context{&scope, Clause::kItem});
    walk(*scope.items[index], [&](const Expr&) { return ++scope.item_nodes[index] <= kExpressionNodesMax; });
  }
  return scope.items[index];
}

std::optional<std::uint32_t> Binder::source_named(const Select& select, std::string_view name) const {
  for (std::uint32_t i = 0; i < select.sources.size(); ++i) {
    if (same_name(select.sources[i].alias, name)) return i;
  }
  return std::nullopt;
}

const InputDeclaration& Binder::declaration(const std::string& input) const {
  const InputDeclaration* found = find_input(input);
  MH_ASSERT(found != nullptr);
  return *found;
}

std::vector<std::string> Binder::columns_of(const Source& source) const {
  std::vector<std::string> result;
  if (source.kind == SourceKind::kApply) {
    if (source.apply->properties) return {"PropertyName", "PropertyValue"};
    return {"ArrayIndex", "ArrayValue"};
  }
  if (source.kind == SourceKind::kStep) {
    for (const StepColumn& column : plan_.steps[source.index].columns) {
      if (!column.hidden) result.push_back(column.name);
    }
    return result;
  }
  const bool reader = source.kind == SourceKind::kReader;
  for (const KnownColumn& column : reader ? plan_.readers[source.index].columns : plan_.references[source.index].columns) {
    result.push_back(column.name);
  }
  return result;
}

Binder::Knows Binder::knows(const Source& source, std::string_view column) const {
  bool open = false;
  if (source.kind == SourceKind::kStep) open = plan_.steps[source.index].open;
  if (source.kind == SourceKind::kReader) {
    const Reader& reader = plan_.readers[source.index];
    open = reader.columns.empty();
    if (metadata_column(declaration(reader.input).metadata, column)) return Knows::kYes;
  }
  if (source.kind == SourceKind::kReference) open = plan_.references[source.index].columns.empty();
  const std::vector<std::string> columns = columns_of(source);
  if (std::ranges::any_of(columns, [&](const std::string& c) { return same_name(c, column); })) return Knows::kYes;
  return open ? Knows::kMaybe : Knows::kNo;
}

ExprPtr Binder::bind_qualified(std::uint32_t index, const ast::Expr& expr, const Context& context) {
  const Select& select = *context.scope->select;
  const Source& source = select.sources[index];
  if (expr.path.size() == 1) {
    need_whole(source);
    return column(select, index, {}, expr.span);
  }
  if (knows(source, expr.path[1].text) == Knows::kNo) {
    unknown_column(expr, select, index);
    return null_at(expr.span);
  }
  return column(select, index, texts(expr.path, 1), expr.span);
}

ExprPtr Binder::bind_unqualified(const ast::Expr& expr, const Context& context) {
  const Select& select = *context.scope->select;
  std::vector<std::uint32_t> sure;
  std::vector<std::uint32_t> open;
  for (std::uint32_t i = 0; i < select.sources.size(); ++i) {
    const Knows knowledge = knows(select.sources[i], expr.path[0].text);
    if (knowledge == Knows::kYes) sure.push_back(i);
    if (knowledge == Knows::kMaybe) open.push_back(i);
  }
  const std::vector<std::uint32_t>& candidates = sure.empty() ? open : sure;
  if (candidates.empty()) {
    unknown_column(expr, select, std::nullopt);
    return null_at(expr.span);
  }
  if (candidates.size() > 1) {
    report_.error(expr.span, "ambiguous_column",
                  fmt::format("'{}' could be a column of '{}' or of '{}'", expr.path[0].text, select.sources[candidates[0]].alias,
                              select.sources[candidates[1]].alias),
                  {}, fmt::format("{}.{}", select.sources[candidates[0]].alias, dotted(expr.path)));
    return null_at(expr.span);
  }
  if (sure.empty() && expr.path.size() == 1 && (same_name(expr.path[0].text, "true") || same_name(expr.path[0].text, "false"))) {
    report_.warning(expr.span, "no_boolean_literal", fmt::format("'{}' is read as a column: the language has no such constant", expr.path[0].text),
                    "1 or 0");
  }
  return column(select, candidates[0], texts(expr.path), expr.span);
}

void Binder::unknown_column(const ast::Expr& expr, const Select& select, std::optional<std::uint32_t> source) {
  std::vector<std::string> names;
  for (std::uint32_t i = 0; i < select.sources.size(); ++i) {
    if (source && *source != i) continue;
    const std::vector<std::string> columns = columns_of(select.sources[i]);
    names.insert(names.end(), columns.begin(), columns.end());
    if (!source) names.push_back(select.sources[i].alias);
  }
  const ast::Name& name = source ? expr.path[1] : expr.path[0];
  const std::string where = source ? fmt::format(" in '{}'", select.sources[*source].alias) : "";
  std::string suggestion = nearest(name.text, names);
  if (name.double_quoted && suggestion.empty()) suggestion = fmt::format("'{}' for a text: double quotes mean a name", name.text);
  report_.error(name.span, "unknown_column", fmt::format("there is no column '{}'{}", name.text, where), {}, suggestion);
}

ExprPtr Binder::column(const Select& select, std::uint32_t source, std::vector<std::string> path, Span span) {
  auto result = std::make_shared<Expr>();
  result->kind = ExprKind::kColumn;
  result->span = span;
  result->column.source = source;
  result->column.path = std::move(path);
  ColumnRef& ref = result->column;
  if (ref.path.empty()) {
    result->type = Type::kRecord;
    return result;
  }
  const Source& from = select.sources[source];
  if (from.kind == SourceKind::kReader) {
    ref.index = reader_path(from.index, ref.path);
    result->type = declared_type(plan_.readers[from.index].columns, ref.path);
  } else if (from.kind == SourceKind::kReference) {
    ref.index = reference_path(from.index, ref.path);
    result->type = declared_type(plan_.references[from.index].columns, ref.path);
  } else if (from.kind == SourceKind::kStep) {
    step_column(from.index, ref, result->type);
  } else {
    ref.index = same_name(ref.path[0], "ArrayIndex") || same_name(ref.path[0], "PropertyName") ? 0 : 1;
    ref.consumed = 1;
    if (ref.index == 0 && ref.path.size() == 1) result->type = from.apply->properties ? Type::kText : Type::kBigint;
  }
  return result;
}

std::uint32_t Binder::reader_path(std::uint32_t index, const std::vector<std::string>& path) {
  if (reader_paths_.size() <= index) reader_paths_.resize(index + 1);
  Reader& reader = plan_.readers[index];
  const auto [entry, fresh] = reader_paths_[index].try_emplace(path_key(path), static_cast<std::uint32_t>(reader.paths.size()));
  if (fresh) {
    reader.paths.push_back(NeededPath{path, 0, declared_type(reader.columns, path),
                                      metadata_column(declaration(reader.input).metadata, path[0])});
  }
  return entry->second;
}

std::uint32_t Binder::reference_path(std::uint32_t index, const std::vector<std::string>& path) {
  if (reference_paths_.size() <= index) reference_paths_.resize(index + 1);
  Reference& reference = plan_.references[index];
  const auto [entry, fresh] = reference_paths_[index].try_emplace(path_key(path), static_cast<std::uint32_t>(reference.paths.size()));
  if (fresh) reference.paths.push_back(NeededPath{path, 0, declared_type(reference.columns, path), false});
  return entry->second;
}

void Binder::step_column(std::uint32_t index, ColumnRef& ref, Type& type) {
  const auto known = step_columns_[index].find(path_key({ref.path[0]}));
  if (known != step_columns_[index].end() && !plan_.steps[index].columns[known->second].hidden) {
    ref.index = known->second;
    ref.consumed = 1;
    if (ref.path.size() == 1) type = plan_.steps[index].columns[known->second].type;
    return;
  }
  ref.index = pull(index, ref.path);
  ref.consumed = static_cast<std::uint32_t>(ref.path.size());
  if (ref.index == ColumnRef::kNoIndex) ref.consumed = 0;
}

// A later step reads a field that this step has only through `*`: the field becomes a
// hidden column, so that the whole event need not be kept. kNoIndex when several `*` or a
// spread record could hold it.
std::uint32_t Binder::pull(std::uint32_t index, const std::vector<std::string>& path) {
  const std::string key = path_key(path);
  if (const auto found = step_columns_[index].find(key); found != step_columns_[index].end()) return found->second;
  std::vector<std::uint32_t> stars;
  for (const Select& branch : plan_.steps[index].branches) {
    const auto open = [](const Item& item) { return item.kind == ItemKind::kStar || item.kind == ItemKind::kSpread; };
    const auto star = std::ranges::find_if(branch.items, open);
    if (std::ranges::count_if(branch.items, open) != 1 || star->kind == ItemKind::kSpread) {
      need_whole(Source{SourceKind::kStep, {}, index, {}, {}, {}, {}});
      return ColumnRef::kNoIndex;
    }
    stars.push_back(star->source);
  }
  for (std::size_t i = 0; i < stars.size(); ++i) {
    Select& branch = plan_.steps[index].branches[i];
    branch.items.push_back(Item{ItemKind::kHidden, path.back(), column(branch, stars[i], path, Span{}), 0});
  }
  Step& step = plan_.steps[index];
  const auto result = static_cast<std::uint32_t>(step.columns.size());
  step.columns.push_back(StepColumn{path.back(), Type::kAny, true, path});
  step_columns_[index].emplace(key, result);
  return result;
}

void Binder::need_whole(const Source& source) {
  if (source.kind == SourceKind::kReader) plan_.readers[source.index].whole_event = true;
  if (source.kind == SourceKind::kReference) plan_.references[source.index].whole_row = true;
  if (source.kind != SourceKind::kStep) return;
  Step& step = plan_.steps[source.index];
  if (step.star_used) return;
  step.star_used = true;
  for (const Select& branch : step.branches) {
    for (const Item& item : branch.items) {
      if (item.kind == ItemKind::kStar) need_whole(branch.sources[item.source]);
    }
  }
}

}  // namespace meterhub::sql
