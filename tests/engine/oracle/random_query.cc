#include "random_query.h"

#include <algorithm>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <random>
#include <utility>

#include <fmt/format.h>

namespace meterhub::engine::oracle {
namespace {

// What a column holds: it decides where the column may stand.
enum class Type : std::uint8_t {
  kKey,    // text of a few values, or NULL
  kSmall,  // bigint of a few values, or NULL
  kInt,    // bigint or NULL
  kReal,   // bigints and floats, or NULL
  kMixed,  // anything: every use may be a data error
  kTime,
  kOther,  // passed on only
};

struct Column {
  std::string name;
  Type type = Type::kOther;
};

// An input or a step, as later SELECTs may use it.
struct Relation {
  std::string name;
  bool input = false;
  std::vector<Column> columns;
  // Rows of one time have an order that the specification fixes.
  bool ordered = true;
  // If not: rows of one time differ in these columns. Nothing: they may not differ at all.
  std::vector<std::string> unique;
  int weight = 1;  // about how many rows it has for an event
};

struct Selection {
  std::string text;
  Relation gives;
};

std::string joined(const std::vector<std::string>& parts, std::string_view between) {
  std::string text;
  for (const auto& part : parts) text += (text.empty() ? "" : std::string(between)) + part;
  return text;
}

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed) { case_.seed = seed; }

  RandomCase run() {
    errors_ = chance(20);
    arrival_ = chance(20);
    choose_options();
    relations_ = {input("A"), input("B")};
    for (const auto* name : {"A", "B"}) case_.inputs.emplace_back(name, events(name));
    add_references();
    write_query();
    return std::move(case_);
  }

 private:
  // ---- chance. Not std::uniform_int_distribution: it differs between libraries.
  int below(int n) { return static_cast<int>(random_() % static_cast<std::uint64_t>(n)); }
  int between(int low, int high) { return low + below(high - low + 1); }
  bool chance(int percent) { return below(100) < percent; }
  std::string pick(std::initializer_list<const char*> list) {
    return list.begin()[below(static_cast<int>(list.size()))];
  }
  template <class T>
  const T& pick(const std::vector<T>& list) {
    return list[static_cast<std::size_t>(below(static_cast<int>(list.size())))];
  }

  // ---- inputs

  void choose_options() {
    case_.options = errors_ ? pick({"on_error=null", "on_error=drop"}) : "on_error=drop";
    if (chance(10)) case_.options += " ignore_case";
    if (chance(25)) case_.options += " partitions=3";
    if (arrival_) {
      case_.options += fmt::format(" late={}s out_of_order={}s", between(0, 20), between(0, 8));
      if (chance(40)) case_.options += " drop_disorder";
    } else if (chance(10)) {
      case_.options += fmt::format(" marked_late={},{}", between(1, 5), between(6, 10));
    }
  }

  Relation input(std::string name) {
    return {std::move(name),
            true,
            {{"k", Type::kKey},
             {"g", Type::kSmall},
             {"n", Type::kInt},
             {"x", Type::kInt},
             {"y", Type::kReal},
             {"z", Type::kMixed},
             {"r.q", Type::kInt}},
            true,
            {},
            1};
  }

  static std::string time_text(int milliseconds) {
    return fmt::format("2026-01-01T00:{:02}:{:02}.{:03}Z", milliseconds / 60000, milliseconds / 1000 % 60,
                       milliseconds % 1000);
  }

  // Mostly whole seconds of a small range, so that many are equal and stand on edges.
  int some_time() { return chance(85) ? between(0, 60) * 1000 : between(0, 60000); }

  std::string key() { return pick({"\"a\"", "\"a\"", "\"b\"", "\"A\"", "\"\"", "null"}); }
  std::string small() { return chance(10) ? "null" : std::to_string(between(1, 3)); }
  std::string whole() { return chance(10) ? "null" : std::to_string(between(-20, 20)); }
  std::string real() {
    if (chance(10)) return "null";
    if (chance(20)) return pick({"0.1", "1e-07", "123456789.125", "-0.3", "1e+20", "-1e+20"});
    return chance(30) ? std::to_string(between(-5, 5)) : fmt::format("{}.{}", between(-5, 5), pick({"25", "5", "75"}));
  }
  std::string mixed() {
    return pick({"1", "2.5", "\"3\"", "\" 4.5 \"", "\"abc\"", "\"\"", "null", "true", "{\"q\":1}", "[1]", "-7", "12"});
  }
  std::string list() {
    if (chance(15)) return pick({"null", "[]"});
    std::vector<std::string> items;
    for (int i = between(1, 3); i > 0; --i) items.push_back(whole());
    return "[" + joined(items, ",") + "]";
  }

