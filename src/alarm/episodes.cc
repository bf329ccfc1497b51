#include <meterhub/alarm/episodes.h>

#include <utility>

#include "engine.h"

namespace meterhub::alarm {

Episodes::Episodes(Policies policies, EpisodesOptions options)
    : engine_(std::make_unique<Engine>(std::move(policies), options)) {}
Episodes::~Episodes() = default;
Episodes::Episodes(Episodes&&) noexcept = default;
Episodes& Episodes::operator=(Episodes&&) noexcept = default;

void Episodes::load(Saved saved) { engine_->load(std::move(saved)); }
void Episodes::set_policies(Policies policies) { engine_->set_policies(std::move(policies)); }
void Episodes::set_subjects(base::TenantNumber tenant, std::uint64_t count) { engine_->set_subjects(tenant, count); }
void Episodes::observe(const Observation& observation) { engine_->observe(observation); }
void Episodes::tick(base::Timestamp now) { engine_->tick(now); }

base::Result<Outcome> Episodes::acknowledge(const Filter& which, By by) {
  return engine_->act(which, {.verb = Engine::Verb::kAcknowledge, .by = by});
}
base::Result<Outcome> Episodes::assign(const Filter& which, By by, std::string_view owner) {
  return engine_->act(which, {.verb = Engine::Verb::kAssign, .by = by, .text = owner});
}
base::Result<Outcome> Episodes::comment(const Filter& which, By by, std::string_view text) {
  return engine_->act(which, {.verb = Engine::Verb::kComment, .by = by, .text = text});
}
base::Result<Outcome> Episodes::shelve(const Filter& which, By by, base::Timestamp until) {
  return engine_->act(which, {.verb = Engine::Verb::kShelve, .by = by, .until = until});
}
base::Result<Outcome> Episodes::unshelve(const Filter& which, By by) {
  return engine_->act(which, {.verb = Engine::Verb::kUnshelve, .by = by});
}
base::Result<Outcome> Episodes::clear(const Filter& which, By by, std::string_view reason) {
  return engine_->act(which, {.verb = Engine::Verb::kClear, .by = by, .text = reason});
}

Listing Episodes::list(const Filter& which, const std::vector<SortBy>& order, Page page) const {
  return engine_->list(which, order, page);
}
const Episode* Episodes::find(EpisodeId id) const { return engine_->find(id); }
Counts Episodes::counts(const std::optional<std::vector<base::TenantNumber>>& tenants) const {
  return engine_->counts(tenants);
}
std::vector<Flow> Episodes::floods() const { return engine_->floods(); }
const Counters& Episodes::counters() const { return engine_->counters(); }
std::size_t Episodes::open() const { return engine_->open(); }
Changes Episodes::take_changes(Seen seen) { return engine_->take_changes(seen); }
bool Episodes::changed() const { return engine_->changed(); }

}  // namespace meterhub::alarm
