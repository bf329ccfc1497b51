// What connections need of the hub.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include <meterhub/hub/hub.h>

#include "access.h"
#include "device.h"
#include "devicebound.h"
#include "event_hubs.h"
#include "event_records.h"
#include "hub_metrics.h"
#include "intake.h"
#include "message_records.h"
#include "receivers.h"

namespace meterhub::hub {

// Loop thread.
class SessionHost {
 public:
  virtual ~SessionHost() = default;
  virtual const HubOptions& options() const = 0;
  virtual log::Log& log() = 0;
  virtual base::Executor& loop() = 0;
  // Where readers of events look at the log.
  virtual base::Executor& reads() = 0;
  virtual GatewayDirectory& gateways() = 0;
  virtual const Access& access() const = 0;
  virtual const EventHubs& event_hubs() const = 0;
  virtual Receivers& receivers() = 0;
  virtual HubMetrics& metrics() = 0;
  virtual Intake& intake() = 0;
  virtual MessageRecords& records() = 0;
  // Null: cloud-to-device messages are off.
  virtual Devicebound* devicebound() = 0;
  virtual EventRecords& event_records() = 0;
  // Of an event hub that takes them.
  virtual DocumentIntake& documents() = 0;
  // What all senders of one of event_hubs() share.
  virtual TokenBucket& pace(const EventHub& hub) = 0;
  // Rises from link to link: where a sender's turn begins.
  virtual std::uint32_t next_turn() = 0;
  virtual const base::Clock& clock() const = 0;
  // False while nobody is given credit.
  virtual bool granting() const = 0;
  // The session has output: it is written at the iteration's end.
  virtual void dirty(Session& session) = 0;
  // Its go_on() is called in the next iteration.
  virtual void call_again(Session& session) = 0;
  // Its answer_refusals() is called after `delay`.
  virtual void answer_later(Session& session, std::chrono::milliseconds delay) = 0;
  // Its goodbye_over() is called after `delay`.
  virtual void close_later(Session& session, std::chrono::milliseconds delay) = 0;
  // Gives up its hold on the session, whose call is under way.
  virtual void ended(Session& session) = 0;
  // What is known of a device while somebody acts for it; see Seat.
  virtual std::shared_ptr<Device> join(const std::string& gateway, Session& session) = 0;
  virtual void leave(Device& device, Session& session) = 0;
};

// Acting for a device: while it is held, the device's rate is kept and the session is told of its changes. A session may
// hold several for one device.
class Seat {
 public:
  Seat(SessionHost& host, const std::string& gateway, Session& session)
      : host_(&host), session_(&session), device_(host.join(gateway, session)) {}
  Seat(Seat&& other) noexcept = default;
  Seat& operator=(Seat&& other) noexcept {
    std::swap(host_, other.host_);
    std::swap(session_, other.session_);
    std::swap(device_, other.device_);
    return *this;
  }
  ~Seat() {
    if (device_) host_->leave(*device_, *session_);
  }
  Device& device() const { return *device_; }

 private:
  SessionHost* host_;
  Session* session_;
  std::shared_ptr<Device> device_;
};

}  // namespace meterhub::hub
