// MATCH_RECOGNIZE: for every event of a key the ways in which a match may begin with it and go
// on, and what is known of each: values of First, Last, Min and Max, never the events.
//
// Of one beginning the first way that is satisfied counts, in the order of preference of the
// pattern. A way that is satisfied ends those behind it; those before it may still be. The match is
// given when none is left: with the event that decides, or when the duration is over.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "evaluate.h"
#include "keyed_state.h"
#include "operator_state.h"
#include "pattern_program.h"

namespace meterhub::engine {

// What is kept of one key (docs/internals/bounds.md). Beyond it the newest beginnings lose their
// least preferred ways first.
inline constexpr std::size_t kMatchWaysMax = 1'000;
inline constexpr std::size_t kMatchBytesMax = 1024 * 1024;

// One thread; events come in order of time.
class PatternMatcher : public OperatorState {
 public:
  // Aggregates as bytes: those that conditions read, by which ways are told apart, and the others.
  struct Known {
    std::string read, other;
    std::size_t bytes() const { return 2 * sizeof(Known) + read.size() + other.size(); }
  };
  struct Match {
    Ticks time = 0;  // of the event that decided, or the end of the duration
    Origin origin;   // of its last event
    Known known;
  };

  // `lenient`: data errors are NULLs.
  PatternMatcher(const sql::MatchRecognize& match, bool lenient);

  // The next event, sources[0]. What it decides is in found(), in order of the beginnings.
  void add(Evaluator& evaluator, std::span<const SourceRow> sources);
  // The next instant at which the duration of a match is over that could have gone on.
  std::optional<Ticks> due() const;
  // What is due at `now` is in found().
  void fire(Ticks now);

  std::span<const Match> found() const { return found_; }
  // Of one in found(), for ExprKind::kAggregate; texts lie in the match or in the arena.
  std::span<const Value> values(const Match& match, Arena& arena);
  // Of the last add(): a data error in a condition or value, which then does not hold, or that there
  // were too many ways. Empty: none.
  const std::string& error() const { return error_; }

  bool load_part(std::uint32_t part, std::string_view bytes) override;
  bool loaded() override;
  std::uint64_t keys() const override { return state_.size(); }
  std::uint64_t bytes() const override;

 protected:
  std::string save_part(std::uint32_t part) const override;

 private:
  struct Way {
    std::uint16_t place = 0;  // where the next event is tried
    Known known;
  };
  struct Satisfied {
    Origin origin;
    Known known;
  };
  struct Beginning {
    Ticks time = 0;
    std::uint64_t number = 0;  // in order of their coming
    std::uint32_t tenant = 0;  // of all its events, 0 when of several
    std::vector<Way> ways;     // the preferred first
    std::optional<Satisfied> satisfied;
  };
  using Beginnings = std::vector<Beginning>;
  // One aggregate so far.
  struct Part {
    bool set = false;
    Value value;
  };
  // The event at hand, with what was worked out for it.
  struct Event {
    Evaluator& evaluator;
    std::span<const SourceRow> sources;
    const SourceRow& row() const { return sources.front(); }
  };

  bool read_key(const Event& event);
  bool go_on(Beginning& beginning, const Event& event);
  void begin(Beginnings& beginnings, const Event& event);
  void advance(Beginning& beginning, const Event& event);
  bool take(const Way& way, const Event& event);
  bool update(std::uint32_t variable, const Event& event);
  bool better(sql::MatchFunction function, const Part& part, const Value& value) const;
  bool holds(std::uint32_t variable, const Event& event);
  bool evaluate(std::uint32_t variable, const Event& event);
  // Null: a data error.
  const Value* field(std::size_t aggregate, const Event& event);
  void put(std::uint16_t place);
  void give(Beginning& beginning, Ticks time);
  void note(const std::string& text);
  void sweep(std::uint32_t part, Ticks now);
  bool over(const Beginning& beginning, Ticks now) const { return now - beginning.time >= match_.duration; }

  bool unpack(const Known& known, std::vector<Part>& parts) const;
  void pack_parts(const std::vector<Part>& parts, Known& into) const;
  bool load_known(Unpacker& from, Known& known) const;
  bool load_beginning(Unpacker& from, Beginning& beginning) const;

  const sql::MatchRecognize& match_;
  const PatternProgram program_;
  const bool lenient_;
  std::vector<bool> reads_history_;  // by variable: its condition has an aggregate
  Known nothing_;
  KeyedState<Beginnings> state_;
  Sweeps sweeps_;
  std::map<std::pair<Ticks, std::uint64_t>, std::string> due_;  // end and number of what is satisfied: key
  std::uint64_t next_number_ = 0;

  // Of the event at hand.
  struct Field {
    bool known = false;
    bool failed = false;
    Value value;
  };
  std::string key_;
  std::vector<Field> fields_;                    // by aggregate
  std::vector<std::optional<bool>> conditions_;  // by variable, where it reads no history
  std::size_t ways_left_ = 0;
  std::size_t bytes_left_ = 0;
  std::vector<Part> parts_;  // of the way, with the event
  std::string classes_;
  Known taken_;
  std::vector<Way> advanced_;
  std::vector<std::uint32_t> newest_at_, before_;  // advanced_ by place: index + 1, 0 none
  std::vector<Value> values_;
  std::vector<Match> found_;
  std::string error_;
};

}  // namespace meterhub::engine
