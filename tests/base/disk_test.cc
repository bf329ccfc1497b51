// One contract for both disks; then what only the test disks can do.
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <meterhub/base/disk.h>

namespace meterhub::base {
namespace {

struct MemoryFixture {
  MemoryDisk disk;
  std::string root = "root";
};
struct PosixFixture {
  PosixDisk disk;
  std::string root = (std::filesystem::temp_directory_path() /
                      ("meterhub-disk-" + std::to_string(::getpid())))
                         .string();
  ~PosixFixture() { std::filesystem::remove_all(root); }
};

template <class F>
class DiskContract : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(disk().make_directories(path("a/b"))); }
  Disk& disk() { return fixture_.disk; }
  std::string path(std::string_view name) { return join_path(fixture_.root, name); }
  F fixture_;
};
using Disks = testing::Types<MemoryFixture, PosixFixture>;
TYPED_TEST_SUITE(DiskContract, Disks);

TYPED_TEST(DiskContract, WhatIsWrittenIsReadAndReplaced) {
  ASSERT_TRUE(this->disk().write(this->path("a/f"), "long text"));
  ASSERT_TRUE(this->disk().write(this->path("a/f"), "short"));
  ASSERT_TRUE(this->disk().append(this->path("a/f"), "er"));
  EXPECT_EQ(this->disk().read(this->path("a/f")).value(), "shorter");
  EXPECT_EQ(this->disk().size(this->path("a/f")).value(), 7u);
}

TYPED_TEST(DiskContract, MissingThingsAreNotFound) {
  EXPECT_EQ(this->disk().read(this->path("no")).error().code, Errc::kNotFound);
  EXPECT_EQ(this->disk().size(this->path("no")).error().code, Errc::kNotFound);
  EXPECT_EQ(this->disk().list(this->path("no")).error().code, Errc::kNotFound);
  EXPECT_EQ(this->disk().sync(this->path("no")).error().code, Errc::kNotFound);
  EXPECT_EQ(this->disk().write(this->path("no/f"), "x").error().code, Errc::kNotFound);
  EXPECT_FALSE(this->disk().exists(this->path("no")).value());
  EXPECT_TRUE(this->disk().remove(this->path("no")));
}

TYPED_TEST(DiskContract, ReplaceDurablyLeavesOnlyTheNewFile) {
  ASSERT_TRUE(this->disk().replace_durably(this->path("a/f"), "old"));
  ASSERT_TRUE(this->disk().replace_durably(this->path("a/f"), "new"));
  EXPECT_EQ(this->disk().read(this->path("a/f")).value(), "new");
  const auto entries = this->disk().list(this->path("a")).value();
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].name, "b");
  EXPECT_TRUE(entries[0].directory);
  EXPECT_EQ(entries[1].name, "f");
  EXPECT_EQ(entries[1].size, 3u);
}

TYPED_TEST(DiskContract, DirectoriesAreMadeWithParentsAndRemovedWhenEmpty) {
  EXPECT_TRUE(this->disk().make_directories(this->path("a/b")));
  EXPECT_TRUE(this->disk().exists(this->path("a/b")).value());
  ASSERT_TRUE(this->disk().write(this->path("a/b/f"), "x"));
  EXPECT_FALSE(this->disk().remove_directory(this->path("a/b")));
  ASSERT_TRUE(this->disk().remove(this->path("a/b/f")));
  EXPECT_TRUE(this->disk().remove_directory(this->path("a/b")));
  EXPECT_FALSE(this->disk().exists(this->path("a/b")).value());
}

TYPED_TEST(DiskContract, CreateDurablySucceedsOnce) {
  ASSERT_TRUE(this->disk().create_durably(this->path("a/f"), "first", this->path("a/t1")));
  EXPECT_EQ(this->disk().create_durably(this->path("a/f"), "second", this->path("a/t2")).error().code,
            Errc::kAlreadyExists);
  EXPECT_EQ(this->disk().read(this->path("a/f")).value(), "first");
  EXPECT_EQ(this->disk().list(this->path("a")).value().size(), 2u) << "b and f, nothing temporary";
}

TYPED_TEST(DiskContract, SpaceIsKnown) {
  const DiskSpace space = this->disk().space(this->path("a")).value();
  EXPECT_GT(space.capacity, 0u);
  EXPECT_LE(space.available, space.capacity);
}

TEST(MemoryDisk, APowerCutLosesContentThatWasNotSynced) {
  MemoryDisk disk;
  ASSERT_TRUE(disk.replace_durably("f", "durable"));
  ASSERT_TRUE(disk.append("f", " and more"));
  disk.forget_unsynced();
  EXPECT_EQ(disk.read("f").value(), "durable");
}

TEST(MemoryDisk, APowerCutUndoesARenameWhoseDirectoryWasNotSynced) {
  MemoryDisk disk;
  ASSERT_TRUE(disk.replace_durably("f", "old"));
  ASSERT_TRUE(disk.write("g", "new"));
  ASSERT_TRUE(disk.sync("g"));
  ASSERT_TRUE(disk.rename("g", "f"));
  EXPECT_EQ(disk.read("f").value(), "new");
  disk.forget_unsynced();
  EXPECT_EQ(disk.read("f").value(), "old");
}

TEST(MemoryDisk, AFullDiskRefusesAndKeepsWhatItHas) {
  MemoryDisk disk(10);
  ASSERT_TRUE(disk.write("f", "12345"));
  EXPECT_EQ(disk.write("g", "123456").error().code, Errc::kResourceExhausted);
  EXPECT_TRUE(disk.write("f", "1234567890"));
  EXPECT_EQ(disk.space("f").value().available, 0u);
}

TEST(FaultyDisk, ReplacingAFileIsAtomicAtEveryCrashPoint) {
  for (std::uint64_t point = 0;; ++point) {
    MemoryDisk memory;
    ASSERT_TRUE(memory.replace_durably("f", "old"));
    FaultyDisk disk(memory);
    disk.fail_from(point);
    const bool done = disk.replace_durably("f", "new").has_value();
    memory.forget_unsynced();
    EXPECT_EQ(memory.read("f").value(), done ? "new" : "old") << "at change " << point;
    if (done) break;
    ASSERT_LT(point, 10u);
  }
}

TEST(FaultyDisk, FailsOnceAndGoesOn) {
  MemoryDisk memory;
  FaultyDisk disk(memory);
  disk.fail_once(1, Errc::kResourceExhausted);
  EXPECT_TRUE(disk.write("a", "x"));
  EXPECT_EQ(disk.write("a", "y").error().code, Errc::kResourceExhausted);
  EXPECT_TRUE(disk.write("a", "z"));
  EXPECT_EQ(disk.changes(), 3u);
}

}  // namespace
}  // namespace meterhub::base
