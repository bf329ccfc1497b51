#include "receivers.h"

#include <gtest/gtest.h>

namespace meterhub::hub {
namespace {

struct Reader final : Receiver {
  Receivers& all;
  Receivers::Place place;
  bool gone = false;
  explicit Reader(Receivers& a, Receivers::Place p = {{base::TopicId(1), base::PartitionId(0)}, "$default"}) : all(a), place(std::move(p)) {}
  ~Reader() override { all.leave(place, *this); }
  void stolen(std::string_view by) override {
    EXPECT_FALSE(by.empty());
    gone = true;
    all.leave(place, *this);
  }
  std::string come(std::optional<std::int64_t> epoch = {}) {
    const auto refused = all.admit(place, {this, epoch, "r"});
    return refused ? std::string(refused->condition) : "";
  }
};

TEST(Receivers, FiveWithoutAnOwnerLevelShareAPartition) {
  Receivers all(100);
  std::vector<std::unique_ptr<Reader>> readers;
  for (int i = 0; i < 5; ++i) {
    readers.push_back(std::make_unique<Reader>(all));
    EXPECT_EQ(readers.back()->come(), "");
  }
  Reader sixth(all);
  EXPECT_EQ(sixth.come(), "amqp:resource-limit-exceeded");
  Reader elsewhere(all, {{base::TopicId(1), base::PartitionId(1)}, "$default"});
  EXPECT_EQ(elsewhere.come(), "");
  Reader other_group(all, {{base::TopicId(1), base::PartitionId(0)}, "other"});
  EXPECT_EQ(other_group.come(), "");
  readers.pop_back();
  EXPECT_EQ(sixth.come(), "");
  EXPECT_EQ(all.count(), 7u);
}

TEST(Receivers, AnOwnerLevelDrivesOutTheOthersAndAHigherOneIt) {
  Receivers all(100);
  Reader a(all), b(all), owner(all), higher(all), lower(all), none(all), same(all);
  EXPECT_EQ(a.come(), "");
  EXPECT_EQ(b.come(), "");
  EXPECT_EQ(owner.come(3), "");
  EXPECT_TRUE(a.gone && b.gone);
  EXPECT_EQ(all.count(), 1u);
  EXPECT_EQ(lower.come(2), "amqp:link:stolen");
  EXPECT_EQ(none.come(), "amqp:link:stolen");
  EXPECT_FALSE(owner.gone);
  EXPECT_EQ(same.come(3), "");
  EXPECT_TRUE(owner.gone);
  EXPECT_EQ(higher.come(4), "");
  EXPECT_TRUE(same.gone);
  EXPECT_EQ(all.count(), 1u);
}

TEST(Receivers, AreLimitedAltogetherAndOneThatTakesOverNeedsNoFurtherPlace) {
  Receivers all(2);
  Reader a(all), b(all, {{base::TopicId(1), base::PartitionId(1)}, "$default"}), c(all, {{base::TopicId(1), base::PartitionId(2)}, "$default"});
  EXPECT_EQ(a.come(1), "");
  EXPECT_EQ(b.come(1), "");
  EXPECT_EQ(c.come(1), "amqp:resource-limit-exceeded");
  Reader again(all);
  EXPECT_EQ(again.come(1), "");
  EXPECT_TRUE(a.gone);
}

}  // namespace
}  // namespace meterhub::hub
