// The registry's database (registry.sqlite): who exists and which keys they hold. Every
// edit writes its change row and its audit row in the same transaction, so that running
// roles and other processes can follow (changes()).
//
// Any thread: calls take an internal lock, hold it for one transaction and never call back
// under it. Other processes may edit the same file at the same time; kUnavailable means
// that one of them held the write lock longer than the busy timeout.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/ids.h>
#include <meterhub/base/result.h>
#include <meterhub/crypto/aead.h>
#include <meterhub/lorawan/session.h>
#include <meterhub/registry/channels.h>
#include <meterhub/registry/entities.h>
#include <meterhub/registry/exchanges.h>
#include <meterhub/registry/policies.h>

namespace meterhub::registry {

// What changed. first..last are numbers of meters (kMeter, kSession) or row numbers of
// gateways; a bulk import is one change. Readers fetch the rows as they are now; a row that
// is not there was removed. kSessionGone names one session: first = meter, last = session.
struct Change {
  enum class Kind : std::uint8_t {
    kMeter = 1,
    kGateway = 2,
    kPlace = 3,
    kSession = 4,
    kProfile = 5,
    kSessionGone = 6,
    kJob = 7,
    kMessages = 8,  // channels or routes
    kApiKey = 9,
    kPolicy = 10,
    kExchange = 11  // first..last are numbers of exchanges
  };
  std::uint64_t number = 0;  // rises; gaps are normal
  Kind kind = Kind::kMeter;
  std::int64_t first = 0;
  std::int64_t last = 0;  // inclusive
};

// Where a reader of sessions stands: the last one seen, in order of (meter, session).
struct SessionKey {
  base::MeterNumber meter;
  base::SessionNumber session;
  auto operator<=>(const SessionKey&) const = default;
};

// A gateway with the row number that changes speak of; 0 rows in a range = removed.
struct GatewayRow {
  std::int64_t row = 0;
  Gateway gateway;
};

// Keys a gateway spec leaves empty are made on creation and kept on update; so are authentication (sas) and thumbprints.
struct GatewaySpec {
  std::string id{};
  std::optional<base::Eui64> eui{};
  std::string tenant{};  // by name; empty = the only tenant there is
  bool enabled = true;
  std::string status_reason{};
  std::string ns_plugin{};
  std::string authentication{};
  GatewayKeys keys{};
  std::optional<Thumbprints> thumbprints{};
};

// What the hub saw of a gateway, to be known again after a restart.
struct GatewaySeen {
  std::string id;
  base::Timestamp changed{};  // when it was connected or disconnected last
  base::Timestamp active{};   // when it sent something last
};

// Everything a join-request needs to be judged.
struct JoinState {
  base::MeterNumber meter;
  base::Eui64 join_eui;
  lorawan::AesKey app_key{};
  std::uint32_t app_nonce = 0;           // last one used; 0 = none
  base::SessionNumber session;           // newest
  std::optional<base::Bytes> same_nonce_frame{};   // the frame that used this DevNonce before
  std::optional<base::Bytes> same_nonce_accept{};  // and what was answered
};

// A finished join, written at once: nonce, counter, accept and session.
struct JoinRecord {
  base::Eui64 dev_eui;
  std::uint16_t dev_nonce = 0;
  std::uint32_t app_nonce = 0;
  base::Bytes frame{};
  base::Bytes accept{};
  lorawan::Session session{};
};

// Proof of ownership of a single-writer duty ("joins/0"): an older epoch is kFenced.
struct Owner {
  std::string duty;
  base::Epoch epoch;
};

class Store {
 public:
  struct Options {
    std::filesystem::path file{};  // registry.sqlite
    crypto::Key256 master_key{};
    std::chrono::milliseconds busy_timeout = std::chrono::seconds(5);
  };
  // Makes or migrates the file. kForbidden when it was sealed under another master key.
  static base::Result<std::unique_ptr<Store>> open(const Options& options, const base::Clock& clock);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // When this registry was made.
  base::Result<base::Timestamp> created() const;

