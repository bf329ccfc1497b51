#include <meterhub/consumption/hourly.h>

#include <algorithm>
#include <chrono>

#include "clock_order.h"
#include "steps.h"

namespace meterhub::consumption {
namespace {

base::Timestamp hour_of(const Reading& reading) { return std::chrono::floor<std::chrono::hours>(reading.at); }

// Evaluates shares; remembers nothing.
class Judge {
 public:
  explicit Judge(const Surroundings& known) : known_(known) {}

  std::expected<std::vector<Reading>, Lacking> kept(std::size_t hour) const {
    const bool first = hour == 0;
    const bool last = hour + 1 == known_.hours.size();
    if (first && !known_.from_first) return std::unexpected(Lacking::kEarlier);
    if (last && !known_.to_last) return std::unexpected(Lacking::kLater);
    return believed(first ? std::span<const Reading>() : of(hour - 1), of(hour),
                    last ? std::span<const Reading>() : of(hour + 1));
  }

  // Two hours away, as all three hours of a judgement have a say in it.
  std::expected<bool, Lacking> disordered(std::size_t hour) const {
    const std::size_t last = known_.hours.size() - 1;
    if (hour < 2 && !known_.from_first) return std::unexpected(Lacking::kEarlier);
    if (hour + 2 > last && !known_.to_last) return std::unexpected(Lacking::kLater);
    bool out = !is_orderly(of(hour));
    for (std::size_t at = hour - std::min<std::size_t>(hour, 2); at < hour; ++at) out |= !follows(of(at), of(hour));
    for (std::size_t at = hour + 1; at <= std::min(hour + 2, last); ++at) out |= !follows(of(hour), of(at));
    return out;
  }

  // The believed readings before the hour that decide what its steps begin with: the newest two, in their order, or
  // fewer where there are no more.
  std::expected<std::vector<Reading>, Lacking> newest_before(std::size_t hour) const {
    std::vector<Reading> out;
    while (hour-- > 0) {
      const auto its = kept(hour);
      if (!its) return its;
      const auto many = std::min(its->size(), 2 - out.size());
      out.insert(out.begin(), its->end() - static_cast<std::ptrdiff_t>(many), its->end());
      if (out.size() == 2) return out;
    }
    if (!known_.from_first) return std::unexpected(Lacking::kEarlier);
    return out;
  }

  // An orderly hour's own believed readings are all its neighbours need. Where clocks contradict each other the hours
  // up to the nearest that was judged without it are judged anew.
  std::expected<std::vector<base::Timestamp>, Lacking> concerned(std::size_t hour, bool wild) const {
    std::vector<base::Timestamp> out;
    if (wild) {
      std::size_t at = hour;
      bool old = false;
      while (at > 0 && !old) {
        old = !known_.hours[--at].renewed;
        out.push_back(known_.hours[at].begin);
      }
      if (!old && !known_.from_first) return std::unexpected(Lacking::kEarlier);
    }
    bool free = !wild;  // believed readings do not depend on this hour's any more; two of them lead all that follows
    std::size_t count = 0;
    std::size_t at = hour + 1;
    for (; at < known_.hours.size() && count < 2; ++at) {
      out.push_back(known_.hours[at].begin);
      if (free) {
        const auto its = kept(at);
        if (!its) return std::unexpected(its.error());
        count += its->size();
      }
      free |= !known_.hours[at].renewed;
    }
    if (count < 2 && !known_.to_last) return std::unexpected(Lacking::kLater);
    return out;
  }

 private:
  std::span<const Reading> of(std::size_t hour) const { return known_.hours[hour].readings; }
  const Surroundings known_;
};

// Those of a meter's readings whose clocks are believed, in the order of their counters.
std::vector<Reading> all_kept(std::vector<Reading> readings) {
  const auto hours = by_hour(std::move(readings));
  const Judge judge({hours, true, true});
  std::vector<Reading> out;
  for (std::size_t hour = 0; hour < hours.size(); ++hour) {
    const auto its = judge.kept(hour);
    out.insert(out.end(), its->begin(), its->end());
  }
  return out;
}

}  // namespace

std::vector<HourReadings> by_hour(std::vector<Reading> readings) {
  readings = in_order(std::move(readings));
  std::ranges::stable_sort(readings, {}, hour_of);
  std::vector<HourReadings> out;
  for (const auto& reading : readings) {
    if (out.empty() || out.back().begin != hour_of(reading)) out.push_back({hour_of(reading), {}, false});
    out.back().readings.push_back(reading);
  }
  return out;
}

bool is_orderly(std::span<const Reading> readings) { return std::ranges::is_sorted(readings, {}, &Reading::at); }

bool follows(std::span<const Reading> earlier, std::span<const Reading> later) {
  return earlier.empty() || later.empty() || identity(earlier.back()) < identity(later.front());
}

std::vector<Reading> believed(std::span<const Reading> before, std::span<const Reading> own,
                              std::span<const Reading> after) {
  if (is_orderly(own) && follows(before, own) && follows(own, after)) return {own.begin(), own.end()};
  std::vector<Reading> all(before.begin(), before.end());
  all.insert(all.end(), own.begin(), own.end());
  all.insert(all.end(), after.begin(), after.end());
  std::ranges::stable_sort(all, {}, identity);
  auto out = with_rising_times(all);
  std::erase_if(out, [&](const Reading& reading) { return hour_of(reading) != hour_of(own.front()); });
  return out;
}

std::expected<HourShare, Lacking> share_of(const Surroundings& known, std::size_t hour, const Rules& rules) {
  const Judge judge(known);
  const auto own = judge.kept(hour);
  if (!own) return std::unexpected(own.error());
  const auto disordered = judge.disordered(hour);
  if (!disordered) return std::unexpected(disordered.error());
  HourShare out;
  out.disordered = *disordered;
  if (!own->empty()) {
    const auto before = judge.newest_before(hour);
    if (!before) return std::unexpected(before.error());
    out.led = before->size() == 2;
    std::optional<Reading> from;
    if (!before->empty()) from = before->back();
    for (const auto& reading : *own) {
      if (from) out.steps.push_back(between(*from, reading, rules));
      from = reading;
    }
  }
  auto concerned = judge.concerned(hour, out.disordered);
  if (!concerned) return std::unexpected(concerned.error());
  out.concerned = std::move(*concerned);
  return out;
}

std::vector<Step> hourly_steps(std::vector<Reading> readings, const Rules& rules) {
  std::vector<Step> out;
  std::optional<Reading> from;
  for (const auto& reading : all_kept(std::move(readings))) {
    if (from) out.push_back(between(*from, reading, rules));
    from = reading;
  }
  return out;
}

std::vector<Step> hourly_steps(std::span<const Stay> in_turn) {
  std::vector<Step> out;
  std::optional<Reading> from;
  std::optional<Litres> counter_out;  // of the meter that `from` is of
  Litres unseen = 0;  // what meters used since that sent nothing
  for (const auto& stay : in_turn) {
    bool is_first = true;
    for (const auto& reading : all_kept(stay.readings)) {
      if (from) {
        out.push_back(is_first ? exchanged(*from, reading, counter_out, stay.counter_in)
                               : between(*from, reading, stay.rules));
        if (is_first) out.back().used += unseen;
      }
      is_first = false;
      from = reading;
    }
    if (!is_first) {
      counter_out = stay.counter_out;
      unseen = 0;
    } else if (stay.counter_in && stay.counter_out) {
      unseen += std::max<Litres>(0, *stay.counter_out - *stay.counter_in);
    }
  }
  return out;
}

}  // namespace meterhub::consumption
