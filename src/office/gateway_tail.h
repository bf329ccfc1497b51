// Follows the logs that tell of gateways: `status` (their reports, further copies), `deadletter` and `noise`.
#pragma once

#include <memory>
#include <vector>

#include <meterhub/base/result.h>
#include <meterhub/log/log.h>
#include <meterhub/registry/directory.h>

#include "gateways.h"
#include "meter_limits.h"

namespace meterhub::office {

// One thread. What it tells are levels, so that reading some of it again after a restart changes nothing.
class GatewayTail {
 public:
  // From `from` on. Logs that were never declared are left out.
  static base::Result<std::unique_ptr<GatewayTail>> open(log::Log& log, const registry::Directory& directory,
                                                         const Limits& limits, Gateways& gateways, base::Timestamp from);
  // One block of each partition. A block that retention took first is passed over.
  void read();

 private:
  GatewayTail(const registry::Directory& directory, const Limits& limits, Gateways& gateways)
      : directory_(directory), limits_(limits), gateways_(gateways) {}
  void take(const log::RecordView& record);

  const registry::Directory& directory_;
  const Limits& limits_;
  Gateways& gateways_;
  std::vector<std::unique_ptr<log::Cursor>> cursors_;
};

}  // namespace meterhub::office
