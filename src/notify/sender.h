// The part of the notifier that lives on its executor: from the outbox to the servers.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include <meterhub/base/executor.h>
#include <meterhub/notify/notifier.h>
#include <meterhub/notify/setup.h>
#include <meterhub/tables/outbox.h>

namespace meterhub::notify {

// On its executor. Held by shared_ptr: answers come back to it or to nobody.
class Sender : public std::enable_shared_from_this<Sender> {
 public:
  Sender(const NotifierWorld& world, const NotifierOptions& options);

  // From now on `setup` says who is there.
  void begin(std::shared_ptr<const Setup> setup);
  // Makes messages of what is due, sends those whose time has come, and sets the timer for the next time.
  void pass();
  void drain(base::Task done);
  void stop();

 private:
  using Channel = tables::outbox::Channel;
  // Keeps the setup that it is part of.
  using ChannelPtr = std::shared_ptr<const registry::Channel>;
  // What is known of a channel beside what the database says.
  struct Sending {
    bool read = false;  // last_sent was taken from the database
    std::optional<base::Timestamp> last_sent;
    bool under_way = false;
  };
  struct Ready {
    ChannelPtr channel;
    tables::outbox::Message message;
  };

  base::Result<std::vector<Ready>> prepare(db::Connection& connection, base::Timestamp now);
  base::Result<void> prepare_channel(db::Connection& connection, Channel number, const tables::outbox::Work& work,
                                     base::Timestamp now, std::vector<Ready>& ready);
  base::Result<bool> drop_if_gone(db::Connection& connection, Channel number);
  base::Result<void> make_message(db::Connection& connection, const registry::Channel& channel, base::Timestamp now);
  void send(const Ready& ready, base::Timestamp now);
  void answered(const ChannelPtr& channel, const tables::outbox::Message& message, const Outcome& outcome);
  base::Result<void> note(db::Connection& connection, const tables::outbox::Message& message, const Outcome& outcome,
                          base::Timestamp now) const;
  void count(const registry::Channel& channel, std::string_view outcome);
  void wake_by(base::Timestamp at);
  void set_timer(base::Timestamp now);
  void expire_if_due(base::Timestamp now);
  void end_drain();

  const NotifierWorld world_;
  const NotifierOptions options_;
  std::shared_ptr<const Setup> setup_;
  std::map<Channel, Sending> sending_;
  std::optional<base::Timestamp> next_;  // earliest time with something to do, found by a pass
  base::Timestamp next_expiry_{};
  base::Executor::TimerId timer_ = base::Executor::TimerId::kNone;
  base::Executor::TimerId drain_timer_ = base::Executor::TimerId::kNone;
  bool stopping_ = false;
  base::Task drained_;
};

}  // namespace meterhub::notify
