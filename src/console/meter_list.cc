#include "meter_list.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>

#include "meter_filter.h"

namespace meterhub::console {
namespace {

// Meters looked at under one lock of the directory: some 100 µs.
constexpr std::uint32_t kMetersOfView = 4096;
constexpr std::size_t kSortKeysMax = 4;
constexpr std::uint64_t kNothingKnown = std::numeric_limits<std::uint64_t>::max();

// In the form's order.
enum class Column : std::uint8_t {
  kEui,
  kUnit,
  kFloor,
  kBuilding,
  kDistrict,
  kTenant,
  kProfile,
  kState,
  kLastSeen,
  kBought,
  kLeft,
  kUsed,
  kRssi,
  kSnr,
  kGateways
};

fleet::MeterState shown_state(const fleet::FleetState& fleet, base::MeterNumber meter) {
  // A meter that was added a moment ago and not judged yet.
  return std::max(fleet.state(meter), fleet::MeterState::kNew);
}

std::uint64_t ordered(std::int64_t value) { return static_cast<std::uint64_t>(value) ^ (std::uint64_t{1} << 63); }

// Ranks of texts in natural order, by some number they have.
class Ranks {
 public:
  void add(std::uint32_t number, std::string_view text) {
    if (number >= ranks_.size()) ranks_.resize(number + std::size_t{1}, kUnknown);
    if (ranks_[number] != kUnknown) return;
    ranks_[number] = 0;
    texts_.emplace_back(text, number);
  }
  void sort() {
    std::ranges::sort(texts_, [](const auto& a, const auto& b) { return natural_less(a.first, b.first); });
    std::uint32_t rank = 0;
    for (std::size_t i = 0; i < texts_.size(); ++i) {
      if (i > 0 && natural_less(texts_[i - 1].first, texts_[i].first)) ++rank;
      ranks_[texts_[i].second] = rank;
    }
  }
  // What came to be after the query began has no rank.
  std::uint64_t of(std::uint32_t number) const {
    return number < ranks_.size() && ranks_[number] != kUnknown ? ranks_[number] : kNothingKnown;
  }

 private:
  static constexpr std::uint32_t kUnknown = UINT32_MAX;
  std::vector<std::uint32_t> ranks_;
  std::vector<std::pair<std::string, std::uint32_t>> texts_;
};

std::uint64_t key_of(std::int64_t amount) { return amount == fleet::kNoAmount ? kNothingKnown : ordered(amount); }
std::uint64_t key_of(std::int16_t signal) { return signal == fleet::kNoSignal ? kNothingKnown : ordered(signal); }

std::uint64_t reading_key(const fleet::Reading* last, Column column) {
  if (last == nullptr) return kNothingKnown;
  switch (column) {
    case Column::kBought: return key_of(last->bought);
    case Column::kLeft: return key_of(last->left);
    case Column::kUsed: return key_of(last->used);
    case Column::kRssi: return key_of(last->rssi);
    case Column::kSnr: return key_of(last->snr_tenths);
    default: return last->gateways;
  }
}

// Turns what a query matched into numbers of meters in its order.
class Selection {
 public:
  Selection(const registry::Directory& directory, const fleet::FleetState& fleet, const Places& places)
      : directory_(directory), fleet_(fleet), places_(places) {}

  std::vector<base::MeterNumber> matching(MeterFilter& filter) const {
    std::vector<base::MeterNumber> out;
    const auto highest = directory_.highest_meter().value;
    for (std::uint64_t first = 1; first <= highest; first += kMetersOfView) {
      const auto view = directory_.view();
      const auto end = std::min<std::uint64_t>(first + kMetersOfView, std::uint64_t{highest} + 1);
      for (auto n = first; n < end; ++n) {
        const base::MeterNumber number(static_cast<std::uint32_t>(n));
        const auto* const meter = view.meter(number);
        if (meter == nullptr) continue;
        if (filter.takes(*meter, shown_state(fleet_, number), fleet_.last_heard(number), view)) out.push_back(number);
      }
    }
    return out;
  }

  // The window's part of `meters` is in order afterwards; equal ones by their number.
  void sort(std::vector<base::MeterNumber>& meters, const std::vector<SortKey>& keys, const ListWindow& window) {
    if (keys.empty()) return;
    for (const auto& key : keys) rank(meters, static_cast<Column>(key.column));
    if (keys.size() == 1) return sort_by<1>(meters, keys, window);
    return sort_by<kSortKeysMax>(meters, keys, window);
  }

