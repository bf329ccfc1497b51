#include <meterhub/fleet/reading_reader.h>

#include <gtest/gtest.h>

#include "town.h"

namespace meterhub::fleet {
namespace {

using namespace std::chrono_literals;

class ReadingReaderTest : public testing::Test {
 protected:
  base::ManualClock clock_;
  test::Town town_{clock_};
  ReadingReader reader_;

  static log::RecordView view(const log::NewRecord& record, base::Timestamp enqueued) {
    log::RecordView out;
    out.enqueued = enqueued;
    out.key = record.key;
    out.properties = record.properties;
    out.body = record.body;
    return out;
  }
};

TEST_F(ReadingReaderTest, TakesTheFiguresAndTheBestSignal) {
  const auto record = town_.record({.meter = 3, .fcnt = 9, .left = -17, .used = 20'829, .status = 6});
  const auto* const reading = reader_.read(view(record, clock_.now()));
  ASSERT_NE(reading, nullptr);
  EXPECT_EQ(reading->left, -17);
  EXPECT_EQ(reading->used, 20'829);
  EXPECT_EQ(reading->bought, 20'812);
  EXPECT_EQ(reading->status, 6u);
  EXPECT_EQ(reading->version_text(), "v1.0");
  EXPECT_EQ(reading->fcnt, 9u);
  EXPECT_EQ(reading->gateways, 2);
  EXPECT_EQ(reading->rssi, -90);
  EXPECT_EQ(reading->snr_tenths, 55);
}

TEST_F(ReadingReaderTest, WhatWasNotDecodedIsNoReading) {
  EXPECT_EQ(reader_.read(view(town_.record({.undecoded = true}), clock_.now())), nullptr);
}

TEST_F(ReadingReaderTest, ABodyThatIsNoWholeDocumentIsNoReading) {
  auto record = town_.record({});
  const auto whole = record.body;
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, whole.size() / 2, whole.size() - 2}) {
    record.body = whole.substr(0, size);
    EXPECT_EQ(reader_.read(view(record, clock_.now())), nullptr) << size;
  }
  for (const auto* text : {"[]", "7", R"({"userData":7})", R"({"originData":{"app":{"gwrx":[7]}},"userData":{}})", "\xff\xfe"}) {
    record.body = text;
    EXPECT_EQ(reader_.read(view(record, clock_.now())), nullptr) << text;
  }
}

TEST_F(ReadingReaderTest, AGatewaysClockAheadMovesNoHearing) {
  const auto now = clock_.now();
  auto record = town_.record({.time = now + 24h});
  EXPECT_EQ(heard_at(view(record, now)), now);
  record.properties.time = now - 1h;
  EXPECT_EQ(heard_at(view(record, now)), now - 1h);
  record.properties.time = {};
  record.properties.origin.enqueued = now - 5s;
  EXPECT_EQ(heard_at(view(record, now)), now - 5s);
}

}  // namespace
}  // namespace meterhub::fleet
