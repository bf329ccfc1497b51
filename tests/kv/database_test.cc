#include <meterhub/kv/database.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "../support/temporary_directory.h"

namespace meterhub::kv {
namespace {

using base::Errc;
using testing::ElementsAre;

class KvDatabase : public testing::Test {
 protected:
  DatabaseOptions options() const {
    DatabaseOptions out;
    out.directory = directory_.path() / "store";
    out.memtable_bytes = 1 << 20;
    out.block_cache_bytes = 1 << 20;
    out.kind_of = [](std::string_view name) {
      return name.starts_with("segment") ? FamilyKind::kSegment : FamilyKind::kValues;
    };
    return out;
  }
  void open() {
    auto opened = Database::open(options());
    ASSERT_TRUE(opened) << opened.error().text;
    opened_ = std::move(*opened);
  }
  void close() { opened_ = {}; }
  void SetUp() override { open(); }

  Database& database() { return *opened_.database; }
  Family family(const std::string& name = "default") { return opened_.families.at(name); }
  void put(const Family& family, std::string_view key, std::string_view value) {
    Batch batch;
    batch.put(family, key, value);
    ASSERT_TRUE(database().write(batch));
  }
  std::optional<std::string> get(const Family& family, std::string_view key) {
    const auto value = database().get(family, key);
    EXPECT_TRUE(value) << value.error().text;
    return value.value_or(std::nullopt);
  }
  static std::vector<std::string> keys(Iterator& at) {
    std::vector<std::string> out;
    for (; at.valid(); at.next()) out.emplace_back(at.key());
    EXPECT_TRUE(at.status());
    return out;
  }
  static std::vector<std::string> keys_of(const Family& family) {
    Iterator at(family, "");
    at.seek("");
    return keys(at);
  }

