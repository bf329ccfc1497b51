// What the parts of the oracle share: rows, and the state of one evaluation.
#pragma once

#include <compare>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "evaluate.h"
#include "json_reader.h"
#include "oracle.h"

namespace meterhub::engine::oracle {

// Where a row stands among rows of the same time: rows of events in order of (reader,
// partition, offset), after them what windows and joins give, in the order in which they give it.
struct Origin {
  bool result = false;
  std::uint32_t reader = 0;
  std::uint32_t partition = 0;
  std::uint64_t offset = 0;

  auto operator<=>(const Origin&) const = default;
};

struct Row {
  std::vector<Value> values;  // by path of a reader or reference, or by column of a step
  std::string_view whole;     // as a JSON object
  Ticks time = 0;
  Origin origin;
  const EventMetadata* metadata = nullptr;  // of the event behind it, if it is one event's row
  bool late = false;
};
using Rows = std::vector<Row>;

// A row of every source of a SELECT so far.
struct Combination {
  std::vector<SourceRow> sources;
  std::vector<Value> analytics;  // by Select::analytics
  Ticks time = 0;
  Origin origin;
  const EventMetadata* metadata = nullptr;
  bool late = false;
};
using Combinations = std::vector<Combination>;

struct Member;  // groups.cc: a row as the groups see it
struct Group;   // rows of one window and key
class Search;   // matches.cc: for the match that begins with one event

class Run {
  friend class Search;

 public:
  Run(const sql::Plan& plan, const std::vector<InputEvents>& inputs, const std::vector<ReferenceTable>& references,
      const Options& options);
  Results results();

 private:
  // ---- inputs (read_inputs.cc)
  Rows read(std::uint32_t reader);
  void read_input(std::uint32_t reader, const InputEvents& input, Rows& into);
  bool decode(const sql::Reader& reader, std::string_view body, const EventMetadata& of, std::vector<Value>& values);
  std::optional<Ticks> own_time(const sql::Reader& reader, const Row& row);
  Rows read_reference(const sql::Reference& reference, Ticks at);

  // ---- steps (steps.cc)
  Rows step_rows(std::uint32_t step, Ticks at);
  Rows select_rows(std::uint32_t step, const sql::Select& select, Ticks at);
  Rows source_rows(const sql::Source& source, Ticks at);
  Combinations first_source(std::uint32_t step, const sql::Select& select, Ticks at);
  Combinations apply(std::uint32_t step, const sql::Select& select, std::uint32_t source, const Combinations& left);
  std::vector<std::vector<Value>> elements(const Value& argument, bool properties);
  Combinations where(std::uint32_t step, const sql::Select& select, Combinations rows);
  Rows project(std::uint32_t step, const sql::Select& select, const Combinations& rows);
  // Evaluates the items over the row that is bound. False: a data error drops it.
  bool items(std::uint32_t step, const sql::Select& select, std::span<const SourceRow> sources, Row& into);
  void spread(const sql::Select& select, std::string_view record, std::set<std::string>& taken,
              sql::InputMetadata hidden, std::string& json);

  // ---- joins (joins.cc)
  Combinations join(std::uint32_t step, const sql::Select& select, std::uint32_t source, const Combinations& left,
                    Ticks at);
  bool matches(std::uint32_t step, const sql::Join& join, const Combination& pair);

  // ---- analytic functions (analytics.cc)
  // The rows that are left, each with its values in Combination::analytics' order.
  struct Analysed {
    Rows rows;
    std::vector<std::vector<Value>> values;
  };
  Analysed analyse(std::uint32_t step, const sql::Select& select, std::uint32_t source, Rows rows);
  std::vector<Value> parts(const sql::Source& source, const SourceRow& row);

  // ---- MATCH_RECOGNIZE (matches.cc)
  Rows match(std::uint32_t step, const sql::Select& select, Rows rows);

  // ---- groups (groups.cc)
  Rows group(std::uint32_t step, const sql::Select& select, const Combinations& rows);
  Member member(const sql::Select& select, const Combination& row);
  std::optional<Row> group_row(std::uint32_t step, const sql::Select& select, const Group& group);

  // ---- what all of them do
  // After a data error, unless errors are NULLs: notes it and says that the row is to be dropped.
  bool dropped(std::uint32_t step, const Origin& origin, Ticks time, const EventMetadata* of);
  std::string_view keep(std::string text) { return arena_.keep(std::move(text)); }
  std::span<const Value> keep(std::vector<Value> values) { return kept_.emplace_back(std::move(values)); }

  const sql::Plan& plan_;
  const std::vector<InputEvents>& inputs_;
  const std::vector<ReferenceTable>& references_;
  const Options options_;
  Arena arena_;  // never cleared: every row lives until the end
  Evaluator evaluator_;
  JsonReader json_;
  std::deque<std::vector<Value>> kept_;
  std::deque<Rows> rows_of_sources_;  // that combinations point into
  std::deque<EventMetadata> metadata_;
  std::vector<Rows> readers_;
  std::vector<Rows> steps_;
  Results results_;
  std::set<std::pair<std::uint32_t, Origin>> noted_;  // one note for each event and step
  struct Failure {
    Ticks time = 0;
    Origin origin;
    std::string text;
  };
  std::optional<Failure> first_failure_;
};

}  // namespace meterhub::engine::oracle
