#include "certificate.h"

#include <gtest/gtest.h>

#include <meterhub/base/encoding.h>

namespace meterhub::hub {
namespace {

using namespace std::chrono_literals;

const base::Timestamp kNow(std::chrono::seconds(1'700'000'000));

net::PeerCertificate certificate() {
  net::PeerCertificate out;
  out.sha1.fill(0xab);
  out.sha256.fill(0xcd);
  out.common_name = "gw-1";
  out.from = kNow - 1h;
  out.until = kNow + 1h;
  return out;
}

Gateway by_thumbprint(std::string primary, std::string secondary = {}) {
  Gateway out;
  out.id = "gw-1";
  out.proof = Proof::kThumbprint;
  out.primary_thumbprint = std::move(primary);
  out.secondary_thumbprint = std::move(secondary);
  return out;
}

TEST(Certificate, EitherThumbprintOfEitherDigestProves) {
  const auto shown = certificate();
  const auto sha1 = base::hex_encode(shown.sha1);
  const auto sha256 = base::hex_encode(shown.sha256);
  for (const auto& gateway : {by_thumbprint(sha1), by_thumbprint(sha256), by_thumbprint(std::string(40, '0'), sha1),
                              by_thumbprint({}, sha256)}) {
    EXPECT_TRUE(is_of(shown, gateway));
    EXPECT_TRUE(in_time(shown, gateway.proof, kNow + 10h)) << "its time is no matter";
  }
}

TEST(Certificate, AnotherThumbprintOrNoneProvesNothing) {
  for (const auto& gateway : {by_thumbprint({}), by_thumbprint(std::string(40, '0')),
                              by_thumbprint(std::string(64, 'c'), std::string(40, 'c'))}) {
    EXPECT_FALSE(is_of(certificate(), gateway));
  }
}

TEST(Certificate, AnAuthoritysOneProvesTheNameInItsTime) {
  auto gateway = by_thumbprint({});
  gateway.proof = Proof::kAuthority;
  auto shown = certificate();
  EXPECT_FALSE(is_of(shown, gateway)) << "nobody vouches for it";
  shown.signed_by_authority = true;
  EXPECT_TRUE(is_of(shown, gateway));
  EXPECT_TRUE(in_time(shown, gateway.proof, kNow));
  EXPECT_FALSE(in_time(shown, gateway.proof, kNow + 1h));
  EXPECT_FALSE(in_time(shown, gateway.proof, kNow - 2h));
  gateway.id = "gw-2";
  EXPECT_FALSE(is_of(shown, gateway));
}

TEST(Certificate, ADeviceThatProvesItselfOtherwiseIsNotProven) {
  auto shown = certificate();
  shown.signed_by_authority = true;
  auto gateway = by_thumbprint(base::hex_encode(shown.sha1));
  for (const auto proof : {Proof::kKeys, Proof::kNone}) {
    gateway.proof = proof;
    EXPECT_FALSE(is_of(shown, gateway));
  }
  gateway = by_thumbprint(std::string(40, '0'));
  EXPECT_FALSE(is_of(shown, gateway)) << "an authority's word for one that goes by thumbprint";
}

}  // namespace
}  // namespace meterhub::hub
