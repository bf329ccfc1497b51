// How the value of each path is used: the decoder prepares no more than that. From the
// last step to the first, so that a step's columns know their readers.
#include <vector>

#include "binder.h"

namespace meterhub::sql {
namespace {

std::uint8_t use_as(Type type) {
  switch (type) {
    case Type::kBigint:
    case Type::kFloat: return kUseNumber;
    case Type::kText: return kUseText;
    case Type::kDatetime: return kUseTime;
    default: return kUseValue;
  }
}

std::uint8_t use_as(ArgumentKind kind) {
  switch (kind) {
    case ArgumentKind::kNumber:
    case ArgumentKind::kInteger: return kUseNumber;
    case ArgumentKind::kText:
    case ArgumentKind::kConstant: return kUseText;
    case ArgumentKind::kTime: return kUseTime;
    case ArgumentKind::kRecord:
    case ArgumentKind::kArray: return kUseRaw;
    default: return kUseValue;
  }
}

class Uses {
 public:
  explicit Uses(Plan& plan) : plan_(plan), columns_(plan.steps.size()) {
    for (std::size_t i = 0; i < plan.steps.size(); ++i) columns_[i].resize(plan.steps[i].columns.size());
  }

  void run() {
    for (std::size_t i = plan_.steps.size(); i-- > 0;) {
      for (Select& branch : plan_.steps[i].branches) note_select(branch, i);
    }
    for (Reader& reader : plan_.readers) {
      Select only;
      only.sources.push_back(Source{SourceKind::kReader, {}, static_cast<std::uint32_t>(&reader - plan_.readers.data()), {}, {}, {}, {}});
      if (reader.timestamp_by) note(*reader.timestamp_by, kUseTime, only);
      for (const ExprPtr& key : reader.substream) note(*key, kUseValue, only);
    }
  }

 private:
  void note_select(const Select& select, std::size_t step) {
    const bool statement = plan_.steps[step].output.has_value();
    analytic_.assign(select.analytics.size(), 0);
    aggregate_.assign(select.grouping ? select.grouping->aggregates.size() : select.match ? select.match->aggregates.size() : 0, 0);
    key_.assign(select.grouping ? select.grouping->keys.size() : 0, kUseValue);
    std::size_t column = 0;
    for (const Item& item : select.items) {
      if (item.kind == ItemKind::kSpread) note(*item.expr, kUseRaw, select);
      if (item.kind != ItemKind::kValue && item.kind != ItemKind::kHidden) continue;
      const std::uint8_t use = column < columns_[step].size() ? columns_[step][column] : 0;
      note(*item.expr, static_cast<std::uint8_t>(use | (statement ? kUseRaw : 0)), select);
      ++column;
    }
    if (select.match) note_match(*select.match, select);
    if (select.having) note(*select.having, kUseValue, select);
    if (select.grouping) note_grouping(*select.grouping, select);
    if (select.where) note(*select.where, kUseValue, select);
    note_sources(select);
    note_analytics(select);
  }

  void note_grouping(const Grouping& grouping, const Select& select) {
    for (std::size_t i = 0; i < grouping.aggregates.size(); ++i) {
      const AggregateCall& call = grouping.aggregates[i];
      for (const ExprPtr& arg : call.args) {
        const bool number = call.function->arguments[0] == ArgumentKind::kNumber;
        note(*arg, number ? static_cast<std::uint8_t>(kUseNumber) : static_cast<std::uint8_t>(aggregate_[i] | kUseValue), select);
      }
      for (const OrderKey& key : call.order) note(*key.expr, kUseValue, select);
    }
    for (std::size_t i = 0; i < grouping.keys.size(); ++i) note(*grouping.keys[i], key_[i], select);
    for (const Window& window : grouping.windows) {
      for (const ExprPtr& key : window.partition) note(*key, kUseValue, select);
    }
  }

  void note_match(const MatchRecognize& match, const Select& select) {
    for (const MatchVariable& variable : match.variables) {
      if (variable.define) note(*variable.define, kUseValue, select);
    }
    for (std::size_t i = 0; i < match.aggregates.size(); ++i) {
      const MatchAggregate& aggregate = match.aggregates[i];
      if (aggregate.value) note(*aggregate.value, static_cast<std::uint8_t>(aggregate_[i] | kUseValue), select);
    }
    for (const ExprPtr& key : match.partition) note(*key, kUseValue, select);
  }

  void note_sources(const Select& select) {
    for (const Source& source : select.sources) {
      Select only;
      only.sources.push_back(source);
      for (const ExprPtr& key : source.partition_by) note(*key, kUseValue, only);
      if (source.apply) note(*source.apply->argument, kUseRaw, select);
      if (!source.join) continue;
      for (const KeyPair& pair : source.join->keys) {
        note(*pair.left, kUseValue, select);
        note(*pair.right, kUseValue, select);
      }
      if (source.join->residual) note(*source.join->residual, kUseValue, select);
    }
  }

