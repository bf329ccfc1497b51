// The links of cloud-to-device messages (spec/azure-amqp.md 5.1): where services send, where devices receive, and where
// services hear what became of it. Loop thread.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "devicebound.h"
#include "link_endpoint.h"
#include "session_host.h"

namespace meterhub::hub {

// messages/devicebound: a service sends to devices, named by properties.to.
class ServiceSendEndpoint final : public LinkEndpoint {
 public:
  static constexpr std::uint32_t kMessageMax = 65'536;  // bytes of a whole message (Azure's limit is 64 KB)

  ServiceSendEndpoint(Session& session, amqp::LinkId link, Devicebound& devicebound)
      : session_(session), link_(link), devicebound_(devicebound) {}
  static bool may_send(const Session& session);

  void on_delivery(const amqp::Delivery& delivery) override;
  void update_window() override;
  bool permitted() const override { return may_send(session_); }

 private:
  base::Result<DeviceboundMessage> read(const amqp::Delivery& delivery) const;

  Session& session_;
  const amqp::LinkId link_;
  Devicebound& devicebound_;
};

// Sends what there is to take, and remembers under which lock, until the peer answers or the link ends.
class LockedSender : public LinkEndpoint, public DeviceboundReader {
 public:
  void on_credit() override { ready(); }
  void on_drain() override;
  void on_outcome(amqp::DeliveryId first, amqp::DeliveryId last, amqp::Outcome outcome,
                  const amqp::ErrorView& error) override;
  void sweep() override { ready(); }
  void ready() override;

 protected:
  LockedSender(Session& session, const amqp::PeerAttach& attach);
  // One message; false when there is none.
  virtual bool send_next() = 0;
  virtual void answered(DeliveryLock lock, amqp::Outcome outcome) = 0;
  bool send(DeliveryLock lock, base::BytesView head, base::BytesView body, base::BytesView tag = {});
  // Gives back what the peer has not answered; for destructors.
  void give_all_back();

  Session& session_;

 private:
  const amqp::LinkId link_;
  const bool presettled_;  // the peer answers nothing: sent is accepted
  std::map<amqp::DeliveryId, DeliveryLock> sent_;  // at most kUnansweredMax
  bool sending_ = false;
};

// devices/{id}/messages/devicebound.
class DeviceboundEndpoint final : public LockedSender {
 public:
  DeviceboundEndpoint(Session& session, const amqp::PeerAttach& attach, Devicebound& devicebound, std::string device);
  ~DeviceboundEndpoint() override;
  static bool may_receive(Session& session, std::string_view device);
  bool permitted() const override { return may_receive(session_, device_); }

 private:
  bool send_next() override;
  void answered(DeliveryLock lock, amqp::Outcome outcome) override;

  Devicebound& devicebound_;
  const std::string device_;
  Seat seat_;  // the session is told when the device changes
};

// messages/serviceBound/feedback.
class FeedbackEndpoint final : public LockedSender {
 public:
  FeedbackEndpoint(Session& session, const amqp::PeerAttach& attach, Devicebound& devicebound);
  ~FeedbackEndpoint() override;
  static bool may_receive(const Session& session);
  bool permitted() const override { return may_receive(session_); }

 private:
  bool send_next() override;
  void answered(DeliveryLock lock, amqp::Outcome outcome) override;

  Devicebound& devicebound_;
};

}  // namespace meterhub::hub
