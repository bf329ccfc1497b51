// The connector with the network server in process, on the memory log, stepped by hand.
// Frames are real: the case study's own packet and its keys (tests/data/vectors).
#include <meterhub/connector/connector.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include <meterhub/base/encoding.h>
#include <meterhub/base/time_text.h>
#include <meterhub/connector/embedded_transport.h>
#include <meterhub/log/memory.h>
#include <meterhub/log/replay.h>
#include <meterhub/lorawan/report.h>
#include <meterhub/reading/external_documents.h>
#include <meterhub/registry/follower.h>

namespace meterhub::connector {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::string_view kElement =
    R"({"tmst":3512348611,"chan":4,"rfch":0,"freq":481.5,"stat":1,"modu":"LORA","datr":"SF12BW125","codr":"4/5","lsnr":9,"rssi":-13,"size":33,"data":"QMSzogEAAAABCb1i2yQIQ805eWPyolnCp+tCIk8RSEWA"})";
const std::string kBody = R"({"rxpk":[)" + std::string(kElement) + "]}";
constexpr std::string_view kMeterEui = "ffffffffffffff01";
constexpr std::string_view kGateway = "gw-0001";

std::filesystem::path fresh_folder() {
  auto pattern = (std::filesystem::temp_directory_path() / "meterhub-connector-XXXXXX").string();
  EXPECT_NE(mkdtemp(pattern.data()), nullptr);
  return pattern;
}

class ConnectorRole : public testing::Test {
 protected:
  ConnectorRole() : clock_(base::parse_rfc3339("2016-12-21T03:24:34Z")->at), executor_(clock_), log_(clock_) {
    for (const auto name : {log::topics::kTelemetry, log::topics::kRetry, log::topics::kDecoded, log::topics::kStatus,
                            log::topics::kJoins, log::topics::kDeadletter, log::topics::kNoise}) {
      log::TopicSpec spec;
      spec.name = name;
      spec.partitions = 2;
      EXPECT_TRUE(log_.declare(spec));
    }
    fill_registry();
    add_session();
  }
  ~ConnectorRole() override {
    connector_.reset();
    std::filesystem::remove_all(folder_);
  }

  void fill_registry() {
    store_ = std::move(*registry::Store::open({folder_ / "registry.sqlite", {}}, clock_));
    ASSERT_TRUE(store_->add_tenant("test", "gas"));
    registry::MeterSpec meter;
    meter.eui = *base::Eui64::parse(kMeterEui);
    meter.tenant = "gas";
    ASSERT_TRUE(store_->add_meter("test", meter));
    registry::GatewaySpec gateway;
    gateway.id = kGateway;
    gateway.eui = *base::Eui64::parse("fffe020100000011");
    gateway.tenant = "gas";
    ASSERT_TRUE(store_->add_gateway("test", gateway));
    ASSERT_TRUE(directory_.load(*store_));
  }

  void add_session() {
    const auto meter = *base::Eui64::parse(kMeterEui);
    add_session(meter, directory_.meter(meter)->number);
  }
  // Another meter gets the keys; the directory has not heard of it.
  void enrol_successor() {
    sessions_.drop_meter(directory_.meter(*base::Eui64::parse(kMeterEui))->number);
    registry::MeterSpec meter;
    meter.eui = base::Eui64(0xffffffffffffff02);
    meter.tenant = "gas";
    ASSERT_TRUE(store_->add_meter("test", meter));
    add_session(meter.eui, store_->meter(meter.eui)->number);
  }
  void add_session(base::Eui64 meter, base::MeterNumber number) {
    lorawan::Session session;
    session.dev_addr = base::DevAddr(0x01a2b3c4);
    session.dev_eui = meter;
    session.meter = number;
    session.number = base::SessionNumber(3);
    session.nwk_skey = *base::hex_decode_array<16>("2b7e151628aed2a6abf7158809cf4f3c");
    session.app_skey = *base::hex_decode_array<16>("3c4fcf098815f7aba6d2ae2816157e2b");
    ASSERT_TRUE(sessions_.upsert(session));
    sessions_.set_fresh_as_of(clock_.now() + 1h);
  }

