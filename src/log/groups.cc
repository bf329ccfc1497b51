#include "groups.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <optional>
#include <set>

#include <meterhub/base/mutex.h>

namespace meterhub::log {
namespace {

constexpr std::chrono::seconds kTick{1};           // sign of life, and a look at the others
constexpr std::chrono::seconds kDrainLimit{10};    // see GroupListener::revoked

}  // namespace

base::Result<Interest> interest_of(const Log& log, const std::vector<base::TopicId>& topics,
                                   std::vector<TopicPartition> only) {
  Interest out{std::move(only), false};
  out.listed = !out.partitions.empty();
  for (const auto topic : topics) {
    const auto count = log.partitions(topic);
    if (count == 0) return base::fail(base::Errc::kNotFound, "no such log");
    for (std::uint32_t i = 0; i < count && !out.listed; ++i) {
      out.partitions.push_back({topic, base::PartitionId(i)});
    }
  }
  for (const auto& p : out.partitions) {
    if (!std::ranges::count(topics, p.topic)) {
      return base::fail(base::Errc::kInvalidArgument, "a listed partition is not of these logs");
    }
    if (p.partition.value >= log.partitions(p.topic)) return base::fail(base::Errc::kNotFound, "no such partition");
  }
  return out;
}

struct Groups::Member {
  std::string group;
  Interest interest;
  base::Executor* executor = nullptr;
  GroupListener* listener = nullptr;
  std::atomic<bool> alive{true};  // false: no listener call begins any more
  base::MonotonicTime seen{};     // the rest: under State::mutex
  bool expelled = false;          // showed no life; takes part again when it wakes
  std::optional<base::Task> left; // set by leave()
  base::Executor::TimerId timer{};

  bool takes_part() const { return !expelled && !left; }
};

struct Groups::Slot {
  std::shared_ptr<Member> owner;  // null: nobody
  base::Epoch epoch;
  bool announced = false;  // the owner was told
  bool draining = false;
  base::MonotonicTime deadline{};  // of the drain
};

struct Groups::Group {
  std::map<TopicPartition, Slot> slots;
  std::vector<std::shared_ptr<Member>> members;  // in the order of joining
};

// An ownership given and not yet announced.
struct Groups::Grant {
  std::shared_ptr<Member> member;
  Assignment assignment;
};

class Groups::State : public std::enable_shared_from_this<State> {
 public:
  State(const base::Clock& clock, base::Epoch first_epoch, Barrier barrier)
      : clock_(clock), next_epoch_(first_epoch), barrier_(std::move(barrier)) {}

  void join(const std::shared_ptr<Member>& member);
  void leave(const std::shared_ptr<Member>& member, base::Task left);
  void remove(const std::shared_ptr<Member>& member);
  void tick(const std::shared_ptr<Member>& member);
  void drained(const std::shared_ptr<Member>& member, const std::vector<Assignment>& given_back);
  bool current(const Ownership& ownership) const;

 private:
  using Owners = std::map<TopicPartition, std::shared_ptr<Member>>;
  using PartitionsOf = std::map<std::shared_ptr<Member>, std::vector<TopicPartition>>;

  std::vector<Grant> rebalance(Group& group) MH_REQUIRES(mutex_);
  Owners plan(const Group& group) const MH_REQUIRES(mutex_);
  void revoke(const std::shared_ptr<Member>& member, Group& group, const std::vector<TopicPartition>& partitions)
      MH_REQUIRES(mutex_);
  void take_away(Group& group, const std::function<bool(const Slot&)>& which) MH_REQUIRES(mutex_);
  void finish_leaving(Group& group) MH_REQUIRES(mutex_);
  void arm(const std::shared_ptr<Member>& member) MH_REQUIRES(mutex_);

  // Without the lock.
  void announce_after_barrier(std::vector<Grant> grants);
  void announce(const std::vector<Grant>& grants);

  const base::Clock& clock_;
  mutable base::Mutex mutex_;
  base::Epoch next_epoch_ MH_GUARDED_BY(mutex_);
  std::map<std::string, Group, std::less<>> groups_ MH_GUARDED_BY(mutex_);
  const Barrier barrier_;
};

namespace {

// How many partitions a member would own: of one topic, and of all.
struct Load {
  std::map<base::TopicId, std::size_t> by_topic;
  std::size_t total = 0;

