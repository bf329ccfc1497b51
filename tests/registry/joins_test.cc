#include <meterhub/registry/joins.h>

#include <gmock/gmock.h>

#include <meterhub/lorawan/join.h>

#include "registry_fixture.h"

namespace meterhub::registry {
namespace {

using base::Errc;

class JoinServerTest : public RegistryTest {
 protected:
  JoinServerTest() {
    app_key_.fill(0x42);
    MeterSpec spec;
    spec.eui = kMeter;
    spec.keys = OtaaKeys{kJoinEui, app_key_};
    EXPECT_TRUE(store_->add_meter("test", spec));
  }

  base::Bytes request(std::uint16_t nonce) const { return lorawan::build_join_request(app_key_, kJoinEui, kMeter, nonce); }
  JoinResult handle(const base::Bytes& phy, std::uint64_t epoch = 1) {
    auto result = server_.handle(phy, {"joins/0", base::Epoch(epoch)});
    EXPECT_TRUE(result) << result.error().text;
    return result ? *result : JoinResult();
  }

  static constexpr base::Eui64 kMeter{0xffffffffffffff01};
  static constexpr base::Eui64 kJoinEui{0x70b3d57ed0000000};
  lorawan::AesKey app_key_{};
  std::uint8_t next_random_ = 0;
  JoinServer server_{*store_, {.net_id = 1}, [this](std::span<std::uint8_t> out) {
                       for (auto& byte : out) byte = next_random_++;
                     }};
};

TEST_F(JoinServerTest, GivesTheDeviceTheSessionThatTheRegistryKeeps) {
  const auto result = handle(request(0x1234));
  ASSERT_EQ(result.verdict, JoinVerdict::kAccepted);
  const auto accept = lorawan::open_join_accept(app_key_, result.accept);
  ASSERT_TRUE(accept);
  EXPECT_EQ(accept->app_nonce, 1u);
  EXPECT_EQ(accept->dev_addr.value >> 25, 1u);
  const auto keys = lorawan::derive_session_keys(app_key_, accept->app_nonce, accept->net_id, 0x1234);
  const auto session = store_->sessions({}, 1)->at(0);
  EXPECT_EQ(session.number.value, 1u);
  EXPECT_EQ(session.dev_addr, accept->dev_addr);
  EXPECT_EQ(session.nwk_skey, keys.nwk_skey);
  EXPECT_EQ(session.app_skey, keys.app_skey);
}

TEST_F(JoinServerTest, AnswersTheSameFrameOfASecondGatewayWithTheSameAccept) {
  const auto first = handle(request(1));
  const auto again = handle(request(1));
  EXPECT_EQ(again.verdict, JoinVerdict::kRepeated);
  EXPECT_EQ(again.accept, first.accept);
  EXPECT_EQ(store_->sessions({}, 10)->size(), 1u);
}

TEST_F(JoinServerTest, EveryJoinIsTheNextSessionWithTheNextNonce) {
  handle(request(1));
  const auto second = handle(request(2));
  EXPECT_EQ(second.session->number.value, 2u);
  EXPECT_EQ(lorawan::open_join_accept(app_key_, second.accept)->app_nonce, 2u);
  EXPECT_EQ(store_->sessions({}, 10)->size(), 2u);
}

TEST_F(JoinServerTest, RefusesANonceThatAnotherFrameUsed) {
  handle(request(1));
  const auto other = lorawan::build_join_request(app_key_, base::Eui64(5), kMeter, 1);
  EXPECT_EQ(handle(other).verdict, JoinVerdict::kNonce);
}

TEST_F(JoinServerTest, RefusesAWrongMicAnUnknownMeterAndOtherFrames) {
  auto forged = request(1);
  forged.back() ^= 1;
  EXPECT_EQ(handle(forged).verdict, JoinVerdict::kMic);
  EXPECT_EQ(handle(lorawan::build_join_request(app_key_, kJoinEui, base::Eui64(9), 1)).verdict, JoinVerdict::kUnknownDevEui);
  EXPECT_EQ(handle(base::Bytes(22)).verdict, JoinVerdict::kBadLength);
  EXPECT_EQ(handle({}).verdict, JoinVerdict::kBadLength);
  EXPECT_TRUE(store_->sessions({}, 10)->empty());
}

TEST_F(JoinServerTest, AMeterWithFixedKeysDoesNotJoin) {
  ASSERT_TRUE(store_->add_meter("test", abp(9)));
  EXPECT_EQ(handle(lorawan::build_join_request(app_key_, kJoinEui, base::Eui64(9), 1)).verdict, JoinVerdict::kUnknownDevEui);
}

TEST_F(JoinServerTest, AnOwnerThatWasReplacedWritesNothing) {
  handle(request(1), 5);
  const auto late = server_.handle(request(2), {"joins/0", base::Epoch(4)});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Errc::kFenced);
  EXPECT_EQ(store_->sessions({}, 10)->size(), 1u);
}

TEST_F(JoinServerTest, AnotherRootKeyMakesOldNoncesGoodAgain) {
  handle(request(1));
  app_key_.fill(0x43);
  MeterSpec spec;
  spec.eui = kMeter;
  spec.keys = OtaaKeys{kJoinEui, app_key_};
  ASSERT_TRUE(store_->update_meter("test", spec));
  const auto again = handle(request(1));
  EXPECT_EQ(again.verdict, JoinVerdict::kAccepted);
  EXPECT_EQ(again.session->number.value, 2u);
}

}  // namespace
}  // namespace meterhub::registry
