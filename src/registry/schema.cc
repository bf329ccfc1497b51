#include "schema.h"

#include <array>

namespace meterhub::registry {
namespace {

// AUTOINCREMENT: a number is never given twice, also after its row was removed.
constexpr std::string_view kFirst = R"sql(
CREATE TABLE tenants(
  number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, time_zone TEXT NOT NULL);
CREATE TABLE districts(
  number INTEGER PRIMARY KEY AUTOINCREMENT, tenant BIGINT NOT NULL REFERENCES tenants(number),
  name TEXT NOT NULL, UNIQUE(tenant, name));
CREATE TABLE buildings(
  number INTEGER PRIMARY KEY AUTOINCREMENT, district BIGINT NOT NULL REFERENCES districts(number),
  name TEXT NOT NULL, address TEXT NOT NULL DEFAULT '', tags TEXT NOT NULL DEFAULT '', UNIQUE(district, name));
CREATE TABLE units(
  number INTEGER PRIMARY KEY AUTOINCREMENT, building BIGINT NOT NULL REFERENCES buildings(number),
  floor TEXT NOT NULL, name TEXT NOT NULL, address TEXT NOT NULL DEFAULT '', tags TEXT NOT NULL DEFAULT '',
  UNIQUE(building, floor, name));
CREATE TABLE meters(
  number INTEGER PRIMARY KEY AUTOINCREMENT, eui TEXT NOT NULL UNIQUE,
  tenant BIGINT NOT NULL REFERENCES tenants(number), building BIGINT REFERENCES buildings(number),
  unit BIGINT REFERENCES units(number), profile TEXT NOT NULL, allow_resets BIGINT NOT NULL,
  silence_limit_s BIGINT NOT NULL, low_limit_litres BIGINT, otaa BIGINT NOT NULL, session BIGINT NOT NULL DEFAULT 0,
  created BIGINT NOT NULL);
CREATE TABLE root_keys(
  meter INTEGER PRIMARY KEY REFERENCES meters(number) ON DELETE CASCADE,
  join_eui TEXT NOT NULL, app_key BLOB NOT NULL, app_nonce BIGINT NOT NULL DEFAULT 0);
CREATE TABLE dev_nonces(
  meter BIGINT NOT NULL REFERENCES meters(number) ON DELETE CASCADE, nonce BIGINT NOT NULL,
  frame BLOB NOT NULL, accept BLOB NOT NULL, PRIMARY KEY(meter, nonce)) WITHOUT ROWID;
CREATE TABLE sessions(
  meter BIGINT NOT NULL REFERENCES meters(number) ON DELETE CASCADE, number BIGINT NOT NULL,
  dev_addr BIGINT NOT NULL, keys BLOB NOT NULL, high_word BIGINT NOT NULL DEFAULT 0,
  started BIGINT NOT NULL, replaced BIGINT, PRIMARY KEY(meter, number)) WITHOUT ROWID;
CREATE TABLE gateways(
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, eui TEXT UNIQUE,
  tenant BIGINT NOT NULL REFERENCES tenants(number), enabled BIGINT NOT NULL, status_reason TEXT NOT NULL,
  ns_plugin TEXT NOT NULL, authentication TEXT NOT NULL, primary_key BLOB NOT NULL, secondary_key BLOB NOT NULL,
  generation_id BIGINT NOT NULL, etag TEXT NOT NULL, created BIGINT NOT NULL, status_updated BIGINT NOT NULL);
CREATE TABLE profiles(name TEXT PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE owners(duty TEXT PRIMARY KEY, epoch BIGINT NOT NULL);
CREATE TABLE settings(name TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE audit(
  number INTEGER PRIMARY KEY AUTOINCREMENT, time BIGINT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
  subject TEXT NOT NULL, detail TEXT NOT NULL);
CREATE TABLE changes(
  number INTEGER PRIMARY KEY AUTOINCREMENT, kind BIGINT NOT NULL, first BIGINT NOT NULL, last BIGINT NOT NULL,
  time BIGINT NOT NULL);
)sql";

// A removed job keeps its row: who takes its name again is another incarnation.
constexpr std::string_view kJobs = R"sql(
CREATE TABLE jobs(
  name TEXT PRIMARY KEY, incarnation BIGINT NOT NULL, version BIGINT NOT NULL, state BIGINT NOT NULL,
  definition TEXT NOT NULL, query TEXT NOT NULL, starts BIGINT NOT NULL, created BIGINT NOT NULL, changed BIGINT NOT NULL);
)sql";

// Those that every platform began with, where nobody had changed them, are the platform's from now on.
constexpr std::string_view kProvidedJobs = R"sql(
ALTER TABLE jobs ADD COLUMN provided BIGINT NOT NULL DEFAULT 0;
UPDATE jobs SET provided = 1 WHERE version = 1 AND name IN ('raw-archive', 'low-balance-alert');
)sql";

// A number is never given twice: messages that wait for a removed channel do not go to one that took its name.
constexpr std::string_view kChannels = R"sql(
CREATE TABLE channels(
  number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, tenant BIGINT REFERENCES tenants(number),
  kind TEXT NOT NULL, language TEXT NOT NULL, enabled BIGINT NOT NULL, recipients TEXT NOT NULL, sender TEXT NOT NULL,
  server TEXT NOT NULL, user_name TEXT NOT NULL, shown TEXT NOT NULL, url BLOB NOT NULL, secret BLOB NOT NULL,
  created BIGINT NOT NULL, changed BIGINT NOT NULL);
CREATE TABLE routes(
  number INTEGER PRIMARY KEY AUTOINCREMENT, channel BIGINT NOT NULL REFERENCES channels(number) ON DELETE CASCADE,
  tenant BIGINT REFERENCES tenants(number), rules TEXT NOT NULL, severity TEXT NOT NULL, events TEXT NOT NULL,
  quiet_from BIGINT, quiet_to BIGINT, escalate_after BIGINT NOT NULL);
)sql";