  std::vector<std::string> events(const std::string& name) {
    std::vector<std::string> lines;
    const int count = between(10, 40);
    int arrival = 0;
    for (int i = 0; i < count; ++i) {
      int time = some_time();
      if (arrival_) {
        arrival += chance(40) ? 0 : between(0, 4) * 1000;
        time = std::max(0, arrival + between(-12, 3) * 1000);
      }
      std::string line = fmt::format("{{\"t\":\"{}\"", time_text(time));
      if (arrival_) line += fmt::format(",\"EventEnqueuedUtcTime\":\"{}\"", time_text(arrival));
      const auto add = [&](std::string_view field, const std::string& value) {
        if (!chance(7)) line += fmt::format(",\"{}\":{}", field, value);
      };
      line += fmt::format(",\"n\":{}", (name == "A" ? 0 : 1000) + i);
      add("k", key());
      add("g", small());
      add("x", whole());
      add("y", real());
      add("z", mixed());
      add("r", chance(10) ? "7" : fmt::format("{{\"q\":{}}}", whole()));
      add("list", list());
      lines.push_back(line + "}");
    }
    return lines;
  }

  void add_references() {
    const auto rows = [&] {
      std::vector<std::string> lines;
      for (const auto* id : {"a", "b", "A", "c"}) {
        if (chance(80))
          lines.push_back(fmt::format("{{\"id\":\"{}\",\"grp\":{},\"v\":{}}}", id, between(1, 3), whole()));
      }
      return lines;
    };
    case_.references.emplace_back("Ref", rows());
    if (chance(30)) case_.references.emplace_back("Ref from " + time_text(20000), rows());
  }

  // ---- expressions

  std::string from_text(const Relation& relation, const std::string& alias = "") {
    std::string text = relation.name + (alias.empty() ? "" : " " + alias);
    return relation.input ? text + " TIMESTAMP BY t" : text;
  }

  std::vector<std::string> named(const Relation& relation, std::initializer_list<Type> types,
                                 const std::string& prefix) {
    std::vector<std::string> names;
    for (const auto& column : relation.columns) {
      if (std::ranges::find(types, column.type) != types.end()) names.push_back(prefix + column.name);
    }
    return names;
  }

  std::string number(const Relation& relation, const std::string& prefix, int depth = 2) {
    const auto columns = named(relation, {Type::kInt, Type::kSmall, Type::kReal}, prefix);
    const auto mixed = named(relation, {Type::kMixed}, prefix);
    if (!mixed.empty() && chance(errors_ ? 25 : 0))
      return pick({"CAST(", "TRY_CAST("}) + pick(mixed) + pick({" AS bigint)", " AS float)"});
    if (!mixed.empty() && chance(5)) return "TRY_CAST(" + pick(mixed) + " AS float)";
    if (depth == 0 || chance(50)) return columns.empty() || chance(10) ? std::to_string(between(-3, 3)) : pick(columns);
    const auto inner = [&] { return number(relation, prefix, depth - 1); };
    switch (below(6)) {
      case 0: return "(" + inner() + pick({" + ", " - ", " * "}) + inner() + ")";
      case 1: return "(" + inner() + " / 2)";
      case 2: return "COALESCE(" + inner() + ", 0)";
      case 3: return "ABS(" + inner() + ")";
      case 4: return "CASE WHEN " + condition(relation, prefix, 0) + " THEN " + inner() + " ELSE " + inner() + " END";
      default: return "-(" + inner() + ")";
    }
  }

  std::string condition(const Relation& relation, const std::string& prefix, int depth = 1) {
    const auto keys = named(relation, {Type::kKey}, prefix);
    const auto inner = [&] { return condition(relation, prefix, depth - 1); };
    if (depth > 0 && chance(25)) return "(" + inner() + pick({" AND ", " OR "}) + inner() + ")";
    if (depth > 0 && chance(8)) return "NOT " + inner();
    if (!keys.empty() && chance(35)) {
      const auto column = pick(keys);
      return column + pick({" = 'a'", " <> 'a'", " IN ('a', 'b')", " LIKE 'a%'", " IS NULL", " IS NOT NULL", " > 'A'"});
    }
    const auto mixed = named(relation, {Type::kMixed}, prefix);
    if (errors_ && !mixed.empty() && chance(20)) return pick(mixed) + pick({" > 1", " = 3", " < 'b'"});
    const auto left = number(relation, prefix, 1);
    if (chance(15)) return left + " BETWEEN -5 AND 5";
    if (chance(15)) return left + pick({" IS NULL", " IS NOT NULL"});
    return left + pick({" > ", " < ", " >= ", " <> ", " = "}) + std::to_string(between(-4, 4));
  }

