// Events that wait until their turn is certain (stream-sql 5.3): a lane for each reader and
// partition, each with its watermark; out of all lanes the events come in one order.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <meterhub/engine/pipeline.h>

#include "packed.h"

namespace meterhub::engine {

// An event in its lane.
struct WaitingEvent {
  Ticks time = 0;
  std::uint64_t offset = 0;
  bool late = false;
  std::string packed;  // its row
};

// One thread.
class Lanes {
 public:
  struct Place {
    std::uint32_t reader = 0;
    std::uint32_t partition = 0;
    auto operator<=>(const Place&) const = default;
  };

  // Makes the lane; the watermark of all waits for it.
  void open(Place place) { lane(place); }
  // An event behind the lane's watermark is moved up to it.
  void push(Place place, WaitingEvent event);
  // Never goes back.
  void advance(Place place, Ticks watermark);
  void advance_all(Ticks watermark);
  void finish();

  // The least of all lanes: what lies before it is final. Nothing before every lane has one.
  std::optional<Ticks> watermark() const { return least_; }
  // The next event in order, if its time lies before the watermark.
  struct Next {
    Place place;
    const WaitingEvent* event = nullptr;
  };
  std::optional<Next> next() const;
  void pop(Place place) { lane(place).events.pop_front(); }

  std::uint64_t waiting() const;

  std::string save() const;
  bool load(std::string_view bytes);

 private:
  struct Lane {
    std::optional<Ticks> watermark;
    std::deque<WaitingEvent> events;  // by time, then offset
  };
  Lane& lane(Place place);
  void set_watermark(Lane& lane, Ticks watermark);
  void find_least();

  std::vector<std::pair<Place, Lane>> lanes_;  // in order of place; few
  std::optional<Ticks> least_;                 // of all watermarks
};

}  // namespace meterhub::engine
