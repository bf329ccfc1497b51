// Exchanges of meters: another one in the place of the old. Notes of what fitters did, never forgotten: usage goes on
// from the old meter's readings (docs/usage.md). Plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <meterhub/base/clock.h>
#include <meterhub/base/ids.h>
#include <meterhub/base/result.h>
#include <meterhub/registry/entities.h>

namespace meterhub::registry {

using ExchangeNumber = base::Id<struct ExchangeTag, std::uint32_t>;

// Names of where an exchange was.
struct ExchangePlace {
  std::string district{};
  std::string building{};
  std::string floor{};
  std::string unit{};
  bool operator==(const ExchangePlace&) const = default;
};

// What a user states about an exchange.
struct ExchangeSpec {
  base::Eui64 old_meter;
  base::Eui64 new_meter;
  std::optional<base::Timestamp> at{};           // nothing: now
  std::optional<std::int64_t> final_litres{};    // the old one's counter when it was taken out
  std::optional<std::int64_t> initial_litres{};  // the new one's when it was put in
  // Given: it is history, noted as of that place, and no meter moves. What an export wrote.
  std::optional<ExchangePlace> place{};
};
// Bounds of the two counters: a billion cubic metres.
inline constexpr std::int64_t kExchangeLitresMax = 1'000'000'000'000;

// An exchange as it was noted. EUIs and numbers outlive the meters: either may have been removed since.
struct Exchange {
  ExchangeNumber number;  // rises; never given twice
  base::Timestamp at{};
  base::MeterNumber old_number;
  base::MeterNumber new_number;
  base::Eui64 old_meter;
  base::Eui64 new_meter;
  BuildingNumber building;  // where it was
  UnitNumber unit;          // 0 = the building knows no units
  std::optional<std::int64_t> final_litres{};
  std::optional<std::int64_t> initial_litres{};
  bool operator==(const Exchange&) const = default;
};

// An exchange with the names of its place as they are now.
struct NamedExchange {
  Exchange exchange;
  ExchangePlace place;
};

// "12", "12.3" and "12.345" cubic metres as litres, exactly. kInvalidArgument: anything else, or beyond
// kExchangeLitresMax.
base::Result<std::int64_t> litres_of(std::string_view cubic_metres);
// "12.345"; of at least 0.
std::string cubic_metres_text(std::int64_t litres);

}  // namespace meterhub::registry
