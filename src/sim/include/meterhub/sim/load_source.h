// What the gateways of a load town send: real LoRaWAN frames in the forwarder's JSON, made in
// blocks from templates, since the generator shares the machine with what it measures.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/sim/load_town.h>

namespace meterhub::sim {

// A message of one packet as a gateway sends it.
struct LoadMessage {
  std::uint32_t gateway = 0;
  std::uint64_t packet = 0;  // LoadSource::packet_number()
  bool copy = false;         // another gateway has sent this packet before
  std::string body;
};

struct LoadIdentity {
  std::uint32_t meter = 0;  // index in the town
  std::uint32_t fcnt = 0;
};

// The meters of a gateway take turns in a random order, each with its next counter; no meter
// speaks twice before all have spoken. One thread.
class LoadSource {
 public:
  // `copies`: of so many packets a neighbouring gateway sends a copy, too. Counters begin at
  // `first_fcnt`.
  LoadSource(const LoadTown& town, std::uint32_t first_fcnt, double copies);

  // The next `messages` of this gateway: copies that wait there first, then packets of its meters.
  void plan(std::uint32_t gateway, std::uint32_t messages);
  // What was planned, in that order, heard at `now`.
  std::vector<LoadMessage> encode(base::Timestamp now);

  // Packets are numbered by round and meter.
  std::uint64_t packet_number(LoadIdentity identity) const {
    return std::uint64_t{identity.fcnt - first_fcnt_} * town_.meters() + identity.meter;
  }
  // No counter of a packet so far reaches it.
  std::uint32_t next_fcnt() const { return next_fcnt_; }

 private:
  struct Air {
    std::uint64_t packet = 0;
    std::array<std::uint8_t, 33> frame{};
  };
  struct Planned {
    std::uint32_t gateway = 0;
    LoadIdentity identity;
    bool copy = false;
    Air air;
  };
  struct Gateway {
    std::uint64_t next = 0;     // packets of its meters so far
    std::deque<Air> copies;     // heard from the neighbours, to be sent
    std::string body;           // template
  };

  LoadIdentity next_identity(std::uint32_t gateway);
  void make_new_frames();
  void share(const Planned& planned);
  std::string body_of(const Planned& planned, std::string_view time, std::uint64_t micros) const;

  const LoadTown town_;
  const std::uint32_t first_fcnt_;
  const double copies_;
  std::uint32_t next_fcnt_;
  std::vector<std::uint32_t> order_;  // meters, shuffled within each gateway's block
  std::vector<Gateway> gateways_;
  std::vector<Planned> planned_;
};

}  // namespace meterhub::sim
