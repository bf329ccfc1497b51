#include "gateway_tail.h"

#include <algorithm>
#include <optional>

namespace meterhub::office {
namespace {

constexpr std::size_t kBlockBytes = 256 * 1024;

// When the hub took the packet or report.
base::Timestamp taken_at(const log::RecordView& record) {
  const auto& origin = record.properties.origin;
  return origin.enqueued != base::Timestamp{} ? origin.enqueued : record.enqueued;
}

// Letters that have no record in `readings` beside them.
std::optional<fleet::Missing> missing_by(std::string_view reason) {
  if (is_decrypt_failure(reason)) return fleet::Missing::kDecryptFailed;
  if (reason == "counter_reset") return fleet::Missing::kRejected;
  return std::nullopt;
}

}  // namespace

GatewayTail::GatewayTail(const World& world, const Snapshots& snapshots) : world_(world) {
  for (const auto& head : snapshots) counted_.push_back(head ? head->letters : std::vector<base::Offset>());
}

base::Result<std::unique_ptr<GatewayTail>> GatewayTail::open(const World& world, base::Timestamp from, const Snapshots& snapshots) {
  std::unique_ptr<GatewayTail> tail(new GatewayTail(world, snapshots));
  for (const auto name : {log::topics::kStatus, log::topics::kDeadletter, log::topics::kNoise})
    MH_TRY_VOID(tail->follow(name, from));
  return tail;
}

base::Result<void> GatewayTail::follow(std::string_view name, base::Timestamp from) {
  const auto topic = world_.log.topic(name);
  if (!topic) return {};
  for (std::uint32_t number = 0; number < world_.log.partitions(*topic); ++number) {
    Followed one{MH_TRY(world_.log.open({*topic, base::PartitionId(number)}, from)), name == log::topics::kDeadletter, number};
    if (one.letters) go_back(one, MH_TRY(world_.log.bounds({*topic, base::PartitionId(number)})).next);
    followed_.push_back(std::move(one));
  }
  return {};
}

// Positions beyond the log's end are of another log.
void GatewayTail::go_back(Followed& letters, base::Offset next) const {
  for (const auto& counted : counted_) {
    if (letters.partition >= counted.size() || counted[letters.partition] > next) continue;
    if (counted[letters.partition] < letters.cursor->position()) letters.cursor->seek(counted[letters.partition]);
  }
}

bool GatewayTail::read(What what) {
  bool more = false;
  for (const auto& followed : followed_) {
    if (followed.letters && what == What::kWithoutLetters) continue;
    const auto batch = followed.cursor->next(kBlockBytes);
    if (!batch) continue;
    std::size_t bytes = 0;
    for (const auto& record : batch->records) {
      bytes += record.body.size();
      take(record, followed);
    }
    more = more || bytes > kBlockBytes / 2;
  }
  return more;
}

std::vector<base::Offset> GatewayTail::letters() const {
  std::vector<base::Offset> out;
  for (const auto& followed : followed_)
    if (followed.letters) out.push_back(followed.cursor->position());
  return out;
}

void GatewayTail::take(const log::RecordView& record, const Followed& from) {
  const auto& properties = record.properties;
  if (properties.redo) return;  // driven again: nobody was heard
  const auto at = taken_at(record);
  world_.gateways.heard(properties.gateway, at);
  if (from.letters) count_letter(record, from, at);
  if (!is_decrypt_failure(properties.reason)) return;
  if (const auto gateway = world_.directory.gateway(properties.gateway))
    world_.gateways.undecrypted(properties.gateway, at, world_.limits.of_gateways(gateway->tenant).decrypt_window);
}

void GatewayTail::count_letter(const log::RecordView& record, const Followed& from, base::Timestamp at) {
  const auto& properties = record.properties;
  const auto reason = missing_by(properties.reason);
  if (!reason) return;
  const auto meter = properties.meter;
  if (meter.value == 0) {
    if (*reason == fleet::Missing::kDecryptFailed) world_.gateways.unnamed_letter(properties.gateway, at);
    return;
  }
  const auto partition = base::partition_of(base::shard_of(meter), static_cast<std::uint32_t>(counted_.size())).value;
  if (from.partition < counted_[partition].size() && record.offset < counted_[partition][from.partition]) return;
  const auto view = world_.directory.view();
  if (const auto* const entry = view.meter(meter))
    world_.fleet.count_letter(meter, *reason, static_cast<std::uint16_t>(properties.fcnt), at, world_.limits.days(entry->tenant));
}

}  // namespace meterhub::office
