// Tells people of episodes: notices are put into the outbox in the transaction of their episodes, and messages made of
// them are sent from there, at most one a minute and channel (docs/messages.md).
//
// A message is told once, unless the program dies or the server falls silent between its taking a message and our
// noting so: then the same message comes again, with the same id. What was noted as sent never does.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include <meterhub/base/executor.h>
#include <meterhub/base/metrics.h>
#include <meterhub/base/result.h>
#include <meterhub/notify/carrier.h>
#include <meterhub/notify/notice.h>
#include <meterhub/notify/routing.h>
#include <meterhub/registry/store.h>
#include <meterhub/tables/database.h>

namespace meterhub::notify {

struct NotifierOptions {
  Pace pace{};
  http::Plaintext plaintext = http::Plaintext::kThisMachine;
  std::size_t waiting_max = 10'000;                 // notices of a channel; the oldest beyond are counted
  std::chrono::hours give_up{24};                   // a message that no server took by then has failed
  std::chrono::milliseconds follow_every{1000};     // changes of channels and routes are looked for
  std::chrono::hours keep{30 * 24};                 // rows of what is over
  std::chrono::hours expire_every{1};
  std::chrono::milliseconds drain_patience{5000};   // for answers that are awaited when it ends
};

// All of it outlives the notifier. `executor`: a thread that may wait for the database.
struct NotifierWorld {
  registry::Store& registry;
  tables::Database& database;
  Carrier& carrier;
  base::Executor& executor;
  base::Metrics& metrics;
};

class Notifier {
 public:
  // Any thread; begins to send what waits. The errors of the registry.
  static base::Result<std::unique_ptr<Notifier>> create(const NotifierWorld& world, const NotifierOptions& options);
  // On the executor.
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  // --- inside the caller's transaction on database.sqlite; one thread at a time, any
  // Of episodes that cleared it also stops the escalation.
  base::Result<void> notices(std::span<const Notice> notices, db::Connection& connection);
  // Episodes that somebody has taken note of, or put aside, are not escalated.
  base::Result<void> acknowledged(std::span<const std::uint64_t> episodes, db::Connection& connection);

  // --- any thread
  // After the commit: there may be something to send.
  void committed();
  // Channels or routes were changed in this process: they count from now on.
  void follow();

  // On the executor. Begins nothing any more; `done` when no answer is awaited, or after `drain_patience`. What waits
  // stays in the outbox.
  void drain(base::Task done);

 private:
  struct State;
  explicit Notifier(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace meterhub::notify
