#include "batch.h"

#include <algorithm>
#include <utility>

#include <meterhub/base/time_text.h>
#include <meterhub/crypto/hash.h>
#include <meterhub/lorawan/gwmp.h>
#include <meterhub/lorawan/report.h>

namespace meterhub::connector {
namespace {

// The application port whose payload the profiles describe (spec/lorawan-ns.md section 8).
constexpr std::uint8_t kMeterPort = 1;

// Sorted under one view of the directory: some 100 microseconds.
constexpr std::size_t kDeliveriesAView = 64;

base::Timestamp best_time(const lorawan::Answer& answer, const Source& source) {
  return answer.receptions.empty() ? source.delivery.enqueued : answer.receptions.front().time.at;
}

// A foreign server proves nothing: a digest of the payload tells copies of one packet from
// two packets with one number (design part 4, connector).
lorawan::Mic stand_in_mic(const lorawan::Answer& answer) {
  const auto digest = crypto::sha256(answer.payload);
  lorawan::Mic mic{};
  std::copy_n(digest.begin(), mic.size(), mic.begin());
  return mic;
}

std::uint32_t partition_by_gateway(const Source& source, std::uint32_t partitions) {
  return source.delivery.origin.partition.value % partitions;
}

}  // namespace

void PacketBodies::begin(std::string_view body) {
  body_ = body;
  parts_.reset();
}

std::optional<std::string> PacketBodies::packet(std::optional<std::uint32_t> index) {
  if (!index) return std::nullopt;
  if (!parts_) {
    const bool datagram = !body_.empty() && (body_.front() == 1 || body_.front() == 2);
    parts_ = lorawan::split_report(datagram ? body_.substr(std::min<std::size_t>(body_.size(), 12)) : body_, 1)
                 .value_or(std::vector<lorawan::ReportPart>());
  }
  const auto part = std::ranges::lower_bound(*parts_, *index, {}, &lorawan::ReportPart::first_index);
  if (part == parts_->end() || part->first_index != *index || part->count != 1) return std::nullopt;
  return "{" + part->members + "}";
}

Sorter::Sorter(Topics topics, const registry::Directory& directory, const Profiles& profiles, base::Metrics& metrics)
    : topics_(topics),
      directory_(directory),
      profiles_(profiles),
      metrics_(metrics),
      decoded_(metrics.counter("meterhub_connector_decoded_total", "Receptions decrypted and written to decoded.")),
      heartbeats_(metrics.counter("meterhub_connector_heartbeats_total", "Frames without application data.")),
      joins_(metrics.counter("meterhub_connector_joins_total", "Join requests handed to the registry's owner.")),
      gateway_reports_(metrics.counter("meterhub_connector_gateway_reports_total", "Status reports of gateways.")) {}

base::Counter& Sorter::reason_counter(std::string_view name, std::string_view help, std::string_view reason) {
  return metrics_.counter(name, help, {{"reason", std::string(reason)}});
}

void Sorter::sort(std::span<const Source> sources, std::span<const Opened> opened, log::Appends& out) {
  for (std::size_t from = 0; from < sources.size(); from += kDeliveriesAView) {
    const auto view = directory_.view();
    const std::size_t end = std::min(from + kDeliveriesAView, sources.size());
    for (const auto& one : opened.subspan(from, end - from)) {
      for (const auto& answer : one.answers) view.prefetch(answer.meter);
    }
    for (std::size_t i = from; i < end; ++i) {
      bodies_.begin(sources[i].delivery.body);
      whole_.clear();
      for (const auto& one : opened[i].answers) answer(view, sources[i], one, out);
    }
  }
}

void Sorter::answer(const registry::Directory::View& view, const Source& source, const lorawan::Answer& answer,
                    log::Appends& out) {
  switch (answer.kind) {
    case lorawan::AnswerKind::kApp:
    case lorawan::AnswerKind::kMote: reading(view, source, answer, out); return;
    case lorawan::AnswerKind::kGateway: gateway_status(source, answer, out); return;
    case lorawan::AnswerKind::kJoin: join(source, answer, out); return;
    case lorawan::AnswerKind::kError:
      letter(source, answer, lorawan::text(answer.error), lorawan::is_noise(answer.error), out);
      return;
    case lorawan::AnswerKind::kNothing: return;
  }
}

log::Properties Sorter::properties(const Source& source, const lorawan::Answer& answer) const {
  log::Properties out;
  out.origin = source.delivery.origin;
  out.origin.index += answer.index.value_or(0);
  out.gateway = source.delivery.gateway_id;
  out.redo = source.redo;
  if (source.redo) out.reason = source.reason;
  out.time = best_time(answer, source);
  return out;
}

// Empty when the payload could be decoded into reading_, else the dead letter's reason.
std::string_view Sorter::decode(const registry::MeterEntry& /*meter*/, std::string_view profile,
                                const lorawan::Answer& answer, const meter::Profile*& found) {
  found = profiles_.find(profile);
  if (found == nullptr) return "unknown_profile";
  if (answer.port != kMeterPort) return "unknown_port";
  const auto decoded = meter::decode(*found, answer.payload, reading_);
  return decoded ? std::string_view() : meter::text(decoded.error());
}

void Sorter::reading(const registry::Directory::View& view, const Source& source, const lorawan::Answer& answer,
                     log::Appends& out) {
  const auto* const meter = answer.meter.value != 0 ? view.meter(answer.meter) : view.meter(answer.device);
  if (meter == nullptr) {
    letter(source, answer, "unknown_meter", false, out);
    return;
  }
  auto known = properties(source, answer);
  known.meter = meter->number;
  known.tenant = meter->tenant;
  known.session = answer.proven ? answer.session : meter->session;
  known.fcnt = answer.fcnt;
  known.mic = answer.proven ? answer.mic : stand_in_mic(answer);

  const bool heartbeat = answer.kind == lorawan::AnswerKind::kMote;
  const meter::Profile* profile = nullptr;
  const auto trouble = heartbeat ? std::string_view() : decode(*meter, view.label(meter->profile), answer, profile);
  known.undecoded = heartbeat || !trouble.empty();
  known.heartbeat = heartbeat;
  known.unproven = !answer.proven;

  origin_.clear();
  body_.clear();
  const bool mode_null = profile != nullptr && profile->mode_null;
  lorawan::append_origin(origin_, answer, mode_null ? lorawan::ModulationName::kModeNull : lorawan::ModulationName::kModu);
  const auto time = answer.receptions.empty() ? base::precise(source.delivery.enqueued) : answer.receptions.front().time;
  meter::append_document(body_, origin_, known.undecoded ? nullptr : &reading_, time);

  (heartbeat ? heartbeats_ : decoded_).add();
  if (!trouble.empty()) letter(source, answer, trouble, false, out);
  const auto partition = base::partition_of(base::shard_of(meter->number), topics_.decoded_partitions);
  out.add({topics_.decoded, partition}, {meter->eui.text(), known, {}, body_});
}

void Sorter::gateway_status(const Source& source, const lorawan::Answer& answer, log::Appends& out) {
  gateway_reports_.add();
  auto known = properties(source, answer);
  known.time = answer.time.at;
  body_.clear();
  lorawan::append_origin(body_, answer);
  const base::PartitionId partition(partition_by_gateway(source, topics_.status_partitions));
  out.add({topics_.status, partition}, {answer.gateway.text(), known, {}, body_});
}

void Sorter::join(const Source& source, const lorawan::Answer& answer, log::Appends& out) {
  joins_.add();
  const base::PartitionId partition(partition_by_gateway(source, topics_.joins_partitions));
  out.add({topics_.joins, partition}, {answer.gateway.text(), properties(source, answer), {}, base::as_text(answer.join)});
}

void Sorter::letter(const Source& source, const lorawan::Answer& answer, std::string_view reason, bool noise,
                    log::Appends& out) {
  if (noise) {
    reason_counter("meterhub_connector_noise_total", "Packets that are normal on shared air, by reason.", reason).add();
  } else {
    reason_counter("meterhub_connector_dead_letters_total", "Packets put aside, by reason.", reason).add();
  }
  auto body = bodies_.packet(answer.index);
  if (!body) {
    // A body that cannot be cut is put aside once: driven again, all its packets are, and a copy of it for
    // each could be more than a transaction holds.
    if (std::ranges::find(whole_, reason) != whole_.end()) return;
    whole_.push_back(reason);
    body = source.delivery.body;
  }
  auto known = properties(source, answer);
  known.reason = reason;
  known.meter = answer.meter;
  known.session = answer.session;
  known.fcnt = answer.fcnt;
  const auto partitions = noise ? topics_.noise_partitions : topics_.deadletter_partitions;
  const base::PartitionId partition(partition_by_gateway(source, partitions));
  out.add({noise ? topics_.noise : topics_.deadletter, partition}, {source.delivery.gateway_id, known, {}, *body});
}

}  // namespace meterhub::connector