 private:
  // Texts by which is sorted get their ranks.
  void rank(const std::vector<base::MeterNumber>& meters, Column column) {
    if (column == Column::kBuilding || column == Column::kDistrict) {
      auto& ranks = column == Column::kBuilding ? buildings_ : districts_;
      for (const auto& b : places_.buildings)
        ranks.add(b.number.value, column == Column::kBuilding ? b.name : b.district);
      ranks.add(0, "");
      return ranks.sort();
    }
    if (column == Column::kTenant) {
      for (const auto& [number, name] : places_.tenants) tenants_.add(number, name);
      return tenants_.sort();
    }
    if (column != Column::kUnit && column != Column::kFloor && column != Column::kProfile) return;
    for (std::size_t i = 0; i < meters.size();) {
      const auto view = directory_.view();
      for (std::size_t n = 0; n < kMetersOfView && i < meters.size(); ++n, ++i) {
        if (const auto* const meter = view.meter(meters[i])) {
          const auto label = label_of(*meter, column);
          labels_.add(label.value, view.label(label));
        }
      }
    }
    labels_.sort();
  }
  static registry::LabelNumber label_of(const registry::MeterEntry& meter, Column column) {
    if (column == Column::kUnit) return meter.unit_name;
    return column == Column::kFloor ? meter.floor : meter.profile;
  }
  std::uint64_t key(const registry::MeterEntry& meter, Column column) const {
    switch (column) {
      case Column::kEui: return meter.eui.value;
      case Column::kUnit:
      case Column::kFloor:
      case Column::kProfile: return labels_.of(label_of(meter, column).value);
      case Column::kBuilding: return buildings_.of(meter.building.value);
      case Column::kDistrict: return districts_.of(meter.building.value);
      case Column::kTenant: return tenants_.of(meter.tenant.value);
      case Column::kState: return static_cast<std::uint64_t>(shown_state(fleet_, meter.number));
      case Column::kLastSeen: {
        const auto heard = fleet_.last_heard(meter.number);
        return heard == base::Timestamp{} ? kNothingKnown : ordered(heard.time_since_epoch().count());
      }
      default: return reading_key(fleet_.last(meter.number), column);
    }
  }

  template <std::size_t Keys>
  void sort_by(std::vector<base::MeterNumber>& meters, const std::vector<SortKey>& keys,
               const ListWindow& window) const {
    struct Item {
      std::array<std::uint64_t, Keys> keys{};
      base::MeterNumber number;
      auto operator<=>(const Item&) const = default;
    };
    std::vector<Item> items;
    items.reserve(meters.size());
    for (std::size_t i = 0; i < meters.size();) {
      const auto view = directory_.view();
      for (std::size_t n = 0; n < kMetersOfView && i < meters.size(); ++n, ++i) {
        const auto* const meter = view.meter(meters[i]);
        if (meter == nullptr) continue;  // removed since
        Item item{.number = meters[i]};
        for (std::size_t k = 0; k < keys.size(); ++k) {
          const auto value = key(*meter, static_cast<Column>(keys[k].column));
          // What is not known comes last, whichever way is sorted.
          item.keys[k] = keys[k].descending && value != kNothingKnown ? ~value - 1 : value;
        }
        items.push_back(item);
      }
    }
    // Only the window's part has to be in order.
    const auto size = static_cast<std::ptrdiff_t>(items.size());
    const auto first = std::min<std::ptrdiff_t>(
        static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(window.offset, items.size())), size);
    const auto last = first + static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(
                                  window.limit, items.size() - static_cast<std::size_t>(first)));
    if (first > 0 && first < size) std::nth_element(items.begin(), items.begin() + first, items.end());
    if (last < size && last > first) std::nth_element(items.begin() + first, items.begin() + last, items.end());
    std::sort(items.begin() + first, items.begin() + last);
    meters.clear();
    for (const auto& item : items) meters.push_back(item.number);
  }

  const registry::Directory& directory_;
  const fleet::FleetState& fleet_;
  const Places& places_;
  Ranks labels_;
  Ranks buildings_;
  Ranks districts_;
  Ranks tenants_;
};

Value amount(std::int64_t litres) { return litres == fleet::kNoAmount ? Value() : Value(litres); }

