// Senders to event hubs: where their events go, what they are told, what stops them.
#include <gmock/gmock.h>

#include "hub_fixture.h"

namespace meterhub::hub {
namespace {

using namespace std::chrono_literals;
using test::DeviceClient;
using testing::ElementsAre;
using testing::SizeIs;

constexpr std::uint32_t kPartitions = 4;
constexpr std::string_view kResource = "sb%3A%2F%2Flocalhost%2Forders";

// Says what each document was, into log `decoded`.
struct KeptDocuments final : DocumentIntake {
  explicit KeptDocuments(base::TopicId t) : topic(t) {}
  void append(std::string_view document, log::Appends& out) override {
    static const log::Properties kNone;
    out.add({topic, base::PartitionId(0)}, {"document", kNone, {}, document});
  }
  base::TopicId topic;
};

class SenderTest : public test::HubFixture {
 protected:
  void begin() {
    for (const auto* name : {"orders", "readings", "decoded"}) {
      log::TopicSpec spec;
      spec.name = name;
      spec.partitions = kPartitions;
      ASSERT_TRUE(log_.declare(spec));
    }
    options_.event_hubs = {{.name = "telemetry", .log = "telemetry"},
                           {.name = "readings", .log = "readings", .takes = documents_allowed_ ? Takes::kDocuments : Takes::kNothing},
                           {.name = "orders", .log = "orders", .takes = Takes::kEvents, .rate = rate_}};
    documents_.emplace(*log_.topic("decoded"));
    policies_.put({"sender", "*", test::rights({Right::kSend}), std::string(test::kKey), std::string(test::kOtherKey)});
    policies_.put({"reader", "orders", test::rights({Right::kListen}), std::string(test::kKey), ""});
    policies_.put({"other", "readings", test::rights({Right::kSend}), std::string(test::kKey), ""});
    start();
  }
  HubWorld world() override { return {*loop_, log_, gateways_, policies_, *loop_, metrics_, &*documents_}; }

  std::string token_of(std::string_view policy, std::string_view resource = kResource) {
    return *sas::make_token(resource, test::kKey, std::chrono::floor<std::chrono::seconds>(clock_.now()) + 1h, policy);
  }
  // Connected, with a token of the policy.
  void connect(DeviceClient& client, std::string_view policy = "sender", std::string_view resource = kResource) {
    client.dial(hub_->amqp_addresses().front(), net::test::client_context());
    client.put_token(token_of(policy, resource), *sas::percent_decode(resource));
    ASSERT_TRUE(run_until([&] { return !client.statuses.empty(); }));
    ASSERT_EQ(client.statuses.back(), 200) << client.description;
  }
  // A link with credit.
  amqp::LinkId sender(DeviceClient& client, const std::string& address = "orders") {
    connect(client);
    const auto link = client.attach(address);
    EXPECT_TRUE(run_until([&] { return client.credit(link) > 0; })) << client.detached[link];
    return link;
  }
  // What an attach is refused with.
  std::string refusal(std::string_view policy, const std::string& address, std::string_view resource = kResource,
                      std::string_view capability = {}) {
    DeviceClient client(*loop_);
    connect(client, policy, resource);
    const auto link = client.attach(address, capability);
    EXPECT_TRUE(run_until([&] { return client.detached.contains(link) || client.credit(link) > 0; }));
    return client.detached[link];
  }
  static base::Bytes event(std::string_view body, std::string_view key = {}) {
    base::Bytes out;
    amqp::MessageWriter writer(out);
    if (!key.empty()) {
      writer.begin_message_annotations();
      writer.writer().symbol("x-opt-partition-key");
      writer.writer().string(key);
      writer.end();
    }
    writer.data(base::as_bytes(body));
    return out;
  }
  static base::Bytes batch(std::initializer_list<base::Bytes> events) {
    base::Bytes out;
    for (const auto& one : events) amqp::MessageWriter(out).data(one);
    return out;
  }
  std::pair<amqp::Outcome, std::string> outcome(DeviceClient& client, amqp::LinkId link, base::BytesView message,
                                                std::uint32_t format = amqp::kBatchFormat) {
    const auto id = client.send(link, message, {.message_format = format});
    EXPECT_TRUE(id && run_until([&] { return client.outcomes.contains(*id); }));
    return client.outcomes[*id];
  }
  bool accepted(DeviceClient& client, amqp::LinkId link, base::BytesView message, std::uint32_t format = amqp::kBatchFormat) {
    return outcome(client, link, message, format).first == amqp::Outcome::kAccepted;
  }
  // Bodies of each partition of a log.
  std::vector<std::vector<std::string>> bodies(std::string_view log = "orders") {
    std::vector<std::vector<std::string>> out(kPartitions);
    for (std::uint32_t n = 0; n < kPartitions; ++n) {
      const auto cursor = std::move(*log_.open({*log_.topic(log), base::PartitionId(n)}, log::Earliest{}));
      const auto read = std::move(*cursor->next(1 << 20));
      for (const auto& record : read.records) out[n].emplace_back(record.body);
    }
    return out;
  }
  std::size_t stored_events(std::string_view log = "orders") {
    std::size_t out = 0;
    for (const auto& partition : bodies(log)) out += partition.size();
    return out;
  }

