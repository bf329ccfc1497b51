#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <meterhub/sql/compile.h>

namespace meterhub::sql {
namespace {

std::string joined(const std::vector<std::string>& parts, std::string_view between) {
  std::string result;
  for (const std::string& part : parts) result += (result.empty() ? "" : std::string(between)) + part;
  return result;
}

std::string uses_text(std::uint8_t uses) {
  constexpr std::array<std::pair<std::uint8_t, std::string_view>, 5> kNames = {
      {{kUseRaw, "raw"}, {kUseNumber, "number"}, {kUseText, "text"}, {kUseTime, "time"}, {kUseValue, "value"}}};
  std::vector<std::string> names;
  for (const auto& [bit, name] : kNames) {
    if ((uses & bit) != 0) names.emplace_back(name);
  }
  return names.empty() ? "unused" : joined(names, ", ");
}

class Explain {
 public:
  Explain(const Plan& plan, const Capabilities& capabilities) : plan_(plan), capabilities_(capabilities) {}

  std::string run() {
    inputs();
    for (const Step& step : plan_.steps) explain(step);
    outputs();
    aliases();
    missing();
    return std::move(text_);
  }

 private:
  void line(int level, std::string_view text) {
    text_.append(static_cast<std::size_t>(level) * 2, ' ');
    text_ += text;
    text_ += '\n';
  }

  void paths(const std::vector<NeededPath>& paths, bool whole, std::string_view what) {
    if (whole) line(2, fmt::format("reads the whole {}", what));
    for (const NeededPath& path : paths) {
      line(2, fmt::format("path {} as {}{}", joined(path.path, "."), uses_text(path.uses), path.metadata ? " (metadata)" : ""));
    }
    if (!whole && paths.empty()) line(2, "reads no column");
  }

  void inputs() {
    line(0, "inputs");
    for (const Reader& reader : plan_.readers) {
      Select only;
      only.sources.push_back(Source{SourceKind::kReader, "", 0, {}, {}, {}, {}});
      line(1, fmt::format("{} (stream)", reader.input));
      if (reader.timestamp_by) time_of(reader, only);
      else line(2, "time: arrival");
      paths(reader.paths, reader.whole_event, "event");
    }
    for (const Reference& reference : plan_.references) {
      line(1, fmt::format("{} (reference data, the version valid at the event's time)", reference.input));
      paths(reference.paths, reference.whole_row, "row");
    }
  }

  void time_of(const Reader& reader, const Select& only) {
    line(2, fmt::format("time: {}", expression_text(*reader.timestamp_by, only)));
    line(2, fmt::format("policy: late beyond {}, out of order beyond {}: {}; more than {} early: drop", duration_text(plan_.policy.late_arrival),
                        duration_text(plan_.policy.out_of_order), plan_.policy.action == DisorderAction::kAdjust ? "adjust" : "drop",
                        duration_text(kEarlyLimit)));
    for (const ExprPtr& key : reader.substream) line(2, fmt::format("order and watermark per {}", expression_text(*key, only)));
  }

  std::string source_name(const Source& source) const {
    std::string name;
    if (source.kind == SourceKind::kReader) name = plan_.readers[source.index].input;
    if (source.kind == SourceKind::kReference) name = plan_.references[source.index].input;
    if (source.kind == SourceKind::kStep) name = plan_.steps[source.index].name;
    return name == source.alias ? name : fmt::format("{} as {}", name, source.alias);
  }

  void explain(const Step& step) {
    const std::string into = step.output ? fmt::format(" into {}", *step.output) : "";
    line(0, fmt::format("{}{}{}", step.output ? "" : "step ", step.name, into));
    if (step.branches.size() > 1) line(1, "union, merged by time, of");
    for (const Select& select : step.branches) explain(select, step.branches.size() > 1 ? 2 : 1);
  }

  void explain(const Select& select, int level) {
    for (const Source& source : select.sources) explain(source, select, level);
    for (const AnalyticCall& call : select.analytics) analytic(call, select, level);
    if (select.match) match(*select.match, select, level);
    if (select.where) line(level, "where " + expression_text(*select.where, select));
    if (select.grouping) group(*select.grouping, select, level);
    if (select.having) line(level, "having " + expression_text(*select.having, select));
    items(select, level);
  }

