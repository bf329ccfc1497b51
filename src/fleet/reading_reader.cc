#include <meterhub/fleet/reading_reader.h>

#include <algorithm>
#include <cmath>

namespace meterhub::fleet {
namespace {

std::int16_t rounded(std::optional<double> value) {
  return value && std::abs(*value) < 30'000 ? static_cast<std::int16_t>(std::lround(*value)) : kNoSignal;
}

std::optional<double> tenths(std::optional<double> value) { return value ? std::optional(*value * 10) : std::nullopt; }

void add_document(Reading& out, const meter::Document& document) {
  out.bought = document.bought.value_or(kNoAmount);
  out.left = document.left.value_or(kNoAmount);
  out.used = document.used.value_or(kNoAmount);
  out.has_status = document.status.has_value();
  out.status = static_cast<std::uint32_t>(document.status.value_or(0));
  if (document.version) out.set_version(*document.version);
  out.rssi = rounded(document.best_rssi());
  out.snr_tenths = rounded(tenths(document.best_snr()));
  out.gateways = static_cast<std::uint8_t>(std::min<std::size_t>(document.receptions.size(), UINT8_MAX));
}

}  // namespace

base::Timestamp heard_at(const log::RecordView& record) {
  const auto& properties = record.properties;
  const auto taken = properties.origin.enqueued != base::Timestamp{} ? properties.origin.enqueued : record.enqueued;
  return properties.time != base::Timestamp{} ? std::min(properties.time, taken) : taken;
}

const Reading* ReadingReader::read(const log::RecordView& record) {
  const auto& properties = record.properties;
  if (properties.undecoded) return nullptr;
  const auto* const document = reader_.read(record.body);
  if (document == nullptr || !document->decoded) return nullptr;
  reading_ = {};
  reading_.time = properties.time != base::Timestamp{} ? properties.time : heard_at(record);
  reading_.session = properties.session.value;
  reading_.generation = properties.generation.value;
  reading_.fcnt = properties.fcnt;
  add_document(reading_, *document);
  return &reading_;
}

}  // namespace meterhub::fleet
