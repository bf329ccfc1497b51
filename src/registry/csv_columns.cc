#include "csv_columns.h"

#include <algorithm>
#include <charconv>

#include <meterhub/base/assert.h>
#include <meterhub/base/encoding.h>
#include <meterhub/base/time_text.h>

namespace meterhub::registry {
namespace {

using base::Errc;

std::unexpected<base::Error> bad(std::string_view column, std::string_view why) {
  return base::fail(Errc::kInvalidArgument, std::string(column) + ": " + std::string(why));
}

base::Result<std::int64_t> number(std::string_view column, std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return bad(column, "a whole number is expected");
  return value;
}

base::Result<bool> yes_or_no(std::string_view column, std::string_view text, bool otherwise) {
  if (text.empty()) return otherwise;
  if (text == "1" || text == "true" || text == "yes") return true;
  if (text == "0" || text == "false" || text == "no") return false;
  return bad(column, "1 or 0 is expected");
}

base::Result<base::Eui64> eui(std::string_view column, std::string_view text) {
  const auto parsed = base::Eui64::parse(text);
  if (!parsed) return bad(column, "16 hex digits are expected");
  return *parsed;
}

// The text is a key: it is never repeated in an error.
base::Result<lorawan::AesKey> aes_key(std::string_view column, std::string_view text) {
  const auto parsed = base::hex_decode_array<16>(text);
  if (!parsed) return bad(column, "32 hex digits are expected");
  return *parsed;
}

base::Result<base::Bytes> shared_key(std::string_view column, std::string_view text) {
  if (text.empty()) return base::Bytes();
  auto parsed = base::base64_decode(text);
  if (!parsed || parsed->size() < 16 || parsed->size() > 64) return bad(column, "base64 of 16 to 64 bytes is expected");
  return parsed;
}

base::Result<MeterKeys> keys(const Header& header, const base::CsvRecord& record) {
  const auto at = [&](std::string_view column) { return header.field(record, column); };
  const bool fixed = !at("dev_addr").empty() || !at("nwkskey").empty() || !at("appskey").empty();
  const bool joins = !at("joineui").empty() || !at("appkey").empty();
  if (fixed && joins) return bad("appkey", "a meter has either dev_addr, nwkskey, appskey or joineui, appkey");
  if (joins) return OtaaKeys{MH_TRY(eui("joineui", at("joineui"))), MH_TRY(aes_key("appkey", at("appkey")))};
  if (!fixed) return MeterKeys();
  const auto address = base::hex_decode_array<4>(at("dev_addr"));
  if (!address) return bad("dev_addr", "8 hex digits are expected");
  std::uint32_t value = 0;
  for (const auto byte : *address) value = value << 8 | byte;
  return AbpKeys{base::DevAddr(value), MH_TRY(aes_key("nwkskey", at("nwkskey"))), MH_TRY(aes_key("appskey", at("appskey")))};
}

}  // namespace

namespace {

std::string listed(std::span<const std::string_view> names) {
  std::string out;
  for (const auto name : names) (out += out.empty() ? "" : ", ") += name;
  return out;
}

}  // namespace

base::Result<Header> Header::read(const base::CsvRecord& record, std::span<const std::string_view> known) {
  Header header;
  header.known_ = known;
  header.position_.assign(known.size(), -1);
  header.width_ = record.fields.size();
  for (std::size_t i = 0; i < record.fields.size(); ++i) {
    const auto found = std::ranges::find(known, record.fields[i]);
    if (found == known.end()) return bad("\"" + record.fields[i].substr(0, 40) + "\"", "unknown column; there are " + listed(known));
    auto& position = header.position_[static_cast<std::size_t>(found - known.begin())];
    if (position >= 0) return bad(*found, "the column is there twice");
    position = static_cast<int>(i);
  }
  if (header.position_.front() < 0) return bad(known.front(), "the column is missing");
  return header;
}

std::string_view Header::field(const base::CsvRecord& record, std::string_view column) const {
  const auto found = std::ranges::find(known_, column);
  MH_ASSERT(found != known_.end());
  const auto position = position_[static_cast<std::size_t>(found - known_.begin())];
  return position < 0 ? std::string_view() : std::string_view(record.fields[static_cast<std::size_t>(position)]);
}

base::Result<MeterSpec> meter_spec(const Header& header, const base::CsvRecord& record) {
  const auto at = [&](std::string_view column) { return header.field(record, column); };
  MeterSpec spec;
  spec.eui = MH_TRY(eui("eui", at("eui")));
  spec.tenant = at("tenant");
  spec.district = at("district");
  spec.building = at("building");
  spec.floor = at("floor");
  spec.unit = at("unit");
  if (!at("profile").empty()) spec.profile = at("profile");
  spec.allow_resets = MH_TRY(yes_or_no("allow_resets", at("allow_resets"), false));
  if (const auto text = at("silence_limit_s"); !text.empty()) spec.silence_limit = std::chrono::seconds(MH_TRY(number("silence_limit_s", text)));
  if (const auto text = at("low_limit_litres"); !text.empty()) spec.low_limit_litres = MH_TRY(number("low_limit_litres", text));
  spec.keys = MH_TRY(keys(header, record));
  return spec;
}

base::Result<ExchangeSpec> exchange_spec(const Header& header, const base::CsvRecord& record) {
  const auto at = [&](std::string_view column) { return header.field(record, column); };
  ExchangeSpec spec;
  spec.old_meter = MH_TRY(eui("old", at("old")));
  spec.new_meter = MH_TRY(eui("new", at("new")));
  const auto time = base::parse_rfc3339(at("time"));
  if (!time) return bad("time", "a time is expected, as 2026-03-01T10:30:00+08:00");
  spec.at = time->at;
  for (const auto& [column, counter] : {std::pair("final_m3", &spec.final_litres), {"initial_m3", &spec.initial_litres}}) {
    if (at(column).empty()) continue;
    const auto litres = litres_of(at(column));
    if (!litres) return bad(column, litres.error().text);
    *counter = *litres;
  }
  const ExchangePlace place{std::string(at("district")), std::string(at("building")), std::string(at("floor")), std::string(at("unit"))};
  if (place != ExchangePlace()) spec.place = place;
  return spec;
}

base::Result<GatewaySpec> gateway_spec(const Header& header, const base::CsvRecord& record) {
  const auto at = [&](std::string_view column) { return header.field(record, column); };
  GatewaySpec spec;
  spec.id = at("id");
  if (const auto text = at("eui"); !text.empty()) spec.eui = MH_TRY(eui("eui", text));
  spec.tenant = at("tenant");
  spec.enabled = MH_TRY(yes_or_no("enabled", at("enabled"), true));
  spec.ns_plugin = at("ns_plugin");
  spec.status_reason = at("status_reason");
  spec.keys.primary = MH_TRY(shared_key("primary_key", at("primary_key")));
  spec.keys.secondary = MH_TRY(shared_key("secondary_key", at("secondary_key")));
  spec.authentication = at("authentication");
  const Thumbprints thumbprints{std::string(at("primary_thumbprint")), std::string(at("secondary_thumbprint"))};
  if (thumbprints != Thumbprints()) spec.thumbprints = thumbprints;
  return spec;
}

}  // namespace meterhub::registry
