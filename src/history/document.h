// A record of log `readings` as a row of history.
#pragma once

#include <meterhub/base/result.h>
#include <meterhub/lake/reading.h>
#include <meterhub/log/record.h>
#include <meterhub/meter/document.h>

namespace meterhub::history {

// One thread; keeps its buffers.
class RowReader {
 public:
  // What the properties say holds even if the body does not parse: then kCorrupt, and `row` has
  // no values, so that nothing vanishes.
  base::Result<void> read(const log::RecordView& record, lake::Reading& row);

 private:
  meter::DocumentReader reader_;
};

}  // namespace meterhub::history
