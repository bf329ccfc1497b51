// The columns of the registry's CSV files and how a record becomes a spec
// (docs/formats/registry-csv.md).
#pragma once

#include <array>
#include <span>
#include <string_view>
#include <vector>

#include <meterhub/registry/store.h>

#include <meterhub/base/csv.h>

namespace meterhub::registry {

inline constexpr std::array<std::string_view, 15> kMeterColumns{
    "eui",      "tenant",   "district",     "building",  "floor",         "unit",            "profile", "allow_resets", "silence_limit_s",
    "low_limit_litres", "dev_addr", "nwkskey", "appskey", "joineui", "appkey"};
inline constexpr std::array<std::string_view, 11> kGatewayColumns{
    "id",          "eui",           "tenant",        "enabled",            "ns_plugin",           "primary_key",
    "secondary_key", "status_reason", "authentication", "primary_thumbprint", "secondary_thumbprint"};
inline constexpr std::array<std::string_view, 9> kExchangeColumns{"old", "new", "time", "final_m3", "initial_m3",
                                                                  "district", "building", "floor", "unit"};
inline constexpr std::array<std::string_view, 2> kTenantColumns{"name", "time_zone"};

// Where each known column stands in this file.
class Header {
 public:
  // kInvalidArgument: a column is unknown, there twice, or the first known one is missing.
  static base::Result<Header> read(const base::CsvRecord& record, std::span<const std::string_view> known);
  // Empty when the file has no such column.
  std::string_view field(const base::CsvRecord& record, std::string_view column) const;
  std::size_t width() const { return width_; }

 private:
  std::span<const std::string_view> known_;
  std::vector<int> position_;  // by known column; -1 = absent
  std::size_t width_ = 0;
};

base::Result<MeterSpec> meter_spec(const Header& header, const base::CsvRecord& record);
base::Result<ExchangeSpec> exchange_spec(const Header& header, const base::CsvRecord& record);
base::Result<GatewaySpec> gateway_spec(const Header& header, const base::CsvRecord& record);

}  // namespace meterhub::registry
