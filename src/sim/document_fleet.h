// The fleet behind write_documents(): its meters' packets in order of time on the air, each
// with what is true of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <meterhub/base/time_text.h>
#include <meterhub/sim/documents.h>
#include <meterhub/sim/town.h>

#include "household.h"
#include "incidents.h"

namespace meterhub::sim {

// One reception of a packet as the hub got it.
struct DocumentCopy {
  std::uint32_t gateway = 0;  // index in the town
  std::uint32_t rank = 0;     // 0 = nearest
  base::PreciseTime time;     // the gateway's clock, or the network server's where it has none
  base::Timestamp arrival{};
};

struct DocumentPacket {
  std::uint64_t number = 0;  // rises by one, from 0
  std::uint32_t meter = 0;   // index in the run
  std::uint32_t fcnt = 0;
  base::Timestamp air{};
  std::uint32_t bought = 0;  // litres, as shown
  std::int32_t left = 0;
  std::uint32_t used = 0;
  std::uint16_t status = 0;
  std::string_view version;
  std::uint32_t burnt = 0;   // litres of gas that flowed since the meter's packet before
  bool decodable = true;
  std::vector<DocumentCopy> copies;  // in order of arrival; empty: lost on the air
};

// A time in which a meter's balance was below its own limit.
struct LowSpell {
  std::uint32_t meter = 0;
  base::Timestamp from{};
  base::Timestamp until{};
};

// One thread.
class DocumentFleet {
 public:
  // kInvalidArgument: no or too many meters, no interval.
  static base::Result<DocumentFleet> create(const DocumentOptions& options);

  // Nothing: the span is over. Meters that are silent live on; their packets do not come.
  std::optional<DocumentPacket> next();

  const Town& town() const { return town_; }
  // A run's meters are spread over a town that is larger.
  const SimMeter& meter(std::uint32_t index) const { return town_.meters[town_index(index)]; }
  std::uint32_t town_index(std::uint32_t index) const;
  std::uint32_t low_limit(std::uint32_t index) const { return meters_[index].low_limit; }  // litres
  const std::vector<Incident>& incidents() const { return incidents_; }
  // So far; one that goes on ends with the time of the last packet.
  const std::vector<LowSpell>& low_spells() const { return low_spells_; }

 private:
  struct Meter {
    Household household;
    Figures figures;
    std::uint32_t low_limit = 0;
    std::uint32_t fcnt = 0;
    std::string_view version = "v1.0";
    std::uint32_t raised = 0;           // what the balance shows too much
    double leaked = 0;                  // below a litre
    std::uint32_t unsaid = 0;           // litres that flowed while it was silent
    base::Timestamp bad_until{};        // a bad spell of its radio
    std::vector<Incident> incidents{};
    std::vector<bool> happened{};       // of those that happen at once
    std::optional<std::size_t> low{};   // its spell that goes on
  };

  DocumentFleet(const DocumentOptions& options, Town town);
  void note_batteries();
  void begin(std::uint32_t index);
  bool live(std::uint32_t index, DocumentPacket& packet);
  void suffer(Meter& meter, std::size_t incident, DocumentPacket& packet, bool& silent);
  void happen_once(Meter& meter, const Incident& incident);
  void note_balance(std::uint32_t index, base::Timestamp at);
  void send(Meter& meter, DocumentPacket& packet);
  bool lost(Meter& meter, const DocumentPacket& packet) const;
  void hear(const DocumentPacket& packet, std::uint32_t repeat, std::vector<DocumentCopy>& out) const;

  const DocumentOptions options_;
  const Town town_;
  std::vector<Incident> incidents_;
  std::vector<Meter> meters_;
  std::vector<std::pair<base::Duration, std::uint32_t>> turns_;  // (phase, meter), sorted
  std::vector<LowSpell> low_spells_;
  std::size_t turn_ = 0;
  base::Timestamp round_;
  std::uint64_t next_number_ = 0;
};

}  // namespace meterhub::sim
