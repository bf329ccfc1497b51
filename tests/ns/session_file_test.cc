#include "session_file.h"

#include <gtest/gtest.h>

namespace meterhub::ns {
namespace {

using registry::FeedMessage;

const std::string kPath = "ns/sessions";

crypto::Key256 key(std::uint8_t fill = 1) {
  crypto::Key256 out;
  out.fill(fill);
  return out;
}

registry::SessionsPut put(std::uint32_t meter) {
  lorawan::Session session;
  session.meter = base::MeterNumber(meter);
  session.number = base::SessionNumber(1);
  session.dev_addr = base::DevAddr(meter);
  session.nwk_skey.fill(0x5A);
  return {{session}};
}
registry::Heartbeat beat(int seconds) { return {base::Timestamp(std::chrono::seconds(seconds))}; }

class SessionFileTest : public ::testing::Test {
 protected:
  SessionFileTest() { EXPECT_TRUE(disk_.make_directories("ns")); }
  void add(SessionFile& file, const FeedMessage& message) { ASSERT_TRUE(file.add(message)); }
  void write_snapshot(SessionFile& file) {
    add(file, registry::SnapshotBegin{});
    add(file, put(1));
    add(file, put(2));
    add(file, registry::SnapshotEnd{});
    add(file, beat(100));
  }
  // Meters named, and the last heartbeat.
  base::Result<std::string> replayed(std::uint8_t fill = 1) {
    std::string out;
    const auto done = SessionFile(disk_, kPath, key(fill)).replay([&](const FeedMessage& message) {
      if (const auto* sessions = std::get_if<registry::SessionsPut>(&message)) out += std::to_string(sessions->sessions[0].meter.value) + " ";
      if (const auto* heart = std::get_if<registry::Heartbeat>(&message)) out += "@" + std::to_string(heart->current_to.time_since_epoch() / std::chrono::seconds(1)) + " ";
    });
    if (!done) return std::unexpected(done.error());
    return out;
  }

  base::MemoryDisk disk_;
};

TEST_F(SessionFileTest, GivesBackTheSnapshotAndWhatChangedSince) {
  SessionFile file(disk_, kPath, key());
  write_snapshot(file);
  add(file, put(3));
  add(file, beat(101));
  EXPECT_EQ(replayed().value(), "1 2 @100 3 @101 ");
}

TEST_F(SessionFileTest, HoldsNoKeyInTheClear) {
  SessionFile file(disk_, kPath, key());
  write_snapshot(file);
  EXPECT_EQ(disk_.read(kPath)->find(std::string(16, 'Z')), std::string::npos);
}

TEST_F(SessionFileTest, KeepsTheOldCopyUntilTheNewSnapshotIsWhole) {
  SessionFile file(disk_, kPath, key());
  write_snapshot(file);
  add(file, registry::SnapshotBegin{});
  add(file, put(9));
  EXPECT_EQ(replayed().value(), "1 2 @100 ");
  disk_.forget_unsynced();
  EXPECT_EQ(replayed().value(), "1 2 @100 ");
}

TEST_F(SessionFileTest, DoesNotWriteEveryHeartbeat) {
  SessionFile file(disk_, kPath, key());
  write_snapshot(file);
  const auto size = *disk_.size(kPath);
  add(file, beat(101));
  EXPECT_EQ(*disk_.size(kPath), size);
  add(file, beat(161));
  EXPECT_GT(*disk_.size(kPath), size);
  EXPECT_EQ(replayed().value(), "1 2 @100 @161 ");
}

TEST_F(SessionFileTest, LeavesOutATornEndAndRefusesAnyOtherDamage) {
  SessionFile file(disk_, kPath, key());
  write_snapshot(file);
  const auto whole = *disk_.read(kPath);
  add(file, put(3));
  add(file, beat(101));
  const auto longer = *disk_.read(kPath);
  for (auto size = whole.size(); size < longer.size(); ++size) {
    ASSERT_TRUE(disk_.write(kPath, longer.substr(0, size)));
    EXPECT_EQ(replayed().value(), "1 2 @100 ") << size;
  }
  for (std::size_t at = 0; at < longer.size(); ++at) {
    auto broken = longer;
    broken[at] = static_cast<char>(broken[at] ^ 1);
    ASSERT_TRUE(disk_.write(kPath, broken));
    const auto got = replayed();
    EXPECT_TRUE(!got || *got == "1 2 @100 ") << at;  // a length may become one past the end: torn
  }
}

TEST_F(SessionFileTest, RefusesAnotherKeyAndSaysWhenThereIsNoFile) {
  EXPECT_EQ(replayed().error().code, base::Errc::kNotFound);
  SessionFile file(disk_, kPath, key());
  write_snapshot(file);
  EXPECT_EQ(replayed(2).error().code, base::Errc::kCorrupt);
}

TEST_F(SessionFileTest, KeepsNothingMoreAfterAFailedWriteUntilTheNextSnapshot) {
  base::FaultyDisk faulty(disk_);
  SessionFile file(faulty, kPath, key());
  write_snapshot(file);
  faulty.fail_once(0);
  add(file, put(3));
  EXPECT_FALSE(file.add(beat(101)));
  add(file, put(4));
  add(file, beat(300));
  EXPECT_EQ(replayed().value(), "1 2 @100 ");
  write_snapshot(file);
  add(file, put(5));
  add(file, beat(301));
  EXPECT_EQ(replayed().value(), "1 2 @100 5 @301 ");
}

}  // namespace
}  // namespace meterhub::ns
