// Readers of events on connections: what the SDKs cannot show.
#include "event_receiver.h"

#include "hub_fixture.h"
#include "reader_client.h"

namespace meterhub::hub {
namespace {

using namespace std::chrono_literals;
using test::ReaderClient;

class EventReceiverTest : public test::HubFixture {
 protected:
  void begin() {
    policies_.put({"reader", "telemetry", test::rights({Right::kListen}), std::string(test::kKey), ""});
    options_.event_hubs = {{.name = "telemetry", .log = "telemetry", .consumer_groups = {"second"}}};
    start();
  }
  log::TopicPartition partition(std::uint32_t number = 0) { return {*log_.topic("telemetry"), base::PartitionId(number)}; }
  void append(std::uint32_t number, int count, std::size_t size = 100) {
    log::Properties properties;
    properties.gateway = "gw-1";
    const std::string body(size, 'x');
    log::Transaction transaction;
    for (int i = 0; i < count; ++i) transaction.appends.add(partition(number), {"gw-1", properties, {}, body});
    bool done = false;
    log_.transact(std::move(transaction), *loop_, [&](auto) { done = true; });
    ASSERT_TRUE(run_until([&] { return done; }));
  }
  void connect(ReaderClient& client, std::chrono::seconds life = 1h) {
    client.dial(hub_->amqp_addresses().front(), net::test::client_context());
    const std::string resource = "sb://localhost/telemetry";
    const auto expiry = std::chrono::floor<std::chrono::seconds>(clock_.now()) + life;
    client.put_token(*sas::make_token(sas::percent_encode(resource), test::kKey, expiry, "reader"), resource);
    ASSERT_TRUE(run_until([&] { return client.has_claim(); }));
  }
  static std::string address(std::uint32_t number, const std::string& group = "$Default") {
    return "telemetry/ConsumerGroups/" + group + "/Partitions/" + std::to_string(number);
  }
  // Opens a reader; empty when it stands, else the condition.
  std::string open(ReaderClient& client, const std::string& at, const ReaderClient::How& how, amqp::LinkId* link = nullptr) {
    const auto id = client.receive(at, how);
    if (link != nullptr) *link = id;
    const auto stands = [&] { return std::ranges::find(client.attached, id) != client.attached.end(); };
    EXPECT_TRUE(run_until([&] { return stands() || client.detached.contains(id); }));
    run_some();
    return client.detached.contains(id) ? client.detached[id] : "";
  }
};

TEST_F(EventReceiverTest, GivesWhatIsThereAndThenWhatComes) {
  begin();
  append(0, 5);
  ReaderClient client(*loop_);
  connect(client);
  amqp::LinkId link{};
  ASSERT_EQ(open(client, address(0), {.credit = 100}, &link), "");
  ASSERT_TRUE(run_until([&] { return client.sequences[link].size() == 5; }));
  append(1, 3);
  append(0, 2);
  ASSERT_TRUE(run_until([&] { return client.sequences[link].size() == 7; }));
  EXPECT_EQ(client.sequences[link], (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(metrics_.total("meterhub_hub_events_sent_total"), 7u);
}

TEST_F(EventReceiverTest, ManyThousandComeInOrderAsCreditIsRenewed) {
  begin();
  append(0, 5000, 1000);
  ReaderClient client(*loop_);
  connect(client);
  amqp::LinkId link{};
  ASSERT_EQ(open(client, address(0), {.credit = 64}, &link), "");
  ASSERT_TRUE(run_until([&] { return client.sequences[link].size() == 5000; })) << client.sequences[link].size();
  for (std::size_t i = 0; i < 5000; ++i) ASSERT_EQ(client.sequences[link][i], static_cast<std::int64_t>(i));
}

// Sixteen readers of one connection whose peer does not take what they send: what waits is bounded, and another
// connection does not notice.
TEST_F(EventReceiverTest, AReaderThatStopsTakingHoldsItsShareAndNoMore) {
  begin();
  for (std::uint32_t p = 0; p < 4; ++p) append(p, 8000, 1000);
  ReaderClient stopped(*loop_);
  connect(stopped);
  for (std::uint32_t p = 0; p < 4; ++p)
    for (int again = 0; again < 4; ++again) ASSERT_EQ(open(stopped, address(p), {}), "");
  stopped.stop_taking();
  for (const auto link : stopped.attached) stopped.grant(link, 10'000);
  run_some();
  run_some();
  const auto sent = metrics_.total("meterhub_hub_events_sent_total");
  // What the hub writes ahead of the peer: its output, and what the kernel's buffers take.
  EXPECT_LT(sent * 1000, 12u << 20);
  for (int i = 0; i < 20; ++i) run_some();
  EXPECT_LT(metrics_.total("meterhub_hub_events_sent_total") * 1000, 12u << 20) << "it grows";
  EXPECT_TRUE(stopped.is_open()) << "it is waited for, not ended";
  ReaderClient other(*loop_);
  connect(other);
  amqp::LinkId link{};
  ASSERT_EQ(open(other, address(1, "second"), {.credit = 200}, &link), "");
  ASSERT_TRUE(run_until([&] { return other.sequences[link].size() == 8000; }));
  stopped.take_again();
  const auto all = [&] {
    std::size_t out = 0;
    for (const auto& [id, numbers] : stopped.sequences) out += numbers.size();
    return out;
  };
  for (int i = 0; i < 20 && all() < 16u * 8000u; ++i) run_until([&] { return all() == 16u * 8000u; });
  EXPECT_EQ(all(), 16u * 8000u) << "each of them gets its turn, and all";
}

TEST_F(EventReceiverTest, OneReaderMoreThanTheMemoryHasRoomForIsRefused) {
  options_.reader_memory = 3 * EventReceiver::kShare;
  begin();
  ReaderClient client(*loop_);
  connect(client);
  amqp::LinkId first{};
  ASSERT_EQ(open(client, address(0), {}, &first), "");
  ASSERT_EQ(open(client, address(1), {}), "");
  ASSERT_EQ(open(client, address(2), {}), "");
  EXPECT_EQ(open(client, address(3), {}), "amqp:resource-limit-exceeded");
  client.detach(first);
  run_some();
  EXPECT_EQ(open(client, address(3), {}), "");
}

TEST_F(EventReceiverTest, ReadsNothingWithoutCredit) {
  begin();
  append(0, 10);
  ReaderClient client(*loop_);
  client.settles = false;
  connect(client);
  amqp::LinkId link{};
  ASSERT_EQ(open(client, address(0), {}, &link), "");
  run_some();
  EXPECT_TRUE(client.sequences[link].empty());
  client.grant(link, 3);
  ASSERT_TRUE(run_until([&] { return client.sequences[link].size() == 3; }));
  run_some();
  EXPECT_EQ(client.sequences[link].size(), 3u);
}

TEST_F(EventReceiverTest, LatestIsAsOfTheAttach) {
  begin();
  append(0, 4);
  ReaderClient client(*loop_);
  connect(client);
  amqp::LinkId link{};
  ASSERT_EQ(open(client, address(0), {.selector = "amqp.annotation.x-opt-offset > '@latest'", .credit = 10}, &link), "");
  run_some();
  EXPECT_TRUE(client.sequences[link].empty());
  append(0, 1);
  ASSERT_TRUE(run_until([&] { return client.sequences[link].size() == 1; }));
  EXPECT_EQ(client.sequences[link].front(), 4);
}

TEST_F(EventReceiverTest, TellsOfTheLastEventWhenAskedTo) {
  begin();
  append(0, 4);
  ReaderClient client(*loop_);
  connect(client);
  amqp::LinkId link{};
  ASSERT_EQ(open(client, address(0), {.tracks = true, .credit = 10}, &link), "");
  ASSERT_TRUE(run_until([&] { return client.last_enqueued.size() == 4; }));
  append(0, 1);
  ASSERT_TRUE(run_until([&] { return client.last_enqueued.size() == 5; }));
  EXPECT_EQ(client.last_enqueued, (std::vector<std::int64_t>{3, 3, 3, 3, 4}));
}

TEST_F(EventReceiverTest, AnExpiredTokenEndsItsReaders) {
  begin();
  ReaderClient client(*loop_);
  connect(client, 30s);
  amqp::LinkId link{};
  ASSERT_EQ(open(client, address(0), {.credit = 10}, &link), "");
  pass(40s);
  ASSERT_TRUE(run_until([&] { return client.detached.contains(link); }));
  EXPECT_EQ(client.detached[link], "amqp:unauthorized-access");
  pass(2s);
  EXPECT_TRUE(run_until([&] { return client.closed.has_value(); }));
}

TEST_F(EventReceiverTest, AHigherOwnerLevelEndsAReaderOfAnotherConnection) {
  begin();
  append(0, 1);
  ReaderClient one(*loop_);
  ReaderClient two(*loop_);
  connect(one);
  connect(two);
  amqp::LinkId first{};
  amqp::LinkId second{};
  ASSERT_EQ(open(one, address(0), {.epoch = 1, .credit = 10}, &first), "");
  ASSERT_EQ(open(two, address(0), {.epoch = 2, .credit = 10}, &second), "");
  ASSERT_TRUE(run_until([&] { return one.detached.contains(first); }));
  EXPECT_EQ(one.detached[first], "amqp:link:stolen");
  EXPECT_EQ(open(one, address(0), {.epoch = 1}), "amqp:link:stolen");
  EXPECT_FALSE(two.detached.contains(second));
  EXPECT_EQ(metrics_.total("meterhub_hub_receivers_stolen_total"), 1u);
}

// The loop goes on while the disk is slow, and what comes back too late finds nobody.
TEST_F(EventReceiverTest, TheLoopDoesNotWaitForTheReadersThread) {
  base::ManualExecutor reads(clock_);
  reads_ = &reads;
  begin();
  append(0, 2);
  ReaderClient client(*loop_);
  connect(client);
  const auto link = client.receive(address(0), {.credit = 10});
  run_some();
  EXPECT_TRUE(client.attached.size() == 2) << "$cbs alone is answered";
  test::DeviceClient device(*loop_);
  const auto telemetry = ready(device);
  device.send_body(telemetry, "x");
  EXPECT_TRUE(run_until([&] { return device.outcomes.size() == 1; }));
  reads.run_ready();
  run_some();
  reads.run_ready();
  ASSERT_TRUE(run_until([&] { return client.sequences[link].size() >= 2; }));
  const auto gone = client.receive(address(1), {.credit = 10});
  run_some();
  client.detach(gone);
  run_some();
  reads.run_ready();  // it finds no link
  run_some();
  client.receive(address(2), {.credit = 10});
  run_some();
  hub_.reset();
  reads.run_ready();  // nor a hub
  run_some();
}

}  // namespace
}  // namespace meterhub::hub
