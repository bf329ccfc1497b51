#include <meterhub/hub/presence.h>

#include <algorithm>

namespace meterhub::hub {

void PresenceBoard::note(const std::string& device, Entry& entry) {
  entry.told = entry.now.active;
  if (!std::exchange(entry.is_news, true)) news_.push_back(device);
}

void PresenceBoard::connected(const std::string& device, base::Timestamp now) {
  const base::Lock lock(mutex_);
  auto& entry = entries_[device];
  if (!entry.now.connected) ++connected_;
  entry.now = {true, now, now};
  note(device, entry);
}

void PresenceBoard::disconnected(const std::string& device, base::Timestamp now) {
  const base::Lock lock(mutex_);
  const auto found = entries_.find(device);
  if (found == entries_.end() || !found->second.now.connected) return;
  --connected_;
  found->second.now.connected = false;
  found->second.now.changed = now;
  note(device, found->second);
}

void PresenceBoard::active(const std::string& device, base::Timestamp now) {
  const base::Lock lock(mutex_);
  auto& entry = entries_[device];
  entry.now.active = std::max(entry.now.active, now);
  if (entry.now.active - entry.told >= kActiveIsNews) note(device, entry);
}

void PresenceBoard::forget(const std::string& device) {
  const base::Lock lock(mutex_);
  const auto found = entries_.find(device);
  if (found == entries_.end()) return;
  if (found->second.now.connected) --connected_;
  entries_.erase(found);
}

void PresenceBoard::restore(const std::string& device, base::Timestamp changed, base::Timestamp active) {
  const base::Lock lock(mutex_);
  entries_.try_emplace(device, Entry{{false, changed, active}, active, false});
}

Presence PresenceBoard::of(std::string_view device) const {
  const base::Lock lock(mutex_);
  const auto found = entries_.find(device);
  return found == entries_.end() ? Presence() : found->second.now;
}

std::size_t PresenceBoard::connected() const {
  const base::Lock lock(mutex_);
  return connected_;
}

// One that was forgotten meanwhile is passed over.
PresenceBoard::News PresenceBoard::take_news() {
  const base::Lock lock(mutex_);
  News out;
  for (auto& device : std::exchange(news_, {})) {
    const auto found = entries_.find(device);
    if (found == entries_.end() || !std::exchange(found->second.is_news, false)) continue;
    out.emplace_back(std::move(device), found->second.now);
  }
  return out;
}

}  // namespace meterhub::hub
