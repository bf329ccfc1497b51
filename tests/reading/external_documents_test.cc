// What becomes of documents that a connector outside sends. The case study's own, from tests/data/vectors.
#include <meterhub/reading/external_documents.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include <meterhub/base/encoding.h>
#include <meterhub/base/time_text.h>
#include <meterhub/crypto/hash.h>
#include <meterhub/log/memory.h>
#include <meterhub/registry/store.h>

namespace meterhub::reading {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::string_view kMeterEui = "ffffffffffffff01";

json vector(std::string_view id) {
  const auto file = json::parse(std::ifstream(METERHUB_TEST_DATA "/vectors/final_documents.json"));
  for (const auto& one : file["cases"]) {
    if (one["id"] == id) return one["document"];
  }
  ADD_FAILURE() << "no vector " << id;
  return {};
}

std::filesystem::path fresh_folder() {
  auto pattern = (std::filesystem::temp_directory_path() / "meterhub-reading-XXXXXX").string();
  EXPECT_NE(mkdtemp(pattern.data()), nullptr);
  return pattern;
}

class ExternalDocumentsTest : public testing::Test {
 protected:
  ExternalDocumentsTest() {
    for (const auto name : {log::topics::kDecoded, log::topics::kStatus, log::topics::kDeadletter}) {
      log::TopicSpec spec;
      spec.name = name;
      spec.partitions = 2;
      EXPECT_TRUE(log_.declare(spec));
    }
    store_ = std::move(*registry::Store::open({folder_ / "registry.sqlite", {}}, clock_));
    EXPECT_TRUE(store_->add_tenant("test", "gas"));
    registry::MeterSpec meter;
    meter.eui = *base::Eui64::parse(kMeterEui);
    meter.tenant = "gas";
    EXPECT_TRUE(store_->add_meter("test", meter));
    EXPECT_TRUE(directory_.load(*store_));
    documents_.emplace(*DocumentTopics::find(log_), profiles_, metrics_);
  }
  ~ExternalDocumentsTest() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  void take(const std::string& text) {
    log::Transaction transaction;
    Source source{{std::string(kExternalOrigin), base::PartitionId(0), base::Offset(++number_), 0, clock_.now()}, "gw-0001"};
    documents_->append(directory_.view(), documents_->parse(text), source, transaction.appends);
    EXPECT_FALSE(transaction.appends.empty()) << "a document went without a trace";
    bool stored = false;
    log_.transact(std::move(transaction), executor_, [&](auto result) { stored = result.has_value(); });
    executor_.run_ready();
    ASSERT_TRUE(stored);
  }

  struct Stored {
    std::string key;
    std::string body;
    log::Properties properties;
  };
  std::vector<Stored> in(std::string_view topic) {
    std::vector<Stored> out;
    for (std::uint32_t n = 0; n < 2; ++n) {
      auto cursor = *log_.open({*log_.topic(topic), base::PartitionId(n)}, log::Earliest{});
      for (auto batch = *cursor->next(1 << 20); !batch.records.empty(); batch = *cursor->next(1 << 20)) {
        for (const auto& record : batch.records) out.push_back({std::string(record.key), std::string(record.body), record.properties});
      }
    }
    return out;
  }
  std::vector<std::string> reasons() {
    std::vector<std::string> out;
    for (const auto& letter : in(log::topics::kDeadletter)) out.push_back(letter.properties.reason);
    return out;
  }

