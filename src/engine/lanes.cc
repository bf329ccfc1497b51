#include "lanes.h"

#include <algorithm>
#include <utility>

namespace meterhub::engine {
namespace {

constexpr std::size_t kBlock = 64 * 1024;

}  // namespace

ByteBlocks::Place ByteBlocks::keep(std::string_view bytes) {
  if (blocks_.empty() || blocks_.back().bytes.capacity() - blocks_.back().bytes.size() < bytes.size()) {
    blocks_.emplace_back().bytes = std::exchange(spare_, {});
    blocks_.back().bytes.clear();
    blocks_.back().bytes.reserve(std::max(kBlock, bytes.size()));
  }
  auto& block = blocks_.back();
  const auto at = block.bytes.size();
  block.bytes += bytes;
  ++block.live;
  return {first_ + blocks_.size() - 1, static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(bytes.size())};
}

std::string_view ByteBlocks::get(Place place) const {
  return std::string_view(blocks_[place.block - first_].bytes).substr(place.at, place.size);
}

void ByteBlocks::release(Place place) {
  --blocks_[place.block - first_].live;
  for (; blocks_.size() > 1 && blocks_.front().live == 0; ++first_) {
    spare_ = std::move(blocks_.front().bytes);
    blocks_.pop_front();
  }
  if (blocks_.front().live == 0) blocks_.front().bytes.clear();
}

Lanes::Lane& Lanes::lane(Place place) {
  const auto at = std::ranges::lower_bound(lanes_, place, {}, [](const auto& entry) { return entry.first; });
  if (at != lanes_.end() && at->first == place) return at->second;
  least_.reset();
  return lanes_.insert(at, {place, Lane{}})->second;
}

void Lanes::push(Place place, const WaitingEvent& given) {
  auto& to = lane(place);
  Waiting event{given.time, given.offset, rows_.keep(given.packed), given.late};
  if (to.watermark) event.time = std::max(event.time, *to.watermark);
  // Nearly always the newest of all.
  auto at = to.events.end();
  while (at != to.events.begin() && std::prev(at)->time > event.time) --at;
  to.events.insert(at, event);
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
  const std::pair<Place, Lane>* first = nullptr;
  for (const auto& lane : lanes_) {
    if (lane.second.events.empty()) continue;
    const auto time = lane.second.events.front().time;
    if (time < *until && (first == nullptr || time < first->second.events.front().time)) first = &lane;
  }
  if (first == nullptr) return std::nullopt;
  const auto& event = first->second.events.front();
  return Next{first->first, {event.time, event.offset, event.late, rows_.get(event.packed)}};
}

void Lanes::pop(Place place) {
  auto& events = lane(place).events;
  rows_.release(events.front().packed);
  events.pop_front();
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
      pack_bytes(out, rows_.get(event.packed));
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
      Waiting event;
      event.time = from.signed_number();
      event.offset = from.number();
      event.late = from.number() != 0;
      event.packed = rows_.keep(from.bytes());
      lane.events.push_back(event);
    }
  }
  find_least();
  return from.ok();
}

}  // namespace meterhub::engine
