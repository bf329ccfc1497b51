#include <meterhub/net/address.h>

#include <gtest/gtest.h>

namespace meterhub::net {
namespace {

TEST(Address, ReadsWhatItWrites) {
  for (const auto* text : {"127.0.0.1:5671", "[::1]:80", "[2001:db8::7]:65535", "0.0.0.0:0"}) {
    const auto address = Address::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->text(), text);
  }
}

TEST(Address, TakesABareNumberAsPortZero) {
  EXPECT_EQ(Address::parse("10.1.2.3")->text(), "10.1.2.3:0");
  EXPECT_EQ(Address::parse("fe80::1")->text(), "[fe80::1]:0");
}

TEST(Address, RefusesNamesAndBadPorts) {
  for (const auto* text : {"", "localhost:1", "1.2.3.4:65536", "1.2.3.4:-1", "[::1", "[::1]x", "1.2.3:4"})
    EXPECT_FALSE(Address::parse(text)) << text;
}

TEST(Address, KnowsLoopback) {
  EXPECT_TRUE(Address::parse("127.8.0.1:1")->is_loopback());
  EXPECT_TRUE(Address::parse("[::1]:1")->is_loopback());
  EXPECT_FALSE(Address::parse("128.0.0.1:1")->is_loopback());
}

TEST(Network, HoldsTheAddressesOfItsPrefix) {
  const auto ten = *Network::parse("10.16.0.0/12");
  EXPECT_TRUE(ten.contains(*Address::parse("10.31.255.255")));
  EXPECT_FALSE(ten.contains(*Address::parse("10.32.0.0")));
  EXPECT_FALSE(ten.contains(*Address::parse("fd00::1")));
  EXPECT_TRUE(Network::parse("fd00::/8")->contains(*Address::parse("fdff::1")));
  EXPECT_TRUE(Network::parse("192.0.2.7")->contains(*Address::parse("192.0.2.7")));
  EXPECT_FALSE(Network::parse("192.0.2.7")->contains(*Address::parse("192.0.2.8")));
}

TEST(Network, RefusesPrefixesThatAreTooLong) {
  EXPECT_FALSE(Network::parse("10.0.0.0/33"));
  EXPECT_FALSE(Network::parse("fd00::/129"));
  EXPECT_FALSE(Network::parse("10.0.0.0/"));
  EXPECT_FALSE(Network::parse("net/8"));
}

TEST(Resolve, FindsLoopbackByName) {
  const auto found = resolve("localhost", 7);
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->front().is_loopback());
  EXPECT_EQ(found->front().port, 7);
}

}  // namespace
}  // namespace meterhub::net
