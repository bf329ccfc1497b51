#include <meterhub/crypto/hash.h>

#include <gtest/gtest.h>

#include <meterhub/base/encoding.h>

namespace meterhub::crypto {
namespace {

using base::as_bytes;

TEST(Sha256, GivesTheDigestsOfTheStandard) {
  EXPECT_EQ(base::hex_encode(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(base::hex_encode(sha256(as_bytes("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(HmacSha256, GivesTheTagsOfRfc4231) {
  EXPECT_EQ(base::hex_encode(hmac_sha256(as_bytes("Jefe"), as_bytes("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  const base::Bytes long_key(131, 0xaa);
  EXPECT_EQ(base::hex_encode(hmac_sha256(long_key, as_bytes("Test Using Larger Than Block-Size Key - Hash Key First"))),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(HmacSha256, TakesAnEmptyKeyAndMessage) {
  EXPECT_EQ(base::hex_encode(hmac_sha256({}, {})), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

}  // namespace
}  // namespace meterhub::crypto
