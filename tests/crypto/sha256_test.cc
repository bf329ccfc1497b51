#include <meterhub/crypto/sha256.h>

#include <gtest/gtest.h>

#include <meterhub/base/encoding.h>

namespace meterhub::crypto {
namespace {

TEST(Sha256InPieces, IsThatOfTheWhole) {
  Sha256 sum;
  for (const char* piece : {"a", "", "bc"}) sum.add(base::as_bytes(piece));
  EXPECT_EQ(base::hex_encode(sum.finish()), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace meterhub::crypto
