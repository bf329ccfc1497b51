#include "flows.h"

#include <chrono>

namespace meterhub::alarm {
namespace {

using std::chrono::minutes;

std::int64_t minute_of(base::Timestamp at) { return std::chrono::floor<minutes>(at).time_since_epoch().count(); }
base::Timestamp begin_of(std::int64_t minute) { return base::Timestamp(minutes(minute)); }

}  // namespace

Flow Flows::flow_of(Key key, const State& state) {
  Flow out{.tenant = key.first,
           .rule = key.second,
           .flood = state.flood,
           .began = state.began,
           .raised = state.raised,
           .minute = state.minute};
  for (std::int64_t back = 0; back < kWindow; ++back) out.minutes.push_back(state.at(state.minute - back));
  return out;
}

void Flows::load(const std::vector<Flow>& flows) {
  for (const auto& flow : flows) {
    State state{
        .flood = flow.flood, .began = flow.began, .raised = flow.raised, .minute = flow.minute, .written = true};
    const auto known = std::min<std::int64_t>(kWindow, std::ssize(flow.minutes));
    for (std::int64_t back = 0; back < known; ++back) {
      const auto count = flow.minutes[static_cast<std::size_t>(back)];
      state.at(flow.minute - back) = count;
      state.sum += count;
    }
    states_.insert_or_assign(Key(flow.tenant, flow.rule), state);
  }
}

void Flows::to_minute(Key key, State& state, std::int64_t minute, std::uint64_t limit, const Ended& ended) {
  if (state.minute >= minute) return;
  // A raise may be older than the newest minute: whether it counts must not depend on a restart in between.
  changed_.insert(key);
  while (state.minute < minute) {
    if (state.sum == 0 && !state.flood) {
      state.minute = minute;
      return;
    }
    // `state.minute` is over, and with it the ten minutes that end there.
    if (state.flood && state.sum * 10 < limit) {
      const auto flood = flow_of(key, state);
      state.flood = false;
      state.raised = 0;
      ended(flood, begin_of(state.minute + 1));
    }
    ++state.minute;
    auto& oldest = state.at(state.minute);
    state.sum -= oldest;
    oldest = 0;
  }
}

bool Flows::raised(Key key, base::Timestamp at, std::uint64_t limit, const Ended& ended) {
  const auto minute = minute_of(at);
  auto [found, is_new] = states_.try_emplace(key);
  auto& state = found->second;
  if (is_new) {
    state.minute = minute;
    state.written = gone_.erase(key) > 0;
  }
  to_minute(key, state, minute, limit, ended);
  changed_.insert(key);
  if (state.flood) ++state.raised;
  if (minute <= state.minute - kWindow) return false;
  ++state.at(minute);
  ++state.sum;
  if (state.flood || state.sum <= limit) return false;
  state.flood = true;
  state.began = at;
  state.raised = state.sum;
  return true;
}

bool Flows::is_flood(Key key, base::Timestamp at, std::uint64_t limit, const Ended& ended) {
  const auto found = states_.find(key);
  if (found == states_.end()) return false;
  to_minute(key, found->second, minute_of(at), limit, ended);
  return found->second.flood;
}

void Flows::advance(base::Timestamp now, const std::function<std::uint64_t(base::TenantNumber)>& limit,
                    const Ended& ended) {
  const auto minute = minute_of(now);
  for (auto at = states_.begin(); at != states_.end();) {
    auto& [key, state] = *at;
    to_minute(key, state, minute, limit(key.first), ended);
    if (state.sum > 0 || state.flood) {
      ++at;
      continue;
    }
    if (state.written) gone_.insert(key);
    changed_.erase(key);
    at = states_.erase(at);
  }
}

std::optional<Flow> Flows::find(Key key) const {
  const auto found = states_.find(key);
  if (found == states_.end()) return std::nullopt;
  return flow_of(key, found->second);
}

std::vector<Flow> Flows::floods() const {
  std::vector<Flow> out;
  for (const auto& [key, state] : states_) {
    if (state.flood) out.push_back(flow_of(key, state));
  }
  return out;
}

void Flows::take_changes(Changes& into) {
  for (const auto& key : changed_) {
    auto& state = states_.at(key);
    state.written = true;
    into.flows.push_back(flow_of(key, state));
  }
  into.flows_gone.assign(gone_.begin(), gone_.end());
  changed_.clear();
  gone_.clear();
}

}  // namespace meterhub::alarm
