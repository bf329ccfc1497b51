// Rows of the status tables from what the fleet knows; and which meters' rows are due.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <meterhub/fleet/survey.h>
#include <meterhub/tables/status.h>

#include "meter_limits.h"

namespace meterhub::office {

tables::AreaRow area_row(const fleet::BuildingFigures& building, const Limits& limits);
tables::AreaRow area_row(const fleet::DistrictFigures& district, const Limits& limits);

// Collects, through one survey after another, rows that differ from what was written: those of another state at once,
// those with newer readings as many as `rows_max` a survey, in turn. One thread.
class MeterRows {
 public:
  explicit MeterRows(std::size_t rows_max) : rows_max_(rows_max) {}

  // A survey begins; buildings as of now.
  void begin(const registry::Directory& directory);
  // Under the directory's lock.
  void visit(const registry::MeterEntry& meter, const fleet::MeterFigures& figures, const registry::Directory::View& view,
             const Limits& limits);
  // What was collected since the last call.
  std::vector<tables::MeterRow> take();
  std::size_t size() const { return rows_.size(); }
  // The survey ended: the next one goes on where this one had enough. Returns the meters that were written once and are
  // gone from the registry.
  std::vector<base::MeterNumber> end(const registry::Directory& directory);

 private:
  struct Written {
    std::int64_t heard = 0;
    fleet::MeterState state = fleet::MeterState::kUnknown;  // never written
  };

  const std::size_t rows_max_;
  std::map<std::uint32_t, registry::BuildingEntry> buildings_;
  std::vector<Written> written_;  // by meter
  std::vector<tables::MeterRow> rows_;
  std::size_t refreshed_ = 0;     // rows of this survey that only had newer readings
  std::uint32_t turn_ = 0;        // the meter at which those begin
  std::uint32_t next_turn_ = 0;
};

}  // namespace meterhub::office
