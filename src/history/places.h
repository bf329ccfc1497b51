// Which sums a meter counts in, and by whose calendar: the registry as it is now. One that was exchanged counts where
// it hung last, as what it measured was used there.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/consumption/consumption.h>
#include <meterhub/consumption/local_time.h>
#include <meterhub/meter/profile.h>
#include <meterhub/registry/directory.h>
#include <meterhub/tables/usage.h>

namespace meterhub::history {

// The building's tag that names its pressure zone.
inline constexpr std::string_view kZoneTag = "zone";
// Value of a tag in "name=value;name=value"; "" without it.
std::string_view tag_value(std::string_view tags, std::string_view name);

// Where the profile's counter of used gas goes on at zero, litres; 0: not known, or no whole litre.
consumption::Litres capacity_of(const meter::Profile& profile);

// A tenant's time zone; Greenwich's where the system does not know it.
consumption::LocalTime calendar_of(const registry::Tenant& tenant);

struct Placed {
  std::size_t place = 0;  // of Places::all()
  const consumption::LocalTime* calendar = nullptr;
  consumption::Rules rules;
};

// One thread. Made anew to see changes.
class Places {
 public:
  explicit Places(const registry::Directory& directory);

  struct Asked {
    base::Eui64 eui;
    base::TenantNumber tenant;  // of a meter that the registry does not know (any more)
  };
  // One for each; they live as long as this object.
  std::vector<const Placed*> of(const std::vector<Asked>& meters);
  const std::vector<tables::UsagePlace>& all() const { return all_; }
  const consumption::LocalTime& calendar(base::TenantNumber tenant);

 private:
  struct Key {
    base::TenantNumber tenant;
    registry::BuildingNumber building;
    registry::LabelNumber profile;
    auto operator<=>(const Key&) const = default;
  };
  const Placed* placed(const Key& key, std::string_view profile);

  const registry::Directory& directory_;
  std::map<base::TenantNumber, consumption::LocalTime> calendars_;
  std::map<std::string, consumption::Litres, std::less<>> capacities_;  // by profile
  std::map<registry::BuildingNumber, registry::BuildingEntry> buildings_;
  std::map<Key, Placed> placed_;
  std::map<tables::UsagePlace, std::size_t> numbers_;
  std::vector<tables::UsagePlace> all_;
};

}  // namespace meterhub::history
