// What the readings of one hour and shard contribute to the sums of places and periods. Pure.
#pragma once

#include <array>
#include <map>
#include <span>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include <meterhub/consumption/hourly.h>
#include <meterhub/lake/layout.h>
#include <meterhub/tables/usage.h>

#include "places.h"

namespace meterhub::history {

// Meters are given one after another, in any order. One thread.
class Contribution {
 public:
  // Sums of five minutes that begin before `cutoff` are not wanted.
  Contribution(lake::Hour hour, base::Timestamp cutoff);

  // A meter's readings of the hour, and its share.
  void add(const Placed& placed, std::span<const consumption::Reading> readings, const consumption::HourShare& share);

  // `places`: the stored number of each of Places::all().
  tables::UsageSums sums(const std::vector<tables::UsagePlaceId>& places) const;

 private:
  using Edges = std::vector<base::Timestamp>;
  struct Key {
    std::size_t place;
    tables::UsagePeriod period;
    base::Timestamp begin;
    bool operator==(const Key&) const = default;
    template <class H>
    friend H AbslHashValue(H state, const Key& key) {
      return H::combine(std::move(state), key.place, static_cast<int>(key.period),
                        key.begin.time_since_epoch().count());
    }
  };
  struct Sum {
    base::Timestamp end;
    tables::UsageValues values;
  };
  const Edges& near_edges(const consumption::LocalTime& calendar, tables::UsagePeriod period);
  void add_figures(const Placed& placed, tables::UsagePeriod period, const consumption::HourShare& share,
                   const Edges& edges);
  void add_packets(const Placed& placed, tables::UsagePeriod period, std::span<const consumption::Reading> readings);

  const base::Timestamp begin_, end_;
  const base::Timestamp cutoff_;
  std::map<const consumption::LocalTime*, std::array<Edges, 3>> edges_;
  absl::flat_hash_map<Key, Sum> sums_;
  std::vector<std::int64_t> counts_;
};

}  // namespace meterhub::history
