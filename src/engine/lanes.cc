#include "lanes.h"

#include <algorithm>

namespace meterhub::engine {

Lanes::Lane& Lanes::lane(Place place) {
  const auto at = std::ranges::lower_bound(lanes_, place, {}, [](const auto& entry) { return entry.first; });
  if (at != lanes_.end() && at->first == place) return at->second;
  least_.reset();
  return lanes_.insert(at, {place, Lane{}})->second;
}

void Lanes::push(Place place, WaitingEvent event) {
  auto& to = lane(place);
  if (to.watermark) event.time = std::max(event.time, *to.watermark);
  // Nearly always the newest of all.
  auto at = to.events.end();
  while (at != to.events.begin() && std::prev(at)->time > event.time) --at;
  to.events.insert(at, std::move(event));
}

void Lanes::set_watermark(Lane& of, Ticks watermark) {
  if (of.watermark && *of.watermark >= watermark) return;
  const bool held_back = !least_ || !of.watermark || *of.watermark == *least_;
  of.watermark = watermark;
  if (held_back) find_least();
}

void Lanes::find_least() {
  least_.reset();
  std::optional<Ticks> least;
  for (const auto& [place, lane] : lanes_) {
    if (!lane.watermark) return;
    if (!least || *lane.watermark < *least) least = lane.watermark;
  }
  least_ = least;
}

void Lanes::advance(Place place, Ticks watermark) { set_watermark(lane(place), watermark); }

void Lanes::advance_all(Ticks watermark) {
  for (auto& [place, lane] : lanes_) set_watermark(lane, watermark);
}

void Lanes::finish() {
  for (auto& [place, lane] : lanes_) lane.watermark = std::numeric_limits<Ticks>::max();
  find_least();
}

std::optional<Lanes::Next> Lanes::next() const {
  const auto until = watermark();
  if (!until) return std::nullopt;
  std::optional<Next> first;
  for (const auto& [place, lane] : lanes_) {
    if (lane.events.empty()) continue;
    const auto& event = lane.events.front();
    if (event.time < *until && (!first || event.time < first->event->time)) first = Next{place, &event};
  }
  return first;
}

std::uint64_t Lanes::waiting() const {
  std::uint64_t sum = 0;
  for (const auto& [place, lane] : lanes_) sum += lane.events.size();
  return sum;
}

std::string Lanes::save() const {
  std::string out;
  for (const auto& [place, lane] : lanes_) {
    pack_number(out, place.reader);
    pack_number(out, place.partition);
    pack_number(out, lane.watermark ? 1 : 0);
    pack_signed(out, lane.watermark.value_or(0));
    pack_number(out, lane.events.size());
    for (const auto& event : lane.events) {
      pack_signed(out, event.time);
      pack_number(out, event.offset);
      pack_number(out, event.late ? 1 : 0);
      pack_bytes(out, event.packed);
    }
  }
  return out;
}

bool Lanes::load(std::string_view bytes) {
  Unpacker from(bytes);
  while (from.ok() && !from.done()) {
    Place place{static_cast<std::uint32_t>(from.number()), static_cast<std::uint32_t>(from.number())};
    auto& lane = this->lane(place);
    const bool known = from.number() != 0;
    const auto watermark = from.signed_number();
    if (known) lane.watermark = watermark;
    const auto count = from.number();
    for (std::uint64_t i = 0; i < count && from.ok(); ++i) {
      WaitingEvent event;
      event.time = from.signed_number();
      event.offset = from.number();
      event.late = from.number() != 0;
      event.packed = from.bytes();
      lane.events.push_back(std::move(event));
    }
  }
  find_least();
  return from.ok();
}

}  // namespace meterhub::engine
