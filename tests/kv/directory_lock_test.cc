#include "directory_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/temporary_directory.h"

namespace meterhub::kv {
namespace {

using base::Errc;
using testing::HasSubstr;

TEST(DirectoryLock, KeepsASecondOwnerOutAndNamesTheFirst) {
  const test::TemporaryDirectory directory;
  const auto first = DirectoryLock::take(directory.path());
  ASSERT_TRUE(first) << first.error().text;
  const auto second = DirectoryLock::take(directory.path());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::kUnavailable);
  EXPECT_THAT(second.error().text, HasSubstr(directory.path().string()));
  EXPECT_THAT(second.error().text, HasSubstr(std::to_string(::getpid())));
}

TEST(DirectoryLock, IsFreeOnceItsOwnerIsGone) {
  const test::TemporaryDirectory directory;
  {
    auto lock = DirectoryLock::take(directory.path());
    ASSERT_TRUE(lock);
    const DirectoryLock moved = std::move(*lock);
  }
  EXPECT_TRUE(DirectoryLock::take(directory.path()));
}

TEST(DirectoryLock, IsFreeOnceItsProcessDied) {
  const test::TemporaryDirectory directory;
  const pid_t child = ::fork();
  if (child == 0) {
    const auto lock = DirectoryLock::take(directory.path());
    ::_exit(lock ? 0 : 1);  // without any destructor
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(WEXITSTATUS(status), 0);
  EXPECT_TRUE(DirectoryLock::take(directory.path()));
}

TEST(DirectoryLock, SaysWhichDirectoryIsNotThere) {
  const test::TemporaryDirectory directory;
  const auto lock = DirectoryLock::take(directory / "nowhere");
  ASSERT_FALSE(lock);
  EXPECT_EQ(lock.error().code, Errc::kIo);
  EXPECT_THAT(lock.error().text, HasSubstr("nowhere"));
}

}  // namespace
}  // namespace meterhub::kv
