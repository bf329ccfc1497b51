// From the syntax tree to the plan: every name gets a meaning (stream-sql 3, 5, 6, 7).
// After an error an expression becomes NULL and binding goes on.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <meterhub/sql/ast.h>
#include <meterhub/sql/compile.h>
#include <meterhub/sql/plan.h>

#include "report.h"

namespace meterhub::sql {

// The clause an expression stands in: decides which names and functions it may use.
enum class Clause : std::uint8_t {
  kItem,
  kWhere,
  kGroupBy,
  kHaving,
  kOn,
  kApply,
  kTimestampBy,
  kPartitionBy,
  kDefine,
  kMeasures
};
std::string_view clause_name(Clause clause);

class Binder {
 public:
  Binder(const ast::Program& program, const CompileOptions& options, Report& report)
      : program_(program), options_(options), report_(report) {}

  Plan run();

 private:
  enum class Knows : std::uint8_t { kNo, kMaybe, kYes };

  // The SELECT being bound.
  struct Scope {
    const ast::Select* written = nullptr;
    Select* select = nullptr;
    std::string step;
    std::vector<ExprPtr> items;  // bound before grouping; null until needed
    std::vector<std::size_t> item_nodes;
  };
  // Of an expression in MATCH_RECOGNIZE.
  struct MatchScope {
    MatchRecognize* match = nullptr;
    std::optional<std::uint32_t> current;  // DEFINE: the variable that is defined
    std::vector<std::uint32_t> visible;    // variables it may read
  };
  // What applies around an expression.
  struct Context {
    Scope* scope = nullptr;
    Clause clause = Clause::kItem;
    bool in_aggregate = false;
    bool in_analytic = false;
    MatchScope* match = nullptr;
  };

  // bind_program.cc
  void collect_inputs();
  void infer_inputs();
  void infer_from(const ast::Query& query, std::map<std::string, InputDeclaration>& found);
  void bind_tables();
  void bind_steps();
  void bind_statements();
  void bind_output(Step& step, const ast::Query& query);
  Step bind_query(const ast::Query& query, std::string name);
  void finish_columns(Step& step, const ast::Query& query);
  Select bind_select(const ast::Select& written, const std::string& step);
  void check_substreams();
  void warn_unused_steps();

  // bind_sources.cc
  void bind_sources(Scope& scope);
  void bind_source(Scope& scope, const ast::Source& written);
  bool find_source(Source& source, const ast::Source& written);
  void bind_reader(Source& source, const ast::Source& written, const InputDeclaration& input);
  std::uint32_t reader_for(Reader candidate, const std::vector<KnownColumn>& columns);
  void bind_time(Reader& reader, const ast::Source& written, const std::string& alias);
  void bind_apply(Scope& scope, const ast::Link& link);
  void bind_join(Scope& scope, const ast::Link& link);
  void split_on(Scope& scope, Join& join, const ExprPtr& on, Span span);
  void check_bound(Scope& scope, Join& join, const std::vector<ExprPtr>& terms, Span span);
  const InputDeclaration* find_input(std::string_view name) const;
  void unknown_input(const ast::Name& name);

  // bind_names.cc
  ExprPtr bind_path(const ast::Expr& expr, const Context& context);
  ExprPtr bind_alias(const ast::Expr& expr, const Context& context);
  ExprPtr bind_qualified(std::uint32_t source, const ast::Expr& expr, const Context& context);
  ExprPtr bind_unqualified(const ast::Expr& expr, const Context& context);
  std::optional<std::uint32_t> source_named(const Select& select, std::string_view name) const;
  Knows knows(const Source& source, std::string_view column) const;
  const InputDeclaration& declaration(const std::string& input) const;
  std::vector<std::string> columns_of(const Source& source) const;
  ExprPtr column(const Select& select, std::uint32_t source, std::vector<std::string> path, Span span);
  std::uint32_t reader_path(std::uint32_t reader, const std::vector<std::string>& path);
  std::uint32_t reference_path(std::uint32_t reference, const std::vector<std::string>& path);
  void step_column(std::uint32_t step, ColumnRef& ref, Type& type);
  std::uint32_t pull(std::uint32_t step, const std::vector<std::string>& path);
  void need_whole(const Source& source);
  ExprPtr bind_item(Scope& scope, std::size_t index);
  void unknown_column(const ast::Expr& expr, const Select& select, std::optional<std::uint32_t> source);

  // bind_expression.cc
  ExprPtr bind(const ast::Expr& expr, const Context& context);
  std::vector<ExprPtr> bind_all(const std::vector<ast::ExprPtr>& exprs, const Context& context);
  ExprPtr bind_case(const ast::Expr& expr, const Context& context);
  ExprPtr bind_operator(const ast::Expr& expr, const Context& context);
  ExprPtr null_at(Span span);
  bool spend(std::size_t nodes, Span span);

