// Events that wait until their turn is certain (stream-sql 5.3): a lane for each reader and
// partition, each with its watermark; out of all lanes the events come in one order.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
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
  std::string_view packed;  // its row
};

// Bytes that are given back nearly in the order in which they came, in blocks. One thread.
class ByteBlocks {
 public:
  struct Place {
    std::uint64_t block = 0;  // number since the start
    std::uint32_t at = 0;
    std::uint32_t size = 0;
  };
  Place keep(std::string_view bytes);
  std::string_view get(Place place) const;
  void release(Place place);

 private:
  struct Block {
    std::string bytes;
    std::size_t live = 0;  // places
  };
  std::deque<Block> blocks_;
  std::uint64_t first_ = 0;  // number of the front one
  std::string spare_;        // memory of one that is done with
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
  // An event behind the lane's watermark is moved up to it. Its row is copied.
  void push(Place place, const WaitingEvent& event);
  // Never goes back.
  void advance(Place place, Ticks watermark);
  void advance_all(Ticks watermark);
  void finish();

  // The least of all lanes: what lies before it is final. Nothing before every lane has one.
  std::optional<Ticks> watermark() const { return least_; }
  // The next event in order, if its time lies before the watermark.
  struct Next {
    Place place;
    WaitingEvent event;  // its row is good until the next change
  };
  std::optional<Next> next() const;
  void pop(Place place);

  std::uint64_t waiting() const;

  std::string save() const;
  bool load(std::string_view bytes);

 private:
  struct Waiting {
    Ticks time = 0;
    std::uint64_t offset = 0;
    ByteBlocks::Place packed;
    bool late = false;
  };
  struct Lane {
    std::optional<Ticks> watermark;
    std::deque<Waiting> events;  // by time, then offset
  };
  Lane& lane(Place place);
  void set_watermark(Lane& lane, Ticks watermark);
  void find_least();

  ByteBlocks rows_;
  std::vector<std::pair<Place, Lane>> lanes_;  // in order of place; few
  std::optional<Ticks> least_;                 // of all watermarks
};

}  // namespace meterhub::engine
