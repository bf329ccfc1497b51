#include "sender.h"

#include <gtest/gtest.h>

namespace meterhub::app {
namespace {

TEST(ConnectionString, IsReadInAnyOrder) {
  const auto read = parse_connection_string("SharedAccessKey=a2V5PT0=;HostName=hub.example:5672;DeviceId=gw-1");
  ASSERT_TRUE(read) << read.error().text;
  EXPECT_EQ(read->host, "hub.example");
  EXPECT_EQ(read->port, 5672);
  EXPECT_EQ(read->device, "gw-1");
  EXPECT_EQ(read->key, "a2V5PT0=");
}

TEST(ConnectionString, HasTheSecureAmqpPortWhenNoneIsGiven) {
  EXPECT_EQ(parse_connection_string("HostName=h;DeviceId=d;SharedAccessKey=aw==")->port, 5671);
}

TEST(ConnectionString, IsRefusedWhenSomethingIsMissingOrNoPort) {
  for (const char* text : {"", "HostName=h", "HostName=h;DeviceId=d", "DeviceId=d;SharedAccessKey=aw==",
                           "HostName=h:0;DeviceId=d;SharedAccessKey=aw==", "HostName=h:x;DeviceId=d;SharedAccessKey=aw=="}) {
    const auto read = parse_connection_string(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, base::Errc::kInvalidArgument);
    EXPECT_EQ(read.error().text.find("aw=="), std::string::npos) << "keys are not shown";
  }
}

}  // namespace
}  // namespace meterhub::app
