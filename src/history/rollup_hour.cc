#include "rollup_hour.h"

#include <algorithm>
#include <charconv>

#include <absl/container/flat_hash_set.h>

#include <meterhub/base/commit_point.h>

namespace meterhub::history {
namespace {

using consumption::HourReadings;
using consumption::HourShare;
using consumption::Lacking;
using consumption::Reading;
using EuiSet = absl::flat_hash_set<std::uint64_t>;

base::Timestamp begin_of(lake::Hour hour) { return lake::end_of(hour) - std::chrono::hours(1); }

// How much is read of the hours before and after for all meters: more than one reading of those that send every five
// minutes or oftener. For the others more is read.
constexpr std::chrono::minutes kGlance{10};

// Stays the same over releases: it is stored.
std::uint64_t mixed(std::uint64_t value) {
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ULL;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBULL;
  return value ^ (value >> 31);
}
std::uint64_t hash_of(std::uint64_t eui, const Reading& reading) {
  std::uint64_t hash = mixed(eui + 0x9E3779B97F4A7C15ULL);
  for (const auto part :
       {std::uint64_t{reading.session.value} << 32 | reading.generation.value, std::uint64_t{reading.fcnt},
        static_cast<std::uint64_t>(reading.at.time_since_epoch().count()),
        static_cast<std::uint64_t>(reading.counter)}) {
    hash = mixed(hash ^ part);
  }
  return hash;
}

std::vector<const lake::PlacedFile*> late_files(const lake::State& state, lake::Hour hour, base::Shard shard) {
  std::vector<const lake::PlacedFile*> out;
  const auto files = state.hours.find(hour);
  if (files == state.hours.end()) return out;
  for (const auto& late : files->second.late) {
    if (late.shard == shard) out.push_back(&late);
  }
  return out;
}

const lake::PlacedFile* object_of(const lake::State& state, lake::Hour hour, base::Shard shard) {
  const auto files = state.hours.find(hour);
  if (files == state.hours.end()) return nullptr;
  const auto object = files->second.base.find(shard);
  return object == files->second.base.end() ? nullptr : &object->second;
}

std::string late_text(const lake::PlacedFile& file) {
  return std::to_string(file.record) + "/" + file.path.substr(file.path.rfind('/') + 1);
}

// The newest record that placed one of the unit's files.
std::uint64_t newest_record(const lake::State& state, lake::Hour hour, base::Shard shard) {
  const auto* const object = object_of(state, hour, shard);
  std::uint64_t out = object == nullptr ? 0 : object->record;
  for (const auto* const late : late_files(state, hour, shard)) out = std::max(out, late->record);
  return out;
}

}  // namespace

std::string files_text(const lake::State& state, lake::Hour hour, base::Shard shard) {
  const auto* const object = object_of(state, hour, shard);
  std::string out = std::to_string(object == nullptr ? 0 : object->record) + ":";
  for (const auto* const late : late_files(state, hour, shard)) {
    if (out.back() != ':') out += ',';
    out += late_text(*late);
  }
  return out;
}

std::optional<std::vector<std::string>> added_files(std::string_view before, const lake::State& now, lake::Hour hour,
                                                    base::Shard shard) {
  const auto colon = before.find(':');
  const auto* const object = object_of(now, hour, shard);
  if (colon == before.npos || before.substr(0, colon) != std::to_string(object == nullptr ? 0 : object->record))
    return std::nullopt;
  std::set<std::string, std::less<>> old;
  for (auto rest = before.substr(colon + 1); !rest.empty();) {
    const auto end = std::min(rest.find(','), rest.size());
    old.emplace(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  std::vector<std::string> added;
  for (const auto* const late : late_files(now, hour, shard)) {
    if (old.erase(late_text(*late)) == 0) added.push_back(late->path);
  }
  return old.empty() ? std::optional(added) : std::nullopt;
}

// A shard's part of the hour while it is computed.
struct HourPass::Unit {
  Unit(base::Shard s, lake::Hour hour, base::Timestamp cutoff) : shard(s), contribution(hour, cutoff) {}

  base::Shard shard;
  std::vector<EuiRange> ranges;
  std::size_t next_range = 0;
  std::optional<tables::UsageUnit> before;  // as it was stored
  std::optional<EuiSet> affected;           // whose rows may be others than before; none: any
  tables::MeterSpans spans;                 // while it is computed
  std::vector<std::uint64_t> meters;        // that have readings here
  EuiSet disordered;  // in the hour before or after
  std::uint64_t newest = 0;

  tables::UsageUnit now;
  Contribution contribution;
  std::set<base::Timestamp> concerned;
};

// A meter with readings in the hour.
struct HourPass::Meter {
  base::Eui64 eui;
  const Placed* placed = nullptr;
  std::span<const Reading> own;
  std::span<const Reading> before, after;  // at the ends of the very next hours
  lake::Hour first, last;                       // in which it had readings, as far as is known
};

HourPass::HourPass(HourWorld world, const registry::Directory& directory, lake::Hour hour,
                   std::vector<base::Shard> shards)
    : world_(world), places_(directory), hour_(hour), shards_(std::move(shards)) {}
HourPass::~HourPass() = default;

base::Result<bool> HourPass::step() {
  if (!unit_) {
    if (next_shard_ == shards_.size()) return false;
    const auto shard = shards_[next_shard_++];
    if (auto begun = begin_unit(shard); !begun) {
      unit_.reset();
      return std::unexpected(std::move(begun).error());
    }
  }
  if (auto computed = compute(*unit_, unit_->ranges[unit_->next_range]); !computed) {
    unit_.reset();
    return std::unexpected(std::move(computed).error());
  }
  if (++unit_->next_range < unit_->ranges.size()) return true;
  unit_->spans.clear();  // the largest part of it, and read again in a moment
  done_.push_back(std::move(unit_));
  return true;
}

base::Result<void> HourPass::begin_unit(base::Shard shard) {
  unit_ = std::make_unique<Unit>(shard, hour_, world_.cutoff);
  Unit& unit = *unit_;
  unit.newest = newest_record(world_.state, hour_, shard);
  unit.now = {.key = {hour_.value, shard.value}, .files = files_text(world_.state, hour_, shard)};
  unit.now.lake = world_.state.sequence;
  const auto read = [&](db::Connection& connection) -> base::Result<void> {
    unit.before = MH_TRY(tables::usage_unit(connection, unit.now.key));
    unit.spans = MH_TRY(tables::meter_spans(connection, shard.value));
    for (const auto at : {hour_.value - 1, hour_.value + 1}) {
      const auto other = MH_TRY(tables::usage_unit(connection, {at, shard.value}));
      if (other) unit.disordered.insert(other->disordered.begin(), other->disordered.end());
    }
    return {};
  };
  MH_TRY_VOID(world_.database.read(read));
  if (unit.before) {
    if (const auto added = added_files(unit.before->files, world_.state, hour_, shard)) {
      unit.affected.emplace();
      for (const auto eui : MH_TRY(world_.rows.meters_in(*added))) unit.affected->insert(eui.value);
    }
  }
  unit.ranges = MH_TRY(world_.rows.ranges(world_.state, hour_, shard, world_.rows_at_once));
  return {};
}

base::Result<void> HourPass::compute(Unit& unit, const EuiRange& range) {
  const auto begin = begin_of(hour_), end = lake::end_of(hour_);
  const RowBlock own = MH_TRY(world_.rows.read(world_.state, hour_, unit.shard, range));
  const RowBlock before =
      MH_TRY(world_.rows.read(world_.state, lake::Hour(hour_.value - 1), unit.shard, range, {.from = begin - kGlance}));
  const RowBlock after =
      MH_TRY(world_.rows.read(world_.state, lake::Hour(hour_.value + 1), unit.shard, range, {.to = end + kGlance}));
  std::vector<Places::Asked> asked;
  asked.reserve(own.meters.size());
  for (const auto& meter : own.meters) asked.push_back({meter.eui, meter.tenant});
  const auto placed = places_.of(asked);
  std::vector<Meter> rest;
  for (std::size_t i = 0; i < own.meters.size(); ++i) {
    const auto& rows = own.meters[i];
    Meter meter{.eui = rows.eui,
                .placed = placed[i],
                .own = own.of(rows),
                .before = before.of(rows.eui),
                .after = after.of(rows.eui),
                .first = hour_,
                .last = hour_};
    if (const auto span = unit.spans.find(rows.eui.value); span != unit.spans.end()) {
      meter.first = lake::Hour(std::min<std::int64_t>(span->second.first, hour_.value));
      meter.last = lake::Hour(std::max<std::int64_t>(span->second.last, hour_.value));
    }
    // Files that are not rolled up yet may know more than the spans.
    if (!meter.before.empty()) meter.first = std::min(meter.first, lake::Hour(hour_.value - 1));
    if (!meter.after.empty()) meter.last = std::max(meter.last, lake::Hour(hour_.value + 1));
    for (const auto& reading : meter.own) unit.now.checksum += hash_of(meter.eui.value, reading);
    unit.now.readings += meter.own.size();
    if (!settle_simply(unit, meter)) rest.push_back(meter);
  }
  return settle_widely(unit, rest);
}

// What nearly all meters are: readings in order, more than one at the ends of the hours before and after, or none at
// all before and after. Two readings of a neighbour say as much as all of them then.
bool HourPass::settle_simply(Unit& unit, const Meter& meter) const {
  if (unit.disordered.contains(meter.eui.value)) return false;
  if (meter.before.size() < 2 && meter.first < hour_) return false;
  if (meter.after.size() < 2 && meter.last > hour_) return false;
  if (!consumption::is_orderly(meter.own) || !consumption::follows(meter.before, meter.own) ||
      !consumption::follows(meter.own, meter.after)) {
    return false;
  }
  Hours hours;
  hours.reserve(3);
  if (!meter.before.empty()) {
    const auto newest = meter.before.last(2);
    hours.push_back({begin_of(hour_) - std::chrono::hours(1), {newest.begin(), newest.end()}, false});
  }
  hours.push_back({begin_of(hour_), {meter.own.begin(), meter.own.end()}, false});
  if (!meter.after.empty()) {
    const auto first = meter.after.first(2);
    hours.push_back({lake::end_of(hour_), {first.begin(), first.end()}, renewed(unit, lake::end_of(hour_))});
  }
  const auto share = consumption::share_of({.hours = hours, .from_first = true, .to_last = true},
                                           meter.before.empty() ? 0 : 1, meter.placed->rules);
  if (!share) return false;
  settle(unit, meter, *share);
  return true;
}

// The others: ever more hours around are read for them until what they say is enough.
base::Result<void> HourPass::settle_widely(Unit& unit, std::span<const Meter> meters) {
  struct Known {
    Meter meter;
    Hours hours;
  };
  std::vector<Known> open;
  open.reserve(meters.size());
  for (auto& meter : meters) {
    Known known{meter, {}};
    known.hours.push_back({begin_of(hour_), {meter.own.begin(), meter.own.end()}, false});
    open.push_back(std::move(known));
  }
  const auto& all = world_.state.hours;
  lake::Hour lower = hour_, upper = hour_;
  for (std::int64_t more = 2; !open.empty(); more *= 2) {
    std::vector<Known> still;
    bool earlier = false, later = false;
    for (auto& known : open) {
      const bool from_first = known.meter.first >= lower || lower <= all.begin()->first;
      const bool to_last = known.meter.last <= upper || upper >= all.rbegin()->first;
      const auto own = std::ranges::find(known.hours, begin_of(hour_), &HourReadings::begin) - known.hours.begin();
      const auto share = consumption::share_of({.hours = known.hours, .from_first = from_first, .to_last = to_last},
                                               static_cast<std::size_t>(own), known.meter.placed->rules);
      if (share) {
        settle(unit, known.meter, *share);
        continue;
      }
      (share.error() == Lacking::kEarlier ? earlier : later) = true;
      still.push_back(std::move(known));
    }
    open = std::move(still);
    std::vector<base::Eui64> asked;
    for (const auto& known : open) asked.push_back(known.meter.eui);
    const auto widen = [&](lake::Hour from, lake::Hour to, bool front) -> base::Result<void> {
      const auto hours = MH_TRY(hours_between(unit, from, to));
      const RowBlock block = MH_TRY(world_.rows.read(world_.state, hours, unit.shard, asked));
      for (auto& known : open) {
        const auto readings = block.of(known.meter.eui);
        auto found = consumption::by_hour({readings.begin(), readings.end()});
        for (auto& one : found) one.renewed = renewed(unit, one.begin);
        known.hours.insert(front ? known.hours.begin() : known.hours.end(), std::make_move_iterator(found.begin()),
                           std::make_move_iterator(found.end()));
      }
      return {};
    };
    if (earlier) {
      const lake::Hour next(lower.value - more);
      MH_TRY_VOID(widen(next, lower, true));
      lower = next;
    }
    if (later) {
      const lake::Hour next(upper.value + more);
      MH_TRY_VOID(widen(lake::Hour(upper.value + 1), lake::Hour(next.value + 1), false));
      upper = next;
    }
  }
  return {};
}

void HourPass::settle(Unit& unit, const Meter& meter, const HourShare& share) const {
  unit.contribution.add(*meter.placed, meter.own, share);
  if (share.disordered) unit.now.disordered.push_back(meter.eui.value);
  if (!unit.affected || unit.affected->contains(meter.eui.value))
    unit.concerned.insert(share.concerned.begin(), share.concerned.end());
  unit.meters.push_back(meter.eui.value);
}

// Hours in [from, to) of which the shard has files.
base::Result<std::vector<lake::Hour>> HourPass::hours_between(const Unit& unit, lake::Hour from, lake::Hour to) const {
  std::vector<lake::Hour> out;
  for (auto it = world_.state.hours.lower_bound(from); it != world_.state.hours.end() && it->first < to; ++it) {
    if (newest_record(world_.state, it->first, unit.shard) > 0 ||
        object_of(world_.state, it->first, unit.shard) != nullptr)
      out.push_back(it->first);
  }
  return out;
}

// Whether that hour's unit was computed with this hour's readings, or will be. One that was computed after their files
// were there has read them for certain only where it is the next hour: spans did not tell it to look further.
bool HourPass::renewed(const Unit& unit, base::Timestamp hour) const {
  const auto at = lake::hour_of(hour);
  const auto* const mark = world_.marks.find(at, unit.shard);
  if (mark == nullptr || mark->marked || mark->files != files_text(world_.state, at, unit.shard)) return true;
  return std::abs(at.value - hour_.value) == 1 && mark->lake >= unit.newest;
}

base::Result<HourPass::Outcome> HourPass::commit(base::Timestamp now, base::Timestamp computed_to) {
  Outcome outcome;
  const auto write = [&](db::Connection& connection) -> base::Result<void> {
    outcome = {};
    std::vector<tables::UsagePlaceId> places;
    for (const auto& place : places_.all()) places.push_back(MH_TRY(tables::usage_place(connection, place)));
    const auto tenants = MH_TRY(tables::usage_places(connection));
    std::set<tables::UsageKey> peaks;
    for (auto& unit : done_) {
      unit->now.computed = now;
      const auto moved = MH_TRY(commit_unit(connection, *unit, outcome, places));
      add_peaks(moved, tenants, peaks);
    }
    MH_TRY_VOID(tables::mark_usage_units(connection, outcome.concerned));
    const std::vector<tables::UsageKey> periods(peaks.begin(), peaks.end());
    MH_TRY_VOID(tables::renew_peaks(connection, periods));
    MH_TRY_VOID(tables::set_usage_computed_to(connection, computed_to));
    base::commit_point("rollup.written_before_commit");
    return {};
  };
  base::commit_point("rollup.computed_before_transaction");
  MH_TRY_VOID(world_.database.transact(write));
  base::commit_point("rollup.committed");
  return outcome;
}

base::Result<tables::UsageSums> HourPass::commit_unit(db::Connection& connection, Unit& unit, Outcome& outcome,
                                                      const std::vector<tables::UsagePlaceId>& places) {
  const auto* const mark = world_.marks.find(hour_, unit.shard);
  const bool same =
      unit.before && unit.before->checksum == unit.now.checksum && unit.before->readings == unit.now.readings;
  const bool frozen = mark != nullptr && !mark->kept;
  outcome.units.push_back({.key = unit.now.key,
                           .files = unit.now.files,
                           .lake = unit.now.lake,
                           .marked = false,
                           .kept = begin_of(hour_) >= world_.cutoff,
                           .computed = unit.now.computed});
  if (frozen || (same && !mark->marked)) {
    // Files were folded; or the hour is older than what can change, and the lake alone knows better.
    outcome.too_late += frozen && !same ? 1 : 0;
    MH_TRY_VOID(tables::touch_usage_unit(connection, unit.now));
    return tables::UsageSums();
  }
  std::ranges::sort(unit.now.disordered);
  auto moved = MH_TRY(tables::put_usage_unit(connection, unit.now, unit.contribution.sums(places)));
  MH_TRY_VOID(put_spans(connection, unit));
  if (same) return moved;
  for (const auto hour : unit.concerned) {
    const auto at = lake::hour_of(hour);
    if (world_.marks.find(at, unit.shard) != nullptr) outcome.concerned.push_back({at.value, unit.shard.value});
  }
  return moved;
}

base::Result<void> HourPass::put_spans(db::Connection& connection, const Unit& unit) const {
  auto spans = MH_TRY(tables::meter_spans(connection, unit.shard.value));
  const auto at = static_cast<std::int32_t>(hour_.value);
  bool changed = false;
  for (const auto eui : unit.meters) {
    const auto [span, added] = spans.try_emplace(eui, tables::MeterSpan{at, at});
    const tables::MeterSpan now{std::min(span->second.first, at), std::max(span->second.last, at)};
    changed |= added || now != span->second;
    span->second = now;
  }
  if (!changed) return {};
  return tables::put_meter_spans(connection, unit.shard.value, spans);
}

// The hours and local days whose five minutes moved.
void HourPass::add_peaks(const tables::UsageSums& moved,
                         const std::map<tables::UsagePlaceId, tables::UsagePlace>& stored,
                         std::set<tables::UsageKey>& peaks) {
  for (const auto& [key, values] : moved) {
    if (key.period != tables::UsagePeriod::kFiveMinutes) continue;
    const auto place = stored.find(key.place);
    const auto& calendar = places_.calendar(place == stored.end() ? base::TenantNumber() : place->second.tenant);
    for (const auto& [period, cut] : {std::pair(tables::UsagePeriod::kHour, consumption::Period::kHour),
                                      {tables::UsagePeriod::kDay, consumption::Period::kDay}}) {
      peaks.insert({period, key.place, calendar.begin_of(cut, key.begin), calendar.end_of(cut, key.begin)});
    }
  }
}

}  // namespace meterhub::history
