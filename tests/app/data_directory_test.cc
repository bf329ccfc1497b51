#include "data_directory.h"

#include <filesystem>
#include <fstream>
#include <future>
#include <optional>

#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "folder.h"

namespace meterhub::app {
namespace {

using testing::HasSubstr;

TEST(DirectoryLock, NamesTheDirectoryAndTheProcessThatHoldsIt) {
  const Folder folder;
  base::PosixDisk disk;
  const DataPaths paths{folder.path() + "/data"};
  const auto first = DirectoryLock::take(disk, paths);
  ASSERT_TRUE(first) << first.error().text;
  const auto second = DirectoryLock::take(disk, paths);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, base::Errc::kUnavailable);
  EXPECT_THAT(second.error().text, HasSubstr(paths.root + " is in use by process " + std::to_string(::getpid())));
}

TEST(DirectoryLock, IsFreeAgainAfterItsHolder) {
  const Folder folder;
  base::PosixDisk disk;
  const DataPaths paths{folder.path()};
  { const auto first = DirectoryLock::take(disk, paths); }
  EXPECT_TRUE(DirectoryLock::take(disk, paths));
}

// `status --watch` beside a platform that is being restarted.
TEST(DirectoryLock, AwaitsTheEndOfACommandThatHoldsIt) {
  const Folder folder;
  base::PosixDisk disk;
  const DataPaths paths{folder.path()};
  std::optional<DirectoryLock> command;
  command.emplace(*DirectoryLock::take(disk, paths, Holding::kCommand));
  auto platform = std::async(std::launch::async, [&] { return DirectoryLock::take(disk, paths); });
  EXPECT_EQ(platform.wait_for(std::chrono::milliseconds(100)), std::future_status::timeout);
  command.reset();
  EXPECT_TRUE(platform.get());
}

TEST(WritePrivate, MakesAFileThatOnlyItsOwnerReads) {
  const Folder folder;
  base::PosixDisk disk;
  const auto path = folder.path() + "/key";
  ASSERT_TRUE(write_private(disk, path, "one"));
  ASSERT_TRUE(write_private(disk, path, "two"));
  EXPECT_EQ(*disk.read(path), "two");
  struct stat facts {};
  ASSERT_EQ(::stat(path.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600U);
}

}  // namespace
}  // namespace meterhub::app