  // --- tenants and places
  base::Result<Tenant> add_tenant(const Actor& actor, std::string_view name,
                                  std::string_view time_zone = kDefaultTimeZone);
  base::Result<Tenant> tenant(std::string_view name) const;
  base::Result<std::vector<Tenant>> tenants() const;
  base::Result<std::vector<District>> districts() const;
  base::Result<std::vector<Building>> buildings() const;
  base::Result<std::vector<Unit>> units(BuildingNumber building) const;
  // Makes what is missing of the path; an empty district or building stops there. With
  // `address` or `tags` given, the last place named gets them.
  base::Result<void> put_place(const Actor& actor, std::string_view tenant, std::string_view district,
                               std::string_view building, std::string_view floor, std::string_view unit,
                               std::string_view address, std::string_view tags);

  // --- gateways
  // kAlreadyExists; kInvalidArgument for a bad id or key size. The result holds the keys.
  base::Result<Gateway> add_gateway(const Actor& actor, const GatewaySpec& spec);
  // `etag` given: kPrecondition when it is not the stored one. kNotFound.
  base::Result<Gateway> update_gateway(const Actor& actor, const GatewaySpec& spec,
                                       std::optional<std::string_view> etag = {});
  base::Result<void> remove_gateway(const Actor& actor, std::string_view id, std::optional<std::string_view> etag = {});
  base::Result<void> set_gateway_enabled(const Actor& actor, std::string_view id, bool enabled,
                                         std::string_view reason = {});
  base::Result<Gateway> gateway(std::string_view id) const;
  // In order of row, keys opened. `last` bounds a change's range.
  base::Result<std::vector<GatewayRow>> gateways(std::int64_t after_row, std::size_t limit,
                                                 std::int64_t last_row = INT64_MAX) const;
  struct GatewayCounts {
    std::int64_t total = 0;
    std::int64_t enabled = 0;
  };
  base::Result<GatewayCounts> gateway_counts() const;
  // Leaves neither change nor audit row and no new ETag. A gateway that is gone is passed over.
  base::Result<void> note_gateways_seen(std::span<const GatewaySeen> seen);
  base::Result<std::vector<GatewaySeen>> gateways_seen() const;

  // --- meters
  // kAlreadyExists; kNotFound when the tenant or the payload profile does not exist.
  base::Result<Meter> add_meter(const Actor& actor, const MeterSpec& spec);
  // Replaces what is stated; keys given are a re-enrolment: the next session begins.
  base::Result<Meter> update_meter(const Actor& actor, const MeterSpec& spec);
  // The number is never given again.
  base::Result<void> remove_meter(const Actor& actor, base::Eui64 eui);
  base::Result<Meter> meter(base::Eui64 eui) const;
  base::Result<Meter> meter(base::MeterNumber number) const;
  // In order of number, after `after`, up to `last`.
  base::Result<std::vector<Meter>> meters(base::MeterNumber after, std::size_t limit,
                                          base::MeterNumber last = base::MeterNumber(UINT32_MAX)) const;
  base::Result<std::int64_t> meter_count() const;
  // For an export that was asked to hold keys: the newest session's, or the root key.
  base::Result<MeterKeys> meter_keys(base::MeterNumber number) const;

  // --- exchanges of meters (exchanges.h)
  // Puts the new meter in the old one's place, with its low limit if it has one, and notes it. The old one stays, placed nowhere.
  // kNotFound: one of them; kInvalidArgument: the same meter, another tenant's, a time in the future, a counter out of range;
  // kPrecondition: the old one hangs nowhere, the new one hangs elsewhere, or one of them came or went itself at `at` or later;
  // kAlreadyExists: it is noted already.
  base::Result<Exchange> exchange_meter(const Actor& actor, const ExchangeSpec& spec);
  // In order of number, after `after`, up to `last`.
  base::Result<std::vector<NamedExchange>> exchanges(ExchangeNumber after, std::size_t limit,
                                                     ExchangeNumber last = ExchangeNumber(UINT32_MAX)) const;