  std::string maybe_where(const Relation& relation, const std::string& prefix, int percent) {
    return chance(percent) ? " WHERE " + condition(relation, prefix) : "";
  }

  // Floats whatever they were: where a bigint and a float of one value must not be told apart.
  std::string plain_number(const Relation& relation) {
    const auto whole = named(relation, {Type::kInt, Type::kSmall}, "");
    if (!whole.empty() && chance(60)) return pick(whole);
    return "CAST(" + number(relation, "", 1) + " AS float)";
  }

  // ORDER BY ... of TopOne and its like; nothing where ties would have no order.
  std::string order(const Relation& relation) {
    std::string text = "ORDER BY " + number(relation, "", 1) + pick({"", " DESC", " ASC"});
    if (chance(30)) text += ", " + number(relation, "", 0) + pick({"", " DESC"});
    return text;
  }

  // ---- analytic functions

  // Where rows of one time have no order, those of one partition must have different times.
  std::optional<std::string> partition(const Relation& relation) {
    std::vector<std::string> keys = relation.ordered ? std::vector<std::string>() : relation.unique;
    if (!relation.ordered && keys.empty()) return std::nullopt;
    for (const auto& name : named(relation, {Type::kKey, Type::kSmall}, "")) {
      if (chance(40) && std::ranges::find(keys, name) == keys.end()) keys.push_back(name);
    }
    return keys.empty() ? "" : "PARTITION BY " + joined(keys, ", ") + " ";
  }

  std::optional<Column> analytic(const Relation& relation, std::string& text) {
    const auto by = partition(relation);
    if (!by) return std::nullopt;
    const std::string when = chance(30) ? " WHEN " + condition(relation, "", 0) : "";
    const std::string limit = chance(80) ? fmt::format("LIMIT DURATION(second, {})", between(1, 30))
                                         : fmt::format("LIMIT DURATION(millisecond, {})", between(500, 9000));
    const auto over = [&](const std::string& order_by) {
      return " OVER (" + *by + (order_by.empty() ? "" : order_by + " ") + limit + when + ")";
    };
    const auto column = pick(relation.columns);
    switch (below(11)) {
      case 0:
      case 1:
      case 2: {
        std::string args = column.name;
        if (chance(40)) args += ", " + std::to_string(between(1, 3));
        if (args != column.name && chance(40)) args += column.type == Type::kKey ? ", 'none'" : ", -1";
        text = "LAG(" + args + ")" + over("");
        return Column{"", column.type};
      }
      case 3: text = "LAST(" + column.name + ")" + over(""); return Column{"", column.type};
      case 4:
        text = fmt::format("ISFIRST(second, {})", between(1, 20));
        if (!by->empty() || !when.empty()) text += " OVER (" + *by + (when.empty() ? "" : when.substr(1)) + ")";
        return Column{"", Type::kInt};
      case 5: text = "LAG(*)" + over(""); return Column{"", Type::kOther};
      case 6: {
        const auto n = plain_number(relation);
        text = pick({"TopOne(", "TopOne("}) + n + ")" + over(order(relation));
        return Column{"", n.starts_with("CAST") ? Type::kReal : Type::kInt};
      }
      case 7:
        if (!relation.ordered) return std::nullopt;
        text = relation.input && chance(50)
                   ? "Collect(n)" + over("")
                   : fmt::format("CollectTop({}, {})", between(1, 3), plain_number(relation)) + over(order(relation));
        return Column{"", Type::kOther};
      case 8: {
        const auto args =
            fmt::format("({}, {}, {}", number(relation, "", 1), pick({"75", "90.5", "95"}), between(4, 12));
        const auto mode = pick({"", ", 'spikes'", ", 'dips'", ", 'SpikesAndDips'"});
        const bool change = chance(40);
        text = (change ? "AnomalyDetection_ChangePoint" : "AnomalyDetection_SpikeAndDip") + args +
               (change ? "" : mode) + ")" + over("");
        return Column{"", Type::kOther};
      }
      default: break;
    }
    const auto function = pick({"SUM", "COUNT", "AVG", "MIN", "MAX"});
    if (function == "AVG") case_.rounded = true;
    const bool extremum = function == "MIN" || function == "MAX";
    text = function + "(" +
           (function == "COUNT" && chance(50) ? "*"
            : extremum                        ? plain_number(relation)
                                              : number(relation, "", 1)) +
           ")" + over("");
    return Column{"", function == "COUNT" ? Type::kInt : function == "AVG" ? Type::kOther : Type::kReal};
  }

  // ---- SELECTs

