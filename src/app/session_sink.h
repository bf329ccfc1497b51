// Brings the session feed into the table that frames are opened with.
#pragma once

#include <future>
#include <memory>

#include <meterhub/decrypt/session_table.h>
#include <meterhub/registry/session_feed.h>

namespace meterhub::app {

// One executor, the one given to subscribe(). The table outlives this.
class SessionSink final : public registry::SessionListener {
 public:
  explicit SessionSink(decrypt::SessionTable& table) : table_(table), complete_(first_.get_future()) {}

  void on_feed(const registry::FeedMessage& message) override;
  // Any thread. Waits until the table is whole and says of which moment it is, which is the first
  // heartbeat behind a snapshot; false when that did not come in time.
  bool wait_until_complete(std::chrono::milliseconds patience);

 private:
  void take(const registry::SnapshotBegin& message);
  void take(const registry::SnapshotEnd& message);
  void take(const registry::SessionsPut& message);
  void take(const registry::SessionsDropped& message);
  void take(const registry::Heartbeat& message);

  decrypt::SessionTable& table_;
  bool has_snapshot_ = false;
  bool told_ = false;
  std::promise<void> first_;
  std::future<void> complete_;
};

}  // namespace meterhub::app
