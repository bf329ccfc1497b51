#include "receivers.h"

#include <algorithm>

namespace meterhub::hub {
namespace {

constexpr std::string_view kStolen = "amqp:link:stolen";
constexpr std::string_view kExhausted = "amqp:resource-limit-exceeded";

std::string level_text(const std::optional<std::int64_t>& epoch) { return epoch ? std::to_string(*epoch) : "none"; }

}  // namespace

std::optional<Receivers::Refused> Receivers::admit(const Place& place, Newcomer newcomer) {
  const auto known = places_.find(place);
  const auto present = known == places_.end() ? std::vector<Newcomer>() : known->second;
  const auto owner = std::ranges::find_if(present, [](const Newcomer& one) { return one.epoch.has_value(); });
  if (owner != present.end() && (!newcomer.epoch || *newcomer.epoch < *owner->epoch))
    return Refused{kStolen, "receiver '" + owner->name + "' with the owner level " + level_text(owner->epoch) +
                                " reads this partition; this one's is " + level_text(newcomer.epoch)};
  if (!newcomer.epoch && present.size() >= kPerGroup)
    return Refused{kExhausted, "5 receivers without an owner level read this partition in this consumer group, the most there may be"};
  const bool takes_over = newcomer.epoch.has_value();
  if (count_ - (takes_over ? present.size() : 0) >= max_)
    return Refused{kExhausted, std::to_string(max_) + " readers of events are connected, as many as hub.reader_memory has room for"};
  const std::string by = "receiver '" + newcomer.name + "' with the owner level " + level_text(newcomer.epoch);
  places_[place].push_back(std::move(newcomer));
  ++count_;
  if (takes_over)
    for (const auto& old : present) old.receiver->stolen(by);
  return std::nullopt;
}

void Receivers::leave(const Place& place, const Receiver& receiver) {
  const auto known = places_.find(place);
  if (known == places_.end()) return;
  count_ -= std::erase_if(known->second, [&](const Newcomer& one) { return one.receiver == &receiver; });
  if (known->second.empty()) places_.erase(known);
}

}  // namespace meterhub::hub
