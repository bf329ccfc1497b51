// Jobs as the registry keeps them.
#include <gmock/gmock.h>

#include "registry_fixture.h"

namespace meterhub::registry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class StoredJobs : public RegistryTest {
 protected:
  static JobSpec spec(std::string name = "low-balance") {
    return {std::move(name), "{}", "SELECT 1", base::Timestamp(base::Duration(5)), true};
  }
  std::vector<std::string> audit() const {
    std::vector<std::string> out;
    const auto entries = *store_->audit(0, 100);
    for (const auto& entry : entries) {
      if (entry.action.starts_with("job."))
        out.push_back(entry.actor + " " + entry.action + " " + entry.subject + " " + entry.detail);
    }
    return out;
  }
};

TEST_F(StoredJobs, KeepsWhatWasAddedAcrossARestart) {
  ASSERT_TRUE(store_->add_job("office", spec()));
  store_ = open();
  const auto job = store_->job("low-balance");
  ASSERT_TRUE(job) << job.error().text;
  EXPECT_EQ(job->spec.definition, "{}");
  EXPECT_EQ(job->spec.query, "SELECT 1");
  EXPECT_EQ(job->spec.starts, base::Timestamp(base::Duration(5)));
  EXPECT_TRUE(job->spec.enabled);
  EXPECT_EQ(job->version, 1U);
  EXPECT_EQ(job->incarnation, 1U);
}

TEST_F(StoredJobs, EveryEditLeavesAnAuditEntry) {
  ASSERT_TRUE(store_->add_job("office", spec()));
  ASSERT_TRUE(store_->change_job("office", spec()));
  ASSERT_TRUE(store_->set_job_enabled("cli", "low-balance", false));
  ASSERT_TRUE(store_->set_job_enabled("cli", "low-balance", false));
  ASSERT_TRUE(store_->set_job_enabled("cli", "low-balance", true));
  ASSERT_TRUE(store_->remove_job("cli", "low-balance"));
  EXPECT_THAT(audit(), ElementsAre("office job.add low-balance version 1", "office job.change low-balance version 2",
                                   "cli job.stop low-balance version 2", "cli job.start low-balance version 2",
                                   "cli job.remove low-balance version 2"));
}

TEST_F(StoredJobs, AChangeKeepsWhereItStartsAndWhetherItRuns) {
  ASSERT_TRUE(store_->add_job("office", spec()));
  ASSERT_TRUE(store_->set_job_enabled("office", "low-balance", false));
  auto changed = spec();
  changed.query = "SELECT 2";
  changed.starts = {};
  const auto job = store_->change_job("office", changed, 1);
  ASSERT_TRUE(job) << job.error().text;
  EXPECT_EQ(job->spec.query, "SELECT 2");
  EXPECT_EQ(job->version, 2U);
  EXPECT_EQ(job->spec.starts, base::Timestamp(base::Duration(5)));
  EXPECT_FALSE(job->spec.enabled);
}

TEST_F(StoredJobs, RefusesAChangeOfAVersionThatIsNoMore) {
  ASSERT_TRUE(store_->add_job("office", spec()));
  ASSERT_TRUE(store_->change_job("office", spec(), 1));
  const auto second = store_->change_job("other", spec(), 1);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, base::Errc::kPrecondition);
  EXPECT_EQ(store_->job("low-balance")->version, 2U);
}

TEST_F(StoredJobs, ANameTakenAgainIsAnotherIncarnation) {
  ASSERT_TRUE(store_->add_job("office", spec()));
  ASSERT_TRUE(store_->remove_job("office", "low-balance"));
  EXPECT_EQ(store_->job("low-balance").error().code, base::Errc::kNotFound);
  EXPECT_TRUE(store_->jobs()->empty());
  const auto again = store_->add_job("office", spec());
  ASSERT_TRUE(again) << again.error().text;
  EXPECT_EQ(again->incarnation, 2U);
  EXPECT_EQ(again->version, 2U);
}

