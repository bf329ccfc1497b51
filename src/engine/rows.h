// Rows that outlive their event, in few bytes: those that wait for their turn and those
// that joins keep.
#pragma once

#include <string>
#include <vector>

#include "evaluate.h"
#include "packed.h"

namespace meterhub::engine {

// `with_metadata`: of a plan in which something asks for it (uses_metadata()).
void pack_row(std::string& out, const SourceRow& row, bool with_metadata);
// In fewest bytes (tight.h): rows that are kept for long, by the million.
void pack_row_tight(std::string& out, const SourceRow& row, bool with_metadata);

// A row that either of them packed, unpacked; its views point into the bytes and into itself. One thread, reused.
class UnpackedRow {
 public:
  UnpackedRow() = default;
  UnpackedRow(const UnpackedRow&) = delete;
  UnpackedRow& operator=(const UnpackedRow&) = delete;

  // False: foreign bytes.
  bool read(Unpacker& from);
  const SourceRow& row() const { return row_; }

 private:
  std::vector<Value> values_;
  Arena texts_;
  EventMetadata metadata_;
  SourceRow row_;
};

// Whether anything in the plan reads what the platform knows of an event beside its payload.
bool uses_metadata(const sql::Plan& plan);

}  // namespace meterhub::engine
