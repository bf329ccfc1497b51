// A record of log `readings` as a row of history. The body is read once, for the members
// that the row needs.
#pragma once

#include <memory>

#include <meterhub/base/result.h>
#include <meterhub/lake/reading.h>
#include <meterhub/log/record.h>

namespace meterhub::history {

// One thread; keeps its buffers.
class DocumentReader {
 public:
  DocumentReader();
  ~DocumentReader();

  // What the properties say holds even if the body does not parse: then kCorrupt, and
  // row() is a row without values, so that nothing vanishes.
  base::Result<void> read(const log::RecordView& record);
  const lake::Reading& row() const { return row_; }

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
  lake::Reading row_;
};

// "979.171" -> 979171: exact for at most three digits after the point, rounded half away
// from zero beyond; kInvalidArgument for what is no number or outside DECIMAL(12,3).
base::Result<std::int64_t> thousandths(std::string_view number);

}  // namespace meterhub::history
