#include "pattern_matcher.h"

#include <algorithm>

#include <meterhub/base/assert.h>

#include "aggregate_kinds.h"

namespace meterhub::engine {
namespace {

using sql::MatchFunction;

bool has_aggregate(const sql::Expr& expr) {
  if (expr.kind == sql::ExprKind::kAggregate) return true;
  return std::ranges::any_of(expr.args, [](const sql::ExprPtr& arg) { return has_aggregate(*arg); });
}

// 4.5: text counts as a float, unless the column is declared as text.
Value for_extreme(Evaluator& evaluator, const Value& value, const sql::Expr& expr) {
  if (value.kind == Kind::kRecord || value.kind == Kind::kArray) {
    return evaluator.fail("MIN and MAX of a " + std::string(kind_name(value.kind)));
  }
  const bool convert = value.kind == Kind::kText && expr.type != sql::Type::kText;
  return convert ? evaluator.cast(value, sql::Type::kFloat, false) : value;
}

bool is_extreme(MatchFunction function) { return function == MatchFunction::kMin || function == MatchFunction::kMax; }

}  // namespace

PatternMatcher::PatternMatcher(const sql::MatchRecognize& match, bool lenient)
    : match_(match),
      program_(match.pattern),
      lenient_(lenient),
      sweeps_(match.duration),
      newest_at_(program_.places()) {
  for (const auto& variable : match.variables) {
    reads_history_.push_back(variable.define && has_aggregate(*variable.define));
  }
  pack_parts(std::vector<Part>(match.aggregates.size()), nothing_);
}

// ---- what is known of a way ----

// Of each aggregate whether it has a value, and the value; of Classifier one byte an event, its
// variable.
void PatternMatcher::pack_parts(const std::vector<Part>& parts, Known& into) const {
  into.read.clear();
  into.other.clear();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    auto& out = i < match_.defined ? into.read : into.other;
    if (match_.aggregates[i].function == MatchFunction::kClassifier) {
      pack_bytes(out, parts[i].value.text);
      continue;
    }
    pack_number(out, parts[i].set ? 1 : 0);
    if (parts[i].set) pack(out, parts[i].value);
  }
}

bool PatternMatcher::unpack(const Known& known, std::vector<Part>& parts) const {
  parts.assign(match_.aggregates.size(), {});
  Unpacker read(known.read);
  Unpacker other(known.other);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    auto& from = i < match_.defined ? read : other;
    if (match_.aggregates[i].function == MatchFunction::kClassifier) {
      parts[i].value = Value::characters(from.bytes());
      continue;
    }
    parts[i].set = from.number() != 0;
    if (parts[i].set) parts[i].value = from.value();
  }
  return read.ok() && read.done() && other.ok() && other.done();
}

std::span<const Value> PatternMatcher::values(const Match& match, Arena& arena) {
  MH_ASSERT(unpack(match.known, parts_));
  values_.clear();
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    if (match_.aggregates[i].function != MatchFunction::kClassifier) {
      values_.push_back(parts_[i].value);
      continue;
    }
    std::string names = "[";
    for (const char variable : parts_[i].value.text) {
      if (names.size() > 1) names += ',';
      append_json_string(names, match_.variables[static_cast<unsigned char>(variable)].name);
    }
    values_.push_back(Value::array(arena.keep(names + ']')));
  }
  return values_;
}

// ---- the event at hand ----

void PatternMatcher::note(const std::string& text) {
  if (error_.empty()) error_ = text;
}

bool PatternMatcher::read_key(const Event& event) {
  event.evaluator.bind(event.sources, event.row().time);
  key_.clear();
  for (const auto& expr : match_.partition) append_key(key_, event.evaluator.value(*expr));
  if (lenient_ || event.evaluator.error().empty()) return true;
  note(event.evaluator.error());
  return false;
}

