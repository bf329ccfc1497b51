#include "event_hubs.h"

#include <algorithm>
#include <charconv>

#include <meterhub/base/ascii.h>

#include "link_address.h"

namespace meterhub::hub {
namespace {

base::Result<EventHub> made(const log::Log& log, const EventHubSpec& spec) {
  EventHub out;
  out.name = base::lower_case(spec.name);
  out.topic = MH_TRY(log.topic(spec.log));
  out.partitions = log.partitions(out.topic);
  out.groups.emplace_back(kDefaultGroup);
  for (const auto& group : spec.consumer_groups) out.groups.push_back(base::lower_case(group));
  out.takes = spec.takes;
  out.rate = spec.rate;
  return out;
}

}  // namespace

bool EventHub::has_group(std::string_view group) const {
  return std::ranges::any_of(groups, [&](const auto& known) { return base::same_ignoring_case(known, group); });
}

std::optional<base::PartitionId> EventHub::partition(std::string_view text) const {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool canonical = text == "0" || !text.starts_with('0');
  if (error != std::errc{} || end != text.data() + text.size() || !canonical || number >= partitions) return std::nullopt;
  return base::PartitionId(number);
}

base::Result<EventHubs> EventHubs::create(const log::Log& log, const std::vector<EventHubSpec>& specs) {
  EventHubs out;
  for (const auto& spec : specs) {
    if (out.find(spec.name) != nullptr) return base::fail(base::Errc::kInvalidArgument, "two event hubs are called " + spec.name);
    out.all_.push_back(MH_TRY(made(log, spec)));
  }
  return out;
}

const EventHub* EventHubs::find(std::string_view name) const {
  const auto found = std::ranges::find_if(all_, [&](const auto& one) { return base::same_ignoring_case(one.name, name); });
  return found == all_.end() ? nullptr : &*found;
}

}  // namespace meterhub::hub
