#include "batch.h"

#include <algorithm>
#include <utility>

#include <meterhub/lorawan/gwmp.h>
#include <meterhub/lorawan/report.h>

namespace meterhub::connector {
namespace {

// Sorted under one view of the directory: some 100 microseconds.
constexpr std::size_t kDeliveriesAView = 64;

// What the reading's makers see of it.
reading::Source seen(const Source& source) {
  return {source.delivery.origin, source.delivery.gateway_id, source.redo, source.reason};
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

Sorter::Sorter(Topics topics, const registry::Directory& directory, const reading::Profiles& profiles, base::Metrics& metrics)
    : topics_(topics),
      directory_(directory),
      metrics_(metrics),
      decoded_(metrics.counter("meterhub_connector_decoded_total", "Receptions decrypted and written to decoded.")),
      heartbeats_(metrics.counter("meterhub_connector_heartbeats_total", "Frames without application data.")),
      joins_(metrics.counter("meterhub_connector_joins_total", "Join requests handed to the registry's owner.")),
      gateway_reports_(metrics.counter("meterhub_connector_gateway_reports_total", "Status reports of gateways.")),
      maker_(profiles),
      documents_(topics.of_documents(), profiles, metrics) {}

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
      if (sources[i].is_document()) {
        document(view, sources[i], out);
        continue;
      }
      bodies_.begin(sources[i].delivery.body);
      whole_.clear();
      const auto take = sources[i].is_replay() ? &Sorter::replay : &Sorter::answer;
      for (const auto& one : opened[i].answers) (this->*take)(view, sources[i], one, out);
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

void Sorter::reading(const registry::Directory::View& view, const Source& source, const lorawan::Answer& answer,
                     log::Appends& out) {
  const auto* const meter = reading::meter_of(view, answer);
  if (meter == nullptr) {
    letter(source, answer, "unknown_meter", false, out);
    return;
  }
  const auto made = maker_.make(view, *meter, seen(source), answer);
  (made.properties.heartbeat ? heartbeats_ : decoded_).add();
  if (!made.trouble.empty()) letter(source, answer, made.trouble, false, out);
  const auto partition = base::partition_of(base::shard_of(meter->number), topics_.decoded_partitions);
  out.add({topics_.decoded, partition}, {meter->eui.text(), made.properties, {}, made.body});
}

// Of a packet that was here before, readings with figures alone go on. What else it said has been heard: it was put
// aside, joined or reported the first time, and a payload that this profile cannot decode replaces nothing.
void Sorter::replay(const registry::Directory::View& view, const Source& source, const lorawan::Answer& answer,
                    log::Appends& out) {
  const auto count = [&](std::string_view what) {
    reason_counter("meterhub_connector_replayed_total", "Packets decoded once more by a replay, by what came of them.",
                   what)
        .add();
  };
  if (answer.kind == lorawan::AnswerKind::kError) return count(lorawan::text(answer.error));
  if (answer.kind != lorawan::AnswerKind::kApp) return count("no_reading");
  const auto* const meter = reading::meter_of(view, answer);
  if (meter == nullptr) return count("unknown_meter");
  const auto made = maker_.make(view, *meter, seen(source), answer);
  if (!made.trouble.empty()) return count(made.trouble);
  count("decoded");
  const auto partition = base::partition_of(base::shard_of(meter->number), topics_.decoded_partitions);
  out.add({topics_.decoded, partition}, {meter->eui.text(), made.properties, {}, made.body});
}

void Sorter::document(const registry::Directory::View& view, const Source& source, log::Appends& out) {
  documents_.append(view, documents_.parse(source.delivery.body), seen(source), out);
}

void Sorter::gateway_status(const Source& source, const lorawan::Answer& answer, log::Appends& out) {
  gateway_reports_.add();
  auto known = reading::properties_of(seen(source), answer);
  known.time = answer.time.at;
  body_.clear();
  lorawan::append_origin(body_, answer);
  const base::PartitionId partition(partition_by_gateway(source, topics_.status_partitions));
  out.add({topics_.status, partition}, {answer.gateway.text(), known, {}, body_});
}

void Sorter::join(const Source& source, const lorawan::Answer& answer, log::Appends& out) {
  joins_.add();
  const base::PartitionId partition(partition_by_gateway(source, topics_.joins_partitions));
  out.add({topics_.joins, partition}, {answer.gateway.text(), reading::properties_of(seen(source), answer), {}, base::as_text(answer.join)});
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
  auto known = reading::properties_of(seen(source), answer);
  known.reason = reason;
  known.meter = answer.meter;
  known.session = answer.session;
  known.fcnt = answer.fcnt;
  const auto partitions = noise ? topics_.noise_partitions : topics_.deadletter_partitions;
  const base::PartitionId partition(partition_by_gateway(source, partitions));
  out.add({noise ? topics_.noise : topics_.deadletter, partition}, {source.delivery.gateway_id, known, {}, *body});
}

}  // namespace meterhub::connector