  std::string new_column() { return fmt::format("c{}", ++columns_); }

  Selection project(const Relation& relation) {
    Selection out;
    out.gives.ordered = relation.ordered;
    out.gives.weight = relation.weight;
    std::vector<std::string> items;
    for (const auto& column : relation.columns) {
      const bool needed = std::ranges::find(relation.unique, column.name) != relation.unique.end();
      if (!needed && !chance(60)) continue;
      const auto name = needed || column.type == Type::kKey || column.type == Type::kSmall ? column.name : new_column();
      items.push_back(name == column.name ? name : column.name + " AS " + name);
      out.gives.columns.push_back({name, column.type});
    }
    out.gives.unique = relation.unique;
    for (int i = between(0, 2); i > 0; --i) {
      const auto name = new_column();
      items.push_back(number(relation, "") + " AS " + name);
      out.gives.columns.push_back({name, Type::kReal});
    }
    for (int i = between(0, 3); i > 0; --i) {
      std::string text;
      const auto column = analytic(relation, text);
      if (!column) continue;
      const auto name = new_column();
      items.push_back(text + " AS " + name);
      out.gives.columns.push_back({name, column->type});
    }
    const bool star = chance(10);
    if (star) items.insert(items.begin(), "*");
    items.push_back("System.Timestamp() AS " + out.gives.columns.emplace_back(Column{new_column(), Type::kTime}).name);
    out.text = "SELECT " + joined(items, ", ") + " FROM " + from_text(relation) + maybe_where(relation, "", 40);
    return out;
  }

  std::string plain_window(const std::vector<std::string>& keys, bool in_list) {
    switch (below(in_list ? 4 : 6)) {
      case 0:
        if (chance(40)) {
          return fmt::format("TumblingWindow(Duration(second, {}), Offset(millisecond, {}))", between(1, 20),
                             between(-3000, 3000));
        }
        return fmt::format("TumblingWindow(second, {})", between(1, 20));
      case 1:
        if (chance(30)) {
          return fmt::format("HoppingWindow(Duration(second, {}), Hop(millisecond, {}), Offset(second, {}))",
                             between(1, 15), between(1, 16) * 500, between(-4, 4));
        }
        return fmt::format("HoppingWindow(second, {}, {})", between(1, 15), between(1, 10));
      case 2: return fmt::format("SlidingWindow(second, {})", between(1, 12));
      case 3: {
        const int timeout = between(1, 8);
        std::string text = fmt::format("SessionWindow(second, {}, {})", timeout, timeout + between(0, 20));
        if (!keys.empty() && chance(60)) text += " OVER (PARTITION BY " + joined(keys, ", ") + ")";
        return text;
      }
      case 4: return "System.Timestamp()";
      default: return fmt::format("TumblingWindow(second, {})", between(5, 30));
    }
  }

  // Of a list in which the longer ones are likely to hold the shorter ones whole.
  std::string nested_window(int least) {
    const int size = least * between(1, 6);
    switch (below(4)) {
      case 0: return fmt::format("HoppingWindow(second, {}, {})", size, least * between(1, 4));
      case 1: return fmt::format("TumblingWindow(Duration(second, {}), Offset(second, {}))", size, least * between(-2, 2));
      default: return fmt::format("TumblingWindow(second, {})", size);
    }
  }

  // Sets `ids` when System.Window().Id has names, `several` when there is more than one window.
  std::string window(const std::vector<std::string>& keys, bool& ids, bool& several) {
    if (chance(80)) return plain_window(keys, false);
    several = true;
    ids = chance(60);
    std::vector<std::string> list;
    const bool nested = chance(50);
    const int least = between(1, 4);
    for (int i = between(2, 3); i > 0; --i) {
      const auto one = nested ? nested_window(least) : plain_window(keys, true);
      list.push_back(ids ? fmt::format("Window('w{}', {})", i, one) : one);
    }
    if (chance(20)) list.push_back(ids ? "Window('now', System.Timestamp())" : "System.Timestamp()");
    return "Windows(" + joined(list, ", ") + ")";
  }

