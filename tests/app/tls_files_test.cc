#include "tls_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <meterhub/crypto/certificates.h>

#include "folder.h"

namespace meterhub::app {
namespace {

using testing::Contains;
using testing::Not;

TEST(TlsFiles, AreMadeOnceAndThenKept) {
  const Folder folder;
  base::PosixDisk disk;
  const base::ManualClock clock;
  const auto first = load_or_make_tls(disk, clock, folder.path(), {"hub.example"});
  ASSERT_TRUE(first) << first.error().text;
  const auto again = load_or_make_tls(disk, clock, folder.path(), {"hub.example"});
  ASSERT_TRUE(again);
  EXPECT_EQ(first->server.certificate_pem, again->server.certificate_pem);
  EXPECT_THAT(crypto::read_certificate(first->server.certificate_pem)->names, Contains("hub.example"));
}

TEST(TlsFiles, GetANewServerCertificateForANewName) {
  const Folder folder;
  base::PosixDisk disk;
  const base::ManualClock clock;
  const auto first = load_or_make_tls(disk, clock, folder.path(), {});
  const auto second = load_or_make_tls(disk, clock, folder.path(), {"hub.example", "192.0.2.1"});
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->authority_pem, second->authority_pem) << "clients go on trusting the authority";
  EXPECT_THAT(crypto::read_certificate(first->server.certificate_pem)->names, Not(Contains("hub.example")));
  EXPECT_THAT(crypto::read_certificate(second->server.certificate_pem)->names, Contains("hub.example"));
}

TEST(TlsFiles, GetANewServerCertificateBeforeTheOldOneExpires) {
  const Folder folder;
  base::PosixDisk disk;
  base::ManualClock clock;
  const auto first = load_or_make_tls(disk, clock, folder.path(), {});
  ASSERT_TRUE(first);
  clock.advance(std::chrono::days(720));
  const auto later = load_or_make_tls(disk, clock, folder.path(), {});
  ASSERT_TRUE(later);
  EXPECT_NE(first->server.certificate_pem, later->server.certificate_pem);
}

}  // namespace
}  // namespace meterhub::app
