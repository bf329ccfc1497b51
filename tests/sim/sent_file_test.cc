#include <meterhub/sim/sent_file.h>

#include <gtest/gtest.h>

namespace meterhub::sim {
namespace {

const std::string kPath = "sent.mhs";

SentPacket packet(std::uint64_t number) {
  SentPacket p;
  p.number = number;
  p.meter = base::Eui64(0x0A4D480000000001);
  p.session = base::SessionNumber(2);
  p.generation = base::Generation(1);
  p.fcnt = 70'000;
  p.time = base::Timestamp(std::chrono::microseconds(1'700'000'000'123'456));
  p.bought_litres = 1'000'000;
  p.left_litres = -21;
  p.used_litres = 1'000'021;
  p.status = 0x0042;
  p.version = {'v', '1', '.', '0'};
  p.time_certain = true;
  p.heard_by = {0, 3};
  return p;
}

std::vector<SentRecord> all_kinds() {
  SentPacket lost = packet(1);
  lost.heard_by.clear();
  lost.undecodable = true;
  return {SentTown{1, 2, 3, 4, "Demo Gas", base::Timestamp(std::chrono::seconds(5))},
          SentGateway{"gw-00001", base::Eui64(77)},
          packet(0),
          lost,
          SentDelivery{0, 0, {0}},
          SentDelivery{1, 3, {0}},
          SentEnd{0, DeliveryEnd::kSettled},
          SentEnd{1, DeliveryEnd::kDropped},
          SentJoinRequest{base::Eui64(9), 65'535},
          SentJoined{base::Eui64(9), base::SessionNumber(3), base::DevAddr(0x01020304), {1}, {2}},
          SentFault{3, 17, base::Timestamp(std::chrono::seconds(6))},
          SentFields{0, kSentUsed | kSentVersion, {12'345'678, -100, 0}}};
}

void write_all(base::Disk& disk) {
  auto writer = SentWriter::open(disk, kPath, 0);
  ASSERT_TRUE(writer);
  for (const auto& record : all_kinds()) writer->add(record);
  ASSERT_TRUE(writer->flush());
}

std::vector<SentRecord> read_all(const base::Disk& disk) {
  std::vector<SentRecord> records;
  EXPECT_TRUE(read_sent(disk, kPath, [&](const SentRecord& r) { records.push_back(r); }));
  return records;
}

TEST(SentFile, ReadsBackEveryKindOfRecord) {
  base::MemoryDisk disk;
  write_all(disk);
  EXPECT_EQ(read_all(disk), all_kinds());
}

TEST(SentFile, EndsAtTheLastWholeRecordAndGoesOnThere) {
  base::MemoryDisk disk;
  write_all(disk);
  const auto whole = *disk.read(kPath);
  for (std::size_t size = whole.size() - 1; size > whole.size() - 40; --size) {
    ASSERT_TRUE(disk.write(kPath, std::string_view(whole).substr(0, size)));
    const auto valid = read_sent(disk, kPath, [](const SentRecord&) {});
    ASSERT_TRUE(valid);
    auto writer = SentWriter::open(disk, kPath, *valid);
    ASSERT_TRUE(writer);
    writer->add(packet(2));
    ASSERT_TRUE(writer->flush());
    EXPECT_EQ(std::get<SentPacket>(read_all(disk).back()), packet(2));
  }
}

TEST(SentFile, StopsAtDamageWithoutReadingOn) {
  base::MemoryDisk disk;
  write_all(disk);
  auto bytes = *disk.read(kPath);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  ASSERT_TRUE(disk.write(kPath, bytes));
  EXPECT_LT(read_all(disk).size(), all_kinds().size());
  ASSERT_TRUE(disk.write(kPath, "something else"));
  EXPECT_EQ(read_sent(disk, kPath, [](const SentRecord&) {}).error().code, base::Errc::kCorrupt);
}

TEST(SentFile, GivesTheTruthWithWhatBecameOfEachPacket) {
  base::MemoryDisk disk;
  write_all(disk);
  const auto truth = load_sent(disk, kPath);
  ASSERT_TRUE(truth);
  ASSERT_EQ(truth->packets.size(), 2u);
  EXPECT_EQ(truth->packets[0].deliveries, 2u);
  EXPECT_EQ(truth->packets[0].settled, 1u);
  EXPECT_EQ(truth->packets[1].settled, 0u);
  EXPECT_EQ(truth->lost_on_air, 1u);
  EXPECT_EQ(truth->settled_deliveries, 1u);
  EXPECT_EQ(truth->town.tenant, "Demo Gas");
}

}  // namespace
}  // namespace meterhub::sim