  std::pair<std::string, Type> aggregate(const Relation& relation) {
    const auto keys = named(relation, {Type::kKey, Type::kSmall, Type::kInt}, "");
    switch (below(16)) {
      case 0:
      case 1: return {"COUNT(*)", Type::kInt};
      case 2: return {"COUNT(" + pick(relation.columns).name + ")", Type::kInt};
      case 3:
        if (keys.empty()) break;
        return {"COUNT(DISTINCT " + pick(keys) + ")", Type::kInt};
      case 4:
      case 5: break;
      case 6: case_.rounded = true; return {"AVG(" + number(relation, "", 1) + ")", Type::kOther};
      case 7: return {pick({"MIN(", "MAX("}) + plain_number(relation) + ")", Type::kReal};
      case 8:
        if (keys.empty()) break;
        return {pick({"MIN(", "MAX("}) + "CAST(" + pick(keys) + " AS nvarchar(max)))", Type::kOther};
      case 9:
        case_.rounded = true;
        return {pick({"STDEV(", "STDEVP(", "VAR(", "VARP("}) + plain_number(relation) + ")", Type::kOther};
      case 10:
        case_.rounded = true;
        return {"PERCENTILE_CONT(" + pick({"0", "0.5", "0.95", "0.25", "1"}) + ") OVER (ORDER BY " +
                    plain_number(relation) + pick({"", " DESC"}) + ")",
                Type::kOther};
      case 11:
        return {"PERCENTILE_DISC(" + pick({"0", "0.5", "0.75", "0.25", "1"}) + ") OVER (ORDER BY " +
                    plain_number(relation) + pick({"", " DESC"}) + ")",
                Type::kOther};
      case 12:
        if (!relation.ordered) break;
        return {"TopOne(" + pick(relation.columns).name + ") OVER (" + order(relation) + ")", Type::kOther};
      case 13:
        if (!relation.ordered) break;
        return {(chance(50) ? "TopOne()" : fmt::format("CollectTop({})", between(1, 3))) + " OVER (" + order(relation) +
                    ")",
                Type::kOther};
      case 14:
        if (!relation.ordered) break;
        return {fmt::format("CollectTop({}, {}) OVER ({})", between(1, 4), plain_number(relation), order(relation)),
                Type::kOther};
      default:
        if (!relation.ordered || !relation.input) break;
        return {chance(70) ? "Collect(n)" : "Collect()", Type::kOther};
    }
    return {"SUM(" + number(relation, "", 1) + ")", Type::kReal};
  }

  Selection group(const Relation& relation) {
    Selection out;
    out.gives.ordered = false;
    out.gives.weight = relation.weight + 1;
    std::vector<std::string> keys;
    std::vector<std::string> items;
    for (const auto& column : relation.columns) {
      if ((column.type != Type::kKey && column.type != Type::kSmall) || !chance(50)) continue;
      keys.push_back(column.name);
      items.push_back(column.name);
      out.gives.columns.push_back(column);
    }
    bool ids = false;
    bool several = false;
    const auto of = window(keys, ids, several);
    if (!several) out.gives.unique = keys;
    for (int i = between(1, 4); i > 0; --i) {
      auto [text, type] = aggregate(relation);
      const auto name = new_column();
      items.push_back(text + " AS " + name);
      out.gives.columns.push_back({name, type});
    }
    if (ids || chance(5)) {
      const auto name = new_column();
      items.push_back("System.Window().Id AS " + name);
      out.gives.columns.push_back({name, Type::kKey});
    }
    out.gives.columns.push_back({new_column(), Type::kTime});
    items.push_back("System.Timestamp() AS " + out.gives.columns.back().name);
    std::string from = from_text(relation);
    if (!keys.empty() && chance(10)) from += " PARTITION BY " + keys.front();
    std::vector<std::string> by = keys;
    by.insert(by.begin() + below(static_cast<int>(by.size()) + 1), of);
    out.text = "SELECT " + joined(items, ", ") + " FROM " + from + maybe_where(relation, "", 30) + " GROUP BY " +
               joined(by, ", ");
    if (chance(25)) {
      out.text +=
          " HAVING " + (chance(50) ? fmt::format("COUNT(*) {} {}", pick({">", "<", ">="}), between(1, 4))
                                   : "SUM(" + number(relation, "", 1) + ") > " + std::to_string(between(-5, 5)));
    }
    // Rows of one time without a key are one row.
    if (!several && keys.empty()) out.gives.ordered = true;
    return out;
  }

  std::string bound(const std::string& left, const std::string& right, bool outer) {
    const auto unit = pick({"second", "second", "second", "minute", "millisecond"});
    const int scale = unit == "millisecond" ? 1000 : 1;
    const int low = (outer ? between(-6, 3) : between(-8, 4)) * scale;
    const int high = std::max(low, outer ? 0 : low) + between(0, unit == "minute" ? 1 : 6) * scale;
    const int upper = outer ? std::max(high, 0) : high;
    const auto difference = fmt::format("DATEDIFF({}, {}, {})", unit, left, right);
    if (chance(70)) return fmt::format("{} BETWEEN {} AND {}", difference, low, upper);
    return fmt::format("{0} >= {1} AND {0} < {2}", difference, low, upper + 1);
  }

