#include <gtest/gtest.h>

#include <meterhub/base/disk.h>

#include "settings_table.h"

namespace meterhub::app {
namespace {

TEST(ConfigReference, IsWhatTheProgramPrints) {
  const auto page = base::PosixDisk().read(METERHUB_SOURCE_DIR "/docs/reference/config.md");
  ASSERT_TRUE(page) << page.error().text;
  EXPECT_EQ(*page, config_reference(settings_table()))
      << "make it anew: build/release/meterhub config reference > docs/reference/config.md";
}

}  // namespace
}  // namespace meterhub::app
