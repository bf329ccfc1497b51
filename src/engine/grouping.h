// GROUP BY with windows (stream-sql 7): rows go in in order of time, groups come out when
// their window's end has passed.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aggregate_set.h"
#include "evaluate.h"
#include "operator_state.h"

namespace meterhub::engine {

// A group's result at the end of a window. `origin`: tenant of its rows, if all have the same.
using GroupSink = std::function<bool(const GroupValues& group, Ticks end, const Origin& origin)>;

// A row on its way into windows: its group's key in the form of append_key(), and the same
// values as they were where the bytes do not keep them.
struct GroupedRow {
  const std::string& key;
  std::string_view original;     // packed values; empty where the key keeps them
  const std::string& partition;  // key of a session's OVER
  std::string_view whole;
  Ticks time;
  std::uint32_t tenant;
};

// One window of a GROUP BY. One thread.
class WindowState : public OperatorState {
 public:
  // Takes what the set took of the row. False: a data error.
  virtual bool add(const GroupedRow& row, AggregateSet& set, Evaluator& evaluator) = 0;
  // The next instant at which fire() has something to give.
  virtual std::optional<Ticks> due() const = 0;

  // A group that has a result at an instant.
  struct Ready {
    std::string_view key;
    const void* group = nullptr;
  };
  struct Group {
    std::string_view original;
    std::uint32_t tenant = 0;
  };
  using Give = std::function<bool(const Ready& ready)>;
  // Gives the groups whose window ends at `now`, which is due(), in order of keys; each is good
  // during its call. False: a call said so, and no more are given.
  virtual bool ready(Ticks now, AggregateSet& set, Evaluator& evaluator, const Give& give) = 0;
  // Aggregates of one of them; texts live in the evaluator's arena. False: a data error.
  virtual bool results(const Ready& ready, Ticks now, AggregateSet& set, Evaluator& evaluator, std::vector<Value>& out, Group& group) = 0;
  // Forgets what no later window needs.
  virtual void finish(Ticks now) = 0;

  // ---- of windows that finer_window() names, and of those that are made from them ----
  // A group of a window that has ended: its states are those of all its rows.
  struct Ended {
    std::string_view key;
    Group group;
    const std::byte* states = nullptr;
    bool several = false;  // rows
    Ticks end = 0;
  };
  // Gives `coarser` the groups of the window that ends at `now`, which is due(); before finish().
  virtual void roll_up(Ticks now, WindowState& coarser);
  // Takes what it would have of the group's rows. Calls come in order of time.
  virtual void take_ended(const Ended& ended);

 protected:
  // For windows of which few groups are ready at once. Equal keys stay in their order.
  static bool give_in_order(std::vector<Ready>& ready, const Give& give);
};

std::unique_ptr<WindowState> make_window(const sql::Window& window, AggregateSet& set);

// All windows of one GROUP BY. One thread.
class Grouping {
 public:
  Grouping(const sql::Grouping& plan, bool lenient);

  // The row that is bound; `apart`: key of its source's PARTITION BY, over which no group reaches. False: a data error; it is in no window then.
  bool add(Evaluator& evaluator, std::string_view whole, Ticks time, std::uint32_t tenant, std::string_view apart);
  std::optional<Ticks> due() const;
  // Groups whose window ends at `now`: in order of windows, then keys. `failed` hears of data
  // errors in results. False as soon as one of the two says so.
  bool fire(Ticks now, Evaluator& evaluator, const GroupSink& sink, const std::function<bool(const std::string&)>& failed);

  const std::vector<std::unique_ptr<WindowState>>& states() const { return windows_; }

 private:
  void roll_up(Ticks now);
  bool give(const WindowState::Ready& ready, std::size_t window, Ticks now, Evaluator& evaluator, const GroupSink& sink,
            const std::function<bool(const std::string&)>& failed);

  const sql::Grouping& plan_;
  const bool lenient_;
  AggregateSet set_;
  std::vector<std::unique_ptr<WindowState>> windows_;
  std::vector<std::size_t> of_rows_;  // windows that take rows
  struct RollUp {
    std::size_t finer, coarser;
  };
  std::vector<RollUp> roll_ups_;  // the finest first
  std::string key_, original_, partition_, taken_;
  std::vector<Value> keys_, results_;
};

}  // namespace meterhub::engine
