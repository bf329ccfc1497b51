// The registry in memory, for the hot path: gateways with their keys, meters by EUI and by
// number. Filled from a Store and kept current by a Follower.
//
// Reads: any thread, through a short shared lock; take a View for a batch. Writes: the
// Follower's thread alone. About 100 bytes a meter, 200 an exchange.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/executor.h>
#include <meterhub/base/ids.h>
#include <meterhub/base/mutex.h>
#include <meterhub/base/result.h>
#include <meterhub/registry/entities.h>
#include <meterhub/registry/exchanges.h>
#include <meterhub/registry/policies.h>
#include <meterhub/registry/store.h>

namespace meterhub::registry {

// Immutable; a changed gateway is a new entry, so a holder sees one consistent state.
struct GatewayEntry {
  std::string id;
  std::optional<base::Eui64> eui;
  base::TenantNumber tenant;
  bool enabled = true;
  std::string ns_plugin;
  std::uint64_t generation_id = 0;
  GatewayKeys keys;
  std::string authentication{kSasAuthentication};
  Thumbprints thumbprints;
  bool operator==(const GatewayEntry&) const = default;
};

// Number of a text that many meters share (floor, unit name, profile name); see View::label.
using LabelNumber = base::Id<struct LabelTag, std::uint32_t>;

struct MeterEntry {
  base::Eui64 eui;
  base::MeterNumber number;
  base::TenantNumber tenant;    // the meter decides the tenant, never the gateway
  base::SessionNumber session;  // the newest; 0 = none
  BuildingNumber building;      // 0 = not placed
  UnitNumber unit;
  LabelNumber floor;
  LabelNumber unit_name;
  LabelNumber profile;
  std::uint32_t silence_limit_s = 0;  // 0 = the rules' limit counts
  std::int32_t low_limit_litres = INT32_MIN;  // INT32_MIN = the platform's default
  bool allow_resets = false;
};

struct BuildingEntry {
  BuildingNumber number;
  base::TenantNumber tenant;
  std::string district;
  std::string name;
  std::string address;
  std::string tags;
};

// Handle of a listener; destroying it ends the calls (from the listener's own executor: at once).
struct Subscription {
  virtual ~Subscription() = default;
};

class Directory {
 public:
  Directory();
  ~Directory();
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  // Null when unknown. Disabled gateways are found too: the caller tells the client why.
  std::shared_ptr<const GatewayEntry> gateway(std::string_view id) const;
  std::shared_ptr<const GatewayEntry> gateway(base::Eui64 eui) const;
  std::vector<std::shared_ptr<const GatewayEntry>> gateways() const;
  std::size_t gateway_count() const;

  std::optional<MeterEntry> meter(base::Eui64 eui) const;
  std::optional<MeterEntry> meter(base::MeterNumber number) const;
  std::size_t meter_count() const;
  // The highest number in use: tables indexed by meter number size themselves by it.
  base::MeterNumber highest_meter() const;

  // Exchanges in which a meter came or went, in the order of time; of removed meters too.
  std::vector<Exchange> exchanges_of(base::MeterNumber meter) const;
  // Of a removed meter only when an exchange names it.
  std::optional<base::Eui64> eui_of(base::MeterNumber number) const;

  std::optional<Tenant> tenant(base::TenantNumber number) const;
  std::vector<Tenant> tenants() const;
  std::vector<BuildingEntry> buildings() const;
  std::optional<BuildingEntry> building(BuildingNumber number) const;
  // Of one building, in order of meter number.
  std::vector<MeterEntry> meters_of(BuildingNumber building) const;
  std::string label(LabelNumber number) const;
  std::vector<Profile> profiles() const;
  // In order of name; disabled and expired ones too. Never null.
  ApiKeys api_keys() const;
  // Never null.
  Policies policies() const;

  // A batch of lookups under one lock. Hold it for microseconds, never across a wait;
  // pointers and texts live as long as the View.
  class View {
   public:
    const MeterEntry* meter(base::Eui64 eui) const;
    const MeterEntry* meter(base::MeterNumber number) const;
    // Asks for the entry ahead of meter(): a large directory does not fit a processor's cache.
    void prefetch(base::MeterNumber number) const;
    // Null when unknown; copy it to keep the entry longer than the View.
    const std::shared_ptr<const GatewayEntry>& gateway(std::string_view id) const;
    std::string_view label(LabelNumber number) const;
    // The exchange that took the meter out; null when it hangs somewhere, or nobody noted why it does not.
    const Exchange* taken_out_by(const MeterEntry& meter) const;

   private:
    friend class Directory;
    explicit View(const Directory& directory);
    const Directory* directory_;
    std::shared_lock<base::SharedMutex> lock_;
  };
  View view() const { return View(*this); }

  // All that was edited up to then is in here. Any thread; far in the future while nobody follows.
  base::Timestamp current_to() const;

  // Told on `call_on` after a gateway was added or changed (its new entry) or removed (null):
  // the hub closes the connections of those that are gone, disabled or have other keys.
  using GatewayChanged = std::function<void(const std::string& id, std::shared_ptr<const GatewayEntry> now)>;
  std::unique_ptr<Subscription> on_gateway_change(base::Executor& call_on, GatewayChanged listener);
  // Told on `call_on` after profiles were changed.
  std::unique_ptr<Subscription> on_profile_change(base::Executor& call_on, std::function<void()> listener);

  // Told on `call_on` after a policy was added, removed or given another key.
  std::unique_ptr<Subscription> on_policy_change(base::Executor& call_on, std::function<void()> listener);

  // By the Follower: everything anew, or what these changes name. Policies and gateways come first, as they
  // are what a first connection needs; `gateways_known` runs when they are there, on the caller's
  // thread, and its error ends the load.
  base::Result<void> load(const Store& store, const std::function<base::Result<void>()>& gateways_known = {});
  base::Result<void> apply(const Store& store, std::span<const Change> changes);
  void set_current_to(base::Timestamp time);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace meterhub::registry
