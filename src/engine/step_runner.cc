#include "step_runner.h"

#include <algorithm>

#include <meterhub/base/assert.h>

#include "event_metadata.h"

namespace meterhub::engine {
namespace {

constexpr std::uint32_t kNoOutput = 0xffffffff;

// Rows that one event may make through APPLY, over all steps; reading what is taken apart
// costs a row each 64 bytes, or arrays within arrays would run for minutes.
constexpr std::size_t kRowsMax = 100'000;
constexpr std::size_t kBytesARow = 64;

std::vector<std::uint32_t> outputs_of(const sql::Plan& plan) {
  std::vector<std::uint32_t> out;
  for (const auto& step : plan.steps) {
    if (!step.output) {
      out.push_back(kNoOutput);
      continue;
    }
    const auto it = std::ranges::find(plan.outputs, *step.output);
    MH_ASSERT(it != plan.outputs.end());
    out.push_back(static_cast<std::uint32_t>(it - plan.outputs.begin()));
  }
  return out;
}

bool named_explicitly(const sql::Select& select, std::string_view name) {
  return std::ranges::any_of(select.items, [&](const sql::Item& item) {
    return item.kind == sql::ItemKind::kValue && equal_without_case(item.name, name);
  });
}

bool stands_in(std::span<const OutputColumn> columns, std::string_view name) {
  return std::ranges::any_of(columns,
                             [&](const OutputColumn& column) { return equal_without_case(column.name, name); });
}

bool is_metadata(sql::InputMetadata kind, std::string_view name) {
  return std::ranges::any_of(metadata_columns(kind),
                             [&](std::string_view column) { return equal_without_case(column, name); });
}

}  // namespace

std::span<const Value> ValueRows::keep(std::span<const Value> row) {
  if (row.size() > kBlock) return large_.emplace_back(row.begin(), row.end());
  if (used_ % kBlock + row.size() > kBlock) used_ = (used_ / kBlock + 1) * kBlock;
  if (used_ / kBlock >= blocks_.size()) blocks_.push_back(std::make_unique<Value[]>(kBlock));
  Value* const at = blocks_[used_ / kBlock].get() + used_ % kBlock;
  std::ranges::copy(row, at);
  used_ += row.size();
  return {at, row.size()};
}

StepRunner::StepRunner(const sql::Plan& plan, OnRuntimeError on_error, std::vector<bool> steps,
                       const References& references)
    : plan_(plan),
      on_error_(on_error),
      runs_(std::move(steps)),
      references_(references),
      with_metadata_(uses_metadata(plan)),
      evaluator_(arena_, plan.ignore_case),
      branches_(plan.steps.size()),
      delays_(plan.steps.size()),
      step_rows_(plan.steps.size()),
      output_of_step_(outputs_of(plan)) {
  const bool lenient = on_error == OnRuntimeError::kNull;
  for (std::size_t step = 0; step < plan.steps.size(); ++step) {
    if (!runs_[step]) continue;
    for (const auto& select : plan.steps[step].branches) {
      auto& branch = branches_[step].emplace_back();
      branch.select = &select;
      branch.analytic_values.resize(select.analytics.size());
      Ticks own = 0;
      for (std::uint32_t i = 0; i < select.sources.size(); ++i) {
        const auto& source = select.sources[i];
        branch.analytics.push_back(make_analytics(select, i, lenient));
        branch.joins.emplace_back();
        branch.references.emplace_back();
        if (source.kind == sql::SourceKind::kStep) branch.delay = std::max(branch.delay, delays_[source.index]);
        if (!source.join) continue;
        branch.keeps = true;
        if (source.join->reference) {
          branch.references.back() = std::make_unique<ReferenceJoin>(select, i, lenient);
        } else {
          branch.joins.back() = std::make_unique<StreamJoin>(select, i, lenient, with_metadata_);
          own = std::max(own, branch.joins.back()->delay());
        }
      }
      if (select.match) {
        branch.matcher = std::make_unique<PatternMatcher>(*select.match, lenient);
        branch.keeps = true;
      }
      if (select.grouping) {
        branch.grouping = std::make_unique<Grouping>(*select.grouping, lenient);
        branch.keeps = true;
      }
      branch.keeps = branch.keeps || branch.delay > 0;
      delays_[step] = std::max(delays_[step], branch.delay + own);
    }
  }
}

void StepRunner::clear() {
  for (auto& rows : step_rows_) rows.clear();
  rows_.clear();
  columns_.clear();
  errors_.clear();
  metadata_.clear();
  row_values_.clear();
  arena_.clear();
}

bool StepRunner::run(std::uint32_t reader, const SourceRow& row, bool late) {
  now_ = row.time;
  return round(reader, &row, late);
}

bool StepRunner::fire(Ticks now) {
  now_ = now;
  return round(std::nullopt, nullptr, false);
}

std::optional<Ticks> StepRunner::due() const {
  std::optional<Ticks> next;
  const auto consider = [&](std::optional<Ticks> due, Ticks delay) {
    if (due && (!next || *due + delay < *next)) next = *due + delay;
  };
  if (!held_outputs_.empty()) consider(held_outputs_.begin()->first, 0);
  for (const auto& step : branches_) {
    for (const auto& branch : step) {
      if (!branch.held.empty()) consider(branch.held.begin()->first, 0);
      for (const auto& join : branch.joins) {
        if (join) consider(join->due(), branch.delay);
      }
      if (branch.matcher) consider(branch.matcher->due(), branch.delay);
      if (branch.grouping) consider(branch.grouping->due(), branch.delay);
    }
  }
  return next;
}

bool StepRunner::round(std::optional<std::uint32_t> reader, const SourceRow* row, bool late) {
  budget_ = kRowsMax;
  for (std::uint32_t step = 0; step < branches_.size(); ++step) {
    step_rows_[step].clear();
    if (plan_.steps[step].reference) continue;
    for (auto& branch : branches_[step]) {
      if (late && branch.select->stateful) continue;
      failed_step_ = kNoStep;
      if (!run_branch(step, branch, reader, row)) return false;
    }
  }
  if (!reader) release_outputs();
  return true;
}

// The columns from `first` on are a row of the step's output: now, or once all rows of earlier
// time have come.
void StepRunner::give(std::uint32_t step, std::size_t first, Ticks time) {
  if (delays_[step] == 0) {
    rows_.push_back({output_of_step_[step], first, columns_.size() - first, time, origin_});
    return;
  }
  HeldOutput held{step, time, origin_, {}};
  for (const auto& column : std::span(columns_).subspan(first)) {
    pack_bytes(held.packed, column.name);
    pack(held.packed, column.value);
  }
  columns_.resize(first);
  held_outputs_.emplace(time + delays_[step], std::move(held));
}

void StepRunner::release_outputs() {
  while (!held_outputs_.empty() && held_outputs_.begin()->first <= now_) {
    const auto held = held_outputs_.extract(held_outputs_.begin());
    const auto& row = held.mapped();
    const auto first = columns_.size();
    Unpacker from(row.packed);
    while (from.ok() && !from.done()) {
      const auto name = arena_.keep(from.bytes());
      columns_.push_back({name, keep(from.value(), arena_)});
    }
    rows_.push_back({output_of_step_[row.step], first, columns_.size() - first, row.time, row.origin});
  }
}

bool StepRunner::run_branch(std::uint32_t step, Branch& branch, std::optional<std::uint32_t> reader,
                            const SourceRow* row) {
  const auto& sources = branch.select->sources;
  sources_.assign(sources.size(), {});
  for (std::uint32_t i = 0; i < sources.size(); ++i) {
    if (sources[i].kind == sql::SourceKind::kReader && reader == sources[i].index) {
      if (!deliver(step, branch, i, *row)) return false;
    }
    if (sources[i].kind != sql::SourceKind::kStep) continue;
    for (const auto& from : step_rows_[sources[i].index]) {
      if (!deliver(step, branch, i, {from.values, from.whole, from.time, from.metadata, from.origin, false}))
        return false;
    }
  }
  // What is due at an instant comes after all events of that instant: in a round of its own.
  return reader || (release(step, branch) && fire_joins(step, branch) && fire_matches(step, branch) &&
                    fire_windows(step, branch));
}

// Rows of a source that is ahead of the others wait.
bool StepRunner::deliver(std::uint32_t step, Branch& branch, std::uint32_t source, const SourceRow& row) {
  if (branch.delay == 0 || row.time + branch.delay <= now_) return arrive(step, branch, source, row);
  Branch::Held held{source, {}};
  pack_row(held.packed, row, with_metadata_);
  branch.held.emplace(row.time + branch.delay, std::move(held));
  return true;
}

bool StepRunner::release(std::uint32_t step, Branch& branch) {
  while (!branch.held.empty() && branch.held.begin()->first <= now_) {
    const auto held = branch.held.extract(branch.held.begin());
    Unpacker from(held.mapped().packed);
    if (held_row_.read(from) && !arrive(step, branch, held.mapped().source, held_row_.row())) return false;
  }
  return true;
}

// Analytic functions come before everything else (stream-sql 6).
bool StepRunner::arrive(std::uint32_t step, Branch& branch, std::uint32_t source, const SourceRow& row) {
  origin_ = row.origin;
  sources_[source] = row;
  if (!analyse(branch, source, row)) return survive(step);
  if (branch.matcher) return match(step, branch);
  if (source == 0) return expand(step, branch, 1, row.time);
  return settle(step, branch.joins[source]->add_right(evaluator_, {sources_, branch.analytic_values}, row.time,
                                                      [&] { return expand(step, branch, source + 1, row.time); }));
}

// An event with a data error is in no history: all families have looked at it before the first takes
// it in. False: it has one.
bool StepRunner::analyse(Branch& branch, std::uint32_t source, const SourceRow& row) {
  const auto& families = branch.analytics[source];
  if (families.empty()) return true;
  set_apart(branch.select->sources[source], row);
  evaluator_.bind(sources_, row.time);
  for (const auto& family : families) {
    if (!family->take(evaluator_, row, apart_)) return false;
    if (families.size() > 1 && !family->accepts(evaluator_)) return false;
  }
  for (const auto& family : families) {
    if (!family->give(evaluator_, row, branch.analytic_values)) return false;
  }
  return true;
}

// The key of the source's PARTITION BY for its row: groups, sessions and histories do not reach
// over it. Its columns are bound as those of source 0.
void StepRunner::set_apart(const sql::Source& source, const SourceRow& row) {
  apart_.clear();
  if (source.partition_by.empty()) return;
  evaluator_.bind(std::span(&row, 1), row.time);
  for (const auto& expr : source.partition_by) append_key(apart_, evaluator_.value(*expr));
}

// Source by source; past the last one the row is complete.
bool StepRunner::expand(std::uint32_t step, Branch& branch, std::size_t next, Ticks time) {
  if (next == branch.select->sources.size()) return finish(step, branch, time);
  if (branch.references[next]) return expand_reference(step, branch, next, time);
  if (branch.joins[next]) return expand_join(step, branch, next, time);
  return expand_apply(step, branch, next, time);
}

bool StepRunner::settle(std::uint32_t step, StreamJoin::Answer answer) {
  if (answer == StreamJoin::Answer::kDataError) return survive(step);
  return answer == StreamJoin::Answer::kDone;
}

bool StepRunner::expand_join(std::uint32_t step, Branch& branch, std::size_t next, Ticks time) {
  // Left rows that waited for a join before may meet right rows of later time.
  return settle(step, branch.joins[next]->add_left(evaluator_, {sources_, branch.analytic_values}, time, [&] {
    return expand(step, branch, next + 1, std::max(time, sources_[next].time));
  }));
}

bool StepRunner::expand_reference(std::uint32_t step, Branch& branch, std::size_t next, Ticks time) {
  const auto version = version_of(branch.select->sources[next], time);
  return settle(step, branch.references[next]->look_up(evaluator_, {sources_, branch.analytic_values}, time, version,
                                                       [&] { return expand(step, branch, next + 1, time); }));
}

bool StepRunner::fire_joins(std::uint32_t step, Branch& branch) {
  for (std::size_t i = 1; i < branch.joins.size(); ++i) {
    auto* join = branch.joins[i].get();
    while (join != nullptr && join->due() && *join->due() + branch.delay <= now_) {
      const auto answer = join->fire({sources_, branch.analytic_values}, [&](Ticks time) {
        origin_ = sources_[0].origin;
        return expand(step, branch, i + 1, time);
      });
      if (!settle(step, answer)) return false;
    }
  }
  return true;
}

bool StepRunner::match(std::uint32_t step, Branch& branch) {
  branch.matcher->add(evaluator_, sources_);
  if (!branch.matcher->error().empty()) {
    note(step, branch.matcher->error());
    if (on_error_ == OnRuntimeError::kFail) return false;
  }
  return give_matches(step, branch);
}

bool StepRunner::fire_matches(std::uint32_t step, Branch& branch) {
  auto* matcher = branch.matcher.get();
  while (matcher != nullptr && matcher->due() && *matcher->due() + branch.delay <= now_) {
    matcher->fire(*matcher->due());
    if (!give_matches(step, branch)) return false;
  }
  return true;
}

bool StepRunner::give_matches(std::uint32_t step, Branch& branch) {
  for (const auto& found : branch.matcher->found()) {
    origin_ = found.origin;
    const GroupValues values{{}, branch.matcher->values(found, arena_), std::nullopt};
    evaluator_.bind({}, found.time, {}, &values);
    if (!project(step, branch, found.time)) return false;
  }
  return true;
}

bool StepRunner::fire_windows(std::uint32_t step, Branch& branch) {
  auto* grouping = branch.grouping.get();
  while (grouping != nullptr && grouping->due() && *grouping->due() + branch.delay <= now_) {
    const bool goes_on = grouping->fire(
        *grouping->due(), evaluator_,
        [&](const GroupValues& group, Ticks end, const Origin& origin) {
          origin_ = origin;
          evaluator_.bind({}, end, {}, &group);
          const bool keep_it = !branch.select->having || evaluator_.is_true(*branch.select->having);
          if (failed()) return survive(step);
          return !keep_it || project(step, branch, end);
        },
        [&](const std::string& error) {
          note(step, error);
          return on_error_ != OnRuntimeError::kFail;
        });
    if (!goes_on) return false;
  }
  return true;
}

// ---- reference data ----

ReferenceVersion StepRunner::version_of(const sql::Source& source, Ticks time) {
  if (source.kind == sql::SourceKind::kReference) {
    const auto* version = references_.at(source.index, time);
    return {version == nullptr ? 0 : version->number,
            [this, &source, time] { return reference_rows(source.index, time); }};
  }
  // A step is as new as the newest of what it may read.
  std::uint64_t number = 0;
  for (std::uint32_t i = 0; i < plan_.references.size(); ++i) {
    const auto* version = references_.at(i, time);
    if (version != nullptr) number = std::max(number, version->number);
  }
  return {number, [this, &source, time] {
            if (!reference_steps_) {
              std::vector<bool> steps;
              for (const auto& step : plan_.steps) steps.push_back(step.reference);
              reference_steps_ = std::make_unique<StepRunner>(plan_, on_error_, std::move(steps), references_);
            }
            return std::make_shared<const std::string>(reference_steps_->reference_step(source.index, time));
          }};
}

std::shared_ptr<const std::string> StepRunner::reference_rows(std::uint32_t reference, Ticks time) const {
  const auto* version = references_.at(reference, time);
  return version == nullptr ? std::make_shared<const std::string>() : version->rows;
}

std::string StepRunner::reference_step(std::uint32_t step, Ticks time) {
  std::string out, one, made;
  for (auto& branch : branches_[step]) {
    const auto& first = branch.select->sources.front();
    const bool plain = first.kind == sql::SourceKind::kReference;
    if (!plain) made = reference_step(first.index, time);
    const auto given = plain ? reference_rows(first.index, time) : nullptr;
    Unpacker rows(plain ? std::string_view(*given) : made);
    UnpackedRow unpacked;
    while (rows.ok() && !rows.done()) {
      Unpacker bytes(rows.bytes());
      if (!unpacked.read(bytes)) continue;
      budget_ = kRowsMax;
      failed_step_ = kNoStep;
      sources_.assign(branch.select->sources.size(), {});
      sources_[0] = unpacked.row();
      expand(step, branch, 1, time);
      for (const auto& row : step_rows_[step]) {
        one.clear();
        pack_row_tight(one, {row.values, row.whole, 0, nullptr, {}, false}, false);
        pack_bytes(out, one);
      }
      clear();
    }
  }
  return out;
}

// False: this event has made enough. Said once, whatever on_runtime_error says.
bool StepRunner::spend(std::uint32_t step, std::size_t bytes) {
  const auto cost = 1 + bytes / kBytesARow;
  if (cost < budget_) {
    budget_ -= cost;
    return true;
  }
  if (budget_ > 0) note(step, "one event makes too many rows");
  budget_ = 0;
  return false;
}

// (index or name, value) of each element; none for NULL.
std::vector<std::array<Value, 2>> StepRunner::apply_rows(const Value& argument, bool properties) {
  std::vector<std::array<Value, 2>> pairs;
  if (argument.is_null()) return pairs;
  if (properties) {
    auto fields = fields_.fields(argument.text);
    if (!fields) return pairs;
    for (auto& field : *fields) {
      pairs.push_back(std::array{Value::characters(arena_.keep(field.name)), keep(field.value, arena_)});
    }
    return pairs;
  }
  const auto elements = fields_.elements(argument.text);
  if (!elements) return pairs;
  for (const auto& element : *elements) {
    pairs.push_back(std::array{Value::bigint(static_cast<std::int64_t>(pairs.size())), keep(element, arena_)});
  }
  return pairs;
}

bool StepRunner::expand_apply(std::uint32_t step, Branch& branch, std::size_t next, Ticks time) {
  const auto& apply = *branch.select->sources[next].apply;
  evaluator_.bind(sources_, time, branch.analytic_values);
  const auto argument = evaluator_.value(*apply.argument);
  const auto wanted = apply.properties ? Kind::kRecord : Kind::kArray;
  if (!argument.is_null() && argument.kind != wanted) {
    evaluator_.fail("APPLY over a " + std::string(kind_name(argument.kind)));
  }
  if (failed()) return survive(step);
  if (!spend(step, argument.text.size())) return on_error_ != OnRuntimeError::kFail;
  auto pairs = argument.kind == wanted ? apply_rows(argument, apply.properties) : std::vector<std::array<Value, 2>>();
  if (pairs.empty() && apply.outer) pairs.emplace_back();
  for (const auto& pair : pairs) {
    if (!spend(step, 0)) return on_error_ != OnRuntimeError::kFail;
    sources_[next] = {pair, {}, time, nullptr, {}, false};
    if (!expand(step, branch, next + 1, time)) return false;
  }
  return true;
}

// Once a step: an array of bad elements is one event that went wrong, not thousands.
void StepRunner::note(std::uint32_t step, std::string_view text) {
  if (failed_step_ == step) return;
  failed_step_ = step;
  errors_.emplace_back(text);
}

// After a data error in this row. False: the pipeline stops here.
bool StepRunner::survive(std::uint32_t step) {
  note(step, evaluator_.error());
  return on_error_ != OnRuntimeError::kFail;
}

bool StepRunner::kept(const sql::Select& select) {
  return (!select.where || evaluator_.is_true(*select.where)) && (!select.having || evaluator_.is_true(*select.having));
}

void StepRunner::evaluate(const sql::Select& select, bool keep_values) {
  values_.clear();
  for (const auto& item : select.items) {
    const bool computed = item.kind == sql::ItemKind::kValue || item.kind == sql::ItemKind::kHidden;
    if (!computed) continue;
    const auto value = evaluator_.value(*item.expr);
    values_.push_back(keep_values ? keep(value, arena_) : value);
  }
}

bool StepRunner::finish(std::uint32_t step, Branch& branch, Ticks time) {
  const auto& select = *branch.select;
  evaluator_.bind(sources_, time, branch.analytic_values);
  const bool keep_it = select.grouping ? !select.where || evaluator_.is_true(*select.where) : kept(select);
  if (failed()) return survive(step);
  if (!keep_it) return true;
  if (!branch.grouping) return project(step, branch, time);
  if (!select.sources[0].partition_by.empty()) {
    set_apart(select.sources[0], sources_[0]);
    evaluator_.bind(sources_, time, branch.analytic_values);
  } else {
    apart_.clear();
  }
  if (!branch.grouping->add(evaluator_, sources_[0].whole, time, origin_.tenant, apart_)) return survive(step);
  return true;
}

bool StepRunner::project(std::uint32_t step, Branch& branch, Ticks time) {
  const auto& select = *branch.select;
  evaluate(select, branch.keeps);
  if (failed()) return survive(step);
  const auto& to = plan_.steps[step];
  const auto first = columns_.size();
  if (to.output || to.star_used) add_columns(to, select);
  if (failed()) {
    columns_.resize(first);
    return survive(step);
  }
  if (to.output) {
    give(step, first, time);
    return true;  // nothing reads a statement
  }
  const auto* metadata = branch.grouping || branch.matcher ? nullptr : sources_[0].metadata;
  StepRow row{row_values_.keep(values_), {}, time, branch.keeps ? keep_metadata(metadata) : metadata, origin_};
  if (to.star_used) row.whole = as_object(std::span(columns_).subspan(first));
  columns_.resize(first);
  step_rows_[step].push_back(row);
  return true;
}

const EventMetadata* StepRunner::keep_metadata(const EventMetadata* metadata) {
  if (metadata == nullptr) return nullptr;
  auto& kept = metadata_.emplace_back(*metadata);
  kept.input = arena_.keep(kept.input);
  kept.device = arena_.keep(kept.device);
  return &kept;
}

// Names come from the first branch of a UNION (6.2).
void StepRunner::add_columns(const sql::Step& step, const sql::Select& select) {
  const auto first = columns_.size();
  std::size_t next = 0;
  for (const auto& item : select.items) {
    switch (item.kind) {
      case sql::ItemKind::kValue:
        columns_.push_back({step.columns[next].name, values_[next]});
        ++next;
        break;
      case sql::ItemKind::kHidden: ++next; break;
      case sql::ItemKind::kStar: {
        const auto& source = select.sources[item.source];
        const auto hidden = source.kind == sql::SourceKind::kReader ? plan_.readers[source.index].star_metadata
                                                                    : sql::InputMetadata::kNone;
        spread(sources_[item.source].whole, select, first, hidden);
        add_metadata(select, sources_[item.source], hidden, first);
        break;
      }
      case sql::ItemKind::kSpread: {
        const auto record = evaluator_.value(*item.expr);
        if (record.kind == Kind::kRecord) spread(record.text, select, first, sql::InputMetadata::kNone);
        break;
      }
    }
  }
}

// What an input adds to the payload, behind it (3.4).
void StepRunner::add_metadata(const sql::Select& select, const SourceRow& source, sql::InputMetadata kind,
                              std::size_t from) {
  if (source.metadata == nullptr) return;
  for (const auto name : metadata_columns(kind)) {
    if (named_explicitly(select, name) || stands_in(std::span(columns_).subspan(from), name)) continue;
    const std::string path(name);
    columns_.push_back({name, metadata_value(std::span(&path, 1), *source.metadata, arena_)});
  }
}

// Of equal names the one given explicitly wins, then the first `*`; within one record the
// later value was taken already.
void StepRunner::spread(std::string_view record, const sql::Select& select, std::size_t from,
                        sql::InputMetadata hidden) {
  auto fields = fields_.fields(record);
  if (!fields) return;  // never: what reaches this was checked when it was read
  const auto before = columns_.size();
  for (auto& field : *fields) {
    const auto earlier = std::span(columns_).subspan(from, before - from);
    if (named_explicitly(select, field.name) || stands_in(earlier, field.name) || is_metadata(hidden, field.name))
      continue;
    columns_.push_back({arena_.keep(field.name), keep(field.value, arena_)});
  }
}

std::string_view StepRunner::as_object(std::span<const OutputColumn> columns) {
  std::string json = "{";
  for (const auto& column : columns) {
    if (json.size() > 1) json += ',';
    append_json_string(json, column.name);
    json += ':';
    append_json(json, column.value);
  }
  json += '}';
  return arena_.keep(json);
}

std::vector<StepRunner::Kept> StepRunner::kept() {
  std::vector<Kept> out;
  for (std::uint32_t step = 0; step < branches_.size(); ++step) {
    for (auto& branch : branches_[step]) {
      for (auto& families : branch.analytics) {
        for (auto& family : families) out.push_back({step, "analytic functions", family.get()});
      }
      for (auto& join : branch.joins) {
        if (join) out.push_back({step, "join", join.get()});
      }
      if (branch.matcher) out.push_back({step, "pattern", branch.matcher.get()});
      if (!branch.grouping) continue;
      for (const auto& window : branch.grouping->states()) out.push_back({step, "window", window.get()});
    }
  }
  return out;
}

std::string StepRunner::save_held() const {
  std::string out;
  pack_number(out, held_outputs_.size());
  for (const auto& [time, row] : held_outputs_) {
    pack_signed(out, time);
    pack_number(out, row.step);
    pack_signed(out, row.time);
    pack_number(out, row.origin.partition);
    pack_number(out, row.origin.offset);
    pack_number(out, row.origin.tenant);
    pack_bytes(out, row.packed);
  }
  for (std::size_t step = 0; step < branches_.size(); ++step) {
    for (std::size_t i = 0; i < branches_[step].size(); ++i) {
      for (const auto& [time, held] : branches_[step][i].held) {
        pack_number(out, step);
        pack_number(out, i);
        pack_signed(out, time);
        pack_number(out, held.source);
        pack_bytes(out, held.packed);
      }
    }
  }
  return out;
}

bool StepRunner::load_held(std::string_view bytes) {
  Unpacker from(bytes);
  for (auto count = from.number(); count > 0 && from.ok(); --count) {
    const auto time = from.signed_number();
    HeldOutput row;
    row.step = static_cast<std::uint32_t>(from.number());
    row.time = from.signed_number();
    row.origin.partition = static_cast<std::uint32_t>(from.number());
    row.origin.offset = from.number();
    row.origin.tenant = static_cast<std::uint32_t>(from.number());
    row.packed = from.bytes();
    if (!from.ok() || row.step >= branches_.size() || !plan_.steps[row.step].output) return false;
    held_outputs_.emplace(time, std::move(row));
  }
  while (from.ok() && !from.done()) {
    const auto step = from.number();
    const auto branch = from.number();
    const auto time = from.signed_number();
    Branch::Held held{static_cast<std::uint32_t>(from.number()), std::string(from.bytes())};
    if (!from.ok() || step >= branches_.size() || branch >= branches_[step].size()) return false;
    if (held.source >= branches_[step][branch].select->sources.size()) return false;
    branches_[step][branch].held.emplace(time, std::move(held));
  }
  return from.ok();
}

}  // namespace meterhub::engine