  std::string on(const Relation& left, const Relation& right, const std::string& a, const std::string& b, bool outer) {
    std::vector<std::string> terms{bound(a, b, outer)};
    for (const auto type : {Type::kKey, Type::kSmall}) {
      const auto of_left = named(left, {type}, a + ".");
      const auto of_right = named(right, {type}, b + ".");
      if (of_left.empty() || of_right.empty() || !chance(60)) continue;
      const auto x = pick(of_left);
      const auto y = pick(of_right);
      terms.push_back(chance(50) ? x + " = " + y : y + " = " + x);
    }
    const bool errors = std::exchange(errors_, false);
    if (chance(25)) terms.push_back(number(left, a + ".", 1) + pick({" < ", " <> "}) + number(right, b + ".", 1));
    errors_ = errors;
    if (chance(50)) std::ranges::reverse(terms);
    return joined(terms, " AND ");
  }

  void take_columns(const Relation& from, const std::string& alias, std::vector<std::string>& items, Relation& into) {
    for (const auto& column : from.columns) {
      if (!chance(50)) continue;
      const auto name = new_column();
      items.push_back(alias + "." + column.name + " AS " + name);
      into.columns.push_back({name, column.type});
    }
  }

  Selection join(const Relation& left, const Relation& right) {
    Selection out;
    out.gives.ordered = false;
    out.gives.weight = left.weight * right.weight * 2;
    std::vector<std::string> items;
    take_columns(left, "a", items, out.gives);
    take_columns(right, "b", items, out.gives);
    const bool outer = chance(45);
    std::string from = from_text(left, "a") +
                       (outer ? pick({" LEFT JOIN ", " LEFT OUTER JOIN "}) : pick({" JOIN ", " INNER JOIN "})) +
                       from_text(right, "b") + " ON " + on(left, right, "a", "b", outer);
    const auto third = input("B");
    if (left.weight * right.weight == 1 && chance(20)) {
      const bool outer_too = chance(40);
      from += (outer_too ? " LEFT JOIN " : " JOIN ") + from_text(third, "c") + " ON " +
              on(left, third, "a", "c", outer_too);
      take_columns(third, "c", items, out.gives);
    }
    if (chance(20)) {
      // LAG over one side, before the join.
      std::string text;
      if (left.ordered && left.input) {
        text = "LAG(a.n) OVER (PARTITION BY a.k LIMIT DURATION(second, 10))";
        items.push_back(text + " AS " + out.gives.columns.emplace_back(Column{new_column(), Type::kInt}).name);
      }
    }
    items.push_back("System.Timestamp() AS " + out.gives.columns.emplace_back(Column{new_column(), Type::kTime}).name);
    out.text = "SELECT " + joined(items, ", ") + " FROM " + from;
    if (chance(20)) out.text += " WHERE " + number(right, "b.", 0) + pick({" IS NULL", " IS NOT NULL", " > 0"});
    return out;
  }

  Selection reference_join(const Relation& relation) {
    Selection out;
    out.gives.ordered = relation.ordered;
    out.gives.unique = {};
    out.gives.weight = relation.weight;
    std::vector<std::string> items;
    take_columns(relation, "i", items, out.gives);
    const auto grp = new_column();
    const auto v = new_column();
    items.push_back("m.grp AS " + grp);
    items.push_back("m.v AS " + v);
    out.gives.columns.push_back({grp, Type::kSmall});
    out.gives.columns.push_back({v, Type::kInt});
    const auto keys = named(relation, {Type::kKey}, "i.");
    std::string on_text = keys.empty() ? "" : pick(keys) + " = m.id";
    const bool errors = std::exchange(errors_, false);
    if (on_text.empty() || chance(20))
      on_text += std::string(on_text.empty() ? "" : " AND ") + "m.v > " + number(relation, "i.", 0);
    errors_ = errors;
    if (keys.empty()) out.gives.ordered = false;  // several rows of the table for one event
    const bool step = chance(30);
    if (step)
      steps_.push_back(fmt::format("ref{} AS (SELECT id, grp, v FROM Ref WHERE v >= {})", ++columns_, between(-10, 0)));
    const std::string table = step ? fmt::format("ref{}", columns_) : "Ref";
    out.text = "SELECT " + joined(items, ", ") + " FROM " + from_text(relation, "i") + pick({" JOIN ", " LEFT JOIN "}) +
               table + " m ON " + on_text;
    return out;
  }

