#include <meterhub/decrypt/cipher_plugins.h>

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

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
  const auto directory = std::filesystem::temp_directory_path() / "meterhub-no-library";
  std::filesystem::create_directories(directory);
  std::ofstream(directory / "text.so") << "no library";
  const auto refused = CipherPlugins::load(directory.string());
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text.find("text.so"), std::string::npos);
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace meterhub::decrypt
