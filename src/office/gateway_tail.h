// Follows the logs that tell of gateways: `status` (their reports, further copies), `deadletter` and `noise`.
#pragma once

#include <memory>
#include <vector>

#include <meterhub/base/result.h>
#include <meterhub/log/log.h>
#include <meterhub/registry/directory.h>

#include "gateways.h"
#include "meter_limits.h"
#include "snapshots.h"

namespace meterhub::office {

// One thread. What it tells of gateways are levels, so that reading some of it again after a restart changes nothing; what
// it counts for meters is counted once, by the positions in the fleet's snapshots.
class GatewayTail {
 public:
  struct World {
    log::Log& log;
    const registry::Directory& directory;
    Limits& limits;
    Gateways& gateways;
    fleet::FleetState& fleet;
  };
  // From `from` on, dead letters from where `snapshots` end. Logs that were never declared are left out.
  static base::Result<std::unique_ptr<GatewayTail>> open(const World& world, base::Timestamp from, const Snapshots& snapshots);

  // One block of each partition; true when one was full. A block that retention took first is passed over. Dead letters
  // wait for kWithLetters: they are told apart by the readings before them.
  enum class What { kWithoutLetters, kWithLetters };
  bool read(What what);
  // The first dead letter that is not counted, by partition of log `deadletter`.
  std::vector<base::Offset> letters() const;

 private:
  struct Followed {
    std::unique_ptr<log::Cursor> cursor;
    bool letters = false;
    std::uint32_t partition = 0;
  };

  GatewayTail(const World& world, const Snapshots& snapshots);
  base::Result<void> follow(std::string_view name, base::Timestamp from);
  void go_back(Followed& letters, base::Offset next) const;
  void take(const log::RecordView& record, const Followed& from);
  void count_letter(const log::RecordView& record, const Followed& from, base::Timestamp at);

  World world_;
  // By partition of `readings`: the letters that its snapshot holds already.
  std::vector<std::vector<base::Offset>> counted_;
  std::vector<Followed> followed_;
};

}  // namespace meterhub::office
