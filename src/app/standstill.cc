#include "standstill.h"

namespace meterhub::app {

Standstill::Standstill(const std::vector<base::Executor*>& executors) {
  state_->missing = executors.size();
  for (auto* executor : executors) {
    executor->post([state = state_] {
      std::unique_lock lock(state->mutex);
      --state->missing;
      state->changed.notify_all();
      state->changed.wait(lock, [&] { return state->over; });
    });
  }
}

Standstill::~Standstill() {
  const std::lock_guard lock(state_->mutex);
  state_->over = true;
  state_->changed.notify_all();
}

bool Standstill::reached(std::chrono::milliseconds patience) {
  std::unique_lock lock(state_->mutex);
  return state_->changed.wait_for(lock, patience, [&] { return state_->missing == 0; });
}

}  // namespace meterhub::app
