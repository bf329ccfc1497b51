// hub.external_readings: what the hub is sent for `readings`, with the registry's meters and profiles.
#pragma once

#include <memory>
#include <string_view>

#include <meterhub/base/executor.h>
#include <meterhub/base/metrics.h>
#include <meterhub/hub/document_intake.h>
#include <meterhub/reading/external_documents.h>
#include <meterhub/reading/profiles.h>
#include <meterhub/registry/directory.h>

namespace meterhub::app {

// Thread of `executor`, the constructor too.
class ExternalReadings final : public hub::DocumentIntake {
 public:
  // What is passed outlives it. kNotFound: a log is missing.
  static base::Result<std::unique_ptr<ExternalReadings>> create(const log::Log& log, registry::Directory& directory,
                                                                base::Executor& executor, base::Metrics& metrics);
  void append(std::string_view document, log::Appends& out) override;

 private:
  ExternalReadings(reading::DocumentTopics topics, registry::Directory& directory, base::Executor& executor,
                   base::Metrics& metrics);
  log::Origin next_origin();

  const registry::Directory& directory_;
  const base::Clock& clock_;
  reading::Profiles profiles_;
  reading::ExternalDocuments documents_;
  std::uint64_t last_ = 0;  // number of the newest document
  std::unique_ptr<registry::Subscription> profile_watch_;
};

}  // namespace meterhub::app