TEST_F(StoredJobs, WhatThePlatformBringsComesOnceAndNotAfterItsRemoval) {
  const auto brought = store_->provide_job("platform", spec());
  ASSERT_TRUE(brought && *brought);
  EXPECT_TRUE((*brought)->provided);
  EXPECT_EQ((*store_->provide_job("platform", spec()))->version, 1U);
  ASSERT_TRUE(store_->remove_job("office", "low-balance"));
  EXPECT_FALSE(store_->provide_job("platform", spec())->has_value());
  ASSERT_TRUE(store_->add_job("office", spec()));
  EXPECT_FALSE(store_->job("low-balance")->provided);
}

TEST_F(StoredJobs, WhatThePlatformBringsFollowsItsTextsAndStaysStopped) {
  ASSERT_TRUE(store_->provide_job("platform", spec()));
  ASSERT_TRUE(store_->set_job_enabled("office", "low-balance", false));
  auto next = spec();
  next.query += " WHERE TRUE";
  const auto job = store_->provide_job("platform", next);
  ASSERT_TRUE(job && *job);
  EXPECT_EQ((*job)->spec.query, next.query);
  EXPECT_EQ((*job)->version, 2U);
  EXPECT_TRUE((*job)->provided);
  EXPECT_FALSE((*job)->spec.enabled);
}

TEST_F(StoredJobs, WhatAUserChangedIsHisUntilHeGoesBack) {
  ASSERT_TRUE(store_->provide_job("platform", spec()));
  auto own = spec();
  own.definition = "{ }";
  ASSERT_TRUE(store_->change_job("office", own));
  const auto kept = store_->provide_job("platform", spec());
  ASSERT_TRUE(kept && *kept);
  EXPECT_EQ((*kept)->spec.definition, "{ }");
  EXPECT_FALSE((*kept)->provided);
  ASSERT_TRUE(store_->change_job("office", spec()));
  EXPECT_FALSE(store_->job("low-balance")->provided);
  EXPECT_TRUE((*store_->provide_job("platform", spec()))->provided);
  EXPECT_TRUE(store_->job("low-balance")->provided);
}

TEST_F(StoredJobs, RefusesASecondOfTheSameName) {
  ASSERT_TRUE(store_->add_job("office", spec()));
  EXPECT_EQ(store_->add_job("office", spec()).error().code, base::Errc::kAlreadyExists);
}

TEST_F(StoredJobs, RefusesNamesThatWouldBeBadInPathsAndGroups) {
  for (const char* name :
       {"", "a/b", "..", "a.b", "a b", "ünder", "a#2", "123456789012345678901234567890123456789012345678x"}) {
    EXPECT_EQ(store_->add_job("office", spec(name)).error().code, base::Errc::kInvalidArgument) << name;
  }
}

TEST_F(StoredJobs, RefusesMoreThanItMayKeep) {
  for (std::size_t i = 0; i < kJobsMax; ++i) ASSERT_TRUE(store_->add_job("office", spec("job-" + std::to_string(i))));
  const auto over = store_->add_job("office", spec("one-more"));
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().code, base::Errc::kResourceExhausted);
  EXPECT_THAT(over.error().text, HasSubstr("remove one"));
  ASSERT_TRUE(store_->remove_job("office", "job-7"));
  EXPECT_TRUE(store_->add_job("office", spec("one-more")));
}

TEST_F(StoredJobs, RefusesTextsThatAreTooLong) {
  auto long_query = spec();
  long_query.query.assign(kJobQueryBytesMax + 1, ' ');
  EXPECT_EQ(store_->add_job("office", long_query).error().code, base::Errc::kTooLarge);
  auto long_definition = spec();
  long_definition.definition.assign(kJobDefinitionBytesMax + 1, ' ');
  EXPECT_EQ(store_->add_job("office", long_definition).error().code, base::Errc::kTooLarge);
}

}  // namespace
}  // namespace meterhub::registry