const Value* PatternMatcher::field(std::size_t aggregate, const Event& event) {
  auto& field = fields_[aggregate];
  if (!field.known) {
    const auto& of = match_.aggregates[aggregate];
    event.evaluator.bind(event.sources, event.row().time);
    field.known = true;
    field.value = event.evaluator.value(*of.value);
    if (is_extreme(of.function)) field.value = for_extreme(event.evaluator, field.value, *of.value);
    field.failed = !lenient_ && !event.evaluator.error().empty();
    if (field.failed) note(event.evaluator.error());
  }
  return field.failed ? nullptr : &field.value;
}

bool PatternMatcher::better(MatchFunction function, const Part& part, const Value& value) const {
  if (function == MatchFunction::kLast) return true;
  if (function == MatchFunction::kFirst) return !part.set;
  if (value.is_null()) return false;
  if (!part.set) return true;
  const int sign = compare_all(value, part.value);
  return function == MatchFunction::kMax ? sign > 0 : sign < 0;
}

// Counts the event as one of the variable's. False: it has a value that cannot be one.
bool PatternMatcher::update(std::uint32_t variable, const Event& event) {
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const auto& aggregate = match_.aggregates[i];
    if (aggregate.variable && *aggregate.variable != variable) continue;
    if (aggregate.function == MatchFunction::kClassifier) {
      classes_ = parts_[i].value.text;
      classes_.push_back(static_cast<char>(variable));
      parts_[i].value = Value::characters(classes_);
      continue;
    }
    const auto* value = field(i, event);
    if (value == nullptr) return false;
    if (better(aggregate.function, parts_[i], *value)) parts_[i] = {true, *value};
  }
  return true;
}

bool PatternMatcher::evaluate(std::uint32_t variable, const Event& event) {
  values_.clear();
  if (reads_history_[variable]) {
    for (const auto& part : parts_) values_.push_back(part.value);
  }
  const GroupValues group{{}, values_, std::nullopt};
  event.evaluator.bind(event.sources, event.row().time, {}, &group);
  const bool holds = event.evaluator.is_true(*match_.variables[variable].define);
  if (lenient_ || event.evaluator.error().empty()) return holds;
  note(event.evaluator.error());
  return false;
}

bool PatternMatcher::holds(std::uint32_t variable, const Event& event) {
  if (!match_.variables[variable].define) return true;
  if (reads_history_[variable]) return evaluate(variable, event);
  if (!conditions_[variable]) conditions_[variable] = evaluate(variable, event);
  return *conditions_[variable];
}

// Whether the way goes on with the event; taken_ is then what is known of it.
bool PatternMatcher::take(const Way& way, const Event& event) {
  const auto variable = program_.variable(way.place);
  if (!reads_history_[variable] && !holds(variable, event)) return false;
  MH_ASSERT(unpack(way.known, parts_));
  if (!update(variable, event)) return false;
  if (reads_history_[variable] && !holds(variable, event)) return false;
  pack_parts(parts_, taken_);
  return true;
}

// A way that waits at `place` with what was taken; of two that can go on in the same manner only the
// preferred one is kept.
void PatternMatcher::put(std::uint16_t place) {
  for (auto at = newest_at_[place]; at != 0; at = before_[at - 1]) {
    if (advanced_[at - 1].known.read == taken_.read) return;
  }
  const auto bytes = taken_.bytes();
  if (ways_left_ == 0 || bytes_left_ < bytes) return note("too many ways to match with the events of one key");
  --ways_left_;
  bytes_left_ -= bytes;
  before_.push_back(newest_at_[place]);
  advanced_.push_back({place, taken_});
  newest_at_[place] = static_cast<std::uint32_t>(advanced_.size());
}

void PatternMatcher::advance(Beginning& beginning, const Event& event) {
  if (beginning.tenant != event.row().origin.tenant) beginning.tenant = 0;
  advanced_.clear();
  before_.clear();
  for (const auto& way : beginning.ways) {
    if (!take(way, event)) continue;
    const auto next = program_.next(way.place);
    const auto matched = std::ranges::find(next, PatternProgram::kMatched);
    for (const auto place : std::span(next.begin(), matched)) put(place);
    if (matched == next.end()) continue;
    beginning.satisfied = Satisfied{event.row().origin, taken_};
    beginning.satisfied->origin.tenant = beginning.tenant;
    break;  // whatever comes behind is less preferred
  }
  for (const auto& way : advanced_) newest_at_[way.place] = 0;
  beginning.ways.swap(advanced_);
}

