// Documents that a connector outside has made of packets, on their way into the platform's own logs: one with a reading
// goes to `decoded`, so that deduplication, lake, jobs and alerts treat it like any other (docs/external-readings.md). Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include <meterhub/base/metrics.h>
#include <meterhub/base/result.h>
#include <meterhub/log/log.h>
#include <meterhub/lorawan/answer.h>
#include <meterhub/reading/reading.h>

namespace meterhub::reading {

// Origin::log of what came in this way: no log of this name exists, the document in `decoded` is the first record.
inline constexpr std::string_view kExternalOrigin = "external";

// One document, taken apart.
struct ExternalDocument {
  std::string_view text;    // as it was sent
  lorawan::Answer answer;   // kNothing: it is no document
  bool decoded = false;     // it has userData: it is kept as it was sent; else the payload is decoded here
};

// Where they go.
struct DocumentTopics {
  base::TopicId decoded, status, deadletter;
  std::uint32_t decoded_partitions = 1, status_partitions = 1, deadletter_partitions = 1;

  // kNotFound when one was not declared.
  static base::Result<DocumentTopics> find(const log::Log& log);
};

// One thread; keeps its buffers.
class ExternalDocuments {
 public:
  // `profiles` and `metrics` outlive it.
  ExternalDocuments(DocumentTopics topics, const Profiles& profiles, base::Metrics& metrics);
  ~ExternalDocuments();

  // Forms: {"originData":{gw,mote,app},"userData":{…} or null}, and bare what a network server answers, {gw,mote,app}.
  // Nothing in it is believed that only a server of ours may claim. `text` outlives the result.
  ExternalDocument parse(std::string_view text);
  // Appends what becomes of it: a reading, a gateway's report, or a dead letter (`document`, `unknown_meter`, or why the
  // payload cannot be decoded). `source` says where it entered.
  void append(const registry::Directory::View& view, const ExternalDocument& document, const Source& source, log::Appends& out);

 private:
  void append_reading(const registry::Directory::View& view, const ExternalDocument& document, const Source& source,
                      log::Appends& out);
  void append_report(const ExternalDocument& document, const Source& source, log::Appends& out);
  void append_letter(const ExternalDocument& document, const Source& source, const registry::MeterEntry* meter,
                     std::string_view reason, log::Appends& out);

  const DocumentTopics topics_;
  base::Metrics& metrics_;
  base::Counter& readings_;
  ReadingMaker maker_;
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace meterhub::reading
