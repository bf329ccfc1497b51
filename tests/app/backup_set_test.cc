#include "backup_set.h"

#include <gtest/gtest.h>

namespace meterhub::app {
namespace {

using base::Errc;

const std::string kSum(64, 'a');

TEST(BackupSums, ComeBackAsTheyWereWritten) {
  const std::vector<SummedFile> files{{"lake/readings/date=2026-01-01/hour=00/shard-00.parquet", kSum}, {"store/CURRENT", std::string(64, '0')}};
  const auto parsed = parse_sums(sums_text(files));
  ASSERT_TRUE(parsed) << parsed.error().text;
  ASSERT_EQ(parsed->size(), 2u);
  EXPECT_EQ(parsed->at(0).path, files[0].path);
  EXPECT_EQ(parsed->at(1).sha256, files[1].sha256);
}

TEST(BackupSums, RefuseWhatLeadsElsewhereOrIsCutShort) {
  for (const auto& line : {kSum + "  /etc/passwd\n", kSum + "  a/../../b\n", kSum + "  ..\n", kSum + "  \n", kSum + " a\n", kSum + "  a", std::string("x\n")}) {
    EXPECT_EQ(parse_sums(line).error().code, Errc::kCorrupt) << line;
  }
  EXPECT_TRUE(parse_sums(kSum + "  a..b/..c\n"));
}

TEST(BackupFacts, ComeBackAsTheyWereWritten) {
  const BackupFacts facts{"1.2.3", base::Timestamp(std::chrono::seconds(1'700'000'000)), 12, 3456, kSum};
  const auto parsed = parse_facts(facts_json(facts));
  ASSERT_TRUE(parsed) << parsed.error().text;
  EXPECT_EQ(parsed->taken, facts.taken);
  EXPECT_EQ(parsed->files, 12u);
  EXPECT_EQ(parsed->bytes, 3456u);
  EXPECT_EQ(parsed->program, "1.2.3");
  EXPECT_EQ(parsed->sums_sha256, kSum);
}

TEST(BackupFacts, RefuseALaterFormatAndWhatIsNoFacts) {
  EXPECT_EQ(parse_facts(R"({"format": 2})").error().code, Errc::kPrecondition);
  for (const char* text : {"", "[]", R"({"format": 1})", R"({"format": 1, "files": -1})"}) EXPECT_EQ(parse_facts(text).error().code, Errc::kCorrupt) << text;
}

TEST(BackupSecret, OpensUnderItsKeyAndInItsPlaceOnly) {
  const crypto::Key256 key{1}, other{2};
  const auto sealed = seal_secret(key, "tls/ca.key", "secret");
  EXPECT_EQ(sealed.find("secret"), std::string::npos);
  EXPECT_EQ(open_secret(key, "tls/ca.key", sealed).value(), "secret");
  EXPECT_EQ(open_secret(other, "tls/ca.key", sealed).error().code, Errc::kForbidden);
  EXPECT_EQ(open_secret(key, "tls/server.key", sealed).error().code, Errc::kForbidden);
}

}  // namespace
}  // namespace meterhub::app
