#include "session_sink.h"

#include <utility>

#include <meterhub/base/logging.h>

namespace meterhub::app {

void SessionSink::on_feed(const registry::FeedMessage& message) {
  std::visit([this](const auto& one) { take(one); }, message);
}

bool SessionSink::wait_until_complete(std::chrono::milliseconds patience) {
  return complete_.wait_for(patience) == std::future_status::ready;
}

void SessionSink::take(const registry::SnapshotBegin& /*message*/) { table_.begin_snapshot(); }

void SessionSink::take(const registry::SnapshotEnd& /*message*/) {
  table_.end_snapshot();
  has_snapshot_ = true;
}

void SessionSink::take(const registry::SessionsPut& message) {
  for (const auto& session : message.sessions) {
    if (const auto taken = table_.upsert(session); !taken) {
      base::logging::error("session_not_kept", {{"meter", session.meter.value}, {"error", taken.error().text}});
    }
  }
}

void SessionSink::take(const registry::SessionsDropped& message) {
  for (const auto& key : message.sessions) table_.drop(key.meter, key.session);
}

void SessionSink::take(const registry::Heartbeat& message) {
  table_.set_fresh_as_of(message.current_to);
  if (has_snapshot_ && !std::exchange(told_, true)) first_.set_value();
}

}  // namespace meterhub::app
