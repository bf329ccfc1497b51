#include <meterhub/registry/directory.h>

#include "directory_state.h"

namespace meterhub::registry {
namespace {

template <class Listener>
struct ListenerHandle final : Subscription {
  explicit ListenerHandle(std::shared_ptr<Listener> l) : listener(std::move(l)) {}
  ListenerHandle(const ListenerHandle&) = delete;
  ListenerHandle& operator=(const ListenerHandle&) = delete;
  ~ListenerHandle() override { listener->active = false; }
  std::shared_ptr<Listener> listener;
};

template <class Map, class Key>
auto found_or_null(const Map& map, const Key& key) {
  const auto found = map.find(key);
  return found == map.end() ? GatewayPointer() : found->second;
}

std::optional<MeterEntry> copy_of(const MeterEntry* entry) {
  return entry == nullptr ? std::nullopt : std::optional(*entry);
}

}  // namespace

Directory::Directory() : state_(std::make_unique<State>()) {}
Directory::~Directory() = default;

std::shared_ptr<const GatewayEntry> Directory::gateway(std::string_view id) const {
  const base::SharedLock lock(state_->mutex);
  return found_or_null(state_->by_id, id);
}

std::shared_ptr<const GatewayEntry> Directory::gateway(base::Eui64 eui) const {
  const base::SharedLock lock(state_->mutex);
  return found_or_null(state_->by_eui, eui);
}

std::vector<std::shared_ptr<const GatewayEntry>> Directory::gateways() const {
  const base::SharedLock lock(state_->mutex);
  std::vector<GatewayPointer> out;
  out.reserve(state_->gateways.size());
  for (const auto& [row, entry] : state_->gateways) out.push_back(entry);
  return out;
}

std::size_t Directory::gateway_count() const {
  const base::SharedLock lock(state_->mutex);
  return state_->gateways.size();
}

std::optional<MeterEntry> Directory::meter(base::Eui64 eui) const {
  const base::SharedLock lock(state_->mutex);
  return copy_of(state_->find(eui));
}

std::optional<MeterEntry> Directory::meter(base::MeterNumber number) const {
  const base::SharedLock lock(state_->mutex);
  return copy_of(state_->find(number));
}

std::size_t Directory::meter_count() const {
  const base::SharedLock lock(state_->mutex);
  return state_->meter_count;
}

base::MeterNumber Directory::highest_meter() const {
  const base::SharedLock lock(state_->mutex);
  return base::MeterNumber(state_->meters.empty() ? 0 : static_cast<std::uint32_t>(state_->meters.size() - 1));
}

std::vector<Exchange> Directory::exchanges_of(base::MeterNumber meter) const {
  const base::SharedLock lock(state_->mutex);
  std::vector<Exchange> out;
  const auto found = state_->exchanges_of.find(meter.value);
  if (found == state_->exchanges_of.end()) return out;
  for (const auto number : found->second) out.push_back(state_->exchanges.at(number));
  return out;
}

std::optional<base::Eui64> Directory::eui_of(base::MeterNumber number) const {
  const base::SharedLock lock(state_->mutex);
  if (const auto* const meter = state_->find(number)) return meter->eui;
  const auto* const exchange = state_->last_exchange(number);
  if (exchange == nullptr) return std::nullopt;
  return exchange->old_number == number ? exchange->old_meter : exchange->new_meter;
}

std::optional<Tenant> Directory::tenant(base::TenantNumber number) const {
  const base::SharedLock lock(state_->mutex);
  const auto found = state_->tenants.find(number);
  return found == state_->tenants.end() ? std::nullopt : std::optional(found->second);
}

std::vector<Tenant> Directory::tenants() const {
  const base::SharedLock lock(state_->mutex);
  std::vector<Tenant> out;
  for (const auto& [number, tenant] : state_->tenants) out.push_back(tenant);
  return out;
}

std::vector<BuildingEntry> Directory::buildings() const {
  const base::SharedLock lock(state_->mutex);
  std::vector<BuildingEntry> out;
  out.reserve(state_->buildings.size());
  for (const auto& [number, building] : state_->buildings) out.push_back(building);
  return out;
}

std::optional<BuildingEntry> Directory::building(BuildingNumber number) const {
  const base::SharedLock lock(state_->mutex);
  const auto found = state_->buildings.find(number);
  return found == state_->buildings.end() ? std::nullopt : std::optional(found->second);
}

std::vector<MeterEntry> Directory::meters_of(BuildingNumber building) const {
  const base::SharedLock lock(state_->mutex);
  std::vector<MeterEntry> out;
  const auto found = state_->by_building.find(building.value);
  if (found == state_->by_building.end()) return out;
  out.reserve(found->second.size());
  for (const auto number : found->second) out.push_back(state_->meters[number]);
  return out;
}

std::string Directory::label(LabelNumber number) const {
  const base::SharedLock lock(state_->mutex);
  return state_->labels.text(number);
}

std::vector<Profile> Directory::profiles() const {
  const base::SharedLock lock(state_->mutex);
  return state_->profiles;
}

ApiKeys Directory::api_keys() const {
  const base::SharedLock lock(state_->mutex);
  return state_->api_keys;
}

Policies Directory::policies() const {
  const base::SharedLock lock(state_->mutex);
  return state_->policies;
}

Directory::View::View(const Directory& directory) : directory_(&directory), lock_(directory.state_->mutex) {}
const MeterEntry* Directory::View::meter(base::Eui64 eui) const {
  directory_->state_->mutex.held_shared();  // by lock_
  return directory_->state_->find(eui);
}
const MeterEntry* Directory::View::meter(base::MeterNumber number) const {
  directory_->state_->mutex.held_shared();
  return directory_->state_->find(number);
}
void Directory::View::prefetch(base::MeterNumber number) const {
  directory_->state_->mutex.held_shared();
  directory_->state_->prefetch(number);
}
const std::shared_ptr<const GatewayEntry>& Directory::View::gateway(std::string_view id) const {
  static const GatewayPointer none;
  directory_->state_->mutex.held_shared();
  const auto found = directory_->state_->by_id.find(id);
  return found == directory_->state_->by_id.end() ? none : found->second;
}
std::string_view Directory::View::label(LabelNumber number) const {
  directory_->state_->mutex.held_shared();
  return directory_->state_->labels.text(number);
}

const Exchange* Directory::View::taken_out_by(const MeterEntry& meter) const {
  directory_->state_->mutex.held_shared();
  if (meter.building.value != 0) return nullptr;
  const auto* const last = directory_->state_->last_exchange(meter.number);
  return last != nullptr && last->old_number == meter.number ? last : nullptr;
}

std::unique_ptr<Subscription> Directory::on_gateway_change(base::Executor& call_on, GatewayChanged listener) {
  auto entry = std::make_shared<GatewayListener>(&call_on, std::move(listener));
  const base::Lock lock(state_->listeners_mutex);
  state_->gateway_listeners.push_back(entry);
  return std::make_unique<ListenerHandle<GatewayListener>>(std::move(entry));
}

std::unique_ptr<Subscription> Directory::on_profile_change(base::Executor& call_on, std::function<void()> listener) {
  auto entry = std::make_shared<NewsListener>(&call_on, std::move(listener));
  const base::Lock lock(state_->listeners_mutex);
  state_->profile_listeners.push_back(entry);
  return std::make_unique<ListenerHandle<NewsListener>>(std::move(entry));
}

std::unique_ptr<Subscription> Directory::on_policy_change(base::Executor& call_on, std::function<void()> listener) {
  auto entry = std::make_shared<NewsListener>(&call_on, std::move(listener));
  const base::Lock lock(state_->listeners_mutex);
  state_->policy_listeners.push_back(entry);
  return std::make_unique<ListenerHandle<NewsListener>>(std::move(entry));
}

base::Timestamp Directory::current_to() const { return base::Timestamp(base::Duration(state_->current_to.load(std::memory_order_acquire))); }
void Directory::set_current_to(base::Timestamp time) { state_->current_to.store(time.time_since_epoch().count(), std::memory_order_release); }

base::Result<void> Directory::load(const Store& store, const std::function<base::Result<void>()>& gateways_known) {
  MH_TRY_VOID(state_->read_policies(store));
  MH_TRY_VOID(state_->read_gateways(store, 1, INT64_MAX));
  if (gateways_known) MH_TRY_VOID(gateways_known());
  MH_TRY_VOID(state_->read_places(store));
  MH_TRY_VOID(state_->read_profiles(store));
  MH_TRY_VOID(state_->read_api_keys(store));
  // Before the meters: one that hangs nowhere is known to be taken out.
  MH_TRY_VOID(state_->read_exchanges(store, 1, UINT32_MAX));
  return state_->read_meters(store, 1, UINT32_MAX);
}

base::Result<void> Directory::apply(const Store& store, std::span<const Change> changes) {
  using Kind = Change::Kind;
  bool places = false;
  bool profiles = false;
  bool api_keys = false;
  bool policies = false;
  for (const auto& change : changes) {
    if (change.kind == Kind::kGateway) MH_TRY_VOID(state_->read_gateways(store, change.first, change.last));
    if (change.kind == Kind::kExchange) {
      MH_TRY_VOID(state_->read_exchanges(store, static_cast<std::uint32_t>(change.first), static_cast<std::uint32_t>(change.last)));
    }
    places = places || change.kind == Kind::kPlace;
    profiles = profiles || change.kind == Kind::kProfile;
    api_keys = api_keys || change.kind == Kind::kApiKey;
    policies = policies || change.kind == Kind::kPolicy;
  }
  if (policies) MH_TRY_VOID(state_->read_policies(store));
  if (api_keys) MH_TRY_VOID(state_->read_api_keys(store));
  // Before the meters that stand in them.
  if (places) MH_TRY_VOID(state_->read_places(store));
  if (profiles) MH_TRY_VOID(state_->read_profiles(store));
  for (const auto& change : changes) {
    if (change.kind != Kind::kMeter) continue;
    MH_TRY_VOID(state_->read_meters(store, static_cast<std::uint32_t>(change.first), static_cast<std::uint32_t>(change.last)));
  }
  return {};
}

}  // namespace meterhub::registry
