#include <algorithm>
#include <array>

#include <meterhub/crypto/secret.h>
#include <meterhub/registry/store.h>

#include "store_state.h"

namespace meterhub::registry {
namespace {

using base::Errc;

constexpr std::size_t kKeyBytes = 32;  // NwkSKey | AppSKey

std::string context(base::MeterNumber meter, base::SessionNumber session) {
  return "session:" + std::to_string(meter.value) + ":" + std::to_string(session.value);
}

std::uint32_t narrow(std::int64_t value) { return static_cast<std::uint32_t>(value); }

// Columns: meter, number, dev_addr, keys, high_word, eui.
base::Result<lorawan::Session> session_of(const Store::State& state, db::Statement& row) {
  lorawan::Session out;
  out.meter = base::MeterNumber(narrow(row.integer(0)));
  out.number = base::SessionNumber(narrow(row.integer(1)));
  out.dev_addr = base::DevAddr(narrow(row.integer(2)));
  out.last_high_word = static_cast<std::uint16_t>(row.integer(4));
  out.dev_eui = MH_TRY(base::Eui64::parse(row.text(5)));
  auto keys = MH_TRY(state.open(row.blob(3), context(out.meter, out.number)));
  if (keys.size() != kKeyBytes) return base::fail(Errc::kCorrupt, "session keys have another length");
  std::ranges::copy_n(keys.begin(), 16, out.nwk_skey.begin());
  std::ranges::copy_n(keys.begin() + 16, 16, out.app_skey.begin());
  crypto::wipe(keys);
  return out;
}

base::Result<void> claim(Store::State& state, const Owner& owner) {
  MH_TRY_VOID(state.run("INSERT INTO owners(duty, epoch) VALUES (?, ?) ON CONFLICT(duty) DO UPDATE SET epoch = excluded.epoch "
                        "WHERE owners.epoch <= excluded.epoch",
                        std::string_view(owner.duty), static_cast<std::int64_t>(owner.epoch.value)));
  if (state.connection->changes() == 1) return {};
  return base::fail(Errc::kFenced, owner.duty + " has a newer owner");
}

base::Result<void> take_nonce(Store::State& state, const JoinRecord& record) {
  const std::int64_t meter = record.session.meter.value;
  auto taken = state.run("INSERT INTO dev_nonces(meter, nonce, frame, accept) VALUES (?, ?, ?, ?)", meter, std::int64_t{record.dev_nonce},
                         base::BytesView(record.frame), base::BytesView(record.accept));
  if (!taken && taken.error().code == Errc::kAlreadyExists) return base::fail(Errc::kPrecondition, "this DevNonce was taken meanwhile");
  MH_TRY_VOID(std::move(taken));
  MH_TRY_VOID(state.run("UPDATE root_keys SET app_nonce = ? WHERE meter = ? AND app_nonce < ?", std::int64_t{record.app_nonce}, meter,
                        std::int64_t{record.app_nonce}));
  if (state.connection->changes() == 1) return {};
  return base::fail(Errc::kPrecondition, "the meter joined or was removed meanwhile");
}

}  // namespace

base::Result<void> insert_session(Store::State& state, const lorawan::Session& session) {
  std::array<std::uint8_t, kKeyBytes> keys;
  std::ranges::copy(session.nwk_skey, keys.begin());
  std::ranges::copy(session.app_skey, keys.begin() + 16);
  const auto sealed = state.seal(keys, context(session.meter, session.number));
  crypto::wipe(keys);
  const std::int64_t meter = session.meter.value;
  const std::int64_t number = session.number.value;
  const auto now = state.clock.now();
  if (number > 1) {
    MH_TRY_VOID(state.run("UPDATE sessions SET replaced = ? WHERE meter = ? AND replaced IS NULL", now, meter));
    MH_TRY_VOID(state.run("UPDATE meters SET session = ? WHERE number = ?", number, meter));
  } else {
    MH_TRY_VOID(state.run("UPDATE meters SET session = 1 WHERE number = ? AND session = 0", meter));
  }
  return state.run("INSERT INTO sessions(meter, number, dev_addr, keys, high_word, started) VALUES (?, ?, ?, ?, ?, ?)", meter, number,
                   std::int64_t{session.dev_addr.value}, base::BytesView(sealed), std::int64_t{session.last_high_word}, now);
}

base::Result<std::optional<lorawan::Session>> newest_session(Store::State& state, base::MeterNumber meter) {
  auto row = MH_TRY(state.query("SELECT s.meter, s.number, s.dev_addr, s.keys, s.high_word, m.eui FROM sessions s "
                                "JOIN meters m ON m.number = s.meter WHERE s.meter = ? ORDER BY s.number DESC LIMIT 1",
                                std::int64_t{meter.value}));
  if (!MH_TRY(row->step())) return std::nullopt;
  return MH_TRY(session_of(state, *row));
}

base::Result<std::vector<lorawan::Session>> Store::sessions(SessionKey after, std::size_t limit, base::MeterNumber last_meter) const {
  const base::Lock lock(state_->mutex);
  auto row = MH_TRY(state_->query(
      "SELECT s.meter, s.number, s.dev_addr, s.keys, s.high_word, m.eui FROM sessions s JOIN meters m ON m.number = s.meter "
      "WHERE (s.meter, s.number) > (?, ?) AND s.meter <= ? ORDER BY s.meter, s.number LIMIT ?",
      std::int64_t{after.meter.value}, std::int64_t{after.session.value}, std::int64_t{last_meter.value}, static_cast<std::int64_t>(limit)));
  std::vector<lorawan::Session> out;
  while (MH_TRY(row->step())) out.push_back(MH_TRY(session_of(*state_, *row)));
  return out;
}

base::Result<void> Store::set_high_word(SessionKey session, std::uint16_t word) {
  return edited(*state_, [&]() -> base::Result<void> {
    const std::int64_t meter = session.meter.value;
    MH_TRY_VOID(state_->run("UPDATE sessions SET high_word = ? WHERE meter = ? AND number = ?", std::int64_t{word}, meter,
                            std::int64_t{session.session.value}));
    if (state_->connection->changes() == 0) return base::fail(Errc::kNotFound, "there is no such session");
    return state_->note_change(Change::Kind::kSession, meter, meter);
  });
}

base::Result<std::int64_t> Store::purge_sessions(base::Timestamp before) {
  return edited(*state_, [&]() -> base::Result<std::int64_t> {
    MH_TRY_VOID(state_->run("INSERT INTO changes(kind, first, last, time) SELECT 6, meter, number, ? FROM sessions WHERE replaced < ?",
                            state_->clock.now(), before));
    MH_TRY_VOID(state_->run("DELETE FROM sessions WHERE replaced < ?", before));
    return state_->connection->changes();
  });
}

base::Result<void> Store::record_join(const Owner& owner, const JoinRecord& record) {
  return edited(*state_, [&]() -> base::Result<void> {
    MH_TRY_VOID(claim(*state_, owner));
    MH_TRY_VOID(take_nonce(*state_, record));
    auto stored = insert_session(*state_, record.session);
    if (!stored && stored.error().code == Errc::kAlreadyExists) return base::fail(Errc::kPrecondition, "this session number was taken meanwhile");
    MH_TRY_VOID(std::move(stored));
    const std::int64_t meter = record.session.meter.value;
    // kMeter: the directory shows the newest session too.
    MH_TRY_VOID(state_->note_change(Change::Kind::kMeter, meter, meter));
    return state_->note_audit("join", "meter.join", record.dev_eui.text(), "session " + std::to_string(record.session.number.value));
  });
}

}  // namespace meterhub::registry
