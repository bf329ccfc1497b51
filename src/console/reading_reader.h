// A record of log `readings` as the console needs it.
#pragma once

#include <memory>

#include <meterhub/log/record.h>

#include "reading.h"

namespace meterhub::console {

// One thread; keeps its buffers.
class ReadingReader {
 public:
  ReadingReader();
  ~ReadingReader();

  // Null when the record holds no decoded reading: marked so, or its body is no whole document.
  // Good until the next call.
  const Reading* read(const log::RecordView& record);

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
  Reading reading_;
};

// When the meter was heard: its event time, but no later than the hub took the packet, whatever
// a gateway's clock says.
base::Timestamp heard_at(const log::RecordView& record);

// "979.171" -> 979171, exact; kNoAmount for what is no plain decimal below 10^9. Digits past the
// third are cut.
std::int64_t litres_of(std::string_view cubic_metres);

}  // namespace meterhub::console
