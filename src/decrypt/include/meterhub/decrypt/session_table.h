// Sessions of all meters in memory, found by device address (design part 4, ns). About
// 70 bytes a session; no AES key schedules are kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/ids.h>
#include <meterhub/base/result.h>
#include <meterhub/lorawan/session.h>

namespace meterhub::decrypt {

// One writer (the session feed); readers on any thread get whole, consistent copies. Keys
// are wiped when an entry goes.
class SessionTable {
 public:
  static constexpr std::size_t kSessionsMaxDefault = 20'000'000;

  explicit SessionTable(std::size_t sessions_max = kSessionsMaxDefault);
  ~SessionTable();
  SessionTable(const SessionTable&) = delete;
  SessionTable& operator=(const SessionTable&) = delete;

  // Adds the session or replaces the one of the same meter, number, EUI and address.
  // kResourceExhausted when the table is full.
  base::Result<void> upsert(const lorawan::Session& session);
  // Drops all sessions of a meter and says how many there were.
  std::size_t drop_meter(base::MeterNumber meter);
  // Drops one session of a meter, as the feed names it. Returns how many entries that were.
  std::size_t drop(base::MeterNumber meter, base::SessionNumber number);

  // A full snapshot in place: sessions upserted between the two calls stay, all others go.
  // Readers see old and new ones meanwhile.
  void begin_snapshot();
  void end_snapshot();

  // The feed's last message, also without changes (ns.snap). Zero = none yet.
  void set_fresh_as_of(base::Timestamp at);
  base::Timestamp fresh_as_of() const;

  // Replaces `out` by copies of all sessions with this address, newest number first. The
  // caller wipes them (wipe_keys) when done.
  void find(base::DevAddr address, std::vector<lorawan::Session>& out) const;

  // Sessions of many addresses; keys are wiped with it.
  struct Found {
    std::vector<lorawan::Session> sessions;
    std::vector<std::size_t> ends;  // of each address's sessions

    Found() = default;
    Found(const Found&) = delete;
    Found& operator=(const Found&) = delete;
    ~Found();
    void clear();
    std::span<lorawan::Session> of(std::size_t i);
  };
  // The same for many addresses, at most `each_max` newest sessions of each. The table does not fit
  // a processor's cache: this way memory is asked for ahead.
  void find(std::span<const base::DevAddr> addresses, std::size_t each_max, Found& out) const;

  std::size_t size() const;

 private:
  template <class Gone>
  std::size_t drop_where(std::uint32_t& head, const Gone& gone);
  void append(base::DevAddr address, std::vector<lorawan::Session>& out) const;

  struct Shard;
  std::unique_ptr<Shard[]> shards_;
  struct Shared;
  std::unique_ptr<Shared> shared_;
};

void wipe_keys(std::span<lorawan::Session> sessions);

}  // namespace meterhub::decrypt
