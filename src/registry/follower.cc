#include <meterhub/registry/follower.h>

#include <meterhub/base/logging.h>

namespace meterhub::registry {
namespace {

constexpr std::size_t kChangesAtOnce = 1000;

}  // namespace

Follower::Follower(const Store& store, Directory& directory, base::Executor& executor, base::Metrics& metrics,
                   std::chrono::milliseconds interval)
    : store_(store),
      directory_(directory),
      executor_(executor),
      errors_(metrics.counter("meterhub_registry_follow_errors_total", "Failed reads of the registry's changes.")),
      interval_(interval) {}

Follower::~Follower() {
  *alive_ = false;
  executor_.cancel(timer_);
}

base::Result<void> Follower::start(const std::function<base::Result<void>()>& gateways_known) {
  MH_TRY_VOID(load(gateways_known));
  timer_ = executor_.after(interval_, [this, alive = alive_] {
    if (*alive) tick();
  });
  return {};
}

base::Result<void> Follower::load(const std::function<base::Result<void>()>& gateways_known) {
  // The position first: what changes during the load is read once more, which is harmless.
  const auto now = executor_.clock().now();
  const auto position = MH_TRY(store_.last_change());
  MH_TRY_VOID(directory_.load(store_, gateways_known));
  position_ = position;
  directory_.set_current_to(now);
  return {};
}

base::Result<void> Follower::poll() {
  for (;;) {
    const auto now = executor_.clock().now();
    const auto changes = store_.changes(position_, kChangesAtOnce);
    if (!changes && changes.error().code == base::Errc::kNotFound) return load({});
    if (!changes) return std::unexpected(changes.error());
    if (changes->empty()) {
      directory_.set_current_to(now);
      return {};
    }
    MH_TRY_VOID(directory_.apply(store_, *changes));
    position_ = changes->back().number;
  }
}

void Follower::tick() {
  if (const auto done = poll(); !done) {
    errors_.add();
    base::logging::warn("registry_follow_failed", {{"error", done.error().text}});
  }
  timer_ = executor_.after(interval_, [this, alive = alive_] {
    if (*alive) tick();
  });
}

}  // namespace meterhub::registry