  Selection unite(const Relation& a, const Relation& b) {
    Selection out;
    out.gives.ordered = a.input && b.input;
    out.gives.weight = a.weight + b.weight;
    std::vector<std::string> left{"'left' AS side"};
    std::vector<std::string> right{"'right' AS side"};
    out.gives.columns.push_back({"side", Type::kKey});
    for (const auto type : {Type::kKey, Type::kSmall, Type::kInt, Type::kReal}) {
      const auto of_a = named(a, {type}, "");
      const auto of_b = named(b, {type}, "");
      if (of_a.empty() || of_b.empty()) continue;
      const auto name = new_column();
      left.push_back(pick(of_a) + " AS " + name);
      right.push_back(pick(of_b) + " AS " + name);
      out.gives.columns.push_back({name, type});
    }
    out.text = "SELECT " + joined(left, ", ") + " FROM " + from_text(a) + maybe_where(a, "", 20) +
               pick({" UNION ", " UNION ALL "}) + "SELECT " + joined(right, ", ") + " FROM " + from_text(b) +
               maybe_where(b, "", 20);
    return out;
  }

  Selection take_apart(const Relation& relation) {
    Selection out;
    out.gives = {"", false, {{"k", Type::kKey}, {"g", Type::kSmall}, {"n", Type::kInt}}, true, {}, 2};
    const bool record = chance(25);
    const auto index = new_column();
    const auto value = new_column();
    out.gives.columns.push_back({index, record ? Type::kKey : Type::kSmall});
    out.gives.columns.push_back({value, Type::kInt});
    // r is sometimes no record: an error, kept out by the CASE.
    const std::string call =
        record ? "GetRecordProperties(CASE WHEN r.q IS NOT NULL THEN r END)" : "GetArrayElements(list)";
    out.text = fmt::format("SELECT k, g, n, e.{} AS {}, e.{} AS {} FROM {} {} APPLY {} AS e",
                           record ? "PropertyName" : "ArrayIndex", index, record ? "PropertyValue" : "ArrayValue",
                           value, from_text(relation), pick({"CROSS", "OUTER"}), call);
    return out;
  }

  // ---- MATCH_RECOGNIZE

  // A condition of `variable`, of the event alone or with those before it.
  std::string definition(const Relation& relation, const std::string& variable, const std::string& earlier) {
    const auto numbers = named(relation, {Type::kInt, Type::kSmall, Type::kReal}, "");
    if (numbers.empty() || chance(50)) return condition(relation, variable + ".", 1);
    const auto column = pick(numbers);
    const auto own = variable + "." + column;
    switch (below(5)) {
      case 0: return "Last(" + earlier + "." + column + ") < " + own;
      case 1: return pick({"Max(", "Min("}) + own + ") - " + own + pick({" < 5", " > -5"});
      case 2: return own + " <> First(" + own + ") OR " + own + " > 0";
      case 3: return pick({"Max(", "Min("}) + earlier + "." + column + ") IS NULL OR " + own + " > 0";
      default: return own + pick({" > ", " <= "}) + earlier + "." + column;
    }
  }

  // Over rows whose order is fixed.
  Selection match(const Relation& relation) {
    Selection out;
    out.gives.ordered = false;
    out.gives.weight = relation.weight;
    const auto pattern = pick({"A B", "A+ B", "A B* C", "A+ B? C*", "(A | B)+ C", "A (B | C)*", "A B{1,2} C?", "A .? B",
                               "(A B)+ C?", "(A? | B)* C", "A{2,} B*", "((A | B) C?)+", "A* B* C*", "(A B | A C | B)+",
                               "(A+ B)+ C?", "(A?)+ B C", "A+", "A . B*"});
    std::vector<std::string> variables;
    for (const auto* name : {"A", "B", "C"}) {
      if (pattern.contains(name)) variables.emplace_back(name);
    }
    const auto keys = named(relation, {Type::kKey, Type::kSmall}, "");
    std::vector<std::string> measures;
    const auto measure = [&](const std::string& value, Type type) {
      out.gives.columns.push_back({new_column(), type});
      measures.push_back(value + " AS " + out.gives.columns.back().name);
    };
    for (int i = between(1, 4); i > 0; --i) {
      const auto column = pick(relation.columns);
      const auto of = (chance(75) ? pick(variables) + "." : "") + column.name;
      const bool extremum = column.type == Type::kInt || column.type == Type::kSmall || column.type == Type::kReal;
      if (chance(20)) measure(of, column.type);
      else if (extremum && chance(40)) measure(pick({"Min(", "Max("}) + of + ")", column.type);
      else measure(pick({"First(", "Last("}) + of + ")", column.type);
    }
    if (chance(60)) measure("Classifier()", Type::kOther);
    if (chance(60)) measure("System.Timestamp()", Type::kTime);
    std::vector<std::string> definitions;
    for (const auto& name : variables) {
      if (name == "C" && chance(30)) continue;  // any event
      definitions.push_back(name + " AS " + definition(relation, name, name == "C" ? pick({"A", "B"}) : "A"));
    }
    auto text = fmt::format("SELECT * FROM {} MATCH_RECOGNIZE (LIMIT DURATION(second, {})", from_text(relation),
                            between(2, 12));
    if (!keys.empty() && chance(50)) text += " PARTITION BY " + pick(keys);
    text += " MEASURES " + joined(measures, ", ") + " AFTER MATCH SKIP TO NEXT ROW PATTERN (" + pattern + ") DEFINE " +
            joined(definitions, ", ");
    out.text = text + ") AS m";
    return out;
  }