  std::pair<std::size_t, std::size_t> of(base::TopicId topic) const {
    const auto it = by_topic.find(topic);
    return {it == by_topic.end() ? 0 : it->second, total};
  }
  void add(base::TopicId topic) { ++by_topic[topic], ++total; }
  void remove(base::TopicId topic) { --by_topic[topic], --total; }
};

// Whether handing one partition from the first to the second evens things out: the
// topic's partitions first, the sum of all where those are as even as they get.
bool worth_moving(std::pair<std::size_t, std::size_t> from, std::pair<std::size_t, std::size_t> to) {
  if (from.first > to.first + 1) return true;
  return from.first == to.first + 1 && from.second > to.second + 1;
}

}  // namespace

// Who should own what: the present owner where it may stay, then the least loaded, then
// moves until nothing evens out any more.
auto Groups::State::plan(const Group& group) const -> Owners {
  using Candidates = std::vector<std::shared_ptr<Member>>;
  std::map<TopicPartition, Candidates> candidates;
  for (const bool listed : {true, false}) {
    std::map<TopicPartition, Candidates> of_kind;
    for (const auto& member : group.members) {
      if (!member->takes_part() || member->interest.listed != listed) continue;
      for (const auto partition : member->interest.partitions) of_kind[partition].push_back(member);
    }
    candidates.merge(of_kind);  // keeps those of listed members
  }

  Owners owners;
  std::map<std::shared_ptr<Member>, Load> loads;
  for (const auto& [partition, members] : candidates) {
    const auto slot = group.slots.find(partition);
    if (slot == group.slots.end() || !std::ranges::count(members, slot->second.owner)) continue;
    owners[partition] = slot->second.owner;
    loads[slot->second.owner].add(partition.topic);
  }
  const auto least_loaded = [&](TopicPartition partition, const Candidates& members) {
    return *std::ranges::min_element(members, {}, [&](const auto& m) { return loads[m].of(partition.topic); });
  };
  for (const auto& [partition, members] : candidates) {
    if (owners.contains(partition)) continue;
    const auto& owner = owners[partition] = least_loaded(partition, members);
    loads[owner].add(partition.topic);
  }
  for (bool moved = true; moved;) {
    moved = false;
    for (auto& [partition, owner] : owners) {
      auto to = least_loaded(partition, candidates[partition]);
      if (!worth_moving(loads[owner].of(partition.topic), loads[to].of(partition.topic))) continue;
      loads[owner].remove(partition.topic);
      loads[to].add(partition.topic);
      owner = std::move(to);
      moved = true;
    }
  }
  return owners;
}

auto Groups::State::rebalance(Group& group) -> std::vector<Grant> {
  const auto owners = plan(group);
  PartitionsOf to_revoke;
  std::vector<Grant> grants;
  for (auto& [partition, slot] : group.slots) {
    const auto wanted = owners.find(partition);
    const auto& heir = wanted == owners.end() ? nullptr : wanted->second;
    if (slot.owner && slot.owner != heir && !slot.draining) {
      if (slot.announced) {
        to_revoke[slot.owner].push_back(partition);
      } else {
        slot.owner = nullptr;  // never told, so nothing is in flight
      }
    }
    if (slot.owner || !heir) continue;
    slot = Slot{.owner = heir, .epoch = next_epoch_};
    next_epoch_ = base::Epoch(next_epoch_.value + 1);
    grants.push_back({heir, {partition, slot.epoch}});
  }
  for (const auto& [member, partitions] : to_revoke) revoke(member, group, partitions);
  finish_leaving(group);
  return grants;
}

void Groups::State::revoke(const std::shared_ptr<Member>& member, Group& group,
                           const std::vector<TopicPartition>& partitions) {
  std::vector<Assignment> given_back;
  for (const auto partition : partitions) {
    auto& slot = group.slots.at(partition);
    slot.draining = true;
    slot.deadline = clock_.monotonic() + kDrainLimit;
    given_back.push_back({partition, slot.epoch});
  }
  auto done = [weak = weak_from_this(), member, given_back = std::move(given_back)] {
    if (const auto state = weak.lock()) state->drained(member, given_back);
  };
  member->executor->post([member, partitions = partitions, done = std::move(done)]() mutable {
    if (member->alive.load()) member->listener->revoked(std::move(partitions), std::move(done));
  });
}

// Frees the slots that `which` names and tells their owners that they are lost.
void Groups::State::take_away(Group& group, const std::function<bool(const Slot&)>& which) {
  PartitionsOf lost;
  for (auto& [partition, slot] : group.slots) {
    if (!slot.owner || !which(slot)) continue;
    if (slot.announced) lost[slot.owner].push_back(partition);
    slot.owner = nullptr;
  }
  for (auto& [member, all] : lost) {
    member->executor->post([member, partitions = std::move(all)]() mutable {
      if (member->alive.load()) member->listener->lost(std::move(partitions));
    });
  }
}

// Says goodbye to members that leave and own nothing any more.
void Groups::State::finish_leaving(Group& group) {
  std::set<std::shared_ptr<Member>> owning;
  for (const auto& [partition, slot] : group.slots) owning.insert(slot.owner);
  std::erase_if(group.members, [&](const auto& member) {
    if (!member->left || owning.contains(member)) return false;
    member->executor->cancel(member->timer);
    member->executor->post([member, left = std::move(*member->left)]() mutable {
      if (member->alive.load()) left();
    });
    return true;
  });
}

void Groups::State::announce_after_barrier(std::vector<Grant> grants) {
  if (grants.empty()) return;
  barrier_([weak = weak_from_this(), grants = std::move(grants)] {
    if (const auto state = weak.lock()) state->announce(grants);
  });
}

void Groups::State::announce(const std::vector<Grant>& grants) {
  const base::Lock lock(mutex_);
  std::map<std::shared_ptr<Member>, std::vector<Assignment>> by_member;
  for (const auto& [member, assignment] : grants) {
    auto& slot = groups_[member->group].slots[assignment.partition];
    if (slot.owner != member || slot.epoch != assignment.epoch) continue;  // taken away meanwhile
    slot.announced = true;
    by_member[member].push_back(assignment);
  }
  for (auto& [member, all] : by_member) {
    member->executor->post([member, assignments = std::move(all)]() mutable {
      if (member->alive.load()) member->listener->assigned(std::move(assignments));
    });
  }
}

void Groups::State::arm(const std::shared_ptr<Member>& member) {
  member->timer = member->executor->after(kTick, [weak = weak_from_this(), weak_member = std::weak_ptr(member)] {
    const auto state = weak.lock();
    const auto still = weak_member.lock();
    if (state && still && still->alive.load()) state->tick(still);
  });
}

void Groups::State::join(const std::shared_ptr<Member>& member) {
  base::Lock lock(mutex_);
  auto& group = groups_[member->group];
  member->seen = clock_.monotonic();
  group.members.push_back(member);
  for (const auto partition : member->interest.partitions) group.slots.try_emplace(partition);
  arm(member);
  auto grants = rebalance(group);
  lock.unlock();
  announce_after_barrier(std::move(grants));
}

void Groups::State::leave(const std::shared_ptr<Member>& member, base::Task left) {
  base::Lock lock(mutex_);
  if (member->left) return;
  member->left = std::move(left);
  auto grants = rebalance(groups_[member->group]);
  lock.unlock();
  announce_after_barrier(std::move(grants));
}

void Groups::State::remove(const std::shared_ptr<Member>& member) {
  member->alive.store(false);
  base::Lock lock(mutex_);
  auto& group = groups_[member->group];
  if (std::erase(group.members, member) != 0) member->executor->cancel(member->timer);
  for (auto& [partition, slot] : group.slots) {
    if (slot.owner == member) slot.owner = nullptr;
  }
  auto grants = rebalance(group);
  lock.unlock();
  announce_after_barrier(std::move(grants));
}

void Groups::State::tick(const std::shared_ptr<Member>& member) {
  base::Lock lock(mutex_);
  auto& group = groups_[member->group];
  if (!std::ranges::count(group.members, member)) return;
  const auto now = clock_.monotonic();
  // Who slept itself (a stopped process) cannot tell who else did.
  const bool awake = now - member->seen < kSessionTimeout / 2;
  member->seen = now;
  member->expelled = false;
  if (awake) {
    for (const auto& other : group.members) {
      if (now - other->seen > kSessionTimeout) other->expelled = true;
    }
  }
  take_away(group, [&](const Slot& slot) { return slot.owner->expelled || (slot.draining && now >= slot.deadline); });
  arm(member);
  auto grants = rebalance(group);
  lock.unlock();
  announce_after_barrier(std::move(grants));
}

void Groups::State::drained(const std::shared_ptr<Member>& member, const std::vector<Assignment>& given_back) {
  base::Lock lock(mutex_);
  auto& group = groups_[member->group];
  for (const auto& [partition, epoch] : given_back) {
    auto& slot = group.slots[partition];
    if (slot.owner == member && slot.epoch == epoch && slot.draining) slot.owner = nullptr;
  }
  auto grants = rebalance(group);
  lock.unlock();
  announce_after_barrier(std::move(grants));
}

bool Groups::State::current(const Ownership& ownership) const {
  const base::Lock lock(mutex_);
  const auto group = groups_.find(ownership.group);
  if (group == groups_.end()) return false;
  const auto slot = group->second.slots.find(ownership.partition);
  return slot != group->second.slots.end() && slot->second.owner && slot->second.epoch == ownership.epoch;
}

class Groups::Handle final : public Membership {
 public:
  Handle(std::shared_ptr<State> state, std::shared_ptr<Member> member)
      : state_(std::move(state)), member_(std::move(member)) {}
  ~Handle() override { state_->remove(member_); }
  void leave(base::Task left) override { state_->leave(member_, std::move(left)); }

 private:
  std::shared_ptr<State> state_;
  std::shared_ptr<Member> member_;
};

Groups::Groups(const base::Clock& clock, base::Epoch first_epoch, Barrier barrier)
    : state_(std::make_shared<State>(clock, first_epoch, std::move(barrier))) {}
Groups::~Groups() = default;

std::unique_ptr<Membership> Groups::join(std::string_view group, Interest interest, base::Executor& executor,
                                         GroupListener& listener) {
  auto member = std::make_shared<Member>();
  member->group = group;
  member->interest = std::move(interest);
  member->executor = &executor;
  member->listener = &listener;
  state_->join(member);
  return std::make_unique<Handle>(state_, std::move(member));
}

bool Groups::current(const Ownership& ownership) const { return state_->current(ownership); }

}  // namespace meterhub::log
