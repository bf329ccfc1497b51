#include "document.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include <meterhub/base/time_text.h>

namespace meterhub::history {
namespace {

using base::Errc;
using lake::Reading;

template <class T>
std::optional<T> narrow(std::optional<std::int64_t> number) {
  constexpr std::int64_t kLeast = std::numeric_limits<T>::min();
  constexpr std::int64_t kMost = std::numeric_limits<T>::max();
  return number && *number >= kLeast && *number <= kMost ? std::optional(static_cast<T>(*number)) : std::nullopt;
}

std::optional<std::int32_t> rounded(std::optional<double> dbm) {
  return dbm && std::abs(*dbm) < 1e6 ? std::optional(static_cast<std::int32_t>(std::lround(*dbm))) : std::nullopt;
}

Reading from_properties(const log::RecordView& record) {
  const log::Properties& properties = record.properties;
  Reading row;
  row.meter = properties.meter;
  row.device = std::string(record.key);
  row.time = properties.time;
  row.tenant = properties.tenant;
  row.session = properties.session;
  row.generation = properties.generation;
  row.fcnt = properties.fcnt;
  const bool has_origin = properties.origin.enqueued != base::Timestamp{};
  row.enqueued = has_origin ? properties.origin.enqueued : record.enqueued;
  row.late = properties.late;
  row.stale = properties.stale;
  row.redo = properties.redo;
  if (row.redo) row.reason = properties.reason;
  if (row.redo) row.redone = record.enqueued;
  row.offset = record.offset;
  return row;
}

void add_document(Reading& row, const meter::Document& document) {
  row.type = narrow<std::int32_t>(document.type);
  row.code = narrow<std::int32_t>(document.code);
  row.bought = document.bought;
  row.left = document.left;
  row.used = document.used;
  row.status = narrow<std::int32_t>(document.status);
  if (document.version) row.version = std::string(*document.version);
  row.port = narrow<std::uint8_t>(document.port);
  for (const auto& reception : document.receptions) {
    if (!row.gateways.empty()) row.gateways += ',';
    row.gateways += reception.gateway;
  }
  row.best_rssi = rounded(document.best_rssi());
  row.best_snr = document.best_snr();
  if (!document.decoded && document.payload) row.payload = std::string(*document.payload);
  if (row.time != base::Timestamp{} || !document.time) return;
  if (const auto time = base::parse_rfc3339(*document.time)) row.time = time->at;
}

}  // namespace

base::Result<void> RowReader::read(const log::RecordView& record, Reading& row) {
  row = from_properties(record);
  const auto* const document = reader_.read(record.body);
  if (document != nullptr) add_document(row, *document);
  if (row.time == base::Timestamp{}) row.time = row.enqueued;
  if (document == nullptr) return base::fail(Errc::kCorrupt, "the body of a reading is not a whole document");
  return {};
}

}  // namespace meterhub::history