class MeterRows final : public ListRows {
 public:
  MeterRows(const registry::Directory& directory, const fleet::FleetState& fleet, const ListQuery& query,
            const Caller& caller, const ListWindow& window)
      : directory_(directory), fleet_(fleet), places_(directory) {
    MeterFilter filter(query, caller, places_);
    Selection selection(directory, fleet, places_);
    meters_ = selection.matching(filter);
    selection.sort(meters_, query.sort, window);
    total_ = meters_.size();
    const auto begin = std::min<std::uint64_t>(window.offset, meters_.size());
    const auto count = std::min<std::uint64_t>(window.limit, meters_.size() - begin);
    meters_.erase(meters_.begin(), meters_.begin() + static_cast<std::ptrdiff_t>(begin));
    meters_.resize(count);
  }

  std::optional<std::uint64_t> total() const override { return total_; }
  base::Result<std::vector<ListRow>> next(std::size_t most) override {
    std::vector<ListRow> out;
    while (next_ < meters_.size() && out.size() < most) {
      const auto view = directory_.view();
      for (std::size_t n = 0; n < kMetersOfView && next_ < meters_.size() && out.size() < most; ++n, ++next_) {
        if (const auto* const meter = view.meter(meters_[next_])) out.push_back(row_of(*meter, view));
      }
    }
    return out;
  }

 private:
  ListRow row_of(const registry::MeterEntry& meter, const registry::Directory::View& view) const {
    const auto* const building = places_.building(meter.building);
    const auto heard = fleet_.last_heard(meter.number);
    ListRow out{meter.eui.text(),
                std::string(view.label(meter.unit_name)),
                std::string(view.label(meter.floor)),
                building != nullptr ? building->name : std::string(),
                building != nullptr ? building->district : std::string(),
                places_.tenant(meter.tenant),
                std::string(view.label(meter.profile)),
                std::string(fleet::state_name(shown_state(fleet_, meter.number))),
                heard == base::Timestamp{} ? Value() : Value(heard)};
    const auto* const last = fleet_.last(meter.number);
    if (last == nullptr) {
      out.resize(static_cast<std::size_t>(Column::kGateways) + 1);
      return out;
    }
    out.insert(out.end(), {amount(last->bought), amount(last->left), amount(last->used),
                           last->rssi == fleet::kNoSignal ? Value() : Value(std::int64_t{last->rssi}),
                           last->snr_tenths == fleet::kNoSignal ? Value() : Value(last->snr_tenths / 10.0),
                           Value(std::int64_t{last->gateways})});
    return out;
  }

  const registry::Directory& directory_;
  const fleet::FleetState& fleet_;
  const Places places_;
  std::vector<base::MeterNumber> meters_;  // the window's
  std::uint64_t total_ = 0;
  std::size_t next_ = 0;
};

}  // namespace

ListForm meter_list_form() {
  using enum ValueType;
  ListForm out{.name = "meters", .english = "Meters", .chinese = "表具"};
  out.columns = {{"eui", kText, "Meter", "表号"},
                 {"unit", kText, "Flat", "户号"},
                 {"floor", kText, "Floor", "楼层"},
                 {"building", kText, "Building", "楼栋"},
                 {"district", kText, "District", "片区"},
                 {"tenant", kText, "Tenant", "公司"},
                 {"profile", kText, "Payload profile", "数据格式"},
                 {"state", kText, "State", "状态"},
                 {"last_seen", kTime, "Last heard", "最近上报"},
                 {"bought", kVolume, "Bought, m³", "累计购气 (m³)"},
                 {"left", kVolume, "Left, m³", "剩余气量 (m³)"},
                 {"used", kVolume, "Used, m³", "累计用气 (m³)"},
                 {"rssi", kInteger, "Signal, dBm", "信号强度 (dBm)"},
                 {"snr", kNumber, "Signal to noise, dB", "信噪比 (dB)"},
                 {"gateways", kInteger, "Gateways", "接收网关"}};
  out.filters = {{"state", FilterType::kChoice, {}, {"online", "silent", "low", "closed", "faulty", "new"}},
                 {"district"},
                 {"building"},
                 {"floor"},
                 {"unit"},
                 {"tenant"},
                 {"profile"},
                 {"q", FilterType::kSearch},
                 {"from", FilterType::kFrom, "last_seen"},
                 {"to", FilterType::kTo, "last_seen"}};
  return out;
}

ListSource meter_list(const registry::Directory& directory, const fleet::FleetState& fleet) {
  return [&directory, &fleet](const ListQuery& query, const Caller& caller,
                              const ListWindow& window) -> base::Result<std::unique_ptr<ListRows>> {
    return std::make_unique<MeterRows>(directory, fleet, query, caller, window);
  };
}

}  // namespace meterhub::console
