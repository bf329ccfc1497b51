// Directory's tables: readers share `mutex`, the follower's thread takes it alone.
#pragma once

#include <atomic>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include <meterhub/base/mutex.h>
#include <meterhub/registry/directory.h>

namespace meterhub::registry {

// absl's maps of this Debian take no std::string_view as a key.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
};
template <class Value>
using TextMap = std::unordered_map<std::string, Value, TextHash, std::equal_to<>>;

// Texts that many meters share, each kept once. Never shrinks: floors and flats repeat.
class Labels {
 public:
  LabelNumber number(std::string_view text);
  const std::string& text(LabelNumber number) const { return texts_[number.value]; }

 private:
  std::vector<std::string> texts_{""};  // 0 = the empty text
  TextMap<std::uint32_t> numbers_;
};

struct GatewayListener {
  base::Executor* call_on;
  Directory::GatewayChanged changed;
  std::atomic<bool> active{true};
};
struct NewsListener {
  base::Executor* call_on;
  std::function<void()> changed;
  std::atomic<bool> active{true};
};

using GatewayPointer = std::shared_ptr<const GatewayEntry>;

struct Directory::State {
  std::atomic<std::int64_t> current_to{base::Timestamp::max().time_since_epoch().count()};  // after what it tells of is there

  mutable base::SharedMutex mutex;
  std::map<std::int64_t, GatewayPointer> gateways MH_GUARDED_BY(mutex);  // by row
  TextMap<GatewayPointer> by_id MH_GUARDED_BY(mutex);
  absl::flat_hash_map<base::Eui64, GatewayPointer> by_eui MH_GUARDED_BY(mutex);
  std::vector<MeterEntry> meters MH_GUARDED_BY(mutex);  // by number; number 0 = no such meter
  absl::flat_hash_map<base::Eui64, std::uint32_t> by_meter_eui MH_GUARDED_BY(mutex);
  absl::flat_hash_map<std::uint32_t, std::vector<std::uint32_t>> by_building MH_GUARDED_BY(mutex);  // sorted numbers
  std::size_t meter_count MH_GUARDED_BY(mutex) = 0;
  std::map<std::uint32_t, Exchange> exchanges MH_GUARDED_BY(mutex);  // by number
  absl::flat_hash_map<std::uint32_t, std::vector<std::uint32_t>> exchanges_of MH_GUARDED_BY(mutex);  // by meter; sorted numbers
  Labels labels MH_GUARDED_BY(mutex);
  std::map<base::TenantNumber, Tenant> tenants MH_GUARDED_BY(mutex);
  std::map<BuildingNumber, BuildingEntry> buildings MH_GUARDED_BY(mutex);
  std::vector<Profile> profiles MH_GUARDED_BY(mutex);
  ApiKeys api_keys MH_GUARDED_BY(mutex) = std::make_shared<const std::vector<ApiKey>>();
  Policies policies MH_GUARDED_BY(mutex) = std::make_shared<const std::vector<Policy>>();

  base::Mutex listeners_mutex;  // taken alone, never with `mutex`
  std::vector<std::weak_ptr<GatewayListener>> gateway_listeners MH_GUARDED_BY(listeners_mutex);
  std::vector<std::weak_ptr<NewsListener>> profile_listeners MH_GUARDED_BY(listeners_mutex);
  std::vector<std::weak_ptr<NewsListener>> policy_listeners MH_GUARDED_BY(listeners_mutex);

  const MeterEntry* find(base::MeterNumber number) const MH_REQUIRES_SHARED(mutex) {
    if (number.value >= meters.size() || meters[number.value].number.value == 0) return nullptr;
    return &meters[number.value];
  }
  void prefetch(base::MeterNumber number) const MH_REQUIRES_SHARED(mutex) {
    if (number.value < meters.size()) __builtin_prefetch(&meters[number.value]);
  }
  const MeterEntry* find(base::Eui64 eui) const MH_REQUIRES_SHARED(mutex) {
    const auto found = by_meter_eui.find(eui);
    return found == by_meter_eui.end() ? nullptr : find(base::MeterNumber(found->second));
  }

  // The newest of the meter's; null when it has none.
  const Exchange* last_exchange(base::MeterNumber meter) const MH_REQUIRES_SHARED(mutex) {
    const auto found = exchanges_of.find(meter.value);
    return found == exchanges_of.end() ? nullptr : &exchanges.at(found->second.back());
  }

  void put_exchange(const Exchange& exchange) MH_REQUIRES(mutex);
  void put_meter(const Meter& meter) MH_REQUIRES(mutex);
  void drop_meter(std::uint32_t number) MH_REQUIRES(mutex);
  // Numbers first..last are exactly these, in order.
  void replace_meters(std::uint32_t first, std::uint32_t last, const std::vector<Meter>& now);
  // The same for gateway rows; returns what changed: id and new entry (null = gone).
  using GatewayNews = std::vector<std::pair<std::string, GatewayPointer>>;
  void replace_gateways(std::int64_t first, std::int64_t last, const std::vector<GatewayRow>& now, GatewayNews& news);
  void drop_gateway(std::int64_t row, GatewayNews& news) MH_REQUIRES(mutex);
  void put_gateway(const GatewayRow& row, GatewayNews& news) MH_REQUIRES(mutex);

  void tell(const GatewayNews& news);
  enum class News : std::uint8_t { kProfiles, kPolicies };
  void tell(News news);

  base::Result<void> read_meters(const Store& store, std::uint32_t first, std::uint32_t last);
  base::Result<void> read_gateways(const Store& store, std::int64_t first, std::int64_t last);
  base::Result<void> read_exchanges(const Store& store, std::uint32_t first, std::uint32_t last);
  base::Result<void> read_places(const Store& store);
  base::Result<void> read_profiles(const Store& store);
  base::Result<void> read_api_keys(const Store& store);
  base::Result<void> read_policies(const Store& store);
};

}  // namespace meterhub::registry
