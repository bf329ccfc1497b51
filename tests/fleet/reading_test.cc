#include <meterhub/fleet/reading.h>

#include <gtest/gtest.h>

namespace meterhub::fleet {
namespace {

TEST(ConsoleReading, IsJsonWithExactDecimals) {
  Reading reading;
  reading.time = base::Timestamp(std::chrono::milliseconds(1'482'290'674'528));
  reading.bought = 1'000'000;
  reading.left = -1;
  reading.used = 20'829;
  reading.status = 4;
  reading.has_status = true;
  reading.fcnt = 7;
  reading.rssi = -90;
  reading.snr_tenths = 55;
  reading.gateways = 2;
  reading.set_version("v1.0");
  std::string out;
  append_reading(out, reading);
  EXPECT_EQ(out,
            R"({"time":"2016-12-21T03:24:34.528Z","bought":1000.0,"left":-0.001,"used":20.829,"status":4,"version":"v1.0",)"
            R"("seq":7,"gateways":2,"rssi":-90,"snr":5.5})");
}

TEST(ConsoleReading, WhatIsNotKnownIsNull) {
  std::string out;
  append_reading(out, Reading());
  EXPECT_EQ(out,
            R"({"time":"1970-01-01T00:00:00Z","bought":null,"left":null,"used":null,"status":null,"version":"",)"
            R"("seq":0,"gateways":0,"rssi":null,"snr":null})");
}

TEST(ConsoleReading, ALongVersionIsCutBetweenCharacters) {
  Reading reading;
  reading.set_version("version 燃");  // the character's bytes 8 to 10
  EXPECT_EQ(reading.version_text(), "version ");
  reading.set_version("0123456789ab");
  EXPECT_EQ(reading.version_text(), "0123456789");
}

TEST(ConsoleReading, IsOrderedBySessionGenerationAndCounter) {
  Reading a;
  a.session = 1;
  a.generation = 1;
  a.fcnt = 9;
  Reading b = a;
  EXPECT_EQ(order_of(a), order_of(b));
  b.session = 2;
  b.generation = 0;
  b.fcnt = 0;
  EXPECT_LT(order_of(a), order_of(b));
}

}  // namespace
}  // namespace meterhub::fleet
