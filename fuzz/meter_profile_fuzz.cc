// A payload profile, NUL, a payload. An empty profile means the built-in ones.
#include <meterhub/meter/reading.h>

#include <nlohmann/json.hpp>

#include "input.h"

namespace meterhub::meter {
namespace {

using fuzz::require;

bool same(const Reading& a, const Reading& b) { return a.numbers == b.numbers && a.texts == b.texts; }

void check_document(const Profile& profile, const Reading& reading) {
  std::string text;
  append_document(text, "null", &reading, base::PreciseTime{});
  const auto document = nlohmann::json::parse(text, nullptr, false);
  require(!document.is_discarded() && document["userData"].size() == profile.fields.size() + 1);
}

void read_payload(const Profile& profile, base::BytesView payload) {
  Reading reading;
  const auto decoded = decode(profile, payload, reading);
  const bool length_fits = payload.size() >= profile.length_min && payload.size() <= profile.length_max.value_or(payload.size());
  if (!decoded) return require(decoded.error() == (length_fits ? DecodeError::kBadDigits : DecodeError::kBadLength));
  require(length_fits && reading.numbers.size() == profile.fields.size());
  check_document(profile, reading);
  for (const auto role : {Role::kBought, Role::kLeft, Role::kUsed, Role::kStatus}) static_cast<void>(reading.litres(role));
  require(reading.status_names().size() <= profile.status_bits.size());
  // What was decoded can be encoded where fields do not overlap; then it decodes to the same.
  const auto encoded = encode(profile, reading);
  Reading again;
  if (!encoded || !decode(profile, *encoded, again)) return;
  if (profile.name == "v1") require(same(reading, again) && std::ranges::equal(base::BytesView(*encoded).first(16), payload.first(16)));
}

void read(std::string_view toml, base::BytesView payload) {
  if (toml.empty()) {
    for (const auto name : builtin_profile_names()) read_payload(*builtin_profile(name), payload);
    return;
  }
  const auto profile = parse_profile(toml);
  if (!profile) return require(!profile.error().text.empty());
  require(!profile->name.empty() && !profile->fields.empty() && profile->fields.size() <= kFieldsMax && profile->length_min > 0);
  if (profile->name != "v1") read_payload(*profile, payload);
}

}  // namespace
}  // namespace meterhub::meter

MH_FUZZER(meter_profile, input) {
  const auto toml = meterhub::base::as_text(input.take_until(0));
  meterhub::meter::read(toml, input.rest());
}