void PatternMatcher::give(Beginning& beginning, Ticks time) {
  found_.push_back({time, beginning.satisfied->origin, std::move(beginning.satisfied->known)});
}

// False: it is done with.
bool PatternMatcher::go_on(Beginning& beginning, const Event& event) {
  const bool before = beginning.satisfied.has_value();
  if (over(beginning, event.row().time)) return before;  // fire() gives it
  advance(beginning, event);
  const std::pair due(beginning.time + match_.duration, beginning.number);
  if (!beginning.ways.empty()) {
    if (beginning.satisfied && !before) due_.emplace(due, key_);
    return true;
  }
  if (before) due_.erase(due);
  if (beginning.satisfied) give(beginning, event.row().time);
  return false;
}

// The event as the first of a match.
void PatternMatcher::begin(Beginnings& beginnings, const Event& event) {
  Beginning fresh{event.row().time, next_number_, event.row().origin.tenant, {}, std::nullopt};
  for (const auto place : program_.first()) {
    const auto variable = program_.variable(place);
    if (reads_history_[variable] || holds(variable, event)) fresh.ways.push_back({place, nothing_});
  }
  if (fresh.ways.empty() || !go_on(fresh, event)) return;
  ++next_number_;
  beginnings.push_back(std::move(fresh));
}

void PatternMatcher::add(Evaluator& evaluator, std::span<const SourceRow> sources) {
  const Event event{evaluator, sources};
  found_.clear();
  error_.clear();
  fields_.assign(match_.aggregates.size(), {});
  conditions_.assign(match_.variables.size(), std::nullopt);
  ways_left_ = kMatchWaysMax;
  bytes_left_ = kMatchBytesMax;
  if (!read_key(event)) return;
  const auto number = part_of_key(key_);
  before_change(number);
  if (sweeps_.due(number, event.row().time)) sweep(number, event.row().time);
  auto& part = state_.part(number);
  const auto known = part.find(key_);
  if (known == part.end()) {
    Beginnings beginnings;
    begin(beginnings, event);
    if (!beginnings.empty()) part.try_emplace(key_, std::move(beginnings));
    return;
  }
  auto& beginnings = known->second;
  std::erase_if(beginnings, [&](Beginning& beginning) { return !go_on(beginning, event); });
  begin(beginnings, event);
  if (beginnings.empty()) part.erase(known);
}

// ---- time ----

std::optional<Ticks> PatternMatcher::due() const {
  return due_.empty() ? std::nullopt : std::optional(due_.begin()->first.first);
}

void PatternMatcher::fire(Ticks now) {
  found_.clear();
  error_.clear();
  while (!due_.empty() && due_.begin()->first.first <= now) {
    const auto [of, key] = *due_.begin();
    due_.erase(due_.begin());
    const auto number = part_of_key(key);
    before_change(number);
    auto& part = state_.part(number);
    const auto known = part.find(key);
    MH_ASSERT(known != part.end());
    const auto beginning = std::ranges::find(known->second, of.second, &Beginning::number);
    MH_ASSERT(beginning != known->second.end() && beginning->satisfied);
    give(*beginning, of.first);
    known->second.erase(beginning);
    if (known->second.empty()) part.erase(known);
  }
}

void PatternMatcher::sweep(std::uint32_t part, Ticks now) {
  absl::erase_if(state_.part(part), [&](auto& entry) {
    std::erase_if(entry.second, [&](const Beginning& one) { return over(one, now) && !one.satisfied; });
    return entry.second.empty();
  });
}

// ---- checkpoints ----

