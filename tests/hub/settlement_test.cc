// Nothing is answered before it is durable.
#include "hub_fixture.h"

namespace meterhub::hub {
namespace {

using namespace std::chrono_literals;
using SettlementTest = test::HubFixture;
using test::DeviceClient;

TEST_F(SettlementTest, NoDispositionBeforeTheLogHasMadeTheBlockDurable) {
  start();
  DeviceClient client(*loop_);
  const auto link = ready(client);
  log_.hold = true;
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(client.send_body(link, "m" + std::to_string(i)));
  ASSERT_TRUE(run_until([&] { return log_.held() > 0; }));
  run_some();
  EXPECT_TRUE(client.outcomes.empty());
  EXPECT_EQ(log_.held(), 1u);  // one iteration, one transaction
  log_.release();
  ASSERT_TRUE(run_until([&] { return client.outcomes.size() == 50; }));
  for (const auto& [id, outcome] : client.outcomes) EXPECT_EQ(outcome.first, amqp::Outcome::kAccepted);
  const auto records = stored();
  ASSERT_EQ(records.size(), 50u);
  EXPECT_EQ(records[0].body, "m0");
  EXPECT_EQ(records[49].body, "m49");
  EXPECT_EQ(records[0].key, "gw-1");
  EXPECT_EQ(records[0].properties.gateway, "gw-1");
}

TEST_F(SettlementTest, AFailedSyncSettlesNothingAndIsFatal) {
  start();
  DeviceClient client(*loop_);
  const auto link = ready(client);
  log_.failure = base::Error(base::Errc::kIo, "fdatasync failed");
  client.send_body(link, "lost");
  ASSERT_TRUE(run_until([&] { return fatal_.has_value(); }));
  EXPECT_EQ(fatal_->code, base::Errc::kIo);
  log_.failure.reset();
  client.send_body(link, "later");
  run_some();
  EXPECT_TRUE(client.outcomes.empty());
  EXPECT_TRUE(stored().empty());
}

TEST_F(SettlementTest, AFullLogRejectsWithItsCondition) {
  start();
  DeviceClient client(*loop_);
  const auto link = ready(client);
  log_.failure = base::Error(base::Errc::kResourceExhausted, "quota");
  const auto id = client.send_body(link, "x");
  ASSERT_TRUE(run_until([&] { return client.outcomes.contains(*id); }));
  EXPECT_EQ(client.outcomes[*id].first, amqp::Outcome::kRejected);
  EXPECT_EQ(client.outcomes[*id].second, base::error_class(base::Errc::kResourceExhausted).amqp_condition);
  EXPECT_FALSE(fatal_);
}

TEST_F(SettlementTest, CreditStopsWhileTheLogIsFullAndComesBack) {
  start();
  DeviceClient client(*loop_);
  const auto link = ready(client);
  log_.filled = 0.86;
  pass(1s);
  ASSERT_TRUE(run_until([&] { return client.credit(link) == 0; }));
  log_.filled = 0.845;
  pass(1s);
  EXPECT_EQ(client.credit(link), 0u);
  log_.filled = 0.5;
  pass(1s);
  EXPECT_TRUE(run_until([&] { return client.credit(link) > 0; }));
}

TEST_F(SettlementTest, CreditStopsWhileTooMuchIsInFlight) {
  options_.in_flight_max = 10'000;
  start();
  DeviceClient client(*loop_);
  const auto link = ready(client);
  log_.hold = true;
  ASSERT_TRUE(client.send_body(link, std::string(20'000, 'x')));
  ASSERT_TRUE(run_until([&] { return log_.held() == 1; }));
  pass(1s);
  ASSERT_TRUE(run_until([&] { return client.credit(link) == 0; }));
  log_.hold = false;
  log_.release();
  run_some();
  pass(1s);
  EXPECT_TRUE(run_until([&] { return client.credit(link) > 0 && client.outcomes.size() == 1; }));
}

// The log refuses what its queue cannot hold; a stalled disk must slow gateways, not reject their messages.
TEST_F(SettlementTest, WhatTheLogIsTooSlowForWaitsInTheHub) {
  options_.in_flight_max = 20'000;
  start();
  DeviceClient client(*loop_);
  const auto link = ready(client);
  log_.hold = true;
  for (std::uint64_t i = 1; i <= 3; ++i) {
    ASSERT_TRUE(client.send_body(link, std::string(9'000, 'x')));
    ASSERT_TRUE(run_until([&] { return metrics_.total("meterhub_hub_messages_received_total") == i; }));
    run_some();
  }
  EXPECT_EQ(log_.held(), 2u);
  log_.hold = false;
  log_.release();
  EXPECT_TRUE(run_until([&] { return client.outcomes.size() == 3; }));
  EXPECT_EQ(stored().size(), 3u);
}

// A transfer as a client sends it that does not look at its credit; the third link of a DeviceClient.
void append_transfer(base::Bytes& out, amqp::DeliveryId id, base::BytesView message) {
  const std::uint8_t tag[] = {1};
  amqp::Transfer transfer;
  transfer.handle = 2;
  transfer.delivery_id = id;
  transfer.delivery_tag = tag;
  const auto at = out.size();
  out.resize(at + 8);
  amqp::encode(out, transfer);
  out.insert(out.end(), message.begin(), message.end());
  const auto size = out.size() - at;
  out[at + 2] = static_cast<std::uint8_t>(size >> 8);
  out[at + 3] = static_cast<std::uint8_t>(size);
  out[at + 4] = 2;
}

// uAMQP 1.5 does. Its connection is not read any more until there is credit: three megabytes are more than the
// engine would keep of it.
TEST_F(SettlementTest, WhatComesBeyondTheCreditWaitsUnreadAndIsStored) {
  constexpr std::size_t kMessages = 300;
  options_.link_credit = 10;
  start();
  DeviceClient client(*loop_);
  ready(client);
  log_.hold = true;
  base::Bytes message, frames;
  amqp::MessageWriter(message).data(base::as_bytes(std::string(10'000, 'x')));
  for (std::size_t i = 0; i < kMessages; ++i) append_transfer(frames, static_cast<amqp::DeliveryId>(1 + i), message);
  client.raw(base::as_text(frames));
  ASSERT_TRUE(run_until([&] { return metrics_.total("meterhub_hub_messages_received_total") == 10; }));
  for (int i = 0; i < 10; ++i) run_some();
  EXPECT_EQ(metrics_.total("meterhub_hub_messages_received_total"), 10u);
  EXPECT_TRUE(client.is_open());
  log_.hold = false;
  log_.release();
  EXPECT_TRUE(run_until([&] { return metrics_.total("meterhub_hub_messages_settled_total") == kMessages; }));
  EXPECT_EQ(stored().size(), kMessages);
  EXPECT_TRUE(client.is_open());
  EXPECT_TRUE(client.detached.empty());
}

TEST_F(SettlementTest, AnAnswerForAGatewayThatHasGoneIsCounted) {
  start();
  DeviceClient client(*loop_);
  const auto link = ready(client);
  log_.hold = true;
  client.send_body(link, "x");
  ASSERT_TRUE(run_until([&] { return log_.held() == 1; }));
  client.hang_up();
  ASSERT_TRUE(run_until([&] { return hub_->connections() == 0; }));
  log_.release();
  EXPECT_TRUE(run_until([&] { return metrics_.total("meterhub_hub_answers_unsent_total") == 1; }));
  EXPECT_EQ(stored().size(), 1u);
}

TEST_F(SettlementTest, PresettledMessagesAreStoredAndCounted) {
  start();
  DeviceClient client(*loop_);
  const auto link = ready(client);
  base::Bytes message;
  amqp::MessageWriter(message).data(base::as_bytes("x"));
  client.send(link, message, {.settled = true});
  EXPECT_TRUE(run_until([&] { return stored().size() == 1; }));
  EXPECT_EQ(metrics_.total("meterhub_hub_messages_presettled_total"), 1u);
}

TEST_F(SettlementTest, ABatchIsSettledAsOneAndStoredAsMany) {
  start();
  DeviceClient client(*loop_);
  const auto link = ready(client);
  base::Bytes batch;
  amqp::MessageWriter writer(batch);
  for (const auto* body : {"one", "two"}) {
    base::Bytes event;
    amqp::MessageWriter(event).data(base::as_bytes(body));
    writer.data(event);
  }
  const auto good = client.send(link, batch, {.message_format = amqp::kBatchFormat});
  writer.data(base::as_bytes("no event"));
  const auto bad = client.send(link, batch, {.message_format = amqp::kBatchFormat});
  ASSERT_TRUE(run_until([&] { return client.outcomes.size() == 2; }));
  EXPECT_EQ(client.outcomes[*good].first, amqp::Outcome::kAccepted);
  EXPECT_EQ(client.outcomes[*bad].first, amqp::Outcome::kRejected);
  EXPECT_EQ(stored().size(), 2u);
}

TEST_F(SettlementTest, DrainWaitsForWhatIsInFlightThenDetaches) {
  start();
  DeviceClient client(*loop_);
  const auto link = ready(client);
  log_.hold = true;
  const auto id = client.send_body(link, "x");
  ASSERT_TRUE(run_until([&] { return log_.held() == 1; }));
  bool done = false;
  hub_->drain([&] { done = true; });
  pass(1s);
  EXPECT_FALSE(done);
  log_.release();
  const auto step = [&] {
    clock_.advance(20ms);
    return done;
  };
  ASSERT_TRUE(run_until(step));
  EXPECT_EQ(client.outcomes[*id].first, amqp::Outcome::kAccepted);
  EXPECT_EQ(client.detached[link], "amqp:link:detach-forced");
}

}  // namespace
}  // namespace meterhub::hub
