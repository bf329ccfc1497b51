// A record of log `readings` as the console needs it.
#pragma once

#include <meterhub/log/record.h>
#include <meterhub/meter/document.h>

#include <meterhub/fleet/reading.h>

namespace meterhub::fleet {

// One thread; keeps its buffers.
class ReadingReader {
 public:
  // Null when the record holds no decoded reading: marked so, or its body is no whole document.
  // Good until the next call.
  const Reading* read(const log::RecordView& record);

 private:
  meter::DocumentReader reader_;
  Reading reading_;
};

// When the meter was heard: its event time, but no later than the hub took the packet, whatever
// a gateway's clock says.
base::Timestamp heard_at(const log::RecordView& record);

}  // namespace meterhub::fleet
