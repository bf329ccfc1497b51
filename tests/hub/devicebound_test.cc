// Cloud-to-device messages through the hub: services send, devices answer, services hear, and all of it stands after a
// restart.
#include "hub_fixture.h"

namespace meterhub::hub {
namespace {

using namespace std::chrono_literals;
using amqp::Outcome;
using test::DeviceClient;

constexpr std::string_view kSendTo = "/messages/devicebound";
constexpr std::string_view kFeedbackAt = "/messages/serviceBound/feedback";

struct Command {
  std::string to = "/devices/gw-1/messages/devicebound";
  std::string id = "m-1";
  std::string ack{};
  std::string body = "open";
  std::optional<base::Timestamp> expires{};
};

base::Bytes encoded(const Command& command) {
  base::Bytes out, to, id;
  amqp::Writer(to).string(command.to);
  amqp::Writer(id).string(command.id);
  amqp::Properties properties;
  properties.to = *amqp::Value::parse(to);
  properties.message_id = *amqp::Value::parse(id);
  if (command.expires)
    properties.absolute_expiry_time =
        amqp::WireTime{std::chrono::floor<std::chrono::milliseconds>(command.expires->time_since_epoch()).count()};
  amqp::MessageWriter writer(out);
  writer.properties(properties);
  if (!command.ack.empty()) {
    writer.begin_application_properties();
    writer.writer().string("iothub-ack");
    writer.writer().string(command.ack);
    writer.end();
  }
  writer.data(base::as_bytes(command.body));
  return out;
}

std::string body_of(const DeviceClient::Received& one) {
  return std::string(base::as_text(amqp::Message::parse(one.payload)->data));
}

std::uint64_t deliveries_of(const DeviceClient::Received& one) {
  const auto message = *amqp::Message::parse(one.payload);
  return *message.message_annotations.find("x-opt-delivery-count")->unsigned_integer();
}

class DeviceboundTest : public test::HubFixture {
 protected:
  void SetUp() override {
    log::TopicSpec spec;
    spec.name = kDeviceboundLog;
    spec.partitions = 1;
    spec.protected_groups = {std::string(kDeviceboundGroup)};
    ASSERT_TRUE(log_.declare(spec));
    options_.devicebound = DeviceboundOptions{};
    options_.idle_timeout = 1000h;  // these tests pass hours at once
    policies_.put(
        {"service", "", test::rights({Right::kServiceConnect}), std::string(test::kKey), std::string(test::kOtherKey)});
    policies_.put(
        {"reader", "", test::rights({Right::kRegistryRead}), std::string(test::kKey), std::string(test::kOtherKey)});
  }
  void show_policy(DeviceClient& client, std::string_view policy = "service", std::string_view resource = "localhost") {
    client.dial(hub_->amqp_addresses().front(), net::test::client_context());
    client.put_token(
        *sas::make_token(resource, test::kKey, std::chrono::floor<std::chrono::seconds>(clock_.now()) + 72h, policy),
        std::string(resource));
    ASSERT_TRUE(run_until([&] { return !client.statuses.empty(); }));
    ASSERT_EQ(client.statuses.back(), 200) << client.description;
  }
  amqp::LinkId service(DeviceClient& client) {
    show_policy(client);
    const auto link = client.attach(std::string(kSendTo));
    EXPECT_TRUE(run_until([&] { return client.credit(link) > 0; }));
    return link;
  }
  amqp::LinkId device(DeviceClient& client, std::uint32_t window = 1000,
                      amqp::SettleMode mode = amqp::SettleMode::kMixed) {
    EXPECT_TRUE(claim(client, token("gw-1", test::kKey, 72h))) << client.description;
    return client.receive("/devices/gw-1/messages/devicebound", window, mode);
  }
  // The condition, or "accepted".
  std::string send(DeviceClient& client, amqp::LinkId link, const Command& command) {
    const auto id = client.send(link, encoded(command));
    EXPECT_TRUE(run_until([&] { return id && client.outcomes.contains(*id); }));
    const auto& [outcome, condition] = client.outcomes[*id];
    return outcome == Outcome::kAccepted ? "accepted" : condition;
  }
  bool receives(DeviceClient& client, std::size_t count) {
    return run_until([&] { return client.received.size() >= count; });
  }
  void restart() {
    hub_.reset();
    auto hub = Hub::create(world(), options_, [this](base::Error e) { fatal_ = e; });
    ASSERT_TRUE(hub) << hub.error().text;
    hub_ = std::move(*hub);
  }
  // The bodies of all feedback messages so far.
  static std::string all(const DeviceClient& client) {
    std::string out;
    for (const auto& one : client.received) out += body_of(one);
    return out;
  }
  bool hears(DeviceClient& client, std::string_view text) {
    return run_until([&] { return all(client).find(text) != std::string::npos; });
  }
};

TEST_F(DeviceboundTest, AMessageGoesToItsDeviceAsItWasSent) {
  start();
  DeviceClient sender(*loop_), receiver(*loop_);
  const auto to = service(sender);
  device(receiver);
  const Command command{.body = "valve 3"};
  EXPECT_EQ(send(sender, to, command), "accepted");
  ASSERT_TRUE(receives(receiver, 1));
  const auto message = *amqp::Message::parse(receiver.received[0].payload);
  const auto sent = encoded(command);
  EXPECT_EQ(base::as_text(message.properties_section), base::as_text(amqp::Message::parse(sent)->properties_section));
  EXPECT_EQ(base::as_text(message.data), "valve 3");
  EXPECT_EQ(message.message_annotations.find("x-opt-sequence-number")->signed_integer(), 0);
  EXPECT_EQ(receiver.received[0].tag.size(), 16u);
  EXPECT_EQ(base::as_text(receiver.received[0].tag),
            base::as_text(*message.message_annotations.find("x-opt-lock-token")->uuid()));
}

TEST_F(DeviceboundTest, NothingIsAcceptedBeforeItIsDurable) {
  start();
  DeviceClient sender(*loop_), receiver(*loop_);
  const auto to = service(sender);
  device(receiver);
  log_.hold = true;
  sender.send(to, encoded({}));
  ASSERT_TRUE(run_until([&] { return log_.held() > 0; }));
  run_some();
  EXPECT_TRUE(sender.outcomes.empty());
  EXPECT_TRUE(receiver.received.empty());
  log_.hold = false;
  log_.release();
  EXPECT_TRUE(run_until([&] { return sender.outcomes.size() == 1; }));
  EXPECT_TRUE(receives(receiver, 1));
}

TEST_F(DeviceboundTest, WhatWaitsIsGivenInItsOrderWhenTheDeviceComes) {
  start();
  DeviceClient sender(*loop_), receiver(*loop_);
  const auto to = service(sender);
  for (int i = 0; i < 20; ++i) ASSERT_EQ(send(sender, to, {.body = std::to_string(i)}), "accepted");
  EXPECT_EQ(hub_->devicebound_waiting("gw-1"), 20u);
  device(receiver, 5);
  ASSERT_TRUE(receives(receiver, 5));
  run_some();
  EXPECT_EQ(receiver.received.size(), 5u) << "no more than the credit";
  for (std::size_t i = 0; i < 20; ++i) {
    ASSERT_TRUE(receives(receiver, i + 1));
    EXPECT_EQ(body_of(receiver.received[i]), std::to_string(i));
    receiver.answer(receiver.received[i], Outcome::kAccepted);
  }
  EXPECT_TRUE(run_until([&] { return hub_->devicebound_waiting("gw-1") == 0; }));
}

TEST_F(DeviceboundTest, ReleasedAndModifiedAreGivenAgainAndRejectedIsNot) {
  start();
  DeviceClient sender(*loop_), receiver(*loop_);
  const auto to = service(sender);
  device(receiver);
  send(sender, to, {});
  ASSERT_TRUE(receives(receiver, 1));
  receiver.answer(receiver.received[0], Outcome::kReleased);
  ASSERT_TRUE(receives(receiver, 2));
  EXPECT_EQ(deliveries_of(receiver.received[1]), 1u);
  receiver.answer(receiver.received[1], Outcome::kModified);
  ASSERT_TRUE(receives(receiver, 3));
  EXPECT_EQ(deliveries_of(receiver.received[2]), 2u);
  receiver.answer(receiver.received[2], Outcome::kRejected);
  ASSERT_TRUE(run_until([&] { return hub_->devicebound_waiting("gw-1") == 0; }));
  run_some();
  EXPECT_EQ(receiver.received.size(), 3u);
}

TEST_F(DeviceboundTest, ADeviceThatGoesWithoutAnAnswerIsGivenItAgain) {
  start();
  DeviceClient sender(*loop_), first(*loop_), second(*loop_), third(*loop_);
  const auto to = service(sender);
  const auto link = device(first);
  send(sender, to, {});
  ASSERT_TRUE(receives(first, 1));
  first.detach(link);
  device(second);
  ASSERT_TRUE(receives(second, 1));
  EXPECT_EQ(deliveries_of(second.received[0]), 1u);
  second.hang_up();
  device(third);
  ASSERT_TRUE(receives(third, 1));
  EXPECT_EQ(deliveries_of(third.received[0]), 2u);
}

TEST_F(DeviceboundTest, ALockThatRunsOutGivesTheMessageAgainAndTheLateAnswerIsVoid) {
  start();
  DeviceClient sender(*loop_), receiver(*loop_);
  const auto to = service(sender);
  device(receiver);
  send(sender, to, {});
  ASSERT_TRUE(receives(receiver, 1));
  pass(59s);
  pass(2s);
  ASSERT_TRUE(receives(receiver, 2));
  receiver.answer(receiver.received[0], Outcome::kAccepted);
  run_some();
  EXPECT_EQ(hub_->devicebound_waiting("gw-1"), 1u);
  EXPECT_EQ(metrics_.total("meterhub_hub_devicebound_late_total"), 1u);
  receiver.answer(receiver.received[1], Outcome::kAccepted);
  EXPECT_TRUE(run_until([&] { return hub_->devicebound_waiting("gw-1") == 0; }));
}

TEST_F(DeviceboundTest, AReceiverThatWantsItSettledHasCompletedWhatItWasSent) {
  start();
  DeviceClient sender(*loop_), receiver(*loop_);
  const auto to = service(sender);
  device(receiver, 1000, amqp::SettleMode::kSettled);
  send(sender, to, {});
  ASSERT_TRUE(receives(receiver, 1));
  EXPECT_TRUE(run_until([&] { return hub_->devicebound_waiting("gw-1") == 0; }));
}

TEST_F(DeviceboundTest, TheFiftyFirstMessageOfADeviceIsRefusedUntilOneIsDone) {
  start();
  DeviceClient sender(*loop_), receiver(*loop_);
  const auto to = service(sender);
  for (int i = 0; i < 50; ++i) ASSERT_EQ(send(sender, to, {}), "accepted") << i;
  EXPECT_EQ(send(sender, to, {}), "amqp:resource-limit-exceeded");
  device(receiver);
  ASSERT_TRUE(receives(receiver, 50));
  receiver.answer(receiver.received[0], Outcome::kAccepted);
  ASSERT_TRUE(run_until([&] { return hub_->devicebound_waiting("gw-1") == 49; }));
  EXPECT_EQ(send(sender, to, {}), "accepted");
}

TEST_F(DeviceboundTest, TheMemoryForAllIsHeldAndGivenBack) {
  options_.devicebound->memory = 100'000;
  gateways_.put({"gw-2", true, std::string(test::kKey), "", {}, {}});
  start();
  DeviceClient sender(*loop_), receiver(*loop_);
  const auto to = service(sender);
  const std::string large(40'000, 'x');
  ASSERT_EQ(send(sender, to, {.body = large}), "accepted");
  ASSERT_EQ(send(sender, to, {.body = large}), "accepted");
  EXPECT_EQ(send(sender, to, {.to = "/devices/gw-2/messages/devicebound", .body = large}),
            "amqp:resource-limit-exceeded");
  device(receiver);
  ASSERT_TRUE(receives(receiver, 2));
  receiver.answer(receiver.received[0], Outcome::kAccepted);
  ASSERT_TRUE(run_until([&] { return hub_->devicebound_waiting("gw-1") == 1; }));
  EXPECT_EQ(send(sender, to, {.to = "/devices/gw-2/messages/devicebound", .body = large}), "accepted");
}

TEST_F(DeviceboundTest, RefusalsNameTheirReason) {
  start();
  DeviceClient sender(*loop_);
  const auto to = service(sender);
  EXPECT_EQ(send(sender, to, {.to = "/devices/gw-9/messages/devicebound"}), "amqp:not-found");
  EXPECT_EQ(send(sender, to, {.to = "gw-1"}), "amqp:not-allowed");
  EXPECT_EQ(send(sender, to, {.ack = "loud"}), "amqp:not-allowed");
  EXPECT_FALSE(sender.send(to, encoded({.body = std::string(66'000, 'x')}))) << "the link offers 64 KiB";
  log_.failure = base::Error(base::Errc::kResourceExhausted, "quota");
  EXPECT_EQ(send(sender, to, {}), "amqp:resource-limit-exceeded");
  log_.failure.reset();
  EXPECT_EQ(send(sender, to, {}), "accepted");
}

TEST_F(DeviceboundTest, LinksAreForThoseWhoMay) {
  gateways_.put({"gw-2", true, std::string(test::kKey), "", {}, {}});
  start();
  const auto refused = [&](DeviceClient& client, amqp::LinkId link) {
    EXPECT_TRUE(run_until([&] { return client.detached.contains(link); }));
    return client.detached[link];
  };
  DeviceClient gateway(*loop_), registry(*loop_), service_client(*loop_);
  device(gateway);
  EXPECT_EQ(refused(gateway, gateway.attach(std::string(kSendTo))), "amqp:unauthorized-access");
  EXPECT_EQ(refused(gateway, gateway.receive(std::string(kFeedbackAt))), "amqp:unauthorized-access");
  EXPECT_EQ(refused(gateway, gateway.receive("/devices/gw-2/messages/devicebound")), "amqp:unauthorized-access");
  EXPECT_EQ(refused(gateway, gateway.attach("/devices/gw-1/messages/devicebound")), "amqp:not-allowed");
  EXPECT_EQ(refused(gateway, gateway.receive("/devices/gw-1/twin")), "amqp:not-implemented");
  EXPECT_EQ(refused(gateway, gateway.attach("/devices/gw-2/methods/devicebound")), "amqp:not-implemented");
  EXPECT_EQ(refused(gateway, gateway.receive("/devices/gw-1/elsewhere")), "amqp:not-found");
  show_policy(registry, "reader");
  EXPECT_EQ(refused(registry, registry.attach(std::string(kSendTo))), "amqp:unauthorized-access");
  EXPECT_EQ(refused(registry, registry.receive(std::string(kFeedbackAt))), "amqp:unauthorized-access");
  service(service_client);
  EXPECT_EQ(refused(service_client, service_client.receive("/devices/gw-1/messages/devicebound")),
            "amqp:unauthorized-access");
  EXPECT_EQ(refused(service_client, service_client.receive("/messages/serviceBound/filenotifications")),
            "amqp:not-implemented");
}

TEST_F(DeviceboundTest, ADevicesOwnSenderToATwinStandsAMomentWithoutCreditBeforeItIsRefused) {
  start();
  DeviceClient gateway(*loop_);
  device(gateway);
  const auto link = gateway.attach("/devices/gw-1/twin");
  ASSERT_TRUE(run_until([&] { return gateway.attached; }));
  pass(1s);
  EXPECT_FALSE(gateway.detached.contains(link)) << "its receiver is to be refused first";
  EXPECT_EQ(gateway.credit(link), 0u);
  pass(1s);
  ASSERT_TRUE(run_until([&] { return gateway.detached.contains(link); }));
  EXPECT_EQ(gateway.detached[link], "amqp:not-implemented");
}

TEST_F(DeviceboundTest, ADisabledDeviceReceivesNothingMoreAndARemovedOnesMessagesEnd) {
  start();
  DeviceClient sender(*loop_), receiver(*loop_);
  const auto to = service(sender);
  const auto link = device(receiver);
  EXPECT_EQ(send(sender, to, {}), "accepted");
  ASSERT_TRUE(receives(receiver, 1));
  gateways_.put({"gw-1", false, std::string(test::kKey), "", {}, {}});
  ASSERT_TRUE(run_until([&] { return receiver.detached.contains(link); }));
  EXPECT_EQ(send(sender, to, {}), "accepted") << "it may be enabled again";
  run_some();
  EXPECT_EQ(receiver.received.size(), 1u);
  EXPECT_EQ(hub_->devicebound_waiting("gw-1"), 2u);
  gateways_.remove("gw-1");
  EXPECT_TRUE(run_until([&] { return hub_->devicebound_waiting("gw-1") == 0; }));
}

TEST_F(DeviceboundTest, FeedbackTellsWhatBecameOfWhatAsksForIt) {
  start();
  DeviceClient sender(*loop_), receiver(*loop_), hearer(*loop_);
  const auto to = service(sender);
  device(receiver);
  show_policy(hearer);
  hearer.receive(std::string(kFeedbackAt));
  send(sender, to, {.id = "quiet"});
  send(sender, to, {.id = "done", .ack = "positive"});
  send(sender, to, {.id = "silent", .ack = "negative"});
  send(sender, to, {.id = "dead", .ack = "full"});
  ASSERT_TRUE(receives(receiver, 4));
  for (std::size_t i = 0; i < 3; ++i) receiver.answer(receiver.received[i], Outcome::kAccepted);
  receiver.answer(receiver.received[3], Outcome::kRejected);
  EXPECT_TRUE(hears(hearer, R"("originalMessageId":"done","description":"Success")"));
  EXPECT_TRUE(hears(
      hearer, R"("originalMessageId":"dead","description":"Rejected","statusCode":"Rejected","deviceId":"gw-1")"));
  EXPECT_EQ(all(hearer).find("quiet"), std::string::npos);
  EXPECT_EQ(all(hearer).find("silent"), std::string::npos);
}

TEST_F(DeviceboundTest, FeedbackOfWhatExpiresIsPurgedOrDeliveredTooOften) {
  start();
  DeviceClient sender(*loop_), receiver(*loop_), hearer(*loop_);
  const auto to = service(sender);
  send(sender, to, {.id = "late", .ack = "full", .expires = clock_.now() + 5s});
  send(sender, to, {.id = "hour", .ack = "full"});
  pass(6s);
  EXPECT_EQ(hub_->devicebound_waiting("gw-1"), 1u);
  pass(3600s);
  EXPECT_EQ(hub_->devicebound_waiting("gw-1"), 0u);
  send(sender, to, {.id = "gone", .ack = "full"});
  EXPECT_EQ(hub_->purge_devicebound("gw-1"), 1u);
  EXPECT_EQ(hub_->purge_devicebound("gw-1"), 0u);
  send(sender, to, {.id = "poison", .ack = "full"});
  device(receiver);
  for (std::size_t i = 0; i < 10; ++i) {
    ASSERT_TRUE(receives(receiver, i + 1)) << i;
    receiver.answer(receiver.received[i], Outcome::kReleased);
  }
  show_policy(hearer);
  hearer.receive(std::string(kFeedbackAt));
  EXPECT_TRUE(hears(hearer, R"("originalMessageId":"poison","description":"DeliveryCountExceeded")"));
  EXPECT_TRUE(hears(hearer, R"("originalMessageId":"late","description":"Expired")"));
  EXPECT_TRUE(hears(hearer, R"("originalMessageId":"hour","description":"Expired")"));
  EXPECT_TRUE(hears(hearer, R"("originalMessageId":"gone","description":"Purged")"));
  EXPECT_EQ(receiver.received.size(), 10u);
}

TEST_F(DeviceboundTest, FeedbackIsGivenAgainUntilAServiceHasSettledIt) {
  start();
  DeviceClient sender(*loop_), receiver(*loop_), first(*loop_), second(*loop_), third(*loop_);
  const auto to = service(sender);
  device(receiver);
  send(sender, to, {.id = "done", .ack = "full"});
  ASSERT_TRUE(receives(receiver, 1));
  receiver.answer(receiver.received[0], Outcome::kAccepted);
  show_policy(first);
  first.receive(std::string(kFeedbackAt));
  ASSERT_TRUE(hears(first, "done"));
  first.hang_up();
  show_policy(second);
  second.receive(std::string(kFeedbackAt));
  ASSERT_TRUE(hears(second, "done"));
  second.answer(second.received[0], Outcome::kAccepted);
  run_some();
  second.hang_up();
  restart();
  show_policy(third);
  third.receive(std::string(kFeedbackAt));
  run_some();
  pass(2s);
  EXPECT_TRUE(third.received.empty());
}

TEST_F(DeviceboundTest, AfterARestartWhatWaitedIsDeliveredAndWhatWasDoneIsNot) {
  start();
  {
    DeviceClient sender(*loop_), receiver(*loop_);
    const auto to = service(sender);
    for (const auto* body : {"one", "two", "three", "four"})
      ASSERT_EQ(send(sender, to, {.id = body, .ack = "full", .body = body}), "accepted");
    device(receiver, 3);
    ASSERT_TRUE(receives(receiver, 3));
    receiver.answer(receiver.received[0], Outcome::kAccepted);
    receiver.answer(receiver.received[1], Outcome::kRejected);
    ASSERT_TRUE(run_until([&] { return hub_->devicebound_waiting("gw-1") == 2; }));
    run_some();
  }
  restart();
  EXPECT_EQ(hub_->devicebound_waiting("gw-1"), 2u);
  DeviceClient receiver(*loop_), hearer(*loop_);
  device(receiver);
  ASSERT_TRUE(receives(receiver, 2));
  EXPECT_EQ(body_of(receiver.received[0]), "three");
  EXPECT_EQ(body_of(receiver.received[1]), "four");
  show_policy(hearer);
  hearer.receive(std::string(kFeedbackAt));
  EXPECT_TRUE(hears(hearer, R"("originalMessageId":"one","description":"Success")"));
  EXPECT_TRUE(hears(hearer, R"("originalMessageId":"two","description":"Rejected")"));
}

TEST_F(DeviceboundTest, AnEndThatTheFullLogRefusedIsWrittenLater) {
  start();
  DeviceClient sender(*loop_), receiver(*loop_);
  const auto to = service(sender);
  device(receiver);
  send(sender, to, {});
  ASSERT_TRUE(receives(receiver, 1));
  log_.failure = base::Error(base::Errc::kResourceExhausted, "quota");
  receiver.answer(receiver.received[0], Outcome::kAccepted);
  run_some();
  log_.failure.reset();
  pass(2s);
  restart();
  EXPECT_EQ(hub_->devicebound_waiting("gw-1"), 0u);
  EXPECT_FALSE(fatal_);
}

TEST_F(DeviceboundTest, AFailedSyncAnswersNobodyAndIsFatal) {
  start();
  DeviceClient sender(*loop_);
  const auto to = service(sender);
  log_.failure = base::Error(base::Errc::kIo, "fdatasync failed");
  sender.send(to, encoded({}));
  ASSERT_TRUE(run_until([&] { return fatal_.has_value(); }));
  log_.failure.reset();
  sender.send(to, encoded({}));
  run_some();
  EXPECT_TRUE(sender.outcomes.empty());
}

TEST_F(DeviceboundTest, RetentionWaitsForTheOldestThatIsNotOver) {
  start();
  DeviceClient sender(*loop_), receiver(*loop_);
  const auto to = service(sender);
  const log::TopicPartition partition{*log_.topic(kDeviceboundLog), base::PartitionId(0)};
  const auto committed = [&] { return log_.committed(kDeviceboundGroup, partition)->value_or(base::Offset(0)).value; };
  for (int i = 0; i < 3; ++i) send(sender, to, {});
  device(receiver);
  ASSERT_TRUE(receives(receiver, 3));
  receiver.answer(receiver.received[0], Outcome::kAccepted);
  receiver.answer(receiver.received[2], Outcome::kAccepted);
  run_some();
  pass(11s);
  EXPECT_TRUE(run_until([&] { return committed() == 1; })) << committed();
  receiver.answer(receiver.received[1], Outcome::kAccepted);
  run_some();
  pass(11s);
  EXPECT_TRUE(run_until([&] { return committed() == 6; })) << committed();
}

TEST_F(DeviceboundTest, WithoutThemTheLinksAreNotImplemented) {
  options_.devicebound.reset();
  start();
  DeviceClient receiver(*loop_);
  const auto link = device(receiver);
  ASSERT_TRUE(run_until([&] { return receiver.detached.contains(link); }));
  EXPECT_EQ(receiver.detached[link], "amqp:not-implemented");
  EXPECT_EQ(hub_->purge_devicebound("gw-1").error().code, base::Errc::kNotImplemented);
}

TEST_F(DeviceboundTest, ADeviceThatAnswersNothingIsNotSentEndlessly) {
  start();
  DeviceClient sender(*loop_), receiver(*loop_);
  const auto to = service(sender);
  device(receiver, 10'000);
  for (int i = 0; i < 50; ++i) ASSERT_EQ(send(sender, to, {}), "accepted");
  for (int minute = 0; minute < 10; ++minute) pass(61s);  // each voids the locks
  EXPECT_TRUE(receives(receiver, 256));
  pass(61s);
  EXPECT_EQ(receiver.received.size(), 256u);
  EXPECT_EQ(hub_->devicebound_waiting("gw-1"), 50u);
}

}  // namespace
}  // namespace meterhub::hub