std::string PatternMatcher::save_part(std::uint32_t part) const {
  const auto save_known = [](std::string& out, const Known& known) {
    pack_bytes(out, known.read);
    pack_bytes(out, known.other);
  };
  return state_.save(part, [&](std::string& out, const Beginnings& beginnings) {
    pack_number(out, beginnings.size());
    for (const auto& one : beginnings) {
      pack_signed(out, one.time);
      pack_number(out, one.number);
      pack_number(out, one.tenant);
      pack_number(out, one.ways.size());
      for (const auto& way : one.ways) {
        pack_number(out, way.place);
        save_known(out, way.known);
      }
      pack_number(out, one.satisfied ? 1 : 0);
      if (!one.satisfied) continue;
      pack_number(out, one.satisfied->origin.partition);
      pack_number(out, one.satisfied->origin.offset);
      pack_number(out, one.satisfied->origin.tenant);
      save_known(out, one.satisfied->known);
    }
  });
}

bool PatternMatcher::load_known(Unpacker& from, Known& known) const {
  known.read = from.bytes();
  known.other = from.bytes();
  std::vector<Part> parts;
  if (!from.ok() || !unpack(known, parts)) return false;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (match_.aggregates[i].function != MatchFunction::kClassifier) continue;
    const auto foreign = [&](char c) { return static_cast<unsigned char>(c) >= match_.variables.size(); };
    if (std::ranges::any_of(parts[i].value.text, foreign)) return false;
  }
  return true;
}

bool PatternMatcher::load_beginning(Unpacker& from, Beginning& beginning) const {
  beginning.time = from.signed_number();
  beginning.number = from.number();
  beginning.tenant = static_cast<std::uint32_t>(from.number());
  Ticks end = 0;
  if (__builtin_add_overflow(beginning.time, match_.duration, &end)) return false;
  const auto ways = from.number();
  if (!from.ok() || ways > kMatchWaysMax) return false;
  for (std::uint64_t i = 0; i < ways; ++i) {
    const auto place = from.number();
    Way way{static_cast<std::uint16_t>(place), {}};
    if (place >= program_.places() || !load_known(from, way.known)) return false;
    beginning.ways.push_back(std::move(way));
  }
  if (from.number() == 0) return from.ok() && !beginning.ways.empty();
  auto& satisfied = beginning.satisfied.emplace();
  satisfied.origin.partition = static_cast<std::uint32_t>(from.number());
  satisfied.origin.offset = from.number();
  satisfied.origin.tenant = static_cast<std::uint32_t>(from.number());
  return load_known(from, satisfied.known);
}

bool PatternMatcher::load_part(std::uint32_t part, std::string_view bytes) {
  return state_.load(part, bytes, [&](Unpacker& from) -> std::optional<Beginnings> {
    Beginnings beginnings;
    const auto count = from.number();
    if (!from.ok() || count > from.rest().size()) return std::nullopt;  // one has a byte at least
    for (std::uint64_t i = 0; i < count; ++i) {
      if (!load_beginning(from, beginnings.emplace_back())) return std::nullopt;
      if (i > 0 && beginnings[i - 1].number >= beginnings[i].number) return std::nullopt;
    }
    return beginnings;
  });
}

bool PatternMatcher::loaded() {
  due_.clear();
  for (std::uint32_t part = 0; part < kStateParts; ++part) {
    for (const auto& [key, beginnings] : state_.part(part)) {
      for (const auto& one : beginnings) {
        next_number_ = std::max(next_number_, one.number + 1);
        if (one.satisfied && !due_.emplace(std::pair(one.time + match_.duration, one.number), key.view()).second) return false;
      }
    }
  }
  return true;
}

std::uint64_t PatternMatcher::bytes() const {
  std::uint64_t sum = state_.bytes();
  for (std::uint32_t part = 0; part < kStateParts; ++part) {
    for (const auto& [key, beginnings] : state_.part(part)) {
      for (const auto& one : beginnings) {
        sum += sizeof(Beginning) + (one.satisfied ? one.satisfied->known.bytes() : 0);
        for (const auto& way : one.ways) sum += way.known.bytes();
      }
    }
  }
  return sum;
}

}  // namespace meterhub::engine
