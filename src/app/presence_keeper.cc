#include "presence_keeper.h"

#include <algorithm>
#include <span>

#include <meterhub/base/logging.h>

namespace meterhub::app {

PresenceKeeper::PresenceKeeper(registry::Store& store, hub::PresenceBoard& board, base::Executor& executor)
    : store_(store), board_(board), executor_(executor) {
  const auto kept = store_.gateways_seen();
  if (!kept) base::logging::warn("presence_not_read", {{"error", kept.error().text}});
  if (kept) {
    for (const auto& seen : *kept) board_.restore(seen.id, seen.changed, seen.active);
  }
  timer_ = executor_.after(kEvery, [this] { tick(); });
}

PresenceKeeper::~PresenceKeeper() { executor_.cancel(timer_); }

void PresenceKeeper::stop(base::Task done) {
  executor_.cancel(timer_);
  keep();
  done();
}

void PresenceKeeper::tick() {
  keep();
  timer_ = executor_.after(kEvery, [this] { tick(); });
}

// What cannot be written is not tried again: the next news of the device is newer.
void PresenceKeeper::keep() {
  std::vector<registry::GatewaySeen> seen;
  for (auto& [id, presence] : board_.take_news()) seen.push_back({std::move(id), presence.changed, presence.active});
  for (std::span<const registry::GatewaySeen> rest(seen); !rest.empty();) {
    const auto some = rest.first(std::min(rest.size(), kAtOnce));
    rest = rest.subspan(some.size());
    if (const auto noted = store_.note_gateways_seen(some); !noted) {
      base::logging::warn("presence_not_kept", {{"error", noted.error().text}, {"devices", some.size()}});
    }
  }
}

}  // namespace meterhub::app
