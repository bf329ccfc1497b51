#include <meterhub/fleet/reading.h>

#include <algorithm>

#include <meterhub/base/json_text.h>
#include <meterhub/base/time_text.h>
#include <meterhub/meter/reading.h>

namespace meterhub::fleet {
namespace {

constexpr std::uint8_t kLitresOfCubicMetre = 3;  // decimals

void append_amount(std::string& out, std::string_view name, std::int64_t litres) {
  out += name;
  if (litres == kNoAmount) {
    out += "null";
  } else {
    meter::append_decimal(out, litres, kLitresOfCubicMetre);
  }
}

// Bytes of the longest start that ends between two characters of UTF-8.
std::size_t whole_characters(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text.size();
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0) == 0x80) --most;
  return most;
}

}  // namespace

void Reading::set_version(std::string_view text) {
  version.fill('\0');
  std::copy_n(text.begin(), whole_characters(text, version.size()), version.begin());
}

std::string_view Reading::version_text() const {
  return {version.data(), static_cast<std::size_t>(std::ranges::find(version, '\0') - version.begin())};
}

void append_reading(std::string& out, const Reading& reading) {
  out += "{\"time\":\"";
  base::append_rfc3339(out, base::precise(reading.time));
  append_amount(out, "\",\"bought\":", reading.bought);
  append_amount(out, ",\"left\":", reading.left);
  append_amount(out, ",\"used\":", reading.used);
  out += ",\"status\":";
  out += reading.has_status ? std::to_string(reading.status) : "null";
  out += ",\"version\":";
  base::append_json_string(out, reading.version_text());
  out += ",\"seq\":" + std::to_string(reading.fcnt) + ",\"gateways\":" + std::to_string(reading.gateways);
  out += ",\"rssi\":";
  out += reading.rssi == kNoSignal ? "null" : std::to_string(reading.rssi);
  out += ",\"snr\":";
  if (reading.snr_tenths == kNoSignal) {
    out += "null";
  } else {
    base::append_json_number(out, reading.snr_tenths / 10.0);
  }
  out += '}';
}

}  // namespace meterhub::fleet