// Of a key only its hash: who reads the file cannot use it.
constexpr std::string_view kApiKeys = R"sql(
CREATE TABLE api_keys(
  number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, tenant BIGINT REFERENCES tenants(number),
  rights BIGINT NOT NULL, hash BLOB NOT NULL UNIQUE, created BIGINT NOT NULL, expires BIGINT, used BIGINT,
  enabled BIGINT NOT NULL);
)sql";

// Scope '' = the hub, '*' = all event hubs, else the event hub of that name.
constexpr std::string_view kPolicies = R"sql(
CREATE TABLE policies(
  number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, scope TEXT NOT NULL, rights BIGINT NOT NULL,
  primary_key BLOB NOT NULL, secondary_key BLOB NOT NULL, created BIGINT NOT NULL, changed BIGINT NOT NULL,
  UNIQUE(scope, name));
)sql";

// What the hub saw of a gateway stands beside its row: it changes no ETag.
constexpr std::string_view kCertificates = R"sql(
ALTER TABLE gateways ADD COLUMN primary_thumbprint TEXT NOT NULL DEFAULT '';
ALTER TABLE gateways ADD COLUMN secondary_thumbprint TEXT NOT NULL DEFAULT '';
CREATE TABLE gateways_seen(
  gateway INTEGER PRIMARY KEY REFERENCES gateways(number) ON DELETE CASCADE, changed BIGINT NOT NULL, active BIGINT NOT NULL);
)sql";

// Numbers and EUIs, no references: a note outlives its meters.
constexpr std::string_view kExchanges = R"sql(
CREATE TABLE exchanges(
  number INTEGER PRIMARY KEY AUTOINCREMENT, at BIGINT NOT NULL, old_number BIGINT NOT NULL, new_number BIGINT NOT NULL,
  old_eui TEXT NOT NULL, new_eui TEXT NOT NULL, building BIGINT NOT NULL REFERENCES buildings(number),
  unit BIGINT REFERENCES units(number), final_litres BIGINT, initial_litres BIGINT);
CREATE INDEX exchanges_old ON exchanges(old_number);
CREATE INDEX exchanges_new ON exchanges(new_number);
)sql";

constexpr std::array<db::Migration, 8> kSteps{{{1, "registry", kFirst},
                                               {2, "jobs", kJobs},
                                               {3, "provided jobs", kProvidedJobs},
                                               {4, "channels", kChannels},
                                               {5, "api keys", kApiKeys},
                                               {6, "policies", kPolicies},
                                               {7, "certificates of gateways", kCertificates},
                                               {8, "exchanges of meters", kExchanges}}};

}  // namespace

std::span<const db::Migration> schema() { return kSteps; }

}  // namespace meterhub::registry
