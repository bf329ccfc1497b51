#include <meterhub/registry/master_key.h>

#include <gtest/gtest.h>

#include <fstream>

#include "temporary_directory.h"

namespace meterhub::registry {
namespace {

using base::Errc;
namespace fs = std::filesystem;

class MasterKeyTest : public testing::Test {
 protected:
  db::TemporaryDirectory directory_;
  fs::path file_ = directory_ / "master.key";
};

TEST_F(MasterKeyTest, IsMadeOnceForItsOwnerAlone) {
  const auto made = load_or_make_master_key(file_);
  ASSERT_TRUE(made) << made.error().text;
  EXPECT_EQ(load_or_make_master_key(file_).value(), *made);
  EXPECT_EQ(fs::status(file_).permissions() & fs::perms::mask, fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(MasterKeyTest, RefusesAFileThatOthersMayRead) {
  ASSERT_TRUE(load_or_make_master_key(file_));
  fs::permissions(file_, fs::perms::group_read, fs::perm_options::add);
  EXPECT_EQ(load_or_make_master_key(file_).error().code, Errc::kForbidden);
}

TEST_F(MasterKeyTest, RefusesAFileThatIsNotAKey) {
  std::ofstream(file_) << "secret\n";
  fs::permissions(file_, fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(load_or_make_master_key(file_).error().code, Errc::kCorrupt);
}

}  // namespace
}  // namespace meterhub::registry
