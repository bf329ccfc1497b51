#include "gateway_tail.h"

#include <algorithm>

namespace meterhub::office {
namespace {

constexpr std::size_t kBlockBytes = 256 * 1024;

// When the hub took the packet or report.
base::Timestamp taken_at(const log::RecordView& record) {
  const auto& origin = record.properties.origin;
  return origin.enqueued != base::Timestamp{} ? origin.enqueued : record.enqueued;
}

}  // namespace

base::Result<std::unique_ptr<GatewayTail>> GatewayTail::open(log::Log& log, const registry::Directory& directory,
                                                             const Limits& limits, Gateways& gateways, base::Timestamp from) {
  std::unique_ptr<GatewayTail> tail(new GatewayTail(directory, limits, gateways));
  for (const auto name : {log::topics::kStatus, log::topics::kDeadletter, log::topics::kNoise}) {
    const auto topic = log.topic(name);
    if (!topic) continue;
    for (std::uint32_t number = 0; number < log.partitions(*topic); ++number)
      tail->cursors_.push_back(MH_TRY(log.open({*topic, base::PartitionId(number)}, from)));
  }
  return tail;
}

void GatewayTail::read() {
  for (const auto& cursor : cursors_) {
    const auto batch = cursor->next(kBlockBytes);
    if (!batch) continue;
    for (const auto& record : batch->records) take(record);
  }
}

void GatewayTail::take(const log::RecordView& record) {
  const auto& properties = record.properties;
  if (properties.redo) return;  // driven again: nobody was heard
  const auto at = taken_at(record);
  gateways_.heard(properties.gateway, at);
  if (!is_decrypt_failure(properties.reason)) return;
  if (const auto gateway = directory_.gateway(properties.gateway))
    gateways_.undecrypted(properties.gateway, at, limits_.of_gateways(gateway->tenant).decrypt_window);
}

}  // namespace meterhub::office