  void note_analytics(const Select& select) {
    for (std::size_t i = 0; i < select.analytics.size(); ++i) {
      const AnalyticCall& call = select.analytics[i];
      const bool number = call.function->arguments[0] == ArgumentKind::kNumber;
      for (const ExprPtr& arg : call.args) note(*arg, number ? static_cast<std::uint8_t>(kUseNumber) : analytic_[i], select);
      for (const ExprPtr& key : call.partition) note(*key, kUseValue, select);
      for (const OrderKey& key : call.order) note(*key.expr, kUseValue, select);
      if (call.when) note(*call.when, kUseValue, select);
      if (call.fallback) note(*call.fallback, analytic_[i], select);
    }
  }

  void note_column(const ColumnRef& ref, std::uint8_t use, const Select& select) {
    if (ref.index == ColumnRef::kNoIndex) return;
    const Source& source = select.sources[ref.source];
    if (source.kind == SourceKind::kReader) plan_.readers[source.index].paths[ref.index].uses |= use;
    if (source.kind == SourceKind::kReference) plan_.references[source.index].paths[ref.index].uses |= use;
    if (source.kind != SourceKind::kStep) return;
    const bool inside = ref.path.size() > ref.consumed;
    columns_[source.index][ref.index] |= inside ? static_cast<std::uint8_t>(kUseRaw) : use;
  }

  void note(const Expr& expr, std::uint8_t use, const Select& select) {
    switch (expr.kind) {
      case ExprKind::kColumn: return note_column(expr.column, use, select);
      case ExprKind::kAnalytic: analytic_[expr.index] |= use; return;
      case ExprKind::kAggregate: aggregate_[expr.index] |= use; return;
      case ExprKind::kGroupKey: key_[expr.index] |= use; return;
      case ExprKind::kUnary: return note(*expr.args[0], kUseNumber, select);
      case ExprKind::kArithmetic: return note_arithmetic(expr, select);
      case ExprKind::kCompare:
      case ExprKind::kIn:
      case ExprKind::kBetween: return note_comparison(expr, select);
      case ExprKind::kCall: return note_call(expr, use, select);
      case ExprKind::kCase: return note_case(expr, use, select);
      default:
        for (const ExprPtr& arg : expr.args) note(*arg, expr.kind == ExprKind::kLike ? kUseText : kUseValue, select);
    }
  }

  void note_arithmetic(const Expr& expr, const Select& select) {
    const bool text = expr.args[0]->type == Type::kText || expr.args[1]->type == Type::kText;
    const bool number = expr.op != Operator::kAdd || use_as(expr.args[0]->type) == kUseNumber || use_as(expr.args[1]->type) == kUseNumber;
    const auto use = static_cast<std::uint8_t>(number ? kUseNumber : text ? kUseText : kUseNumber | kUseText);
    for (const ExprPtr& arg : expr.args) note(*arg, use, select);
  }

  void note_comparison(const Expr& expr, const Select& select) {
    std::uint8_t use = 0;
    for (const ExprPtr& arg : expr.args) {
      if (arg->type != Type::kAny) use |= use_as(arg->type);
    }
    for (const ExprPtr& arg : expr.args) note(*arg, use == 0 ? static_cast<std::uint8_t>(kUseValue) : use, select);
  }

  void note_call(const Expr& expr, std::uint8_t use, const Select& select) {
    const FunctionId id = expr.function->id;
    const bool same = id == FunctionId::kCoalesce || id == FunctionId::kNullIf;
    const std::size_t shift = expr.unit ? 1 : 0;  // the unit is an argument of the table only
    for (std::size_t i = 0; i < expr.args.size(); ++i) {
      const ArgumentKind kind = expr.function->arguments[std::min<std::size_t>(i + shift, 3)];
      note(*expr.args[i], same ? static_cast<std::uint8_t>(use | kUseValue) : use_as(kind), select);
    }
  }

  void note_case(const Expr& expr, std::uint8_t use, const Select& select) {
    for (std::size_t i = 0; i < expr.args.size(); ++i) {
      const bool condition = i % 2 == 0 && i + 1 < expr.args.size();
      note(*expr.args[i], condition ? static_cast<std::uint8_t>(kUseValue) : use, select);
    }
  }

  Plan& plan_;
  std::vector<std::vector<std::uint8_t>> columns_;  // by step and column
  std::vector<std::uint8_t> analytic_;
  std::vector<std::uint8_t> aggregate_;
  std::vector<std::uint8_t> key_;
};

}  // namespace

void Binder::note_uses() { Uses(plan_).run(); }

}  // namespace meterhub::sql
