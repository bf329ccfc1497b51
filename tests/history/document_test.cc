#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <meterhub/base/time_text.h>

#include "../../src/history/document.h"

namespace meterhub::history {
namespace {

log::RecordView record_of(std::string_view body) {
  log::RecordView record;
  record.key = "ffffffffffffff01";
  record.enqueued = base::Timestamp(std::chrono::seconds(1'482'290'680));
  record.properties.meter = base::MeterNumber(5);
  record.properties.session = base::SessionNumber(1);
  record.properties.fcnt = 77;
  record.properties.time = base::Timestamp(std::chrono::seconds(1'482'290'674));
  record.body = body;
  return record;
}

TEST(Document, TheSampleDocumentsBecomeRows) {
  std::ifstream file(std::string(METERHUB_TEST_DATA) + "/vectors/final_documents.json");
  const auto vectors = nlohmann::json::parse(file);
  RowReader reader;
  lake::Reading row;
  std::size_t decoded = 0;
  for (const auto& vector : vectors.at("cases")) {
    const auto& document = vector.at("document");
    const std::string body = document.dump();
    ASSERT_TRUE(reader.read(record_of(body), row)) << vector.at("id");
        EXPECT_EQ(row.gateways, "fffe020100000011");
    EXPECT_EQ(row.best_rssi, -13);
    EXPECT_EQ(row.best_snr, 9.0);
    EXPECT_EQ(row.port, 1);
    const auto& user = document.at("userData");
    EXPECT_EQ(row.payload.has_value(), user.is_null());
    if (user.is_null()) continue;
    ++decoded;
    EXPECT_EQ(row.type, user.at("type").get<int>());
    EXPECT_EQ(row.code, user.at("code").get<int>());
    EXPECT_EQ(row.bought, std::llround(user.at("bought").get<double>() * 1000));
    EXPECT_EQ(row.left, std::llround(user.at("left").get<double>() * 1000));
    EXPECT_EQ(row.used, std::llround(user.at("used").get<double>() * 1000));
    EXPECT_EQ(row.status, user.at("status").get<int>());
    EXPECT_EQ(row.version, user.at("version").get<std::string>());
    EXPECT_EQ(base::rfc3339(row.time), user.at("time").get<std::string>());
  }
  EXPECT_EQ(decoded, 2u);
}

TEST(Document, ThePropertiesDecideIdentityAndTime) {
  RowReader reader;
  lake::Reading row;
  auto record = record_of(R"({"originData":{"app":{}},"userData":{"time":"2036-01-01T00:00:00Z"}})");
  record.properties.late = true;
  record.properties.origin.enqueued = base::Timestamp(std::chrono::seconds(9));
  ASSERT_TRUE(reader.read(record, row));
  EXPECT_EQ(row.device, "ffffffffffffff01");
  EXPECT_EQ(row.fcnt, 77u);
  EXPECT_TRUE(row.late);
  EXPECT_EQ(row.time, record.properties.time);
  EXPECT_EQ(row.enqueued, record.properties.origin.enqueued);
  record.properties.time = {};
  ASSERT_TRUE(reader.read(record, row));
  EXPECT_EQ(base::rfc3339(row.time), "2036-01-01T00:00:00Z");
}

TEST(Document, ABrokenBodyLeavesARowWithoutValues) {
  RowReader reader;
  lake::Reading row;
  const std::string deep = R"({"originData":)" + std::string(5'000, '[');
  for (const std::string& body : {std::string(), std::string("[]"), std::string("{"), deep, std::string("\xff\xfe"),
                                  std::string(R"({"originData":{"app":{"gwrx":[{"eui":"a"}]}},"userData":{"used":1)")}) {
    EXPECT_FALSE(reader.read(record_of(body), row)) << body.substr(0, 60);
    EXPECT_EQ(row.fcnt, 77u);
    EXPECT_FALSE(row.used.has_value());
    EXPECT_EQ(row.gateways, "");
  }
}

}  // namespace
}  // namespace meterhub::history
