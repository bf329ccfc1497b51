// The judge must find what is wrong: a clean run is compared with a truth that was changed.
#include <gtest/gtest.h>

#include <functional>
#include <optional>

#include <meterhub/db/connection.h>
#include <meterhub/sim/sent_file.h>

#include "simulated_platform.h"

namespace meterhub::simulation {
namespace {

using namespace std::chrono_literals;

class Verify : public testing::Test {
 protected:
  Verify() : platform_({.seed = 21, .meters = 12, .otaa_meters = 0, .alert_below_m3 = 1000}) {
    platform_.run(60s);
    platform_.finish();
  }

  // The truth with `change` applied to each packet; false leaves the packet out.
  sim::VerifyReport against(const std::function<bool(sim::SentPacket&)>& change) {
    const auto file = (platform_.folder() / "changed.mhs").string();
    EXPECT_TRUE(disk_.write(file, ""));
    auto writer = *sim::SentWriter::open(disk_, file, 0);
    const auto read = sim::read_sent(disk_, (platform_.folder() / "sent.mhs").string(), [&](sim::SentRecord record) {
      if (auto* packet = std::get_if<sim::SentPacket>(&record)) change(*packet);
      writer.add(record);
    });
    EXPECT_TRUE(read);
    EXPECT_TRUE(writer.flush());
    return platform_.verify(file);
  }

  base::PosixDisk disk_;
  SimulatedPlatform platform_;
};

// Packet 3 of the file, or the first after it that a gateway heard.
bool chosen(const sim::SentPacket& packet, bool& done) {
  if (done || packet.number < 3 || packet.heard_by.empty() || packet.undecodable) return false;
  done = true;
  return true;
}

TEST_F(Verify, FindsACleanRunClean) { EXPECT_EQ(platform_.verify().verdict(), "missing 0 duplicate 0 wrong 0"); }

TEST_F(Verify, FindsAFigureThatDiffersByOneLitre) {
  bool done = false;
  const auto report = against([&](sim::SentPacket& packet) {
    if (chosen(packet, done)) packet.used_litres += 1;
    return true;
  });
  EXPECT_EQ(report.verdict(), "missing 0 duplicate 0 wrong 1");
}

TEST_F(Verify, FindsAReadingThatIsNotThereAndOneThatNobodySent) {
  bool done = false;
  const auto report = against([&](sim::SentPacket& packet) {
    if (chosen(packet, done)) packet.fcnt += 1'000'000;
    return true;
  });
  // The row of the packet that nobody sent has an alert of its own, which is one too many.
  EXPECT_EQ(report.verdict(), "missing 1 duplicate 1 wrong 1");
}

// A gateway that was shut out while a meter's counter began again: the platform hears of the meter
// only afterwards.
TEST_F(Verify, AsksForNoGenerationThatThePlatformCouldNotHear) {
  std::optional<base::Eui64> meter;
  const auto report = against([&](sim::SentPacket& packet) {
    if (!meter) meter = packet.meter;
    if (packet.meter == *meter) packet.generation = base::Generation(packet.generation.value + 1);
    return true;
  });
  EXPECT_EQ(report.verdict(), "missing 0 duplicate 0 wrong 0");
}

// After a restore what was settled later may be gone, and may be there.
TEST_F(Verify, AsksOnlyForWhatACopyOfTheTruthCallsSettled) {
  const auto sent = (platform_.folder() / "sent.mhs").string();
  const auto earlier = (platform_.folder() / "earlier.mhs").string();
  const auto whole = *disk_.read(sent);
  ASSERT_TRUE(disk_.write(earlier, whole.substr(0, whole.size() / 2)));
  ASSERT_TRUE(std::filesystem::remove_all(platform_.folder() / "lake") > 0);
  ASSERT_TRUE(disk_.make_directories((platform_.folder() / "lake/_manifest").string()));
  const auto missing = [&](const std::string& settled_by) {
    sim::VerifyOptions options;
    options.sent_file = sent;
    options.settled_by = settled_by;
    options.lake = (platform_.folder() / "lake").string();
    return sim::verify(disk_, options)->missing;
  };
  EXPECT_GT(missing(earlier), 0u);
  EXPECT_LT(missing(earlier), missing(""));
  EXPECT_EQ(missing(sent), missing(""));
}

TEST_F(Verify, FindsATimeThatDiffersWhereItIsCertain) {
  bool done = false;
  const auto report = against([&](sim::SentPacket& packet) {
    if (packet.time_certain && chosen(packet, done)) packet.time += 1s;
    return true;
  });
  EXPECT_TRUE(done);
  EXPECT_EQ(report.wrong, 1u);
  sim::VerifyOptions any_time;
  any_time.sent_file = (platform_.folder() / "changed.mhs").string();
  any_time.lake = platform_.lake();
  any_time.compare_times = false;
  EXPECT_EQ(sim::verify(disk_, any_time)->wrong, 0u);
}

TEST_F(Verify, FindsAnAlertThatIsThereTwiceAndOneThatIsGone) {
  auto database = *db::Connection::open(platform_.folder() / "database.sqlite");
  const auto before = database->query_integer("SELECT COUNT(*) FROM alerts");
  ASSERT_TRUE(before);
  ASSERT_GT(before->value_or(0), 1);
  ASSERT_TRUE(database->execute("UPDATE alerts SET DeviceID = (SELECT DeviceID FROM alerts ORDER BY Id DESC LIMIT 1), "
                                "DateTime = (SELECT DateTime FROM alerts ORDER BY Id DESC LIMIT 1), "
                                "TotalUsed = (SELECT TotalUsed FROM alerts ORDER BY Id DESC LIMIT 1) "
                                "WHERE Id = (SELECT MIN(Id) FROM alerts)"));
  EXPECT_EQ(platform_.verify().verdict(), "missing 1 duplicate 1 wrong 0");
}

// An alert is judged by what it says, not by being there.
TEST_F(Verify, FindsAnAlertWhoseFiguresAreNotItsReadings) {
  auto database = *db::Connection::open(platform_.folder() / "database.sqlite");
  const std::string newest = " WHERE Id = (SELECT MAX(Id) FROM alerts)";
  ASSERT_TRUE(database->execute("UPDATE alerts SET Remaining = Remaining + 0.001" + newest));
  EXPECT_EQ(platform_.verify().verdict(), "missing 0 duplicate 0 wrong 1");
  ASSERT_TRUE(database->execute("UPDATE alerts SET Remaining = Remaining - 0.001, MeterStatus = MeterStatus + 1" + newest));
  EXPECT_EQ(platform_.verify().verdict(), "missing 0 duplicate 0 wrong 1");
}

TEST_F(Verify, FindsAnAlertThatNamesNoDevice) {
  auto database = *db::Connection::open(platform_.folder() / "database.sqlite");
  ASSERT_TRUE(database->execute("UPDATE alerts SET DeviceID = 'nobody' WHERE Id = (SELECT MAX(Id) FROM alerts)"));
  EXPECT_EQ(platform_.verify().verdict(), "missing 1 duplicate 0 wrong 1");
}

}  // namespace
}  // namespace meterhub::simulation
