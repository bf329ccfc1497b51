#include <meterhub/log/record_format.h>

#include <gtest/gtest.h>

#include "varint.h"

namespace meterhub::log {
namespace {

using namespace std::chrono_literals;
using base::Timestamp;

constexpr Timestamp kBase{1'700'000'000s};

NewRecord full_record() {
  NewRecord out;
  out.key = "00800000a00009ff";
  out.sections = "sections";
  out.body = std::string(300, 'b');
  auto& p = out.properties;
  p.origin = {"telemetry", base::PartitionId(7), base::Offset(1ull << 40), 3, kBase - 1h};
  p.meter = base::MeterNumber(4'000'000'000);
  p.tenant = base::TenantNumber(2);
  p.session = base::SessionNumber(9);
  p.generation = base::Generation(1);
  p.fcnt = 70'000;
  p.mic = {1, 2, 3, 4};
  p.time = Timestamp(-5s);
  p.late = p.stale = p.redo = p.undecoded = p.unproven = p.heartbeat = true;
  p.gateway = "gw-1";
  p.reason = "bad_mic";
  return out;
}

Block block_of(int records) {
  BlockBuilder builder(base::Offset(100), kBase);
  for (int i = 0; i < records; ++i) {
    auto record = full_record();
    record.properties.fcnt = static_cast<std::uint32_t>(i);
    Appends appends;
    appends.push_back({{}, record});
    builder.add(appends.record(0), kBase + i * 1ms);
  }
  return std::move(builder).take();
}

std::string stored_form(const Block& block) {
  std::string out = "what was there before goes";
  encode_block(block, out);
  return out;
}

TEST(Record, KeepsEveryField) {
  const auto record = full_record();
  std::string bytes;
  encode_record(bytes, parts_of(record), 42us);
  std::string_view in = bytes;
  RecordView out;
  ASSERT_TRUE(decode_record(in, kBase, out));
  EXPECT_TRUE(in.empty());
  EXPECT_EQ(out.enqueued, kBase + 42us);
  EXPECT_EQ(out.key, record.key);
  EXPECT_EQ(out.sections, record.sections);
  EXPECT_EQ(out.body, record.body);
  EXPECT_EQ(out.properties, record.properties);
}

TEST(Record, ReadIntoAnotherLeavesNothingOfIt) {
  std::string bytes;
  encode_record(bytes, parts_of(full_record()), 42us);
  encode_record(bytes, parts_of(NewRecord{}), 0us);
  std::string_view in = bytes;
  RecordView out;
  ASSERT_TRUE(decode_record(in, kBase, out));
  ASSERT_TRUE(decode_record(in, kBase, out));
  EXPECT_EQ(out.enqueued, kBase);
  EXPECT_EQ(out.key, "");
  EXPECT_EQ(out.sections, "");
  EXPECT_EQ(out.body, "");
  EXPECT_EQ(out.properties, Properties{});
}

TEST(Appends, HoldWhatWasAddedInItsOrder) {
  const TopicPartition here{base::TopicId(1), base::PartitionId(2)};
  const TopicPartition there{base::TopicId(3), base::PartitionId(0)};
  Appends appends;
  appends.push_back({here, full_record()});
  appends.push_back({there, NewRecord{{}, {}, {}, "second"}});
  ASSERT_EQ(appends.size(), 2U);
  EXPECT_EQ(appends.to(0), here);
  EXPECT_EQ(appends.to(1), there);
  EXPECT_EQ(appends.bytes(), appends.bytes(0) + appends.bytes(1));
  EXPECT_GT(appends.bytes(0), full_record().body.size());
  for (std::size_t i = 0; i < 2; ++i) {
    std::string bytes;
    encode_record(bytes, appends.record(i), 42us);
    std::string_view in = bytes;
    RecordView out;
    ASSERT_TRUE(decode_record(in, kBase, out));
    EXPECT_EQ(out.enqueued, kBase + 42us);
    EXPECT_EQ(out.properties, i == 0 ? full_record().properties : Properties{});
    EXPECT_EQ(out.body, i == 0 ? full_record().body : "second");
  }
}

TEST(Record, WithoutPropertiesCostsTwoBytes) {
  std::string bytes;
  encode_record(bytes, parts_of(NewRecord{}), 0us);
  EXPECT_EQ(bytes, std::string(2, '\0'));
}

TEST(Record, CutShortAnywhereIsCorruptAndNeverRead) {
  std::string bytes;
  encode_record(bytes, parts_of(full_record()), 1us);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    std::string_view in(bytes.data(), size);
    RecordView out;
    const auto result = decode_record(in, kBase, out);
    ASSERT_FALSE(result) << size;
    EXPECT_EQ(result.error().code, base::Errc::kCorrupt);
  }
}

TEST(Record, OfANewerWriterIsRefused) {
  std::string bytes;
  put_varint(bytes, 1u << 19);
  put_text(bytes, "body");
  std::string_view in = bytes;
  RecordView out;
  EXPECT_FALSE(decode_record(in, kBase, out));
}

TEST(Record, OfATimeThatNoClockShowsIsCorrupt) {
  for (const auto since : {UINT64_MAX, std::uint64_t{1} << 63, (std::uint64_t{1} << 63) - 1}) {
    std::string bytes;
    put_varint(bytes, 1u << 4);  // only `since`
    put_varint(bytes, since);
    put_text(bytes, "body");
    std::string_view in = bytes;
    RecordView out;
    EXPECT_EQ(decode_record(in, kBase, out).error().code, base::Errc::kCorrupt) << since;
  }
}

// From before 1970 the sum still fits; taking the base off again would not.
TEST(Record, OfASpanThatNoClockMeasuresIsCorrupt) {
  const auto read = [](std::uint64_t since) {
    std::string bytes;
    put_varint(bytes, 1u << 4);  // only `since`
    put_varint(bytes, since);
    put_text(bytes, "body");
    std::string_view in = bytes;
    RecordView out;
    return decode_record(in, Timestamp(-1us), out).has_value();
  };
  EXPECT_TRUE(read((std::uint64_t{1} << 63) - 1));
  EXPECT_FALSE(read(std::uint64_t{1} << 63));
}

TEST(Block, GivesBackItsRecordsWithOffsetsAndTimes) {
  const auto stored = stored_form(block_of(10));
  const auto block = decode_block(base::Offset(100), stored);
  ASSERT_TRUE(block);
  EXPECT_EQ(block->end(), base::Offset(110));
  EXPECT_EQ(block->newest, kBase + 9ms);
  EXPECT_EQ(block_base_time(stored).value(), kBase);
  BlockReader reader(*block);
  for (std::uint32_t i = 0; i < 10; ++i) {
    RecordView record;
    ASSERT_TRUE(reader.next(record));
    EXPECT_EQ(record.offset, base::Offset(100 + i));
    EXPECT_EQ(record.enqueued, kBase + i * 1ms);
    EXPECT_EQ(record.properties.fcnt, i);
  }
  EXPECT_TRUE(reader.at_end());
}

TEST(Block, OfRepetitiveRecordsIsStoredCompressed) {
  const auto block = block_of(10);
  EXPECT_LT(stored_form(block).size(), block.records.size() / 4);
}

TEST(Block, WithAnyBitFlippedIsCorrupt) {
  const auto stored = stored_form(block_of(2));
  for (std::size_t i = 0; i < stored.size() * 8; ++i) {
    auto bent = stored;
    bent[i / 8] = static_cast<char>(bent[i / 8] ^ 1 << i % 8);
    EXPECT_FALSE(decode_block(base::Offset(100), bent)) << "bit " << i;
  }
}

}  // namespace
}  // namespace meterhub::log
