// Who and what exists: tenants, places, gateways, meters. Plain values; names are UTF-8.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <meterhub/base/bytes.h>
#include <meterhub/base/clock.h>
#include <meterhub/base/ids.h>
#include <meterhub/base/result.h>
#include <meterhub/lorawan/session.h>

namespace meterhub::registry {

using DistrictNumber = base::Id<struct DistrictTag, std::uint32_t>;
using BuildingNumber = base::Id<struct BuildingTag, std::uint32_t>;
using UnitNumber = base::Id<struct UnitTag, std::uint32_t>;

// Text for the audit log: who asked, as "cli", "api:office" or "join".
using Actor = std::string;

inline constexpr std::string_view kDefaultTimeZone = "Asia/Shanghai";
inline constexpr std::string_view kDefaultProfile = "v1";
// 0: none is stated, and the rules' limit counts (rules.silence_meter).
inline constexpr std::chrono::seconds kDefaultSilenceLimit{0};
// Device ids: ASCII, case-sensitive (spec/azure-amqp.md 12).
inline constexpr std::size_t kMaxGatewayIdLength = 128;

// What a key of the API may do; each includes those before it.
//   read     look
//   operate  what people on duty do: acknowledge, assign, comment, shelve, clear
//   manage   settings of the tenant, channels and routes of messages
//   admin    everything, of the whole platform only
enum class Right : std::uint8_t { kRead, kOperate, kManage, kAdmin };
std::string_view right_name(Right right);
// kInvalidArgument names the four.
base::Result<Right> parse_right(std::string_view name);

struct Tenant {
  base::TenantNumber number;
  std::string name;
  std::string time_zone{kDefaultTimeZone};  // IANA name
};

struct District {
  DistrictNumber number;
  base::TenantNumber tenant;
  std::string name;
};

// Tags are free text "name=value;name=value"; one is the pressure zone.
struct Building {
  BuildingNumber number;
  DistrictNumber district;
  base::TenantNumber tenant;
  std::string name;
  std::string address;
  std::string tags;
};

struct Unit {
  UnitNumber number;
  BuildingNumber building;
  std::string floor;
  std::string name;
  std::string address;
  std::string tags;
};

// Shared keys of a gateway, 16 to 64 bytes each. Shown once, at creation.
struct GatewayKeys {
  base::Bytes primary;
  base::Bytes secondary;
  bool operator==(const GatewayKeys&) const = default;
};

// How a gateway proves who it is, in the words of IoT Hub's registry.
inline constexpr std::string_view kSasAuthentication = "sas";
inline constexpr std::string_view kThumbprintAuthentication = "selfSigned";
inline constexpr std::string_view kAuthorityAuthentication = "certificateAuthority";
inline constexpr std::string_view kNoAuthentication = "none";

// SHA-1 or SHA-256 of the certificates that a gateway may show, in hex as it was given; empty = none.
struct Thumbprints {
  std::string primary;
  std::string secondary;
  bool operator==(const Thumbprints&) const = default;
};

struct Gateway {
  std::string id;                     // the hub's device id
  std::optional<base::Eui64> eui;     // what GWMP datagrams carry
  base::TenantNumber tenant;          // who runs it; says nothing about the meters it hears
  bool enabled = true;
  std::string status_reason;
  std::string ns_plugin;              // cipher plug-in for its bodies; empty = LoRaWAN
  std::string authentication{kSasAuthentication};
  GatewayKeys keys;                   // good for nothing unless authentication is sas
  Thumbprints thumbprints;            // good for nothing unless it is selfSigned
  std::uint64_t generation_id = 0;    // new at each creation of this id
  std::string etag;                   // new at each write
  base::Timestamp created{};
  base::Timestamp status_updated{};
};

// Keys put in the registry at enrolment; nothing on the air.
struct AbpKeys {
  base::DevAddr dev_addr;
  lorawan::AesKey nwk_skey{};
  lorawan::AesKey app_skey{};
};
// Root key of a meter that joins.
struct OtaaKeys {
  base::Eui64 join_eui;
  lorawan::AesKey app_key{};
};
using MeterKeys = std::variant<std::monostate, AbpKeys, OtaaKeys>;

// What a user states about a meter. Places are named; those that do not exist are made.
struct MeterSpec {
  base::Eui64 eui;
  std::string tenant;  // by name; must exist
  std::string district;
  std::string building;
  std::string floor;
  std::string unit;
  std::string profile{kDefaultProfile};
  bool allow_resets = false;  // a counter that starts again is a battery change, not an attack
  std::chrono::seconds silence_limit = kDefaultSilenceLimit;  // at most a year
  std::optional<std::int64_t> low_limit_litres;  // balance below which a visit is due
  MeterKeys keys;  // nothing: a foreign cipher, or keys unchanged in an update
};

// A meter as stored, without its keys.
struct Meter {
  base::MeterNumber number;
  base::Eui64 eui;
  base::TenantNumber tenant;
  UnitNumber unit;          // 0 = not placed
  BuildingNumber building;  // 0 = not placed
  std::string tenant_name;
  std::string district_name;
  std::string building_name;
  std::string floor;
  std::string unit_name;
  std::string profile;
  bool allow_resets = false;
  std::chrono::seconds silence_limit{};  // 0 = the rules' limit counts
  std::optional<std::int64_t> low_limit_litres;
  bool otaa = false;
  base::SessionNumber session;  // the newest; 0 = none yet
};

// A payload profile: a file, not code. The text is what module `meter` reads.
struct Profile {
  std::string name;
  std::string text;  // at most kProfileBytesMax
};
inline constexpr std::size_t kProfileBytesMax = 64 << 10;

// A job of the stream role as it is kept: the texts are what the program around the registry
// makes of them, opaque here.
struct JobSpec {
  std::string name;
  std::string definition;     // inputs, outputs and policy, as JSON
  std::string query;          // its SQL
  base::Timestamp starts{};   // where it begins to read what it never read; 0 = the earliest record
  bool enabled = true;        // false: it is kept and does not run
};

struct Job {
  JobSpec spec;
  // Rises when a name is taken again after its job was removed: results and positions of the
  // two have nothing in common.
  std::uint32_t incarnation = 1;
  std::uint64_t version = 1;  // rises with every change of definition or query
  // The platform brought it, and its texts are the platform's: no user changed them. See Store::provide_job().
  bool provided = false;
  base::Timestamp created{};
  base::Timestamp changed{};
};

inline constexpr std::size_t kJobsMax = 64;
inline constexpr std::size_t kJobDefinitionBytesMax = 64 * 1024;
inline constexpr std::size_t kJobQueryBytesMax = 64 * 1024;

// A key of the HTTP API as it is kept: the key itself is not.
struct ApiKey {
  std::uint32_t number = 0;  // never given twice, also when the name is
  std::string name;
  std::optional<base::TenantNumber> tenant{};  // nothing: the whole platform's
  Right right = Right::kRead;
  std::array<std::uint8_t, 32> hash{};  // SHA-256 of the key's text
  base::Timestamp created{};
  std::optional<base::Timestamp> expires{};
  std::optional<base::Timestamp> used{};  // to within a minute
  bool enabled = true;
  bool operator==(const ApiKey&) const = default;
};
// Immutable.
using ApiKeys = std::shared_ptr<const std::vector<ApiKey>>;

struct ApiKeySpec {
  std::string name{};    // 1 to 64 letters, digits, '-', '_', '.'
  std::string tenant{};  // by name; empty = the whole platform's
  Right right = Right::kRead;
  std::optional<base::Timestamp> expires{};
};
inline constexpr std::size_t kApiKeysMax = 1000;
// "mhk_" and 64 hex digits: 256 random bits.
inline constexpr std::string_view kApiKeyPrefix = "mhk_";

struct AuditEntry {
  std::uint64_t number = 0;
  base::Timestamp time{};
  Actor actor;
  std::string action;   // "gateway.disable"
  std::string subject;  // id or EUI; never a key
  std::string detail;
};

}  // namespace meterhub::registry
