// What the files that implement Store share. All of it is used under `mutex`.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include <meterhub/base/mutex.h>
#include <meterhub/db/connection.h>
#include <meterhub/registry/store.h>

namespace meterhub::registry {

// A compiled statement taken from the cache for one use: reset at the end, so that no
// read transaction stays open.
class Query {
 public:
  explicit Query(db::Statement& statement) : statement_(&statement) {}
  Query(Query&& other) noexcept : statement_(std::exchange(other.statement_, nullptr)) {}
  Query& operator=(Query&&) = delete;
  ~Query() {
    if (statement_ != nullptr) statement_->reset();
  }
  db::Statement* operator->() { return statement_; }
  db::Statement& operator*() { return *statement_; }

 private:
  db::Statement* statement_;
};

struct Store::State {
  State(std::unique_ptr<db::Connection> c, const crypto::Key256& k, const base::Clock& t)
      : connection(std::move(c)), master_key(k), clock(t) {}
  ~State();

  // `sql` is a literal: the cache keeps the view. Not for recursion on one statement.
  template <class... Values>
  base::Result<Query> query(std::string_view sql, const Values&... values) {
    db::Statement& statement = *MH_TRY(compiled(sql));
    statement.bind_all(values...);
    return Query(statement);
  }
  template <class... Values>
  base::Result<void> run(std::string_view sql, const Values&... values) {
    auto statement = MH_TRY(query(sql, values...));
    return statement->run();
  }
  base::Result<db::Statement*> compiled(std::string_view sql);

  // Inside a transaction: the rows every edit leaves.
  base::Result<void> note_change(Change::Kind kind, std::int64_t first, std::int64_t last);
  base::Result<void> note_audit(const Actor& actor, std::string_view action, std::string_view subject,
                                std::string_view detail = {});

  base::Bytes seal(base::BytesView plain, std::string_view context) const;
  base::Result<base::Bytes> open(base::BytesView sealed, std::string_view context) const;

  // kNotFound with the name in the text.
  base::Result<std::int64_t> tenant_number(std::string_view name);
  // As tenant_number; an empty name means the only tenant.
  base::Result<std::int64_t> tenant_or_only(std::string_view name);

  mutable base::Mutex mutex;
  std::unique_ptr<db::Connection> connection;
  crypto::Key256 master_key;
  const base::Clock& clock;
  std::unordered_map<std::string_view, db::Statement> statements;  // goes before connection: see ~State
};

// Runs `edit` in one transaction under the lock; whatever fails leaves nothing.
template <class Edit>
auto edited(Store::State& state, Edit&& edit) -> decltype(edit()) {
  const base::Lock lock(state.mutex);
  auto transaction = MH_TRY(db::Transaction::begin(*state.connection));
  auto result = edit();
  if (!result) return result;
  MH_TRY_VOID(transaction.commit());
  return result;
}

// kInvalidArgument when the system's list of zones does not have the name.
base::Result<void> check_time_zone(std::string_view name);

// The building (0 = none) and unit (0 = none) of a path; what is missing is made.
struct Place {
  std::int64_t building = 0;
  std::int64_t unit = 0;
  std::int64_t district = 0;
  bool made = false;
};
base::Result<Place> ensure_place(Store::State& state, std::int64_t tenant, std::string_view district,
                                 std::string_view building, std::string_view floor, std::string_view unit);

// --- store_meters.cc, also for Import
enum class IfExists : std::uint8_t { kRefuse, kReplace, kRequire };
struct PutMeter {
  std::int64_t number = 0;
  bool made = false;
};
base::Result<PutMeter> put_meter(Store::State& state, const MeterSpec& spec, std::int64_t tenant, const Place& place,
                                 IfExists mode);
base::Result<std::int64_t> find_meter(Store::State& state, base::Eui64 eui);  // 0 = none
base::Result<Meter> meter_with(Store::State& state, base::Eui64 eui);         // kNotFound
// kNotFound with the names there are: what a meter of an unknown profile sends could only become dead letters.
base::Result<void> check_profile(Store::State& state, std::string_view name);

// --- store_exchanges.cc, also for Import. `replace`: one that is noted already takes the counters of `spec`.
base::Result<Exchange> put_exchange(Store::State& state, const Actor& actor, const ExchangeSpec& spec, bool replace);

// --- store_gateways.cc, also for Import
base::Result<std::int64_t> put_gateway(Store::State& state, const GatewaySpec& spec, IfExists mode,
                                       std::optional<std::string_view> etag = {});

// --- store_policies.cc
// Once a registry, whatever was removed later. Not inside a transaction.
base::Result<void> make_builtin_policies(Store::State& state);

// --- store_sessions.cc
base::Result<void> insert_session(Store::State& state, const lorawan::Session& session);
// Of one meter's newest session; nothing when it has none.
base::Result<std::optional<lorawan::Session>> newest_session(Store::State& state, base::MeterNumber meter);

}  // namespace meterhub::registry