  void start(ConnectorOptions options = {}) {
    auto made = Connector::create(log_, directory_, transport_, executor_, metrics_, std::move(options),
                                  [](const base::Error& error) { FAIL() << error.text; });
    ASSERT_TRUE(made) << made.error().text;
    connector_ = std::move(*made);
    executor_.run_ready();
  }

  void append(std::string_view topic, log::NewRecord record) {
    log::Transaction transaction;
    transaction.appends.push_back({{*log_.topic(topic), base::PartitionId(0)}, std::move(record)});
    bool stored = false;
    log_.transact(std::move(transaction), executor_, [&](auto result) { stored = result.has_value(); });
    executor_.run_for(50ms);
    ASSERT_TRUE(stored);
  }
  void deliver(std::string body, std::string_view gateway = kGateway) {
    log::NewRecord record;
    record.key = gateway;
    record.properties.gateway = gateway;
    record.body = std::move(body);
    append(log::topics::kTelemetry, std::move(record));
  }

  void drive_again(std::string reason, std::string body = kBody) {
    log::NewRecord letter;
    letter.properties.gateway = kGateway;
    letter.properties.reason = std::move(reason);
    letter.properties.origin = {"telemetry", base::PartitionId(1), base::Offset(77), 4, clock_.now() - 1h};
    letter.body = std::move(body);
    append(log::topics::kRetry, std::move(letter));
  }

  struct Stored {
    std::string body;
    log::Properties properties;
  };
  std::vector<Stored> in(std::string_view topic) {
    std::vector<Stored> out;
    for (std::uint32_t n = 0; n < 2; ++n) {
      auto cursor = *log_.open({*log_.topic(topic), base::PartitionId(n)}, log::Earliest{});
      for (auto batch = *cursor->next(1 << 20); !batch.records.empty(); batch = *cursor->next(1 << 20)) {
        for (const auto& record : batch.records) out.push_back({std::string(record.body), record.properties});
      }
    }
    return out;
  }
  std::vector<std::string> reasons(std::string_view topic) {
    std::vector<std::string> out;
    for (const auto& record : in(topic)) out.push_back(record.properties.reason);
    return out;
  }