  void explain(const Source& source, const Select& select, int level) {
    if (source.apply) {
      line(level, fmt::format("{} apply {}({}) as {}", source.apply->outer ? "outer" : "cross",
                              source.apply->properties ? "GetRecordProperties" : "GetArrayElements",
                              expression_text(*source.apply->argument, select), source.alias));
    } else if (source.join) {
      join(source, select, level);
    } else {
      line(level, "from " + source_name(source));
    }
    Select only;
    only.sources.push_back(source);
    for (const ExprPtr& key : source.partition_by) line(level + 1, "partitioned by " + expression_text(*key, only));
  }

  void join(const Source& source, const Select& select, int level) {
    const Join& join = *source.join;
    line(level, fmt::format("{} join {} {}", join.left_outer ? "left" : "inner", join.reference ? "reference" : "stream", source_name(source)));
    for (const KeyPair& key : join.keys) {
      line(level + 1, fmt::format("key {} = {}", expression_text(*key.left, select), expression_text(*key.right, select)));
    }
    if (join.residual) line(level + 1, "on " + expression_text(*join.residual, select));
    if (!join.bound) return;
    const TimeBound& bound = *join.bound;
    line(level + 1, fmt::format("time: {} to {} {}s after {}", bound.lower, bound.upper, unit_name(bound.unit), select.sources[bound.left].alias));
    const Ticks left = std::max<Ticks>(0, bound.upper_ticks) + bound.slack_ticks;
    const Ticks right = std::max<Ticks>(0, -bound.lower_ticks) + bound.slack_ticks;
    line(level + 1, fmt::format("state: events of {} for {}, of {} for {}", select.sources[bound.left].alias, duration_text(left), source.alias, duration_text(right)));
  }

  void analytic(const AnalyticCall& call, const Select& select, int level) {
    Expr value;
    value.kind = ExprKind::kAnalytic;
    value.index = static_cast<std::uint32_t>(&call - select.analytics.data());
    line(level, fmt::format("analytic over {}: {}", select.sources[call.source].alias, expression_text(value, select)));
    const std::string per = call.partition.empty() ? "" : " per key";
    const FunctionId id = call.function->id;
    if (id == FunctionId::kIsFirst) line(level + 1, fmt::format("state: the newest interval with a first event{}", per));
    else if (id == FunctionId::kLag || id == FunctionId::kLast) {
      const std::int64_t events = std::max<std::int64_t>(1, call.offset);
      line(level + 1, fmt::format("state: {} value{}{}, for {}", events, events == 1 ? "" : "s", per, duration_text(call.duration)));
    } else if (id == FunctionId::kSpikeAndDip || id == FunctionId::kChangePoint) {
      line(level + 1, fmt::format("state: at most {} values{} of the last {}", expression_text(*call.args[2], select), per, duration_text(call.duration)));
    } else line(level + 1, fmt::format("state: the values{} of the last {}", per, duration_text(call.duration)));
  }

  void match(const MatchRecognize& match, const Select& select, int level) {
    line(level, "match recognize " + pattern_text(match.pattern, match));
    for (const ExprPtr& key : match.partition) line(level + 1, "per " + expression_text(*key, select));
    for (const MatchVariable& variable : match.variables) {
      if (variable.define) line(level + 1, fmt::format("{} is {}", variable.name, expression_text(*variable.define, select)));
    }
    line(level + 1, fmt::format("state: the ways in which the last {} may become a match{}", duration_text(match.duration), match.partition.empty() ? "" : ", per key"));
  }

  static std::string pattern_text(const PatternNode& node, const MatchRecognize& match) {
    if (node.kind == PatternKind::kVariable) return match.variables[node.variable].name;
    std::vector<std::string> parts;
    for (const PatternNode& part : node.parts) parts.push_back(pattern_text(part, match));
    if (node.kind == PatternKind::kSequence) return fmt::format("({})", joined(parts, " "));
    if (node.kind == PatternKind::kAlternation) return fmt::format("({})", joined(parts, " | "));
    if (!node.most) return parts[0] + (node.least == 0 ? "*" : node.least == 1 ? "+" : fmt::format("{{{},}}", node.least));
    return parts[0] + (node.least == 0 && *node.most == 1 ? "?" : fmt::format("{{{},{}}}", node.least, *node.most));
  }

