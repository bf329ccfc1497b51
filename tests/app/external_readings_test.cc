#include "external_readings.h"

#include <meterhub/registry/store.h>

#include "folder.h"
#include "log_fixture.h"

namespace meterhub::app {
namespace {

class ExternalReadingsTest : public LogFixture {
 protected:
  ExternalReadingsTest() {
    store_ = std::move(*registry::Store::open({folder_.path() + "/registry.sqlite", {}}, clock_));
    EXPECT_TRUE(store_->add_tenant("test", "gas"));
    registry::GatewaySpec gateway;
    gateway.id = "gw-1";
    gateway.eui = *base::Eui64::parse("fffe020100000011");
    EXPECT_TRUE(store_->add_gateway("test", gateway));
    registry::MeterSpec meter;
    meter.eui = *base::Eui64::parse("ffffffffffffff01");
    EXPECT_TRUE(store_->add_meter("test", meter));
    EXPECT_TRUE(directory_.load(*store_));
    readings_ = std::move(*ExternalReadings::create(log_, directory_, executor_, metrics_));
  }

  // What a document becomes.
  log::Properties stored(const std::string& document, std::string_view topic) {
    const auto before = bodies_of(topic).size();
    log::Transaction transaction;
    readings_->append(document, transaction.appends);
    log_.transact(std::move(transaction), executor_, [](auto) {});
    executor_.run_ready();
    const auto records = bodies_of(topic);
    EXPECT_EQ(records.size(), before + 1);
    return records.empty() ? log::Properties() : records.back();
  }
  std::vector<log::Properties> bodies_of(std::string_view topic) {
    std::vector<log::Properties> out;
    for (std::uint32_t n = 0; n < kPartitions; ++n) {
      const auto cursor = *log_.open(at(topic, n), log::Earliest{});
      const auto batch = cursor->next(1 << 20);
      for (const auto& record : batch->records) out.push_back(record.properties);
    }
    return out;
  }
  static std::string document(int seqno) {
    return R"({"originData":{"app":{"moteeui":"ffffffffffffff01","userdata":{"seqno":)" + std::to_string(seqno) +
           R"(,"port":1,"payload":"AgEAD0JAAA7w4wAAUV0ABHYxLjA"},"gwrx":[{"eui":"fffe020100000011","time":"2016-12-21T03:24:34Z"}]}},"userData":{"left":1.5}})";
  }

  const Folder folder_;
  base::Metrics metrics_;
  std::unique_ptr<registry::Store> store_;
  registry::Directory directory_;
  std::unique_ptr<ExternalReadings> readings_;
};

TEST_F(ExternalReadingsTest, NumberDocumentsUpwardsAlsoWithinOneMicrosecond) {
  const auto first = stored(document(1), log::topics::kDecoded);
  const auto second = stored(document(2), log::topics::kDecoded);
  EXPECT_EQ(first.origin.log, reading::kExternalOrigin);
  EXPECT_EQ(second.origin.offset.value, first.origin.offset.value + 1);
  clock_.advance(std::chrono::seconds(5));
  const auto third = stored(document(3), log::topics::kDecoded);
  EXPECT_EQ(third.origin.offset.value, static_cast<std::uint64_t>(clock_.now().time_since_epoch().count()));
  EXPECT_EQ(third.origin.enqueued, clock_.now());
}

TEST_F(ExternalReadingsTest, NameTheGatewayThatHeardIt) { EXPECT_EQ(stored(document(1), log::topics::kDecoded).gateway, "gw-1"); }

TEST_F(ExternalReadingsTest, PutAsideWhatIsNoDocument) {
  EXPECT_EQ(stored("no document", log::topics::kDeadletter).reason, "document");
}

}  // namespace
}  // namespace meterhub::app
