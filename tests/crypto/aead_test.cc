#include <meterhub/crypto/aead.h>

#include <gtest/gtest.h>

#include <meterhub/base/encoding.h>
#include <meterhub/crypto/secret.h>

namespace meterhub::crypto {
namespace {

using base::as_bytes;

TEST(Seal, OpensWithTheSameKeyAndContextOnly) {
  const Key256 key = random_array<32>();
  const base::Bytes sealed = seal(key, as_bytes("a session key"), as_bytes("meter 7"));
  EXPECT_EQ(sealed.size(), 13 + kSealOverhead);
  const auto opened = open(key, sealed, as_bytes("meter 7"));
  ASSERT_TRUE(opened);
  EXPECT_EQ(base::as_text(*opened), "a session key");
  EXPECT_EQ(open(key, sealed, as_bytes("meter 8")).error().code, base::Errc::kCorrupt);
  EXPECT_EQ(open(random_array<32>(), sealed, as_bytes("meter 7")).error().code, base::Errc::kCorrupt);
}

TEST(Seal, NoticesEveryChangedBit) {
  const Key256 key = random_array<32>();
  base::Bytes sealed = seal(key, as_bytes("key"));
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    sealed[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    EXPECT_FALSE(open(key, sealed)) << bit;
    sealed[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
  }
  EXPECT_TRUE(open(key, sealed));
}

TEST(Seal, HoldsNothingAtAll) {
  const Key256 key = random_array<32>();
  EXPECT_EQ(open(key, seal(key, {})), base::Bytes());
  EXPECT_FALSE(open(key, base::Bytes(kSealOverhead - 1)));
}

TEST(Seal, OpensTheExampleOfTheGcmSpecification) {
  // Test case 14: key and nonce of zeros, one block of zeros.
  const auto sealed = *base::hex_decode("000000000000000000000000cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
  const auto plain = open(Key256{}, sealed);
  ASSERT_TRUE(plain);
  EXPECT_EQ(*plain, base::Bytes(16, 0));
}

}  // namespace
}  // namespace meterhub::crypto
