// What becomes of documents that a connector outside sends to `readings` (hub.external_readings).
#pragma once

#include <string_view>

#include <meterhub/log/log.h>

namespace meterhub::hub {

// Loop thread.
class DocumentIntake {
 public:
  virtual ~DocumentIntake() = default;
  // Appends what is to be stored of one, at least one record: what is no document is put aside with its reason.
  virtual void append(std::string_view document, log::Appends& out) = 0;
};

}  // namespace meterhub::hub