  bool documents_allowed_ = false;
  double rate_ = 0;
  std::optional<KeptDocuments> documents_;
};

TEST_F(SenderTest, ABatchGoesToThePartitionOfItsAddressInOrder) {
  begin();
  DeviceClient client(*loop_);
  const auto link = sender(client, "orders/Partitions/2");
  EXPECT_TRUE(accepted(client, link, batch({event("one"), event("two")})));
  EXPECT_TRUE(accepted(client, link, event("three"), 0));
  EXPECT_THAT(bodies()[2], ElementsAre("one", "two", "three"));
  EXPECT_EQ(metrics_.total("meterhub_hub_events_received_total"), 3u);
  EXPECT_EQ(metrics_.total("meterhub_hub_messages_received_total"), 0u);
}

TEST_F(SenderTest, AKeyLeadsToItsPartitionAndIsKept) {
  begin();
  DeviceClient client(*loop_);
  const auto link = sender(client);
  EXPECT_TRUE(accepted(client, link, batch({event("one", "order-17"), event("two", "order-17")})));
  EXPECT_THAT(bodies()[1], ElementsAre("one", "two"));  // docs/formats/event-hub-keys.md
  const auto cursor = std::move(*log_.open({*log_.topic("orders"), base::PartitionId(1)}, log::Earliest{}));
  const auto read = std::move(*cursor->next(1 << 20));
  ASSERT_FALSE(read.records.empty());
  EXPECT_EQ(read.records[0].key, "order-17");
}

TEST_F(SenderTest, WithoutAKeyBatchesGoToThePartitionsInTurnEachWhole) {
  begin();
  DeviceClient client(*loop_);
  const auto link = sender(client, "/ORDERS");
  for (std::uint32_t n = 0; n < 2 * kPartitions; ++n) EXPECT_TRUE(accepted(client, link, batch({event("a"), event("b")})));
  EXPECT_THAT(bodies(), testing::Each(ElementsAre("a", "b", "a", "b")));
}

TEST_F(SenderTest, ABatchIsStoredAllOrNone) {
  begin();
  DeviceClient client(*loop_);
  const auto link = sender(client);
  EXPECT_EQ(outcome(client, link, batch({event("one"), base::Bytes{1, 2, 3}})).second, "amqp:not-allowed");
  EXPECT_EQ(outcome(client, link, batch({event("one", "a"), event("two", "b")})).second, "amqp:not-allowed");
  EXPECT_EQ(stored_events(), 0u);
  EXPECT_EQ(metrics_.total("meterhub_hub_messages_rejected_total"), 2u);
  EXPECT_TRUE(accepted(client, link, event("three"), 0));
}

TEST_F(SenderTest, AKeyBesideAPartitionIsRefused) {
  begin();
  DeviceClient client(*loop_);
  const auto link = sender(client, "orders/Partitions/0");
  EXPECT_EQ(outcome(client, link, event("one", "key"), 0).second, "amqp:not-allowed");
}

// What is larger all the same is refused by the engine (Connection.RejectsAnOversizedMessageAndGoesOn).
TEST_F(SenderTest, ALinkIsToldHowLargeABatchMayBe) {
  options_.batch_max = 100'000;
  begin();
  DeviceClient client(*loop_);
  const auto link = sender(client);
  EXPECT_EQ(client.max_message_size, 100'000u);
  EXPECT_TRUE(accepted(client, link, batch({event(std::string(90'000, 'x'))})));
}

TEST_F(SenderTest, NothingIsAnsweredBeforeItIsDurable) {
  begin();
  DeviceClient client(*loop_);
  const auto link = sender(client);
  log_.hold = true;
  ASSERT_TRUE(client.send(link, batch({event("one"), event("two")}), {.message_format = amqp::kBatchFormat}));
  ASSERT_TRUE(run_until([&] { return log_.held() > 0; }));
  run_some();
  EXPECT_TRUE(client.outcomes.empty());
  log_.release();
  EXPECT_TRUE(run_until([&] { return client.outcomes.size() == 1; }));
}

TEST_F(SenderTest, RefusesWhoeverMayNotSendAndSaysWhy) {
  begin();
  EXPECT_EQ(refusal("reader", "orders"), "amqp:unauthorized-access");
  EXPECT_EQ(refusal("sender", "orders/Partitions/4"), "com.microsoft:argument-out-of-range");
  EXPECT_EQ(refusal("sender", "orders/Partitions/x"), "com.microsoft:argument-out-of-range");
  EXPECT_EQ(refusal("sender", "telemetry", "sb%3A%2F%2Flocalhost%2Ftelemetry"), "amqp:not-allowed");
  EXPECT_EQ(refusal("sender", "messages/events", "sb%3A%2F%2Flocalhost%2Ftelemetry"), "amqp:not-allowed");
  EXPECT_EQ(refusal("sender", "readings", "sb%3A%2F%2Flocalhost%2Freadings"), "amqp:not-allowed");
  EXPECT_EQ(refusal("sender", "nowhere", "sb%3A%2F%2Flocalhost%2Fnowhere"), "amqp:not-found");
  EXPECT_EQ(refusal("other", "orders", "sb%3A%2F%2Flocalhost%2Freadings"), "amqp:unauthorized-access");
  EXPECT_EQ(refusal("sender", "orders", kResource, "com.microsoft:idempotent-producer"), "amqp:not-implemented");
  EXPECT_EQ(stored_events(), 0u);
}

TEST_F(SenderTest, APolicyThatIsRemovedOrLosesItsKeyEndsItsSenders) {
  begin();
  DeviceClient client(*loop_);
  const auto link = sender(client);
  policies_.put({"sender", "*", test::rights({Right::kSend}), std::string(test::kOtherKey), ""});
  EXPECT_TRUE(run_until([&] { return client.detached.contains(link); }));
  EXPECT_EQ(client.detached[link], "amqp:unauthorized-access");
}

TEST_F(SenderTest, ASlowDiskTakesTheCreditAway) {
  begin();
  DeviceClient client(*loop_);
  const auto link = sender(client);
  log_.filled = 0.86;
  pass(1s);
  ASSERT_TRUE(run_until([&] { return client.credit(link) == 0; }));
  log_.filled = 0.5;
  pass(1s);
  EXPECT_TRUE(run_until([&] { return client.credit(link) > 0; }));
}

TEST_F(SenderTest, SendersOfAnEventHubTogetherKeepToItsRate) {
  rate_ = 10;
  begin();
  DeviceClient first(*loop_), second(*loop_);
  const auto one = sender(first);
  const auto two = sender(second);
  base::Bytes many;
  for (int n = 0; n < 45; ++n) amqp::MessageWriter(many).data(event("x"));
  EXPECT_TRUE(accepted(first, one, many));
  // What the other had credit for is still taken; then it waits too.
  while (second.credit(two) > 0) ASSERT_TRUE(accepted(second, two, event("x"), 0));
  pass(1s);
  EXPECT_EQ(second.credit(two), 0u);
  EXPECT_GE(metrics_.total("meterhub_hub_throttled_total"), 1u);
  pass(5s);
  EXPECT_TRUE(run_until([&] { return first.credit(one) > 0 && second.credit(two) > 0; }));
}

TEST_F(SenderTest, ALinkHasCreditForSixteenMebibytesAtMost) {
  begin();
  DeviceClient client(*loop_);
  const auto link = sender(client);
  EXPECT_EQ(client.credit(link), 16u);  // of 1 MiB each
}

TEST_F(SenderTest, DocumentsGoWhereThePlatformPutsThemAndAreSettledWhenDurable) {
  documents_allowed_ = true;
  begin();
  DeviceClient client(*loop_);
  connect(client, "other", "sb%3A%2F%2Flocalhost%2Freadings");
  const auto link = client.attach("readings");
  ASSERT_TRUE(run_until([&] { return client.credit(link) > 0; }));
  EXPECT_TRUE(accepted(client, link, batch({event("{\"a\":1}"), event("no document")})));
  EXPECT_THAT(bodies("decoded")[0], ElementsAre("{\"a\":1}", "no document"));
  EXPECT_EQ(stored_events("readings"), 0u);
  log_.failure = base::Error(base::Errc::kResourceExhausted, "quota");
  EXPECT_EQ(outcome(client, link, event("{}"), 0).second, "amqp:resource-limit-exceeded");
}

}  // namespace
}  // namespace meterhub::hub