  // --- sessions
  // In order after `after`; `last_meter` bounds a change's range. Ended ones too, as long
  // as their keys are kept.
  base::Result<std::vector<lorawan::Session>> sessions(
      SessionKey after, std::size_t limit, base::MeterNumber last_meter = base::MeterNumber(UINT32_MAX)) const;
  // By the deduplication stage, when a meter's 32-bit counter passes 65,536.
  base::Result<void> set_high_word(SessionKey session, std::uint16_t word);
  // Forgets the keys of sessions that a newer one replaced before `before`. Returns how many.
  base::Result<std::int64_t> purge_sessions(base::Timestamp before);

  // --- joins (joins.h)
  // kNotFound when no meter with this EUI joins.
  base::Result<JoinState> join_state(base::Eui64 dev_eui, std::uint16_t dev_nonce) const;
  // kFenced; kPrecondition when the nonce or the session number was taken meanwhile.
  base::Result<void> record_join(const Owner& owner, const JoinRecord& record);

  // --- jobs
  // kAlreadyExists; kResourceExhausted beyond kJobsMax; kTooLarge; kInvalidArgument for a name that
  // is not 1 to 48 letters, digits, '-' and '_'.
  base::Result<Job> add_job(const Actor& actor, const JobSpec& spec);
  // What the platform brings. Added when no job of this name is there or ever was: a removed one stays removed. One that is there
  // takes the texts over as long as no user has changed them; whether it is enabled stays as it is. The job as it is
  // now; nothing when it was removed.
  base::Result<std::optional<Job>> provide_job(const Actor& actor, const JobSpec& spec);
  // Takes definition and query of `spec`; what it says of start and state does not count.
  // `version` given: kPrecondition when it is not the stored one. kNotFound.
  base::Result<Job> change_job(const Actor& actor, const JobSpec& spec, std::optional<std::uint64_t> version = {});
  base::Result<Job> set_job_enabled(const Actor& actor, std::string_view name, bool enabled);
  base::Result<void> remove_job(const Actor& actor, std::string_view name);
  base::Result<Job> job(std::string_view name) const;
  // In order of name, removed ones left out.
  base::Result<std::vector<Job>> jobs() const;

  // --- channels of messages and their routes (channels.h)
  // kAlreadyExists; kResourceExhausted beyond kChannelsMax; kInvalidArgument with what is wrong; kNotFound: the tenant.
  base::Result<Channel> add_channel(const Actor& actor, const ChannelSpec& spec);
  // Replaces all but name and kind; secrets that are not given stay. kNotFound.
  base::Result<Channel> change_channel(const Actor& actor, const ChannelSpec& spec);
  // Its routes go with it. kNotFound.
  base::Result<void> remove_channel(const Actor& actor, std::string_view name);
  base::Result<Channel> channel(std::string_view name) const;
  // In order of name.
  base::Result<std::vector<Channel>> channels() const;
  // For the one who sends. kNotFound; kCorrupt.
  base::Result<ChannelSecrets> channel_secrets(ChannelNumber number) const;
  // kNotFound: the channel or the tenant; kInvalidArgument; kResourceExhausted beyond kRoutesMax.
  base::Result<Route> add_route(const Actor& actor, const RouteSpec& spec);
  base::Result<void> remove_route(const Actor& actor, RouteNumber number);
  // In order of number.
  base::Result<std::vector<Route>> routes() const;
  // Leaves an audit entry about a channel and changes nothing: that a test message was sent.
  base::Result<void> note_channel(const Actor& actor, std::string_view action, std::string_view name,
                                  std::string_view detail);
  // --- keys of the HTTP API
  struct NewApiKey {
    ApiKey key;
    std::string text;  // shown once: it is not kept
  };
  // kAlreadyExists; kNotFound: the tenant; kResourceExhausted beyond kApiKeysMax; kInvalidArgument for a
  // bad name, an end that is past, or the right `admin` with a tenant.
  base::Result<NewApiKey> add_api_key(const Actor& actor, const ApiKeySpec& spec);
  base::Result<void> remove_api_key(const Actor& actor, std::string_view name);
  base::Result<void> set_api_key_enabled(const Actor& actor, std::string_view name, bool enabled);
  // In order of name.
  base::Result<std::vector<ApiKey>> api_keys() const;
  // Leaves neither change nor audit row. A key that is gone is passed over.
  struct ApiKeyUse {
    std::uint32_t key = 0;
    base::Timestamp at{};
  };
  base::Result<void> note_api_keys_used(std::span<const ApiKeyUse> uses);