  test::TemporaryDirectory directory_;
  Database::Opened opened_;
};

// A log of RocksDB's own on a full disk would end the process on an assertion.
TEST_F(KvDatabase, KeepsNoLogFileOfTheLibrarysOwn) {
  put(family(), "a", "1");
  for (const auto& entry : std::filesystem::directory_iterator(directory_.path() / "store")) {
    EXPECT_FALSE(entry.path().filename().string().starts_with("LOG")) << entry.path();
  }
}

TEST_F(KvDatabase, ReadsWhatWasWrittenAndNothingElse) {
  put(family(), "a", "1");
  EXPECT_EQ(get(family(), "a"), "1");
  EXPECT_EQ(get(family(), "b"), std::nullopt);
  put(family(), "a", "2");
  EXPECT_EQ(get(family(), "a"), "2");
}

TEST_F(KvDatabase, KeepsBytesOfEveryKindInKeysAndValues) {
  const std::string key("k\0\xff", 3);
  const std::string value("\0\0v", 3);
  put(family(), key, value);
  put(family(), "empty", "");
  EXPECT_EQ(get(family(), key), value);
  EXPECT_EQ(get(family(), "empty"), "");
  EXPECT_EQ(get(family(), "k"), std::nullopt);
}

TEST_F(KvDatabase, WritesABatchTogetherOverFamilies) {
  const auto other = database().create("other", FamilyKind::kValues).value();
  put(family(), "gone", "1");
  Batch batch;
  EXPECT_TRUE(batch.empty());
  batch.remove(family(), "gone");
  batch.put(family(), "here", "2");
  batch.put(other, "there", "3");
  EXPECT_FALSE(batch.empty());
  EXPECT_EQ(get(family(), "gone"), "1");  // not before it is written
  ASSERT_TRUE(database().write(batch));
  EXPECT_THAT(keys_of(family()), ElementsAre("here"));
  EXPECT_THAT(keys_of(other), ElementsAre("there"));
}

TEST_F(KvDatabase, FindsFamiliesAndRecordsAgainAfterARestart) {
  put(family(), "a", "1");
  {
    const auto segment = database().create("segment-1", FamilyKind::kSegment).value();
    put(segment, "b", "2");
  }
  ASSERT_TRUE(database().sync());
  close();
  open();
  EXPECT_EQ(get(family(), "a"), "1");
  EXPECT_EQ(get(family("segment-1"), "b"), "2");
}

TEST_F(KvDatabase, StaysOpenAsLongAsAFamilyIsHeld) {
  auto held = family();
  put(held, "a", "1");
  close();
  EXPECT_THAT(keys_of(held), ElementsAre("a"));
  EXPECT_EQ(Database::open(options()).error().code, Errc::kUnavailable);
  held.reset();
  EXPECT_TRUE(Database::open(options()));
}

TEST_F(KvDatabase, WalksInOrderOfKeysWithinABound) {
  for (const auto* key : {"c", "a", "d", "b"}) put(family(), key, "");
  Iterator at(family(), "d");
  at.seek("b");
  EXPECT_THAT(keys(at), ElementsAre("b", "c"));
  at.seek("bb");
  EXPECT_EQ(at.key(), "c");
  at.seek("d");
  EXPECT_FALSE(at.valid());
  EXPECT_TRUE(at.status());
}

TEST_F(KvDatabase, FindsTheLastKeyAtOrBeforeAnother) {
  for (const auto* key : {"b", "d"}) put(family(), key, "");
  Iterator at(family(), "");
  at.seek_for_previous("c");
  ASSERT_TRUE(at.valid());
  EXPECT_EQ(at.key(), "b");
  at.seek_for_previous("d");
  EXPECT_EQ(at.key(), "d");
  at.seek_for_previous("a");
  EXPECT_FALSE(at.valid());
}

TEST_F(KvDatabase, WalksOverWhatWasThereWhenTheWalkBegan) {
  put(family(), "a", "");
  Iterator at(family(), "");
  put(family(), "b", "");
  at.seek("");
  EXPECT_THAT(keys(at), ElementsAre("a"));
}

TEST_F(KvDatabase, GoesOnReadingADroppedFamilyUntilItIsLetGo) {
  auto segment = database().create("segment-1", FamilyKind::kSegment).value();
  put(segment, "a", "1");
  ASSERT_TRUE(database().drop(segment));
  EXPECT_EQ(get(segment, "a"), "1");
  segment.reset();
  close();
  open();
  EXPECT_EQ(opened_.families.count("segment-1"), 0u);
}

TEST_F(KvDatabase, CountsTheBytesOfAFamily) {
  const auto segment = database().create("segment-1", FamilyKind::kSegment).value();
  put(segment, "a", std::string(100'000, 'x'));
  EXPECT_GE(database().bytes(segment), 100'000u);
  ASSERT_TRUE(database().flush(segment));
  EXPECT_GE(database().bytes(segment), 100'000u);  // now in a file
  EXPECT_LT(database().bytes(segment), 1'000'000u);
}

// A seek that ends beside a large value must not have to read it: snapshots of a megabyte stand
// beside the small blocks that deduplication looks for 1,600 times a second.
TEST_F(KvDatabase, KeepsLargeValuesOutOfTheTables) {
  std::string large(1 << 20, '\0');
  std::uint32_t random = 1;
  for (auto& c : large) c = static_cast<char>((random = random * 1'664'525 + 1'013'904'223) >> 24);
  put(family(), "a", "small");
  put(family(), "b", large);
  ASSERT_TRUE(database().flush(family()));
  std::uintmax_t tables = 0;
  for (const auto& entry : std::filesystem::directory_iterator(options().directory)) {
    if (entry.path().extension() == ".sst") tables += entry.file_size();
  }
  EXPECT_GT(tables, 0U);
  EXPECT_LT(tables, large.size() / 10);
  close();
  open();
  EXPECT_EQ(get(family(), "b"), large);
  const auto copy = directory_.path() / "copy";
  ASSERT_TRUE(database().checkpoint(copy.string()));
  close();
  auto from_copy = options();
  from_copy.directory = copy;
  auto opened = Database::open(from_copy);
  ASSERT_TRUE(opened) << opened.error().text;
  EXPECT_EQ(opened->database->get(opened->families.at("default"), "b").value(), large);
}

TEST_F(KvDatabase, RefusesAFamilyTwice) {
  ASSERT_TRUE(database().create("twice", FamilyKind::kValues));
  EXPECT_FALSE(database().create("twice", FamilyKind::kValues));
}

TEST_F(KvDatabase, SaysWhenItsFilesAreDamaged) {
  close();
  std::ofstream(options().directory / "CURRENT") << "MANIFEST-999999\n";
  const auto opened = Database::open(options());
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().code, testing::AnyOf(Errc::kCorrupt, Errc::kIo));
}

TEST_F(KvDatabase, SaysWhenItsDirectoryCannotBeMade) {
  auto wrong = options();
  wrong.directory = "/proc/nowhere/store";
  EXPECT_EQ(Database::open(wrong).error().code, Errc::kIo);
}

}  // namespace
}  // namespace meterhub::kv
