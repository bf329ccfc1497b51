#include "lanes.h"

#include <algorithm>

namespace meterhub::engine {

void Lanes::push(Place place, WaitingEvent event) {
  auto& lane = lanes_[place];
  if (lane.watermark) event.time = std::max(event.time, *lane.watermark);
  // Nearly always the newest of all.
  auto at = lane.events.end();
  while (at != lane.events.begin() && std::prev(at)->time > event.time) --at;
  lane.events.insert(at, std::move(event));
}

void Lanes::advance(Place place, Ticks watermark) {
  auto& lane = lanes_[place];
  lane.watermark = std::max(lane.watermark.value_or(watermark), watermark);
}

void Lanes::finish() {
  for (auto& [place, lane] : lanes_) lane.watermark = std::numeric_limits<Ticks>::max();
}

std::optional<Ticks> Lanes::watermark() const {
  std::optional<Ticks> least;
  for (const auto& [place, lane] : lanes_) {
    if (!lane.watermark) return std::nullopt;
    if (!least || *lane.watermark < *least) least = lane.watermark;
  }
  return least;
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
    auto& lane = lanes_[place];
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
  return from.ok();
}

}  // namespace meterhub::engine