  // --- shared access policies (policies.h). A scope may come in any case. A new registry has those built in, with keys
  // that nobody else has; a built-in one that was removed stays removed.
  // kAlreadyExists; kResourceExhausted beyond kPoliciesMax; kInvalidArgument with what is wrong.
  base::Result<Policy> add_policy(const Actor& actor, const PolicySpec& spec);
  // Makes one key anew; what was signed with the old one is worth nothing from now on. kNotFound.
  base::Result<Policy> rotate_policy(const Actor& actor, std::string_view scope, std::string_view name, PolicyKey which);
  base::Result<void> remove_policy(const Actor& actor, std::string_view scope, std::string_view name);
  base::Result<Policy> policy(std::string_view scope, std::string_view name) const;
  // In order of scope and name, keys opened.
  base::Result<std::vector<Policy>> policies() const;

  // --- profiles, audit
  base::Result<std::vector<Profile>> profiles() const;
  base::Result<std::vector<AuditEntry>> audit(std::uint64_t after, std::size_t limit) const;
  // Entries that match, in order of number or, `newest_first`, against it.
  struct AuditFilter {
    std::vector<std::string> actors{};  // any of them
    std::vector<std::string> actions{};
    std::vector<std::string> subjects{};
    std::optional<base::Timestamp> from{};
    std::optional<base::Timestamp> to{};  // exclusive
    std::string search{};  // some text holds it; ASCII letters in any case; no wildcards
  };
  base::Result<std::vector<AuditEntry>> find_audit(const AuditFilter& filter, bool newest_first, std::uint64_t offset,
                                                   std::size_t limit) const;
  base::Result<std::int64_t> count_audit(const AuditFilter& filter) const;

  // --- changes
  base::Result<std::uint64_t> last_change() const;
  // In order. kNotFound when `after` is older than what is kept: read everything anew.
  base::Result<std::vector<Change>> changes(std::uint64_t after, std::size_t limit) const;
  // Drops change rows made before `before`.
  base::Result<void> prune_changes(base::Timestamp before);

  // Many meters or gateways in one transaction; see transfer.h. Not nested; other calls of
  // this Store wait meanwhile, other processes can read.
  class Import;
  base::Result<std::unique_ptr<Import>> begin_import(const Actor& actor);

  struct State;  // defined beside the implementation

 private:
  friend class Import;
  explicit Store(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// What became of a profile that was put.
enum class PutProfile : std::uint8_t { kAdded, kReplaced, kUnchanged };

// One bulk transaction. A row that fails leaves the others in place; nothing is visible
// before commit(); destroyed without it, nothing was done.
class Store::Import {
 public:
  ~Import();
  Import(const Import&) = delete;
  Import& operator=(const Import&) = delete;

  // The same errors as the single calls. An existing meter is kAlreadyExists unless
  // `replace`: then it is updated, and begins a new session only if its keys differ.
  base::Result<void> put_meter(const MeterSpec& spec, bool replace);
  base::Result<void> put_gateway(const GatewaySpec& spec, bool replace);
  base::Result<void> put_tenant(std::string_view name, std::string_view time_zone);
  // kAlreadyExists for the same two meters and time, unless `replace`: then it takes the counters given.
  base::Result<void> put_exchange(const ExchangeSpec& spec, bool replace);
  // kAlreadyExists when there is one of that name with another text, or a built-in one, unless `replace`.
  base::Result<PutProfile> put_profile(const Profile& profile, bool replace);
  base::Result<void> commit();

 private:
  friend class Store;
  struct State;
  explicit Import(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace meterhub::registry