  // bind_calls.cc
  ExprPtr bind_call(const ast::Expr& expr, const Context& context);
  ExprPtr bind_system(const ast::Expr& expr, const Context& context);
  ExprPtr bind_fields(ExprPtr value, const ast::Expr& call);
  ExprPtr unknown_function(const ast::Expr& expr);
  bool check_arguments(const FunctionInfo& function, const ast::Expr& expr);
  ExprPtr bind_scalar(const FunctionInfo& function, const ast::Expr& expr, const Context& context);
  ExprPtr bind_source_argument(const ast::Expr& expr, const Context& context);
  std::optional<TimeUnit> bind_unit(const ast::Expr& expr);
  ExprPtr bind_aggregate(const FunctionInfo& function, const ast::Expr& expr, const Context& context);
  void check_over(const FunctionInfo& function, const ast::Expr& expr);
  ExprPtr bind_analytic(const FunctionInfo& function, const ast::Expr& expr, const Context& context);
  void bind_analytic_arguments(AnalyticCall& call, const ast::Expr& expr, const Context& inner);
  bool bind_analytic_source(AnalyticCall& call, const ast::Expr& expr, const Select& select);
  bool analytic_allowed(const FunctionInfo& function, const ast::Expr& expr, const Context& context);
  std::vector<OrderKey> bind_order(const ast::Expr& expr, const Context& context);
  std::optional<std::int64_t> constant_integer(const ast::Expr& expr, std::string_view what, std::int64_t least);
  // CollectTop's number of events, and the part of a percentile.
  void check_constants(const FunctionInfo& function, const ast::Expr& expr);
  void check_anomaly(const FunctionInfo& function, const ast::Expr& expr);
  Ticks bind_duration(const ast::Duration& duration, std::int64_t least);

  // bind_match.cc
  void bind_match_source(Scope& scope);
  MatchRecognize bind_match(Scope& scope, const ast::MatchRecognize& written);
  void check_match(const ast::MatchRecognize& written);
  void check_match_substream(const Scope& scope, const MatchRecognize& match, Span span);
  PatternNode bind_pattern(const ast::Pattern& written, MatchRecognize& match);
  void bind_definitions(Scope& scope, const ast::MatchRecognize& written, MatchRecognize& match);
  void bind_measures(Scope& scope, const ast::MatchRecognize& written, MatchRecognize& match);
  ExprPtr match_aggregate(MatchScope& match, MatchAggregate aggregate, Type type, Span span);
  bool match_variable(const ast::Expr& path, const MatchScope& in, std::optional<std::uint32_t>& variable);
  ExprPtr bind_match_path(const ast::Expr& expr, const Context& context);
  ExprPtr bind_match_field(const ast::Expr& expr, bool of_variable, const Context& context);
  ExprPtr bind_match_call(const ast::Expr& expr, const Context& context);

  // bind_group.cc
  void bind_where(Scope& scope);
  void bind_grouping(Scope& scope);
  void bind_items(Scope& scope);
  void bind_star(Scope& scope, const ast::Item& item);
  void expand_star(Scope& scope, std::uint32_t source, Span span);
  void bind_having(Scope& scope);
  Window bind_window(const ast::Window& written, Scope& scope);
  void check_windows_list(const ast::GroupItem& item);
  ExprPtr lift(const ExprPtr& expr, const Select& select);
  ExprPtr after_grouping(const ExprPtr& expr, const Select& select);

  // bind_uses.cc
  void note_uses();

  const ast::Program& program_;
  const CompileOptions& options_;
  Report& report_;
  Plan plan_;
  std::vector<InputDeclaration> inputs_;
  std::map<std::string, std::uint32_t> step_names_;  // folded
  std::map<std::string, std::uint32_t> later_steps_;
  std::vector<bool> step_used_;
  std::vector<std::map<std::string, std::uint32_t>> reader_paths_;
  std::vector<std::map<std::string, std::uint32_t>> reference_paths_;
  std::vector<std::map<std::string, std::uint32_t>> step_columns_;  // hidden ones with their path
  std::size_t nodes_ = 0;
  bool too_large_ = false;
};

// Is it a call of an aggregate (not its analytic form), or does it hold one?
bool holds_aggregate(const ast::Expr& expr);
// System.Timestamp or System.Timestamp()
bool is_timestamp(const ast::Expr& expr);
// The name of an item without an alias (D13); empty when it needs a number.
std::string implicit_name(const ast::Expr& expr);
// A path as one key of a map.
std::string path_key(const std::vector<std::string>& path);
// Arithmetic of constants where nothing can overflow or fail; else the expression itself.
ExprPtr fold_constants(std::shared_ptr<Expr> expr);
// Calls `visit(leaf or node)` for each node; children of a node for which it is false are left out.
template <class Visit>
void walk(const Expr& expr, const Visit& visit) {
  if (!visit(expr)) return;
  for (const ExprPtr& arg : expr.args) walk(*arg, visit);
}

}  // namespace meterhub::sql
