#include <meterhub/reading/external_documents.h>

#include <string>
#include <utility>

#include <simdjson.h>

#include <meterhub/lorawan/gwmp.h>

namespace meterhub::reading {
namespace {

namespace dom = simdjson::dom;
using lorawan::AnswerKind;

constexpr std::size_t kFirstCapacity = 16 * 1024;  // grows to what a document may have
constexpr std::size_t kDepthMax = 64;              // as deep as a job reads (engine/json_check.h)

bool is_reading(const lorawan::Answer& answer) { return answer.kind == AnswerKind::kApp || answer.kind == AnswerKind::kMote; }

std::uint32_t by_shard(std::uint64_t number, std::uint32_t partitions) { return static_cast<std::uint32_t>(number % partitions); }

}  // namespace

struct ExternalDocuments::Parser {
  dom::parser parser{lorawan::kBodySizeMax};
  const bool ready = parser.allocate(kFirstCapacity, kDepthMax) == simdjson::SUCCESS;
  std::string origin;  // of the document read last; empty: it has none

  enum class Kind : std::uint8_t { kNone, kUndecoded, kDecoded };
  // The whole text is checked, not only what is looked at: it is stored as it is.
  Kind read(std::string_view text) {
    dom::object root, part;
    dom::element user_data;
    origin.clear();
    if (!ready || text.empty() || parser.parse(text.data(), text.size()).get(root) != simdjson::SUCCESS) return Kind::kNone;
    if (root.at_key("originData").get(part) != simdjson::SUCCESS) return Kind::kUndecoded;
    origin = simdjson::minify(part);
    if (root.at_key("userData").get(user_data) != simdjson::SUCCESS || user_data.is_null()) return Kind::kUndecoded;
    return user_data.is_object() ? Kind::kDecoded : Kind::kNone;
  }
};

base::Result<DocumentTopics> DocumentTopics::find(const log::Log& log) {
  DocumentTopics out;
  out.decoded = MH_TRY(log.topic(log::topics::kDecoded));
  out.status = MH_TRY(log.topic(log::topics::kStatus));
  out.deadletter = MH_TRY(log.topic(log::topics::kDeadletter));
  out.decoded_partitions = log.partitions(out.decoded);
  out.status_partitions = log.partitions(out.status);
  out.deadletter_partitions = log.partitions(out.deadletter);
  return out;
}

ExternalDocuments::ExternalDocuments(DocumentTopics topics, const Profiles& profiles, base::Metrics& metrics)
    : topics_(topics),
      metrics_(metrics),
      readings_(metrics.counter("meterhub_external_readings_total", "Readings that a connector outside sent.")),
      maker_(profiles),
      parser_(std::make_unique<Parser>()) {}

ExternalDocuments::~ExternalDocuments() = default;

ExternalDocument ExternalDocuments::parse(std::string_view text) {
  ExternalDocument out{text, {}, false};
  const auto kind = text.size() <= lorawan::kBodySizeMax ? parser_->read(text) : Parser::Kind::kNone;
  if (kind == Parser::Kind::kNone) return out;
  auto answer = lorawan::read_answer(parser_->origin.empty() ? text : parser_->origin);
  if (!answer) return out;
  out.answer = without_claims(std::move(answer->answer));
  out.decoded = kind == Parser::Kind::kDecoded;
  return out;
}

void ExternalDocuments::append(const registry::Directory::View& view, const ExternalDocument& document, const Source& source,
                               log::Appends& out) {
  if (is_reading(document.answer)) return append_reading(view, document, source, out);
  if (document.answer.kind == AnswerKind::kGateway) return append_report(document, source, out);
  append_letter(document, source, nullptr, "document", out);
}

void ExternalDocuments::append_reading(const registry::Directory::View& view, const ExternalDocument& document,
                                       const Source& source, log::Appends& out) {
  const auto* const meter = meter_of(view, document.answer);
  if (meter == nullptr) return append_letter(document, source, nullptr, "unknown_meter", out);
  readings_.add();
  const base::PartitionId partition = base::partition_of(base::shard_of(meter->number), topics_.decoded_partitions);
  const log::TopicPartition to{topics_.decoded, partition};
  if (document.decoded && document.answer.kind == AnswerKind::kApp) {
    out.add(to, {meter->eui.text(), identified(source, *meter, document.answer), {}, document.text});
    return;
  }
  const auto made = maker_.make(view, *meter, source, document.answer);
  if (!made.trouble.empty()) append_letter(document, source, meter, made.trouble, out);
  out.add(to, {meter->eui.text(), made.properties, {}, made.body});
}

void ExternalDocuments::append_report(const ExternalDocument& document, const Source& source, log::Appends& out) {
  auto known = properties_of(source, document.answer);
  known.time = document.answer.time.at;
  std::string body;
  lorawan::append_origin(body, document.answer);
  const base::PartitionId partition(by_shard(document.answer.gateway.value, topics_.status_partitions));
  out.add({topics_.status, partition}, {document.answer.gateway.text(), known, {}, body});
}

void ExternalDocuments::append_letter(const ExternalDocument& document, const Source& source, const registry::MeterEntry* meter,
                                      std::string_view reason, log::Appends& out) {
  metrics_.counter("meterhub_external_dead_letters_total", "Documents of a connector outside that were put aside, by reason.",
                    {{"reason", std::string(reason)}}).add();
  auto known = properties_of(source, document.answer);
  known.reason = reason;
  known.fcnt = document.answer.fcnt;
  if (meter != nullptr) known.meter = meter->number;
  if (meter != nullptr) known.session = meter->session;
  const base::PartitionId partition(by_shard(source.origin.offset.value, topics_.deadletter_partitions));
  out.add({topics_.deadletter, partition}, {source.gateway, known, {}, document.text});
}

}  // namespace meterhub::reading
