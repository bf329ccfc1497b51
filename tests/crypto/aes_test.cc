#include <meterhub/crypto/aes.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <string>

#include <meterhub/base/encoding.h>
#include <nlohmann/json.hpp>

#include "aes_engine.h"

namespace meterhub::crypto {
namespace {

Key128 key_of(std::string_view hex) { return *base::hex_decode_array<16>(hex); }

TEST(Aes, EncryptsTheExampleOfTheStandardAndBack) {
  const Key128 key = key_of("000102030405060708090a0b0c0d0e0f");  // FIPS 197, appendix C.1
  const Block cipher = aes128_encrypt(key, key_of("00112233445566778899aabbccddeeff"));
  EXPECT_EQ(base::hex_encode(cipher), "69c4e0d86a7b0430d8cdb78070b4c55a");
  EXPECT_EQ(base::hex_encode(aes128_decrypt(key, cipher)), "00112233445566778899aabbccddeeff");
}

TEST(Cmac, GivesTheTagsOfRfc4493) {
  const auto vectors = nlohmann::json::parse(std::ifstream(METERHUB_TEST_DATA "/vectors/lorawan_public.json"));
  int seen = 0;
  for (const auto& one : vectors["cases"]) {
    if (one["kind"] != "cmac") continue;
    ++seen;
    const base::Bytes message = *base::hex_decode(one["msg"].get<std::string>());
    EXPECT_EQ(base::hex_encode(aes_cmac(key_of(one["key"].get<std::string>()), message)), one["cmac"]) << one["id"];
  }
  EXPECT_EQ(seen, 4);
}

// Random keys and messages of all lengths, one batch of an odd size.
struct Work {
  std::vector<Key128> keys;
  std::vector<base::Bytes> messages;
  std::vector<CmacJob> tags;
  std::vector<std::vector<Block>> blocks;
  std::vector<EncryptJob> streams;

  explicit Work(std::size_t count) : keys(count), messages(count), blocks(count) {
    std::mt19937 random(7);
    const auto byte = [&random] { return static_cast<std::uint8_t>(random()); };
    for (std::size_t i = 0; i < count; ++i) {
      std::generate(keys[i].begin(), keys[i].end(), byte);
      messages[i].resize(i % 271);
      std::generate(messages[i].begin(), messages[i].end(), byte);
      blocks[i].resize(i % 17);
      for (Block& block : blocks[i]) std::generate(block.begin(), block.end(), byte);
      tags.push_back({&keys[i], messages[i], {}});
      streams.push_back({&keys[i], blocks[i]});
    }
  }
};

TEST(AesKernel, AgreesWithTheReferenceOnTagsOfEveryLength) {
  Work reference(1003);
  Work batch(1003);
  evp_cmac_batch(reference.tags);
  aes_cmac_batch(batch.tags);
  for (std::size_t i = 0; i < batch.tags.size(); ++i) ASSERT_EQ(batch.tags[i].tag, reference.tags[i].tag) << i;
}

TEST(AesKernel, AgreesWithTheReferenceOnKeyStreams) {
  Work reference(1003);
  Work batch(1003);
  evp_encrypt_batch(reference.streams);
  aes128_encrypt_batch(batch.streams);
  EXPECT_EQ(batch.blocks, reference.blocks);
}

// What the operating system says of the processor, against what the program found out itself.
TEST(AesKernel, IsUsedWhereTheProcessorHasTheInstructions) {
  std::ifstream cpuinfo("/proc/cpuinfo");
  std::string line;
  while (std::getline(cpuinfo, line) && !line.starts_with("flags")) {
  }
  line += ' ';
  EXPECT_EQ(aes_kernel_available(), line.contains(" aes ") && line.contains(" sse4_1 "));
}

}  // namespace
}  // namespace meterhub::crypto