  std::string window_text(const Window& window, const Select& select) const {
    std::string text(feature_name(static_cast<Feature>(std::to_underlying(Feature::kTumbling) + std::to_underlying(window.kind))));
    if (window.kind == WindowKind::kSession) {
      text += fmt::format(", timeout {}, at most {}", duration_text(window.timeout), duration_text(window.maximum));
    } else if (window.kind != WindowKind::kSnapshot) {
      text += fmt::format(" of {}", duration_text(window.size));
    }
    if (window.kind == WindowKind::kHopping) text += fmt::format(" every {}", duration_text(window.hop));
    if (window.offset != 0) text += fmt::format(", edges moved by {}", duration_text(window.offset));
    for (const ExprPtr& key : window.partition) text += " per " + expression_text(*key, select);
    if (window.id) text += fmt::format(", called '{}'", *window.id);
    return text;
  }

  static std::string window_state(const Window& window) {
    switch (window.kind) {
      case WindowKind::kTumbling: return fmt::format("one part per group, for {}", duration_text(window.size));
      case WindowKind::kHopping: return fmt::format("parts per group, for {}", duration_text(window.size));
      case WindowKind::kSliding: return fmt::format("the events of the last {} per group", duration_text(window.size));
      case WindowKind::kSession: return "the open session's groups, at most twice its longest duration";
      case WindowKind::kSnapshot: return "the groups of one instant";
    }
    return {};
  }

  void group(const Grouping& grouping, const Select& select, int level) {
    for (const Window& window : grouping.windows) {
      line(level, "window: " + window_text(window, select));
      line(level + 1, "state: " + window_state(window));
    }
    for (const ExprPtr& key : grouping.keys) line(level, "group by " + expression_text(*key, select));
    for (std::uint32_t i = 0; i < grouping.aggregates.size(); ++i) {
      Expr value;
      value.kind = ExprKind::kAggregate;
      value.index = i;
      line(level, "aggregate " + expression_text(value, select));
    }
  }

  void items(const Select& select, int level) {
    line(level, "columns");
    for (const Item& item : select.items) {
      if (item.kind == ItemKind::kStar) line(level + 1, fmt::format("all of {}", select.sources[item.source].alias));
      else if (item.kind == ItemKind::kSpread) line(level + 1, fmt::format("the fields of {}", expression_text(*item.expr, select)));
      else {
        const std::string type = item.expr->type == Type::kAny ? "" : fmt::format(" ({})", type_name(item.expr->type));
        line(level + 1, fmt::format("{}{} = {}{}", item.name, item.kind == ItemKind::kHidden ? " (hidden)" : "", expression_text(*item.expr, select), type));
      }
    }
  }

  void outputs() {
    line(0, "outputs");
    for (const std::string& output : plan_.outputs) {
      std::vector<std::string> steps;
      for (const Step& step : plan_.steps) {
        if (step.output == output) steps.push_back(step.name);
      }
      line(1, fmt::format("{} from {}", output, joined(steps, ", ")));
    }
  }

  void aliases() {
    if (plan_.alias_bindings.empty()) return;
    line(0, "names taken from the SELECT list");
    for (const AliasBinding& binding : plan_.alias_bindings) {
      line(1, fmt::format("{} in {} of {}", binding.name, binding.clause, binding.step));
    }
  }

  void missing() {
    const std::vector<Unsupported> list = unsupported(plan_, capabilities_);
    if (!list.empty()) line(0, "not executed in this release");
    for (const Unsupported& one : list) line(1, fmt::format("{}: {}", one.step, one.what));
  }

  const Plan& plan_;
  const Capabilities& capabilities_;
  std::string text_;
};

}  // namespace

std::string plan_text(const Plan& plan, const Capabilities& capabilities) { return Explain(plan, capabilities).run(); }

}  // namespace meterhub::sql
