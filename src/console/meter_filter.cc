#include "meter_filter.h"

#include <algorithm>

namespace meterhub::console {
namespace {

std::vector<std::string> texts(const ListQuery& query, std::string_view name) {
  std::vector<std::string> out;
  for (const auto value : query.values(name)) out.emplace_back(value);
  return out;
}

bool is_one_of(std::string_view text, const std::vector<std::string>& all) {
  return std::ranges::find(all, text) != all.end();
}

bool wanted(const ListQuery& query, std::string_view name, std::string_view text) {
  if (!query.has(name)) return true;
  const auto values = query.values(name);
  return std::ranges::find(values, text) != values.end();
}

// Lower-case digits, or nothing when no EUI can hold the text.
std::optional<std::string> hex_of(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c >= 'A' && c <= 'F') {
      out += static_cast<char>(c - 'A' + 'a');
    } else if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')) {
      out += c;
    } else if (c != '-' && c != ':') {
      return std::nullopt;
    }
  }
  return out.empty() || out.size() > 16 ? std::nullopt : std::optional(out);
}

std::uint64_t value_of(std::string_view hex) {
  std::uint64_t out = 0;
  for (const char c : hex) out = out << 4 | static_cast<std::uint64_t>(c <= '9' ? c - '0' : c - 'a' + 10);
  return out;
}

bool eui_holds(base::Eui64 eui, std::string_view hex) {
  const auto part = value_of(hex);
  const auto bits = 4 * hex.size();
  const auto mask = bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
  for (std::size_t shift = 0; shift + bits <= 64; shift += 4) {
    if ((eui.value >> shift & mask) == part) return true;
  }
  return false;
}

}  // namespace

Places::Places(const registry::Directory& directory) : buildings(directory.buildings()) {
  for (auto& tenant : directory.tenants()) tenants.emplace(tenant.number.value, std::move(tenant.name));
}

const registry::BuildingEntry* Places::building(registry::BuildingNumber number) const {
  const auto found = std::ranges::lower_bound(buildings, number, {}, &registry::BuildingEntry::number);
  return found == buildings.end() || found->number != number ? nullptr : &*found;
}

const std::string& Places::tenant(base::TenantNumber number) const {
  static const std::string kNone;
  const auto found = tenants.find(number.value);
  return found == tenants.end() ? kNone : found->second;
}

bool MeterFilter::LabelMarks::of(registry::LabelNumber label, const registry::Directory::View& view, auto judge) {
  if (label.value >= marks_.size()) marks_.resize(label.value + std::size_t{1}, -1);
  auto& mark = marks_[label.value];
  if (mark < 0) mark = judge(view.label(label)) ? 1 : 0;
  return mark == 1;
}

MeterFilter::MeterFilter(const ListQuery& query, const Caller& caller, const Places& places)
    : caller_(caller),
      floors_(texts(query, "floor")),
      units_(texts(query, "unit")),
      profiles_(texts(query, "profile")),
      from_(query.time("from")),
      to_(query.time("to")),
      search_(query.text("q")),
      search_hex_(hex_of(query.text("q"))) {
  if (query.has("tenant")) {
    tenants_.emplace();
    for (const auto& [number, name] : places.tenants) {
      if (wanted(query, "tenant", name)) tenants_->emplace_back(number);
    }
  }
  if (query.has("state")) {
    states_.emplace();
    for (std::size_t n = 0; n < fleet::kMeterStates; ++n) {
      states_->set(n, wanted(query, "state", fleet::state_name(static_cast<fleet::MeterState>(n))));
    }
  }
  by_building_ = query.has("district") || query.has("building");
  if (by_building_ || !search_.empty()) mark_buildings(query, places);
}

void MeterFilter::mark_buildings(const ListQuery& query, const Places& places) {
  unplaced_.wanted = wanted(query, "district", "") && wanted(query, "building", "");
  if (!places.buildings.empty()) buildings_.resize(places.buildings.back().number.value + std::size_t{1}, unplaced_);
  for (const auto& building : places.buildings) {
    auto& marks = buildings_[building.number.value];
    marks.wanted = wanted(query, "district", building.district) && wanted(query, "building", building.name);
    marks.searched = !search_.empty() && (holds_text(building.name, search_) || holds_text(building.district, search_));
  }
}

MeterFilter::BuildingMarks MeterFilter::marks_of(registry::BuildingNumber number) const {
  return number.value < buildings_.size() && number.value != 0 ? buildings_[number.value] : unplaced_;
}

bool MeterFilter::holds_search(const registry::MeterEntry& meter, const registry::Directory::View& view) {
  if (marks_of(meter.building).searched) return true;
  if (search_hex_ && eui_holds(meter.eui, *search_hex_)) return true;
  return search_marks_.of(meter.unit_name, view, [&](std::string_view text) { return holds_text(text, search_); });
}

bool MeterFilter::takes(const registry::MeterEntry& meter, fleet::MeterState state, base::Timestamp heard,
                        const registry::Directory::View& view) {
  if (!caller_.sees(meter.tenant)) return false;
  if (states_ && !states_->test(static_cast<std::size_t>(state))) return false;
  if (tenants_ && std::ranges::find(*tenants_, meter.tenant) == tenants_->end()) return false;
  if (by_building_ && !marks_of(meter.building).wanted) return false;
  const bool known = heard != base::Timestamp{};
  if (from_ && (!known || heard < *from_)) return false;
  if (to_ && (!known || heard >= *to_)) return false;
  const auto among = [&](LabelMarks& marks, registry::LabelNumber label, const std::vector<std::string>& all) {
    return all.empty() || marks.of(label, view, [&](std::string_view text) { return is_one_of(text, all); });
  };
  if (!among(floor_marks_, meter.floor, floors_) || !among(unit_marks_, meter.unit_name, units_)) return false;
  if (!among(profile_marks_, meter.profile, profiles_)) return false;
  return search_.empty() || holds_search(meter, view);
}

}  // namespace meterhub::console
