#include "directory_state.h"

#include <algorithm>

namespace meterhub::registry {
namespace {

// Rows read from the store and put in place under one exclusive lock.
constexpr std::size_t kPage = 4096;

MeterEntry entry_of(const Meter& meter, Labels& labels) {
  MeterEntry out;
  out.eui = meter.eui;
  out.number = meter.number;
  out.tenant = meter.tenant;
  out.session = meter.session;
  out.building = meter.building;
  out.unit = meter.unit;
  out.floor = labels.number(meter.floor);
  out.unit_name = labels.number(meter.unit_name);
  out.profile = labels.number(meter.profile);
  out.silence_limit_s = static_cast<std::uint32_t>(meter.silence_limit.count());
  if (meter.low_limit_litres) out.low_limit_litres = static_cast<std::int32_t>(*meter.low_limit_litres);
  out.allow_resets = meter.allow_resets;
  return out;
}

GatewayPointer entry_of(const Gateway& gateway) {
  return std::make_shared<const GatewayEntry>(GatewayEntry{gateway.id, gateway.eui, gateway.tenant, gateway.enabled,
                                                           gateway.ns_plugin, gateway.generation_id, gateway.keys, gateway.authentication,
                                                           gateway.thumbprints});
}

template <class Listener>
std::vector<std::shared_ptr<Listener>> living(std::vector<std::weak_ptr<Listener>>& all) {
  std::vector<std::shared_ptr<Listener>> out;
  std::erase_if(all, [&](const auto& weak) {
    auto strong = weak.lock();
    if (strong == nullptr) return true;
    out.push_back(std::move(strong));
    return false;
  });
  return out;
}

}  // namespace

LabelNumber Labels::number(std::string_view text) {
  if (text.empty()) return LabelNumber(0);
  if (const auto known = numbers_.find(text); known != numbers_.end()) return LabelNumber(known->second);
  const auto next = static_cast<std::uint32_t>(texts_.size());
  numbers_.emplace(text, next);
  texts_.emplace_back(text);
  return LabelNumber(next);
}

void Directory::State::put_meter(const Meter& meter) {
  const auto number = meter.number.value;
  drop_meter(number);
  if (number >= meters.size()) meters.resize(number + std::size_t{1});
  meters[number] = entry_of(meter, labels);
  by_meter_eui[meter.eui] = number;
  ++meter_count;
  if (meter.building.value == 0) return;
  auto& row = by_building[meter.building.value];
  row.insert(std::ranges::upper_bound(row, number), number);
}

void Directory::State::drop_meter(std::uint32_t number) {
  const auto* old = find(base::MeterNumber(number));
  if (old == nullptr) return;
  // The EUI may be another meter's by now: removed and registered again.
  if (const auto at = by_meter_eui.find(old->eui); at != by_meter_eui.end() && at->second == number) by_meter_eui.erase(at);
  if (old->building.value != 0) std::erase(by_building[old->building.value], number);
  meters[number] = MeterEntry();
  --meter_count;
}

void Directory::State::replace_meters(std::uint32_t first, std::uint32_t last, const std::vector<Meter>& now) {
  const base::ExclusiveLock lock(mutex);
  std::uint64_t next = first;
  for (const auto& meter : now) {
    for (; next < meter.number.value; ++next) drop_meter(static_cast<std::uint32_t>(next));
    put_meter(meter);
    next = std::uint64_t{meter.number.value} + 1;
  }
  const auto end = std::min<std::uint64_t>(std::uint64_t{last} + 1, meters.size());
  for (; next < end; ++next) drop_meter(static_cast<std::uint32_t>(next));
}

base::Result<void> Directory::State::read_meters(const Store& store, std::uint32_t first, std::uint32_t last) {
  for (;;) {
    const auto page = MH_TRY(store.meters(base::MeterNumber(first - 1), kPage, base::MeterNumber(last)));
    const bool more = page.size() == kPage && page.back().number.value < last;
    replace_meters(first, more ? page.back().number.value : last, page);
    if (!more) return {};
    first = page.back().number.value + 1;
  }
}

void Directory::State::put_exchange(const Exchange& exchange) {
  const auto number = exchange.number.value;
  exchanges.insert_or_assign(number, exchange);
  for (const auto meter : {exchange.old_number, exchange.new_number}) {
    auto& its = exchanges_of[meter.value];
    const auto at = std::ranges::lower_bound(its, number);
    if (at == its.end() || *at != number) its.insert(at, number);
  }
}

// Notes are never taken back: what was read before stays.
base::Result<void> Directory::State::read_exchanges(const Store& store, std::uint32_t first, std::uint32_t last) {
  for (;;) {
    const auto page = MH_TRY(store.exchanges(ExchangeNumber(first - 1), kPage, ExchangeNumber(last)));
    {
      const base::ExclusiveLock lock(mutex);
      for (const auto& one : page) put_exchange(one.exchange);
    }
    if (page.size() < kPage) return {};
    first = page.back().exchange.number.value + 1;
  }
}

void Directory::State::drop_gateway(std::int64_t row, GatewayNews& news) {
  const auto old = gateways.find(row);
  if (old == gateways.end()) return;
  by_id.erase(old->second->id);
  if (old->second->eui) by_eui.erase(*old->second->eui);
  news.emplace_back(old->second->id, nullptr);
  gateways.erase(old);
}

void Directory::State::put_gateway(const GatewayRow& row, GatewayNews& news) {
  auto entry = entry_of(row.gateway);
  auto& slot = gateways[row.row];
  if (slot != nullptr && *slot == *entry) return;
  if (slot != nullptr && slot->eui) by_eui.erase(*slot->eui);
  slot = entry;
  by_id[entry->id] = entry;
  if (entry->eui) by_eui[*entry->eui] = entry;
  news.emplace_back(entry->id, std::move(entry));
}

void Directory::State::replace_gateways(std::int64_t first, std::int64_t last, const std::vector<GatewayRow>& now, GatewayNews& news) {
  const base::ExclusiveLock lock(mutex);
  std::vector<std::int64_t> gone;
  for (auto it = gateways.lower_bound(first); it != gateways.end() && it->first <= last; ++it) {
    if (!std::ranges::binary_search(now, it->first, {}, &GatewayRow::row)) gone.push_back(it->first);
  }
  for (const auto row : gone) drop_gateway(row, news);
  for (const auto& row : now) put_gateway(row, news);
}

base::Result<void> Directory::State::read_gateways(const Store& store, std::int64_t first, std::int64_t last) {
  for (;;) {
    const auto page = MH_TRY(store.gateways(first - 1, kPage, last));
    const bool more = page.size() == kPage && page.back().row < last;
    GatewayNews news;
    replace_gateways(first, more ? page.back().row : last, page, news);
    tell(news);
    if (!more) return {};
    first = page.back().row + 1;
  }
}

base::Result<void> Directory::State::read_places(const Store& store) {
  const auto all_tenants = MH_TRY(store.tenants());
  const auto districts = MH_TRY(store.districts());
  const auto all_buildings = MH_TRY(store.buildings());
  std::map<DistrictNumber, std::string> names;
  for (const auto& district : districts) names.emplace(district.number, district.name);
  const base::ExclusiveLock lock(mutex);
  tenants.clear();
  for (const auto& tenant : all_tenants) tenants.emplace(tenant.number, tenant);
  buildings.clear();
  for (const auto& b : all_buildings) {
    buildings.emplace(b.number, BuildingEntry{b.number, b.tenant, names[b.district], b.name, b.address, b.tags});
  }
  return {};
}

base::Result<void> Directory::State::read_profiles(const Store& store) {
  auto all = MH_TRY(store.profiles());
  {
    const base::ExclusiveLock lock(mutex);
    profiles = std::move(all);
  }
  tell(News::kProfiles);
  return {};
}

base::Result<void> Directory::State::read_api_keys(const Store& store) {
  auto all = std::make_shared<const std::vector<ApiKey>>(MH_TRY(store.api_keys()));
  const base::ExclusiveLock lock(mutex);
  api_keys = std::move(all);
  return {};
}

base::Result<void> Directory::State::read_policies(const Store& store) {
  auto all = std::make_shared<const std::vector<Policy>>(MH_TRY(store.policies()));
  {
    const base::ExclusiveLock lock(mutex);
    policies = std::move(all);
  }
  tell(News::kPolicies);
  return {};
}

void Directory::State::tell(const GatewayNews& news) {
  if (news.empty()) return;
  std::vector<std::shared_ptr<GatewayListener>> told;
  {
    const base::Lock lock(listeners_mutex);
    told = living(gateway_listeners);
  }
  for (const auto& listener : told) {
    for (const auto& [id, entry] : news) {
      listener->call_on->post([listener, id, entry] {
        if (listener->active) listener->changed(id, entry);
      });
    }
  }
}

void Directory::State::tell(News news) {
  std::vector<std::shared_ptr<NewsListener>> told;
  {
    const base::Lock lock(listeners_mutex);
    told = living(news == News::kProfiles ? profile_listeners : policy_listeners);
  }
  for (const auto& listener : told) {
    listener->call_on->post([listener] {
      if (listener->active) listener->changed();
    });
  }
}

}  // namespace meterhub::registry