  // A pattern over what there is so far, and something that reads the matches.
  void find_pattern(std::vector<std::string>& statements) {
    std::vector<Relation> ordered;
    std::ranges::copy_if(relations_, std::back_inserter(ordered), &Relation::ordered);
    auto made = match(pick(ordered));
    made.gives.name = "matches";
    steps_.push_back("matches AS (" + made.text + ")");
    statements.push_back("SELECT * INTO of_matches FROM matches");
    if (!chance(50)) return;
    auto reads = chance(70) ? group(made.gives) : project(made.gives);
    statements.push_back(reads.text.insert(reads.text.find(" FROM "), " INTO from_matches"));
  }

  Selection select() {
    const auto& relation = pick(relations_);
    const auto& other = pick(relations_);
    switch (below(10)) {
      case 0:
      case 1: return project(relation);
      case 2:
      case 3:
      case 4:
      case 5: return group(relation);
      case 6:
        if (relation.weight * other.weight > 4) return project(relation);
        return join(relation, other);
      case 7: return reference_join(relation);
      case 8:
        if (relation.weight + other.weight > 8) return project(relation);
        return unite(relation, other);
      default: return relation.input ? take_apart(relation) : group(relation);
    }
  }

  void write_query() {
    for (int i = between(0, 4); i > 0; --i) {
      auto made = select();
      made.gives.name = fmt::format("s{}", i);
      steps_.push_back(made.gives.name + " AS (" + made.text + ")");
      relations_.push_back(std::move(made.gives));
    }
    std::vector<std::string> statements;
    for (int i = between(1, 2); i > 0; --i) {
      auto made = select();
      const auto from = made.text.find(" FROM ");
      statements.push_back(made.text.insert(from, fmt::format(" INTO out{}", i)));
    }
    // Steps that nobody read yet are shown as they are.
    for (const auto& relation : relations_) {
      if (relation.input || !chance(50)) continue;
      statements.push_back(fmt::format("SELECT * INTO of_{} FROM {}", relation.name, relation.name));
    }
    if (chance(40)) find_pattern(statements);
    case_.query = (steps_.empty() ? "" : "WITH " + joined(steps_, ",\n") + "\n") + joined(statements, "\n") + "\n";
  }

  std::mt19937_64 random_;
  RandomCase case_;
  bool errors_ = false;   // data errors are wanted
  bool arrival_ = false;  // events have arrival times, and policies apply
  int columns_ = 0;
  std::vector<Relation> relations_;
  std::vector<std::string> steps_;
};

}  // namespace

RandomCase random_case(std::uint64_t seed) { return Generator(seed).run(); }

std::string golden_text(const RandomCase& random) {
  std::string text = fmt::format("Random query of seed {}.\n==== options {}\n==== query\n{}", random.seed,
                                 random.options, random.query);
  for (const auto& [name, lines] : random.inputs)
    text += fmt::format("==== input {}\n{}{}", name, joined(lines, "\n"), lines.empty() ? "" : "\n");
  for (const auto& [title, lines] : random.references) {
    text += fmt::format("==== reference {}\n{}{}", title, joined(lines, "\n"), lines.empty() ? "" : "\n");
  }
  return text + "==== results\n";
}

RandomCase shrunk(RandomCase random, const std::function<bool(const RandomCase&)>& fails) {
  for (std::size_t input = 0; input < random.inputs.size(); ++input) {
    // Halves first, then smaller runs, then single events.
    for (std::size_t run = random.inputs[input].second.size(); run > 0; run /= 2) {
      for (std::size_t from = 0; from < random.inputs[input].second.size();) {
        RandomCase less = random;
        auto& lines = less.inputs[input].second;
        const auto first = lines.begin() + static_cast<std::ptrdiff_t>(from);
        lines.erase(first, first + static_cast<std::ptrdiff_t>(std::min(run, lines.size() - from)));
        if (fails(less)) random = std::move(less);
        else from += run;
      }
    }
  }
  return random;
}

}  // namespace meterhub::engine::oracle
