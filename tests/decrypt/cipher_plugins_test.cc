#include <meterhub/decrypt/cipher_plugins.h>

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "../support/temporary_directory.h"

namespace meterhub::decrypt {
namespace {

TEST(CipherPlugins, LoadsEveryLibraryOfTheDirectoryUnderItsName) {
  const auto plugins = CipherPlugins::load(METERHUB_TEST_PLUGINS "/loadable");
  ASSERT_TRUE(plugins) << plugins.error().text;
  EXPECT_EQ((*plugins)->names(), (std::vector<std::string>{"frames", "refusing", "unruly"}));
  EXPECT_EQ((*plugins)->find("frames")->settings_file, METERHUB_TEST_PLUGINS "/loadable/frames.conf");
  EXPECT_EQ((*plugins)->find("none"), nullptr);
}

TEST(CipherPlugins, HasNoneWithoutADirectory) {
  EXPECT_TRUE((*CipherPlugins::load(""))->names().empty());
  EXPECT_EQ(CipherPlugins::load("/nowhere/at/all").error().code, base::Errc::kNotFound);
}

TEST(CipherPlugins, RefusesAnotherVersionOfTheInterfaceByName) {
  const auto refused = CipherPlugins::load(METERHUB_TEST_PLUGINS "/other_abi");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text.find("newer.so"), std::string::npos) << refused.error().text;
  EXPECT_NE(refused.error().text.find("version 2"), std::string::npos) << refused.error().text;
}

TEST(CipherPlugins, RefusesANameThatNoRegistryEntryCouldHold) {
  EXPECT_EQ(CipherPlugins::load(METERHUB_TEST_PLUGINS "/misnamed").error().code, base::Errc::kInvalidArgument);
}

TEST(CipherPlugins, RefusesAFileThatIsNoLibrary) {
  const test::TemporaryDirectory directory;
  std::ofstream(directory / "text.so") << "no library";
  const auto refused = CipherPlugins::load(directory.path().string());
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text.find("text.so"), std::string::npos);
}

}  // namespace
}  // namespace meterhub::decrypt
