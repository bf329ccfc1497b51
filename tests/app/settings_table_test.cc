// What would only fail, or harm, after the start is refused by `config check`.
#include "settings_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace meterhub::app {
namespace {

using testing::HasSubstr;

std::string mistake(const std::string& name, const std::string& value) {
  const auto settings = base::Settings::load(settings_table(), {std::nullopt, {}, {{name, value}}});
  return settings ? "none" : settings.error().text;
}

TEST(SettingsTable, RefusesWhatNoPlatformCanRunWith) {
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, const char*>>{
           {"hub.message_max", "4GiB"},      // 0 of 32 bits
           {"hub.batch_max", "16MiB"},       // a connection may have 4 MiB half received
           {"hub.frame_max", "100B"},        // AMQP says at least 512
           {"hub.claim_timeout", "1ms"},     // 0 s: nobody could log in
           {"log.segment", "0B"},            // a file for every write
           {"registry.follow_interval", "0ms"},
           {"history.memory", "1B"},
           {"hub.amqp_listen", "0.0.0.0:5672"},
           {"console.listen", "0.0.0.0:8080"},
           {"connector.start", "yesterday"},
           {"connector.partitions", "0,x"},
           {"connector.partitions", "64"}}) {
    EXPECT_THAT(mistake(name, value), HasSubstr(name)) << value;
  }
}

TEST(SettingsTable, TakesWhatItsReferenceShows) {
  EXPECT_EQ(mistake("connector.start", "2026-01-31T00:00:00Z"), "none");
  EXPECT_EQ(mistake("connector.partitions", "0,63"), "none");
  EXPECT_EQ(mistake("console.listen", ""), "none");
  EXPECT_EQ(mistake("hub.amqp_listen", "[::1]:5672"), "none");
}

}  // namespace
}  // namespace meterhub::app
