// Which meters a query of the meters' list asks for.
#pragma once

#include <bitset>
#include <string>
#include <unordered_map>
#include <vector>

#include <meterhub/console/list.h>
#include <meterhub/fleet/fleet_state.h>
#include <meterhub/registry/directory.h>

namespace meterhub::console {

// What the registry says of places and tenants, as it was when a query began.
struct Places {
  explicit Places(const registry::Directory& directory);
  // Null when unknown.
  const registry::BuildingEntry* building(registry::BuildingNumber number) const;
  const std::string& tenant(base::TenantNumber number) const;

  std::vector<registry::BuildingEntry> buildings;  // in order of number
  std::unordered_map<std::uint32_t, std::string> tenants;
};

// One query, one thread.
class MeterFilter {
 public:
  MeterFilter(const ListQuery& query, const Caller& caller, const Places& places);

  // `state` as the API says it: no kUnknown.
  bool takes(const registry::MeterEntry& meter, fleet::MeterState state, base::Timestamp heard,
             const registry::Directory::View& view);

 private:
  // What is known of a label: whether it equals a filter's values, or holds the searched text.
  class LabelMarks {
   public:
    bool of(registry::LabelNumber label, const registry::Directory::View& view, auto judge);

   private:
    std::vector<signed char> marks_;  // -1: not judged yet
  };
  struct BuildingMarks {
    bool wanted = true;    // by district and building
    bool searched = false;  // holds the searched text
  };
  void mark_buildings(const ListQuery& query, const Places& places);
  BuildingMarks marks_of(registry::BuildingNumber number) const;
  bool holds_search(const registry::MeterEntry& meter, const registry::Directory::View& view);

  const Caller caller_;
  std::optional<std::vector<base::TenantNumber>> tenants_;
  std::optional<std::bitset<fleet::kMeterStates>> states_;
  std::vector<std::string> floors_, units_, profiles_;
  std::optional<base::Timestamp> from_, to_;
  std::string search_;
  std::optional<std::string> search_hex_;  // when an EUI can hold it
  bool by_building_ = false;
  BuildingMarks unplaced_;
  std::vector<BuildingMarks> buildings_;  // by number
  LabelMarks floor_marks_, unit_marks_, profile_marks_, search_marks_;
};

}  // namespace meterhub::console
