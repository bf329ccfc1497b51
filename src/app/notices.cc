#include "notices.h"

#include <optional>

namespace meterhub::app {
namespace {

std::optional<notify::NoticeEvent> event_of(alarm::Event event) {
  using notify::NoticeEvent;
  switch (event) {
    case alarm::Event::kRaised: return NoticeEvent::kRaised;
    case alarm::Event::kReopened: return NoticeEvent::kReopened;
    case alarm::Event::kCleared: return NoticeEvent::kCleared;
    case alarm::Event::kFloodBegins: return NoticeEvent::kFloodBegins;
    case alarm::Event::kFloodEnds: return NoticeEvent::kFloodEnds;
    case alarm::Event::kReturned:
    case alarm::Event::kAcknowledged:
    case alarm::Event::kAssigned:
    case alarm::Event::kCommented:
    case alarm::Event::kShelved:
    case alarm::Event::kUnshelved: break;
  }
  return std::nullopt;
}

// Empty but for a meter, and for one that is of another tenant by now.
notify::PlaceText place_of(const alarm::Notice& notice, const registry::Directory& directory) {
  notify::PlaceText out;
  if (notice.subject.kind != alarm::SubjectKind::kMeter) return out;
  const auto meter = directory.meter(base::Eui64(notice.subject.number));
  if (!meter || meter->tenant != notice.tenant) return out;
  if (const auto building = directory.building(meter->building)) {
    out.district = building->district;
    out.building = building->name;
  }
  out.floor = directory.label(meter->floor);
  out.unit = directory.label(meter->unit_name);
  return out;
}

}  // namespace

std::vector<notify::Notice> notices_of(const alarm::Changes& changes, const registry::Directory& directory) {
  std::vector<notify::Notice> out;
  for (const auto& notice : changes.notices) {
    const auto event = event_of(notice.event);
    if (!event) continue;
    out.push_back({.event = *event,
                   .episode = notice.episode.value,
                   .rule = std::string(alarm::name(notice.rule)),
                   .severity = static_cast<notify::Severity>(notice.severity),
                   .tenant = notice.tenant,
                   .subject = notice.episode.value != 0 ? notice.subject.text() : std::string(),
                   .place = place_of(notice, directory),
                   .detail = notice.detail,
                   .raised = notice.raised,
                   .at = notice.at,
                   .count = notice.count});
  }
  return out;
}

std::vector<std::uint64_t> taken_note_of(const alarm::Changes& changes) {
  std::vector<std::uint64_t> out;
  for (const auto& entry : changes.history) {
    if (entry.what == alarm::Event::kAcknowledged || entry.what == alarm::Event::kShelved) out.push_back(entry.episode.value);
  }
  return out;
}

}  // namespace meterhub::app
