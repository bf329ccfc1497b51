// What a plan asks of an engine, against what the engine offers.
#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <meterhub/sql/compile.h>

namespace meterhub::sql {
namespace {

class Check {
 public:
  Check(const Plan& plan, const Capabilities& capabilities) : plan_(plan), capabilities_(capabilities) {}

  std::vector<Unsupported> run() {
    for (const Reader& reader : plan_.readers) {
      if (!reader.substream.empty()) need(reader.input, Feature::kSubstream);
    }
    for (const Step& step : plan_.steps) {
      if (step.branches.size() > 1) need(step.name, Feature::kUnion);
      for (const Select& select : step.branches) check(step.name, select);
    }
    return std::move(found_);
  }

 private:
  void add(const std::string& step, std::string what) {
    const auto same = [&](const Unsupported& u) { return u.step == step && u.what == what; };
    if (std::ranges::none_of(found_, same)) found_.push_back({step, std::move(what)});
  }
  void need(const std::string& step, Feature feature) {
    if (!capabilities_.has(feature)) add(step, std::string(feature_name(feature)));
  }
  void need(const std::string& step, const FunctionInfo& function) {
    if (!capabilities_.has(function.id)) add(step, fmt::format("function {}", function.name));
  }
  void functions(const std::string& step, const ExprPtr& expr) {
    if (!expr) return;
    if (expr->function != nullptr) need(step, *expr->function);
    for (const ExprPtr& arg : expr->args) functions(step, arg);
  }
  void functions(const std::string& step, const std::vector<ExprPtr>& exprs) {
    for (const ExprPtr& expr : exprs) functions(step, expr);
  }

  void check(const std::string& step, const Select& select) {
    need(step, Feature::kProject);
    if (select.where || select.having) need(step, Feature::kFilter);
    for (const Source& source : select.sources) check(step, source);
    for (const AnalyticCall& call : select.analytics) {
      need(step, Feature::kAnalytic);
      need(step, *call.function);
      functions(step, call.args);
      functions(step, call.partition);
      functions(step, call.when);
    }
    functions(step, select.where);
    functions(step, select.having);
    for (const Item& item : select.items) functions(step, item.expr);
    if (select.grouping) check(step, *select.grouping);
    if (select.match) check(step, *select.match);
  }

  void check(const std::string& step, const Source& source) {
    if (source.apply) need(step, Feature::kApply);
    if (source.apply) functions(step, source.apply->argument);
    if (!source.join) return;
    need(step, source.join->reference ? Feature::kReferenceJoin : Feature::kStreamJoin);
    for (const KeyPair& pair : source.join->keys) functions(step, {pair.left, pair.right});
    functions(step, source.join->residual);
  }

  void check(const std::string& step, const MatchRecognize& match) {
    need(step, Feature::kMatchRecognize);
    functions(step, match.partition);
    for (const MatchVariable& variable : match.variables) functions(step, variable.define);
  }

  void check(const std::string& step, const Grouping& grouping) {
    constexpr std::array<Feature, 5> kWindows = {Feature::kTumbling, Feature::kHopping, Feature::kSliding, Feature::kSession, Feature::kSnapshot};
    if (grouping.windows.size() > 1) need(step, Feature::kWindowsList);
    for (const Window& window : grouping.windows) need(step, kWindows[std::to_underlying(window.kind)]);
    for (const AggregateCall& call : grouping.aggregates) {
      need(step, *call.function);
      functions(step, call.args);
    }
    functions(step, grouping.keys);
  }

  const Plan& plan_;
  const Capabilities& capabilities_;
  std::vector<Unsupported> found_;
};

}  // namespace

std::string_view feature_name(Feature feature) {
  constexpr std::array<std::string_view, 15> kNames = {
      "projection",      "filter",         "union",          "apply",          "join with reference data", "join of streams", "analytic functions",
      "tumbling window", "hopping window", "sliding window", "session window", "snapshot window",          "Windows(...)",    "substreams", "MATCH_RECOGNIZE"};
  return kNames[std::to_underlying(feature)];
}

bool Capabilities::has(Feature feature) const { return std::ranges::find(features, feature) != features.end(); }
bool Capabilities::has(FunctionId function) const { return std::ranges::find(functions, function) != functions.end(); }

std::vector<Unsupported> unsupported(const Plan& plan, const Capabilities& capabilities) { return Check(plan, capabilities).run(); }

Capabilities everything() {
  Capabilities result;
  for (int i = 0; i <= std::to_underlying(Feature::kMatchRecognize); ++i) result.features.push_back(static_cast<Feature>(i));
  for (const FunctionInfo& function : functions()) result.functions.push_back(function.id);
  return result;
}

}  // namespace meterhub::sql
