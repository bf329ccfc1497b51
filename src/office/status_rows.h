// Rows of the status tables from what the fleet knows; and which meters' rows are due.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <meterhub/fleet/survey.h>
#include <meterhub/tables/status.h>

#include "meter_limits.h"

namespace meterhub::office {

tables::AreaRow area_row(const fleet::BuildingFigures& building, const Limits& limits);
tables::AreaRow area_row(const fleet::DistrictFigures& district, const Limits& limits);

// Collects, through one survey after another, rows that differ from what was written: those of another state at once,
// those with other readings, figures or places as many as `rows_max` a survey, in turn. One thread.
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
  // The survey ended: the next one goes on where this one had enough.
  void end() { turn_ = next_turn_; }
  // Which meters there are, by number, where the table may hold others: after a start, after a failure, and when a meter
  // that was written is gone. Else nothing.
  std::optional<std::vector<bool>> to_keep(const registry::Directory& directory);
  // What was collected, or what to_keep() said, did not come into the table: all is due again.
  void not_written();

 private:
  struct Written {
    std::uint64_t figures = 0;  // a hash of the row but for its state
    fleet::MeterState state = fleet::MeterState::kUnknown;  // never written
  };

  const std::size_t rows_max_;
  std::map<std::uint32_t, registry::BuildingEntry> buildings_;
  std::vector<Written> written_;  // by meter
  std::vector<tables::MeterRow> rows_;
  bool table_is_known_ = false;   // it holds what `written_` says, and no more
  std::size_t refreshed_ = 0;     // rows of this survey that were in turn
  std::uint32_t turn_ = 0;        // the meter at which those begin
  std::uint32_t next_turn_ = 0;
};

}  // namespace meterhub::office
