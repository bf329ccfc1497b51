#include "stays.h"

#include <algorithm>
#include <utility>

namespace meterhub::history {
namespace {

using registry::Exchange;

struct Place {
  registry::BuildingNumber building;
  registry::UnitNumber unit;
  bool operator==(const Place&) const = default;
};

Place place_of(const Exchange& exchange) { return {exchange.building, exchange.unit}; }

// Walks from a meter to those that hung in its place before.
class Walk {
 public:
  explicit Walk(const ExchangesOf& exchanges_of) : exchanges_of_(exchanges_of) {}

  std::vector<PlaceStay> from(const registry::MeterEntry& meter) {
    begin(meter);
    while (step_back()) {
    }
    std::ranges::reverse(stays_);
    return std::move(stays_);
  }

 private:
  // The meter's own stay, as far as its end.
  void begin(const registry::MeterEntry& meter) {
    stays_.push_back({.eui = meter.eui, .meter = meter.number});
    notes_ = exchanges_of_(meter.number);
    if (meter.building.value != 0) {
      place_ = {meter.building, meter.unit};
    } else if (!notes_.empty() && notes_.back().old_number == meter.number) {
      end_by(notes_.back());
      notes_.pop_back();
    } else if (!notes_.empty()) {
      place_ = place_of(notes_.back());  // its place was taken from it since
    }
  }

  void end_by(const Exchange& note) {
    stays_.back().to = note.at;
    stays_.back().counter_out = note.final_litres;
    place_ = place_of(note);
  }

  // Where the newest stay begins, and who hung there before: false when nobody did, as far as is noted.
  bool step_back() {
    if (notes_.empty()) return false;
    const auto note = notes_.back();
    auto& stay = stays_.back();
    stay.from = note.at;
    // It was taken out then, or put in elsewhere: how it came here nobody noted.
    if (note.new_number != stay.meter || place_of(note) != place_) return false;
    stay.counter_in = note.initial_litres;
    stays_.push_back({.eui = note.old_meter, .meter = note.old_number});
    end_by(note);
    notes_ = exchanges_of_(note.old_number);
    std::erase_if(notes_, [&](const Exchange& other) { return other.number >= note.number; });
    return true;
  }

  const ExchangesOf& exchanges_of_;
  std::vector<PlaceStay> stays_;  // the newest first
  std::vector<Exchange> notes_;   // of the last of them, before its end
  Place place_;
};

}  // namespace

std::vector<PlaceStay> stays_of(const registry::MeterEntry& meter, const ExchangesOf& exchanges_of) {
  return Walk(exchanges_of).from(meter);
}

}  // namespace meterhub::history