  const std::filesystem::path folder_ = fresh_folder();
  base::ManualClock clock_;
  base::ManualExecutor executor_;
  log::MemoryLog log_;
  base::Metrics metrics_;
  std::unique_ptr<registry::Store> store_;
  registry::Directory directory_;
  decrypt::SessionTable sessions_;
  EmbeddedTransport transport_{sessions_, executor_};
  std::unique_ptr<Connector> connector_;
};

TEST_F(ConnectorRole, WritesTheCaseStudysDocumentWithItsIdentity) {
  start();
  deliver(kBody);
  const auto decoded = in(log::topics::kDecoded);
  ASSERT_THAT(decoded, SizeIs(1));
  EXPECT_EQ(decoded[0].body,
            R"({"originData":{"gw":null,"mote":null,"app":{"moteeui":"ffffffffffffff01","dir":"up","userdata":{"seqno":0,"port":1,"payload":"AgEAD0JAAA7w4wAAUV0ABHYxLjA"},"motetx":{"freq":481.5,"modu":"LORA","datr":"SF12BW125","codr":"4/5","adr":false},"gwrx":[{"eui":"fffe020100000011","time":"2016-12-21T03:24:34Z","timefromgateway":false,"chan":4,"rfch":0,"rssi":-13,"lsnr":9}]}},"userData":{"type":2,"code":1,"bought":1000.0,"left":979.171,"used":20.829,"status":4,"version":"v1.0","time":"2016-12-21T03:24:34Z"}})");
  const auto& p = decoded[0].properties;
  EXPECT_EQ(p.session, base::SessionNumber(3));
  EXPECT_EQ(p.fcnt, 0u);
  EXPECT_EQ(p.mic, (std::array<std::uint8_t, 4>{0x11, 0x48, 0x45, 0x80}));
  EXPECT_EQ(p.tenant, directory_.tenants()[0].number);
  EXPECT_EQ(p.origin.log, "telemetry");
  EXPECT_EQ(p.gateway, kGateway);
  EXPECT_FALSE(p.undecoded);
}

TEST_F(ConnectorRole, TheMeterDecidesTheTenantNeverTheGateway) {
  ASSERT_TRUE(store_->add_tenant("test", "water"));
  registry::GatewaySpec other;
  other.id = "gw-of-another";
  other.eui = *base::Eui64::parse("fffe020100000099");
  other.tenant = "water";
  ASSERT_TRUE(store_->add_gateway("test", other));
  ASSERT_TRUE(directory_.load(*store_));
  start();
  deliver(kBody, "gw-of-another");
  const auto decoded = in(log::topics::kDecoded);
  ASSERT_THAT(decoded, SizeIs(1));
  EXPECT_EQ(directory_.tenant(decoded[0].properties.tenant)->name, "gas");
  EXPECT_THAT(decoded[0].body, HasSubstr(R"("eui":"fffe020100000099")"));
}

TEST_F(ConnectorRole, AMeterCarriedToAnotherGatewayGoesOnAsOneSeries) {
  start();
  deliver(kBody);
  registry::GatewaySpec other;
  other.id = "gw-elsewhere";
  other.tenant = "gas";
  ASSERT_TRUE(store_->add_gateway("test", other));
  ASSERT_TRUE(directory_.load(*store_));
  deliver(kBody, "gw-elsewhere");
  const auto decoded = in(log::topics::kDecoded);
  ASSERT_THAT(decoded, SizeIs(2));
  EXPECT_EQ(decoded[0].properties.meter, decoded[1].properties.meter);
  EXPECT_EQ(decoded[0].properties.session, decoded[1].properties.session);
}

TEST_F(ConnectorRole, PutsBadInputAsideWithItsReasonAndLosesNothingBesideIt) {
  start();
  deliver("");
  deliver("not json");
  deliver(R"({"rxpk":)" + std::string(200'000, '['));
  deliver(std::string("\x02\x1a\x2b\x00\xff\xfe\x02\x01\x00\x00\x00\x99{}", 14));
  deliver(R"({"rxpk":[{"stat":1,"modu":"LORA","data":"%%%"},)" + std::string(kElement) + "]}");
  EXPECT_THAT(reasons(log::topics::kDeadletter), ElementsAre("gwmp_short", "gwmp_version", "json", "gw_mismatch", "b64"));
  EXPECT_THAT(in(log::topics::kDecoded), SizeIs(1));
  EXPECT_EQ(in(log::topics::kDeadletter).back().body, R"({"rxpk":[{"stat":1,"modu":"LORA","data":"%%%"}]})");
  EXPECT_EQ(in(log::topics::kDecoded)[0].properties.origin.index, 1u);
}

// A letter of hub.external_readings, driven again: it is decoded already.
TEST_F(ConnectorRole, DocumentsThatAreDrivenAgainNeedNoNetworkServer) {
  ConnectorOptions options;
  options.reads = Reads::kRetry;
  start(std::move(options));
  log::NewRecord letter;
  letter.properties.origin = {std::string(reading::kExternalOrigin), base::PartitionId(0), base::Offset(7), 0, clock_.now()};
  letter.properties.reason = "unknown_meter";
  letter.body = R"({"originData":{"gw":null,"mote":null,"app":{"moteeui":"ffffffffffffff01","dir":"up","userdata":{"seqno":5,"port":1,"payload":"AgEAD0JAAA7w4wAAUV0ABHYxLjA"},"gwrx":[{"eui":"fffe020100000011","time":"2016-12-21T03:24:34Z"}]}},"userData":{"left":1.5}})";
  append(log::topics::kRetry, letter);
  append(log::topics::kRetry, letter);
  deliver(kBody);
  const auto decoded = in(log::topics::kDecoded);
  ASSERT_THAT(decoded, SizeIs(2));  // telemetry is somebody else's
  EXPECT_EQ(decoded[0].body, letter.body);
  EXPECT_EQ(decoded[0].properties.fcnt, 5u);
  EXPECT_EQ(decoded[0].properties.origin, letter.properties.origin);
  EXPECT_TRUE(decoded[0].properties.redo);
  EXPECT_THAT(in(log::topics::kDeadletter), IsEmpty());
}

// Answers each delivery with as many readings of meters nobody knows, as a plug-in or a vendor's server does:
// they name no packet of the body.
struct StrangersTransport final : Transport {
  StrangersTransport(base::Executor& e, std::uint32_t n) : executor(e), readings(n) {}
  void open(Block block, Done done) override {
    std::vector<Opened> out(block.deliveries.size());
    for (auto& opened : out) {
      for (std::uint32_t i = 0; i < readings; ++i) {
        lorawan::Answer answer;
        answer.kind = lorawan::AnswerKind::kApp;
        answer.device = base::Eui64(0xAA00 + i);
        answer.receptions.emplace_back();
        opened.answers.push_back(std::move(answer));
      }
    }
    executor.post([done = std::move(done), out = std::move(out)]() mutable { done(std::move(out)); });
  }

  base::Executor& executor;
  const std::uint32_t readings;
};

// A copy of the body for each would be more than a transaction holds, and the partition would stand for ever.
TEST_F(ConnectorRole, PutsABodyThatCannotBeCutAsideOnceForAllItsPackets) {
  StrangersTransport transport(executor_, 1000);
  auto made = Connector::create(log_, directory_, transport, executor_, metrics_, {},
                                [](const base::Error& error) { FAIL() << error.text; });
  ASSERT_TRUE(made) << made.error().text;
  connector_ = std::move(*made);
  executor_.run_ready();
  const std::string body(100'000, 'x');
  deliver(body);
  const auto letters = in(log::topics::kDeadletter);
  ASSERT_THAT(letters, SizeIs(1));
  EXPECT_EQ(letters[0].body, body);
  EXPECT_EQ(letters[0].properties.reason, "unknown_meter");
  EXPECT_EQ(metrics_.total("meterhub_connector_dead_letters_total"), 1000u);
  EXPECT_EQ(metrics_.total("meterhub_connector_rewinds_total"), 0u);
  connector_.reset();
}

TEST_F(ConnectorRole, KeepsTheNeighboursPacketsAndBadChecksumsAsNoise) {
  start();
  sessions_.drop_meter(directory_.meter(*base::Eui64::parse(kMeterEui))->number);
  deliver(kBody);
  deliver(R"({"rxpk":[{"stat":-1,"modu":"LORA","data":"QMSz"}]})");
  EXPECT_THAT(reasons(log::topics::kNoise), ElementsAre("unknown_devaddr", "crc"));
  EXPECT_THAT(in(log::topics::kDeadletter), IsEmpty());
}

TEST_F(ConnectorRole, AsksAgainWhileTheSessionsAreOlderThanThePacket) {
  start();
  const auto number = directory_.meter(*base::Eui64::parse(kMeterEui))->number;
  sessions_.drop_meter(number);
  sessions_.set_fresh_as_of(clock_.now() - 1s);
  deliver(kBody);
  executor_.run_for(3s);
  EXPECT_THAT(in(log::topics::kNoise), IsEmpty());
  add_session();
  executor_.run_for(1s);
  EXPECT_THAT(in(log::topics::kDecoded), SizeIs(1));
  EXPECT_GT(metrics_.total("meterhub_connector_asked_again_total"), 0u);
}

TEST_F(ConnectorRole, JudgesNoPacketBeforeTheSessionsWereHeardOf) {
  const auto number = directory_.meter(*base::Eui64::parse(kMeterEui))->number;
  sessions_.drop_meter(number);
  sessions_.set_fresh_as_of({});
  start();
  deliver(kBody);
  executor_.run_for(3s);
  EXPECT_THAT(in(log::topics::kNoise), IsEmpty());
  add_session();
  executor_.run_for(1s);
  EXPECT_THAT(in(log::topics::kDecoded), SizeIs(1));
}

TEST_F(ConnectorRole, GivesUpAskingAfterTenSeconds) {
  start();
  sessions_.drop_meter(directory_.meter(*base::Eui64::parse(kMeterEui))->number);
  sessions_.set_fresh_as_of(clock_.now() - 1s);
  deliver(kBody);
  executor_.run_for(15s);
  EXPECT_THAT(reasons(log::topics::kNoise), ElementsAre("unknown_devaddr"));
}

// Sessions and the directory follow the registry each for itself.
TEST_F(ConnectorRole, AsksAgainWhileTheDirectoryIsOlderThanThePacket) {
  start();
  enrol_successor();
  directory_.set_current_to(clock_.now() - 1s);
  deliver(kBody);
  executor_.run_for(300ms);
  EXPECT_THAT(in(log::topics::kDeadletter), IsEmpty());
  ASSERT_TRUE(directory_.load(*store_));
  directory_.set_current_to(clock_.now());
  executor_.run_for(1s);
  EXPECT_THAT(in(log::topics::kDecoded), SizeIs(1));
  EXPECT_THAT(in(log::topics::kDeadletter), IsEmpty());
}

TEST_F(ConnectorRole, PutsAsideAMeterThatACurrentDirectoryDoesNotKnow) {
  start();
  enrol_successor();
  directory_.set_current_to(clock_.now() + 1s);
  deliver(kBody);
  executor_.run_for(300ms);
  EXPECT_THAT(reasons(log::topics::kDeadletter), ElementsAre("unknown_meter"));
}

TEST_F(ConnectorRole, WaitsForNoSessionsFromTheFutureAfterTheClockWasPutBack) {
  start();
  sessions_.drop_meter(directory_.meter(*base::Eui64::parse(kMeterEui))->number);
  const auto before = clock_.now();
  clock_.set_wall(before + 1h);
  deliver(kBody);
  clock_.set_wall(before);
  sessions_.set_fresh_as_of(before + 1s);
  executor_.run_for(2s);
  deliver(kBody);  // bears the time of the first, an hour ahead
  sessions_.set_fresh_as_of(clock_.now() + 1s);
  executor_.run_for(2s);
  EXPECT_THAT(reasons(log::topics::kNoise), ElementsAre("unknown_devaddr", "unknown_devaddr"));
}

TEST_F(ConnectorRole, GoesOnWhereItStoppedAfterACrash) {
  start();
  deliver(kBody);
  connector_.reset();
  executor_.run_for(30s);
  deliver(R"({"rxpk":[{"stat":-1,"modu":"LORA","data":"QMSz"}]})");
  EXPECT_THAT(in(log::topics::kNoise), IsEmpty());
  start();
  executor_.run_for(1s);
  EXPECT_THAT(in(log::topics::kNoise), SizeIs(1));
  EXPECT_THAT(in(log::topics::kDecoded), SizeIs(1));
}

TEST_F(ConnectorRole, DrivesALetterAgainWithItsFirstOrigin) {
  start();
  drive_again("mic");
  const auto decoded = in(log::topics::kDecoded);
  ASSERT_THAT(decoded, SizeIs(1));
  EXPECT_TRUE(decoded[0].properties.redo);
  EXPECT_EQ(decoded[0].properties.origin.offset, base::Offset(77));
  EXPECT_EQ(decoded[0].properties.origin.index, 4u);
  EXPECT_EQ(decoded[0].properties.reason, "mic");
}

// Neighbours, noise and broken bodies were put aside the first time; gateways' reports were heard then.
TEST_F(ConnectorRole, AReplayGivesReadingsAndNothingElse) {
  start();
  const std::string noise = R"({"stat":-1,"modu":"LORA","data":"QMSz"})";
  drive_again("replay",
              R"({"rxpk":[)" + noise + "," + std::string(kElement) + R"(],"stat":{"time":"2016-12-21 03:24:33 GMT"}})");
  drive_again("replay", "nonsense");
  const auto decoded = in(log::topics::kDecoded);
  ASSERT_THAT(decoded, SizeIs(1));
  EXPECT_TRUE(log::is_replay(decoded[0].properties));
  EXPECT_EQ(decoded[0].properties.origin.index, 5u);
  for (const auto topic : {log::topics::kNoise, log::topics::kDeadletter, log::topics::kStatus})
    EXPECT_THAT(in(topic), IsEmpty()) << topic;
}

TEST_F(ConnectorRole, AReplayThatCannotBeDecodedGivesNothing) {
  auto import = *store_->begin_import("test");
  ASSERT_TRUE(import->put_profile(
      {"v1", "name = \"v1\"\nlength = 21\n[[field]]\nname = \"used\"\noffset = 10\nsize = 4\ndecimals = 3\nunit = \"m3\"\n"}, true));
  ASSERT_TRUE(import->commit());
  import.reset();  // it keeps others from the registry
  ASSERT_TRUE(directory_.load(*store_));
  start();
  drive_again("replay");
  EXPECT_THAT(in(log::topics::kDecoded), IsEmpty());
  EXPECT_THAT(in(log::topics::kDeadletter), IsEmpty());
  drive_again("bad_length");
  EXPECT_THAT(in(log::topics::kDecoded), SizeIs(1)) << "a letter has its say again";
}

TEST_F(ConnectorRole, ReadsOnlyThePartitionsItWasGiven) {
  ConnectorOptions options;
  options.partitions = {base::PartitionId(1)};
  start(options);
  deliver(kBody);
  EXPECT_THAT(in(log::topics::kDecoded), IsEmpty());
}

TEST_F(ConnectorRole, AListOfPartitionsLeavesWhatIsDrivenAgainToIt) {
  ConnectorOptions options;
  options.partitions = {base::PartitionId(1)};
  start(options);
  drive_again("mic");
  EXPECT_THAT(in(log::topics::kDecoded), SizeIs(1));
}

// Thirty seconds between two packets; both are done.
class ConnectorStart : public ConnectorRole {
 protected:
  std::size_t decoded_again(Start from) {
    start();
    deliver(kBody);
    executor_.run_for(30s);
    deliver(kBody);
    executor_.run_for(1s);
    connector_.reset();
    const auto before = in(log::topics::kDecoded).size();
    start_again(from);
    return in(log::topics::kDecoded).size() - before;
  }
  void start_again(Start from) {
    ConnectorOptions options;
    options.start = from;
    start(options);
    executor_.run_for(1s);
  }
};

TEST_F(ConnectorStart, GoesOnWhereTheGroupHadCome) { EXPECT_EQ(decoded_again(FromCommitted{}), 0u); }
TEST_F(ConnectorStart, BeginsAtTheEarliestRecordWhenToldSo) { EXPECT_EQ(decoded_again(log::Earliest{}), 2u); }
TEST_F(ConnectorStart, BeginsAtATimeWhenToldSo) {
  const auto between = clock_.now() + 10s;
  EXPECT_EQ(decoded_again(between), 1u);
  EXPECT_EQ(*log_.committed(log::groups::kConnector, {*log_.topic(log::topics::kTelemetry), base::PartitionId(0)}),
            base::Offset(2));
}
TEST_F(ConnectorStart, BeginsWithNoLetterOnceMore) {
  start();
  drive_again("mic");
  connector_.reset();
  start_again(log::Earliest{});
  EXPECT_THAT(in(log::topics::kDecoded), SizeIs(1));
}

TEST_F(ConnectorRole, DrainFinishesWhatIsInFlight) {
  start();
  deliver(kBody);
  bool drained = false;
  connector_->drain([&] { drained = true; });
  executor_.run_ready();
  EXPECT_TRUE(drained);
  deliver(kBody);
  EXPECT_THAT(in(log::topics::kDecoded), SizeIs(1));
}

// A network server that does not answer, while the platform stops all the same.
struct SilentTransport final : Transport {
  std::vector<Done> asked;
  std::weak_ptr<const void> storage;
  void open(Block block, Done done) override {
    storage = block.storage;
    asked.push_back(std::move(done));
  }
};

TEST_F(ConnectorRole, LeavesNothingBehindWhenItsDrainDidNotEnd) {
  SilentTransport silent;
  connector_ = std::move(*Connector::create(log_, directory_, silent, executor_, metrics_, {}, [](const base::Error&) {}));
  deliver(kBody);
  ASSERT_THAT(silent.asked, SizeIs(1));
  connector_->drain([] {});
  executor_.run_ready();
  connector_.reset();
  silent.asked.clear();
  EXPECT_TRUE(silent.storage.expired()) << "the batch that was under way";
}

TEST_F(ConnectorRole, RefusesAPartitionThatIsNotThere) {
  ConnectorOptions options;
  options.partitions = {base::PartitionId(99)};
  const auto made = Connector::create(log_, directory_, transport_, executor_, metrics_, std::move(options), [](const base::Error&) {});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, base::Errc::kNotFound);
  EXPECT_EQ(executor_.run_ready(), 0U) << "no task is left for what is not there";
}

TEST(EmbeddedTransport, RemembersCountersThatItHadToSearchFor) {
  base::ManualClock clock{base::Timestamp()};
  base::ManualExecutor executor(clock);
  decrypt::SessionTable sessions;
  lorawan::Session session;
  session.dev_addr = base::DevAddr(7);
  session.meter = base::MeterNumber(1);
  ASSERT_TRUE(sessions.upsert(session));
  EmbeddedTransport transport(sessions, executor);
  const auto counter_of = [&](std::uint32_t fcnt) {
    lorawan::Rxpk packet;
    packet.tx.modu = "LORA";
    lorawan::DataFrameSpec frame;
    frame.dev_addr = session.dev_addr;
    frame.fcnt = fcnt;
    packet.phy = *lorawan::build_data_frame(frame, session.nwk_skey, session.app_skey);
    std::string body = R"({"rxpk":[)";
    lorawan::append_rxpk(body, packet);
    body += "]}";
    Block block;
    block.deliveries.emplace_back().body = body;
    std::optional<std::uint32_t> out;
    transport.open(std::move(block), [&](const std::vector<Opened>& opened) {
      if (const auto& answer = opened[0].answers[0]; answer.proven) out = answer.fcnt;
    });
    executor.run_ready();
    return out;
  };
  EXPECT_EQ(counter_of(100 << 16), std::nullopt);  // 64 high words are searched without a hint
  EXPECT_EQ(counter_of(5), 5U);
  EXPECT_EQ(counter_of(60 << 16), 60U << 16);
  EXPECT_EQ(counter_of((60 << 16) + 9), (60U << 16) + 9);
  EXPECT_EQ(counter_of(100 << 16), 100U << 16);
  EXPECT_EQ(counter_of(5), 5U);  // a reset
}

}  // namespace
}  // namespace meterhub::connector
