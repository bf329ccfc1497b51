#include "fields.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "draw.h"

namespace meterhub::sim {
namespace {

using meter::Field;
using meter::FieldType;
using meter::Role;

constexpr std::string_view kVersion = "v1.0";
constexpr double kFlagged = 1.0 / 8;  // of all meters have a flag set
constexpr double kWobble = 0.05;      // of a field's range, from one packet to the next

std::int64_t power_of_ten(unsigned exponent) {
  std::int64_t out = 1;
  while (exponent-- > 0) out *= 10;
  return out;
}

// The largest raw number that the field's bytes hold and whose value 64 bits do.
std::int64_t most(const Field& field) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  const auto bits = static_cast<unsigned>(8 * field.size);
  if (field.type == FieldType::kBcd)
    return std::min(power_of_ten(static_cast<unsigned>(2 * field.size)) - 1, kMost / field.factor);
  if (bits == 64) return kMost / field.factor;
  return std::min((std::int64_t{1} << (field.type == FieldType::kSigned ? bits - 1 : bits)) - 1, kMost / field.factor);
}
std::int64_t least(const Field& field) { return field.type == FieldType::kSigned ? -most(field) : 0; }

bool is_volume(const Field& field) { return field.unit == "m3" || field.unit == "l"; }
bool is_flow(const Field& field) { return field.unit == "m3/h" || field.unit == "l/h"; }
bool is_flag(const Field& field) { return field.decimals == 0 && field.min == 0 && field.max == 1; }

// 1/10^decimals of the field's unit -> what its bytes can say, and back in that unit.
std::int64_t storable(const Field& field, double value) {
  const double raw = std::round(value / static_cast<double>(field.factor));
  const auto most_value = static_cast<double>(most(field));
  if (raw >= most_value) return most(field) * field.factor;
  return std::max(least(field), static_cast<std::int64_t>(std::max(raw, -9e18))) * field.factor;
}

// Registers only grow; at their end they begin again.
std::int64_t counter(const Field& field, std::uint32_t litres) {
  const std::int64_t fine = std::int64_t{litres} * power_of_ten(field.decimals);
  const std::int64_t value = field.unit == "m3" ? fine / 1'000 : fine;
  const std::int64_t raw = value / field.factor;
  return (most(field) == std::numeric_limits<std::int64_t>::max() ? raw : raw % (most(field) + 1)) * field.factor;
}

double per_litre(const Field& field) {
  const bool cubic = field.unit.starts_with("m3");
  return static_cast<double>(power_of_ten(field.decimals)) / (cubic ? 1'000 : 1);
}

// Bits that v1 knows by that name are the household's, others belong to some meters for good.
std::int64_t status(const meter::Profile& profile, const Situation& s) {
  const auto& known = meter::builtin_profile("v1")->status_bits;
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < profile.status_bits.size(); ++i) {
    const auto& bit = profile.status_bits[i];
    const auto same = std::ranges::find(known, bit.name, &meter::StatusBit::name);
    const bool set =
        same != known.end() ? (s.status & same->mask) != 0 : Draw(s.seed, Purpose::kField, s.meter, i).chance(kFlagged);
    if (set) out |= bit.mask;
  }
  return static_cast<std::int64_t>(out);
}

// Somewhere between the limits, each meter at a place of its own, moving a little.
double somewhere(const Field& field, const Situation& s, std::size_t position) {
  const auto low = static_cast<double>(field.min.value_or(0));
  const double otherwise = std::min(low + 100.0, static_cast<double>(most(field)) * static_cast<double>(field.factor));
  const double high = field.max ? static_cast<double>(*field.max) : otherwise;
  const double home = Draw(s.seed, Purpose::kField, s.meter, 100 + position).unit();
  const double away =
      kWobble * (Draw(s.seed, Purpose::kField, std::uint64_t{s.meter} << 32 | position, 1'000 + s.packet).unit() - 0.5);
  return low + (high - low) * std::clamp(home + away, 0.0, 1.0);
}

std::int64_t value_of(const meter::Profile& profile, std::size_t position, const Situation& s) {
  const Field& field = profile.fields[position];
  switch (field.role) {
    case Role::kType: return storable(field, 2.0 * static_cast<double>(power_of_ten(field.decimals)));
    case Role::kCode: return storable(field, static_cast<double>(power_of_ten(field.decimals)));
    case Role::kBought: return counter(field, s.figures.bought);
    case Role::kLeft: return storable(field, s.figures.left() * per_litre(field));
    case Role::kUsed: return counter(field, s.figures.used);
    case Role::kStatus: return storable(field, static_cast<double>(status(profile, s)));
    case Role::kVersion: return 0;
    case Role::kNone: break;
  }
  if (is_volume(field)) return counter(field, s.figures.used);
  if (is_flow(field)) {
    const double hours = static_cast<double>(s.since.count()) / 3'600'000;
    return storable(field, s.litres_since / hours * per_litre(field));
  }
  if (is_flag(field))
    return Draw(s.seed, Purpose::kField, s.meter, 100 + position).chance(kFlagged) ? storable(field, 1) : 0;
  return storable(field, somewhere(field, s, position));
}

}  // namespace

meter::Reading report(const meter::Profile& profile, const Situation& situation) {
  meter::Reading out;
  out.profile = &profile;
  out.numbers.assign(profile.fields.size(), 0);
  out.texts.resize(profile.fields.size());
  for (std::size_t i = 0; i < profile.fields.size(); ++i) {
    const Field& field = profile.fields[i];
    if (field.type == FieldType::kText) {
      out.texts[i] = (field.role == Role::kVersion ? kVersion : std::string_view(profile.name)).substr(0, field.size);
    } else {
      out.numbers[i] = value_of(profile, i, situation);
    }
  }
  return out;
}

}  // namespace meterhub::sim