  const std::filesystem::path folder_ = fresh_folder();
  base::ManualClock clock_{base::parse_rfc3339("2016-12-21T03:30:00Z")->at};
  base::ManualExecutor executor_{clock_};
  log::MemoryLog log_{clock_};
  base::Metrics metrics_;
  std::unique_ptr<registry::Store> store_;
  registry::Directory directory_;
  Profiles profiles_;
  std::optional<ExternalDocuments> documents_;
  std::uint64_t number_ = 0;
};

TEST_F(ExternalDocumentsTest, AFinalDocumentIsAReadingAsItWasSent) {
  const auto text = vector("sample-poc-2016").dump();
  take(text);
  const auto decoded = in(log::topics::kDecoded);
  ASSERT_THAT(decoded, SizeIs(1));
  EXPECT_EQ(decoded[0].body, text);
  EXPECT_EQ(decoded[0].key, kMeterEui);
  const auto& p = decoded[0].properties;
  const auto meter = *directory_.meter(*base::Eui64::parse(kMeterEui));
  EXPECT_EQ(p.meter, meter.number);
  EXPECT_EQ(p.tenant, meter.tenant);
  EXPECT_EQ(p.session, meter.session);
  EXPECT_EQ(p.fcnt, 0u);
  EXPECT_TRUE(p.unproven);
  EXPECT_FALSE(p.undecoded);
  EXPECT_EQ(p.gateway, "gw-0001");
  EXPECT_EQ(p.time, base::parse_rfc3339("2016-12-21T03:24:34Z")->at);
  EXPECT_EQ(p.origin.enqueued, clock_.now());
  EXPECT_THAT(reasons(), IsEmpty());
}

TEST_F(ExternalDocumentsTest, ThePayloadsDigestStandsForTheMic) {
  take(vector("sample-v1").dump());
  const auto payload = *base::base64_decode_lenient("AgEAD0JAAA7w4wAAUV0ABHYxLjA");
  const auto digest = crypto::sha256(payload);
  const auto mic = in(log::topics::kDecoded).at(0).properties.mic;
  EXPECT_TRUE(std::equal(mic.begin(), mic.end(), digest.begin()));
}

TEST_F(ExternalDocumentsTest, WhatANetworkServerAnsweredIsDecodedHere) {
  take(vector("sample-v1")["originData"].dump());
  const auto decoded = in(log::topics::kDecoded);
  ASSERT_THAT(decoded, SizeIs(1));
  EXPECT_EQ(json::parse(decoded[0].body), vector("sample-v1"));
}

TEST_F(ExternalDocumentsTest, ADocumentWithoutFiguresIsDecodedHereAndALetterWhereThatFails) {
  auto document = vector("sample-v1");
  document["userData"] = nullptr;
  take(document.dump());
  EXPECT_EQ(json::parse(in(log::topics::kDecoded).at(0).body)["userData"]["left"], 979.171);
  take(vector("bad-payload-v1").dump());
  EXPECT_THAT(reasons(), ElementsAre("bad_length"));
  const auto decoded = in(log::topics::kDecoded);
  ASSERT_THAT(decoded, SizeIs(2));
  EXPECT_TRUE(decoded[1].properties.undecoded);
}

TEST_F(ExternalDocumentsTest, NothingIsBelievedThatOnlyOurServersMayClaim) {
  auto answer = vector("sample-v1")["originData"];
  answer["ns"] = {{"session", 77}, {"mic", "01020304"}, {"fcnt", 0}, {"i", 5}};
  take(answer.dump());
  const auto p = in(log::topics::kDecoded).at(0).properties;
  EXPECT_NE(p.session.value, 77u);
  EXPECT_TRUE(p.unproven);
  EXPECT_EQ(p.origin.index, 0u);
  take(R"({"gw":null,"mote":null,"app":null,"ns":{"join":"00","gweui":"fffe020100000011"}})");
  EXPECT_THAT(reasons(), ElementsAre("document"));
}

TEST_F(ExternalDocumentsTest, AMeterThatNobodyKnowsIsALetterThatCanBeDrivenAgain) {
  auto document = vector("sample-v1");
  document["originData"]["app"]["moteeui"] = "0102030405060708";
  take(document.dump());
  EXPECT_THAT(in(log::topics::kDecoded), IsEmpty());
  const auto letters = in(log::topics::kDeadletter);
  ASSERT_THAT(letters, SizeIs(1));
  EXPECT_EQ(letters[0].properties.reason, "unknown_meter");
  EXPECT_EQ(letters[0].body, document.dump());
  EXPECT_EQ(letters[0].properties.origin.log, kExternalOrigin);
}

TEST_F(ExternalDocumentsTest, AHeartbeatAndAGatewaysReportKeepTheirKind) {
  take(R"({"gw":null,"app":null,"mote":{"moteeui":"ffffffffffffff01","dir":"up","seqno":3,"gwrx":[{"eui":"fffe020100000011","time":"2016-12-21T03:24:34Z"}]}})");
  take(R"({"gw":{"eui":"fffe020100000011","time":"2016-12-21T03:24:34Z","stat":{"rxok":2}},"mote":null,"app":null})");
  const auto decoded = in(log::topics::kDecoded);
  ASSERT_THAT(decoded, SizeIs(1));
  EXPECT_TRUE(decoded[0].properties.heartbeat);
  const auto status = in(log::topics::kStatus);
  ASSERT_THAT(status, SizeIs(1));
  EXPECT_EQ(status[0].key, "fffe020100000011");
  EXPECT_THAT(reasons(), IsEmpty());
}

TEST_F(ExternalDocumentsTest, WhatIsNoDocumentIsPutAsideNeverLost) {
  auto wrong_kind = vector("sample-v1");
  wrong_kind["userData"] = "figures";
  auto no_time = vector("sample-v1");
  no_time["originData"]["app"]["gwrx"][0].erase("time");
  const std::string bad[] = {"",
                             "not json",
                             "[]",
                             "{}",
                             R"({"originData":null,"userData":{}})",
                             R"({"originData":)" + std::string(100'000, '['),
                             wrong_kind.dump(),
                             no_time.dump(),
                             std::string(300'000, ' ') + vector("sample-v1").dump(),
                             vector("sample-v1").dump() + vector("sample-v1").dump()};
  for (const auto& text : bad) take(text);
  EXPECT_THAT(reasons(), SizeIs(std::size(bad)));
  EXPECT_THAT(reasons(), testing::Each("document"));
  EXPECT_THAT(in(log::topics::kDecoded), IsEmpty());
  EXPECT_EQ(metrics_.total("meterhub_external_dead_letters_total"), std::size(bad));
}

}  // namespace
}  // namespace meterhub::reading
