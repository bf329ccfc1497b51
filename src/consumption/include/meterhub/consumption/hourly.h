// A meter's steps hour by hour, so that what is known of an hour follows from few others: an hour that changes late
// is computed again without the years around it. Pure.
//
// steps_of() judges a reading's clock by all readings of the meter; here the readings of its own hour and of the hours
// before and after it in which the meter has any are the judges. Where clocks are right, or single ones wrong, both say
// the same. Where they differ the sums are the same: steps follow each other without gaps here too.
#pragma once

#include <expected>

#include <meterhub/consumption/consumption.h>

namespace meterhub::consumption {

// One meter's readings of one hour (UTC, by their own times): in the order of their counters, each once, not empty.
struct HourReadings {
  base::Timestamp begin{};
  std::vector<Reading> readings;
  // Its own readings have become more too since shares around it were computed, or they were computed with all that is
  // known now: it says nothing of what hours beyond it were computed from.
  bool renewed = false;
};

// One meter's readings, in any order, each any number of times; hours rise.
std::vector<HourReadings> by_hour(std::vector<Reading> readings);

// Whether the readings' times rise as their counters do.
bool is_orderly(std::span<const Reading> readings);
// Whether all counters of the earlier hour are below all of the later one. Both in the order of their counters.
bool follows(std::span<const Reading> earlier, std::span<const Reading> later);

// Of `own` those whose clocks are to be believed: they are in the longest row of rising times of all three. `before`
// and `after` may be empty.
std::vector<Reading> believed(std::span<const Reading> before, std::span<const Reading> own,
                              std::span<const Reading> after);

// What an hour adds to a meter's consumption.
struct HourShare {
  std::vector<Step> steps;  // whose later reading lies in the hour
  bool led = false;  // another step ends where the first of them begins
  // Clocks contradict each other: in the hour, or between it and the two hours before or after it.
  bool disordered = false;
  // Hours whose shares may be others when this hour's readings have become more.
  std::vector<base::Timestamp> concerned;
};

// Which hours around would have to be known to say.
enum class Lacking : std::uint8_t { kEarlier, kLater };

// Some hours of a meter, none left out between them.
struct Surroundings {
  std::span<const HourReadings> hours;
  bool from_first = false;  // the meter has no readings before them
  bool to_last = false;  // none after them
};
std::expected<HourShare, Lacking> share_of(const Surroundings& known, std::size_t hour, const Rules& rules);

// All steps of one meter: the shares of all its hours one after another.
std::vector<Step> hourly_steps(std::vector<Reading> readings, const Rules& rules);

// A meter's time in a place.
struct Stay {
  std::vector<Reading> readings;  // in any order, each any number of times; may be empty
  Rules rules;
  std::optional<Litres> counter_in, counter_out;  // as the fitter noted them, when it was put in and taken out
};
// The same of meters that hung in one place one after the other: each one's own steps, and between two of them one of
// kExchange, from the believed reading that was the old one's last to the new one's first. Of one that sent nothing in
// between it counts what its two counters say. Readings of a later stay are later than those of an earlier one.
std::vector<Step> hourly_steps(std::span<const Stay> in_turn);

}  // namespace meterhub::consumption
