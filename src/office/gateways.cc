#include "gateways.h"

#include <algorithm>
#include <numeric>
#include <set>

namespace meterhub::office {
namespace {

constexpr std::chrono::hours kKept{48};

}  // namespace

bool is_decrypt_failure(std::string_view reason) { return reason == "mic" || reason == "plugin_failed"; }

void Gateways::Failures::move_to(std::int64_t number) {
  if (number - newest >= static_cast<std::int64_t>(kPieces)) counts = {};
  for (auto n = std::max(newest, number - static_cast<std::int64_t>(kPieces)) + 1; n <= number; ++n)
    counts[static_cast<std::size_t>(n) % kPieces] = 0;
  newest = std::max(newest, number);
}

void Gateways::heard(std::string_view gateway, base::Timestamp at) {
  if (last_ == nullptr || last_id_ != gateway) {
    if (gateway.empty()) return;
    auto found = gateways_.find(gateway);
    if (found == gateways_.end()) found = gateways_.emplace(std::string(gateway), Gateway{}).first;
    last_id_ = gateway;
    last_ = &found->second;
  }
  if (at <= last_->heard) return;
  if (last_->heard != base::Timestamp{} && at - last_->heard > last_->silence) {
    auto& outages = last_->outages;
    outages.push_back({last_->heard, at});
    while (outages.size() > kOutages || outages.front().to < at - kKept) outages.pop_front();
  }
  last_->heard = at;
}

void Gateways::undecrypted(std::string_view gateway, base::Timestamp at, base::Duration window) {
  heard(gateway, at);
  if (gateway.empty()) return;
  auto& failures = last_->failures;
  const auto piece = std::max(window / static_cast<std::int64_t>(kPieces), base::Duration(std::chrono::seconds(1)));
  if (failures.piece != piece) failures = Failures{.piece = piece};
  const auto number = at.time_since_epoch() / piece;
  failures.move_to(number);
  if (number > failures.newest - static_cast<std::int64_t>(kPieces)) ++failures.counts[static_cast<std::size_t>(number) % kPieces];
}

base::Timestamp Gateways::heard_last(std::string_view gateway) const {
  const auto found = gateways_.find(gateway);
  return found != gateways_.end() ? found->second.heard : base::Timestamp{};
}

std::vector<fleet::Outage> Gateways::outages(std::string_view gateway, base::Timestamp as_of) const {
  const auto found = gateways_.find(gateway);
  if (found == gateways_.end()) return {};
  const auto& known = found->second;
  std::vector<fleet::Outage> out(known.outages.begin(), known.outages.end());
  if (as_of - known.heard > known.silence) out.push_back({known.heard, as_of});
  return out;
}

void Gateways::unnamed_letter(std::string_view gateway, base::Timestamp at) {
  heard(gateway, at);
  if (gateway.empty()) return;
  auto& hours = last_->unnamed;
  ++hours[at.time_since_epoch() / std::chrono::hours(1)];
  hours.erase(hours.begin(), hours.lower_bound((last_->heard - kKept).time_since_epoch() / std::chrono::hours(1)));
}

std::uint64_t Gateways::unnamed(std::string_view gateway, base::Timestamp from, base::Timestamp to) const {
  const auto found = gateways_.find(gateway);
  if (found == gateways_.end()) return 0;
  const auto& hours = found->second.unnamed;
  const auto hour = [](base::Timestamp time) { return time.time_since_epoch() / std::chrono::hours(1); };
  return std::accumulate(hours.lower_bound(hour(from)), hours.lower_bound(hour(to)), std::uint64_t{0},
                         [](std::uint64_t sum, const auto& counted) { return sum + counted.second; });
}

std::uint64_t Gateways::undecrypted(std::string_view gateway, base::Timestamp at) const {
  const auto found = gateways_.find(gateway);
  if (found == gateways_.end() || found->second.failures.piece == base::Duration{}) return 0;
  auto failures = found->second.failures;
  failures.move_to(std::max(failures.newest, at.time_since_epoch() / failures.piece));
  return std::accumulate(failures.counts.begin(), failures.counts.end(), std::uint64_t{0});
}

void Gateways::judge(const registry::Directory& directory, const Limits& limits, alarm::Episodes& episodes,
                     base::Timestamp complete, base::Timestamp listening_since) {
  std::set<std::string, std::less<>> known;
  for (const auto& entry : directory.gateways()) {
    const auto found = gateways_.find(entry->id);
    if (found == gateways_.end()) continue;
    known.insert(entry->id);
    const auto& thresholds = limits.of_gateways(entry->tenant);
    found->second.silence = thresholds.silence_gateway;
    const auto since = std::max(found->second.heard, listening_since);
    alarm::Observation seen{.rule = alarm::Rule::kSilentGateway,
                            .subject = alarm::Subject::named(alarm::SubjectKind::kGateway, entry->id),
                            .tenant = entry->tenant,
                            .active = entry->enabled && complete - since > thresholds.silence_gateway,
                            .at = complete};
    episodes.observe(seen);
    const auto failed = undecrypted(entry->id, complete);
    const auto detail = std::to_string(failed) + " packets";
    seen.rule = alarm::Rule::kDecryptFailures;
    seen.active = entry->enabled && failed >= static_cast<std::uint64_t>(thresholds.decrypt_failures);
    seen.detail = detail;
    episodes.observe(seen);
  }
  std::erase_if(gateways_, [&](const auto& gateway) { return !known.contains(gateway.first); });
  last_ = nullptr;
}

}  // namespace meterhub::office
