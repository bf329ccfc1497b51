#include <meterhub/decrypt/session_table.h>

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <array>
#include <atomic>

#include <meterhub/base/assert.h>
#include <meterhub/base/mutex.h>
#include <meterhub/crypto/secret.h>

namespace meterhub::decrypt {
namespace {

using lorawan::Session;

constexpr std::size_t kShardCount = 256;
constexpr std::size_t kChunkEntries = 256;
constexpr std::uint32_t kNone = UINT32_MAX;

// One session in one cache line. Entries of an address and of a meter form chains.
struct Entry {
  std::uint64_t dev_eui;
  std::uint32_t dev_addr;
  std::uint32_t meter;
  std::uint32_t number;
  std::uint32_t next_of_address;  // index in the same shard; also the chain of free entries
  std::uint32_t next_of_meter;    // locator: index << 8 | shard
  std::uint16_t last_high_word;
  std::uint8_t snapshot;          // of which snapshot it was last part
  std::uint8_t used;
  lorawan::AesKey nwk_skey;
  lorawan::AesKey app_skey;
};
static_assert(sizeof(Entry) == 64);

// Meter numbers are dense; one far outside is not ours and would cost memory.
constexpr std::uint32_t kMeterMax = 1U << 28;
constexpr std::uint32_t kIndexMax = (1U << 24) - 1;

struct Chunk {
  alignas(64) std::array<Entry, kChunkEntries> entries{};
  ~Chunk() { crypto::wipe({reinterpret_cast<std::uint8_t*>(entries.data()), sizeof(entries)}); }
};

std::size_t shard_of(base::DevAddr address) { return (address.value * 0x9E3779B1U) >> 24; }

void copy(const Entry& entry, Session& out) {
  out.dev_addr = base::DevAddr(entry.dev_addr);
  out.dev_eui = base::Eui64(entry.dev_eui);
  out.meter = base::MeterNumber(entry.meter);
  out.number = base::SessionNumber(entry.number);
  out.nwk_skey = entry.nwk_skey;
  out.app_skey = entry.app_skey;
  out.last_high_word = entry.last_high_word;
}

// One more; keys do not stay behind in memory that is given back.
Session& grow(std::vector<Session>& sessions) {
  if (sessions.size() == sessions.capacity()) {
    std::vector<Session> larger;
    larger.reserve(std::max<std::size_t>(16, 2 * sessions.size()));
    larger = sessions;
    wipe_keys(sessions);
    sessions.swap(larger);
  }
  return sessions.emplace_back();
}

// Few, and mostly in order. In place: the library's stable sort would leave keys in a buffer of its own.
void sort_newest_first(std::span<Session> sessions) {
  for (auto at = sessions.begin(); at != sessions.end(); ++at) {
    std::rotate(std::upper_bound(sessions.begin(), at, *at, [](const Session& a, const Session& b) { return a.number > b.number; }), at, at + 1);
  }
}

void fill(Entry& entry, const Session& session) {
  entry.dev_eui = session.dev_eui.value;
  entry.dev_addr = session.dev_addr.value;
  entry.meter = session.meter.value;
  entry.number = session.number.value;
  entry.last_high_word = session.last_high_word;
  entry.nwk_skey = session.nwk_skey;
  entry.app_skey = session.app_skey;
}

}  // namespace

// Entries whose addresses fall together. The writer takes the lock to change them, readers
// to copy a chain; a chunk never moves.
struct SessionTable::Shard {
  mutable base::Mutex lock;
  absl::flat_hash_map<std::uint32_t, std::uint32_t> first_of_address;
  std::vector<std::unique_ptr<Chunk>> chunks;
  std::uint32_t taken = 0;  // entries ever given out
  std::uint32_t free = kNone;

  Entry& at(std::uint32_t index) { return chunks[index / kChunkEntries]->entries[index % kChunkEntries]; }

  std::uint32_t allocate() {
    if (free != kNone) {
      const std::uint32_t index = free;
      free = at(index).next_of_address;
      return index;
    }
    if (taken == chunks.size() * kChunkEntries) chunks.push_back(std::make_unique<Chunk>());
    return taken++;
  }

  void link(std::uint32_t index, std::uint32_t address) {
    const auto [position, added] = first_of_address.try_emplace(address, kNone);
    at(index).next_of_address = position->second;
    position->second = index;
  }

  void unlink(std::uint32_t index) {
    const auto position = first_of_address.find(at(index).dev_addr);
    MH_ASSERT(position != first_of_address.end());
    std::uint32_t* link = &position->second;
    while (*link != index) link = &at(*link).next_of_address;
    *link = at(index).next_of_address;
    if (position->second == kNone) first_of_address.erase(position);
  }

  void release(std::uint32_t index) {
    unlink(index);
    Entry& entry = at(index);
    crypto::wipe({reinterpret_cast<std::uint8_t*>(&entry), sizeof(entry)});
    entry.next_of_address = free;
    free = index;
  }
};

// The writer's own side.
struct SessionTable::Shared {
  explicit Shared(std::size_t max) : sessions_max(max) {}

  const std::size_t sessions_max;
  std::vector<std::uint32_t> first_of_meter;  // by meter number; the writer's alone
  std::uint8_t snapshot = 0;
  std::atomic<std::size_t> count{0};
  std::atomic<std::int64_t> fresh_as_of{0};
};

SessionTable::SessionTable(std::size_t sessions_max)
    : shards_(std::make_unique<Shard[]>(kShardCount)), shared_(std::make_unique<Shared>(sessions_max)) {}
SessionTable::~SessionTable() = default;

namespace {

struct Place {
  std::size_t shard;
  std::uint32_t index;
};
std::uint32_t locator(Place place) { return place.index << 8 | static_cast<std::uint32_t>(place.shard); }
Place place_of(std::uint32_t locator) { return {locator & 0xFF, locator >> 8}; }

}  // namespace

base::Result<void> SessionTable::upsert(const Session& session) {
  auto& heads = shared_->first_of_meter;
  if (session.meter.value > kMeterMax) return base::fail(base::Errc::kInvalidArgument, "not a meter number");
  if (session.meter.value >= heads.size()) heads.resize(std::max<std::size_t>(session.meter.value + 1, heads.size() * 3 / 2), kNone);
  const std::size_t target = shard_of(session.dev_addr);
  for (std::uint32_t at = heads[session.meter.value]; at != kNone;) {
    const Place place = place_of(at);
    Shard& shard = shards_[place.shard];
    Entry& entry = shard.at(place.index);
    if (entry.number == session.number.value && entry.dev_eui == session.dev_eui.value && entry.dev_addr == session.dev_addr.value) {
      const base::Lock guard(shard.lock);
      fill(entry, session);
      entry.snapshot = shared_->snapshot;
      return {};
    }
    at = entry.next_of_meter;
  }
  if (shared_->count.load(std::memory_order_relaxed) >= shared_->sessions_max) {
    return base::fail(base::Errc::kResourceExhausted, "the session table is full");
  }
  Shard& shard = shards_[target];
  const base::Lock guard(shard.lock);
  const std::uint32_t index = shard.allocate();
  MH_ASSERT(index <= kIndexMax);
  Entry& entry = shard.at(index);
  fill(entry, session);
  entry.used = 1;
  entry.snapshot = shared_->snapshot;
  entry.next_of_meter = heads[session.meter.value];
  heads[session.meter.value] = locator({target, index});
  shard.link(index, session.dev_addr.value);
  shared_->count.fetch_add(1, std::memory_order_relaxed);
  return {};
}

// Releases the sessions of one meter's chain that `gone` names.
template <class Gone>
std::size_t SessionTable::drop_where(std::uint32_t& head, const Gone& gone) {
  std::size_t dropped = 0;
  std::uint32_t* link = &head;
  while (*link != kNone) {
    const Place place = place_of(*link);
    Shard& shard = shards_[place.shard];
    Entry& entry = shard.at(place.index);
    if (!gone(entry)) {
      link = &entry.next_of_meter;
      continue;
    }
    const base::Lock guard(shard.lock);
    *link = entry.next_of_meter;
    shard.release(place.index);
    ++dropped;
  }
  shared_->count.fetch_sub(dropped, std::memory_order_relaxed);
  return dropped;
}

std::size_t SessionTable::drop_meter(base::MeterNumber meter) {
  auto& heads = shared_->first_of_meter;
  if (meter.value >= heads.size()) return 0;
  return drop_where(heads[meter.value], [](const Entry&) { return true; });
}

std::size_t SessionTable::drop(base::MeterNumber meter, base::SessionNumber number) {
  auto& heads = shared_->first_of_meter;
  if (meter.value >= heads.size()) return 0;
  return drop_where(heads[meter.value], [number](const Entry& entry) { return entry.number == number.value; });
}

void SessionTable::begin_snapshot() { ++shared_->snapshot; }

void SessionTable::end_snapshot() {
  const auto old = [now = shared_->snapshot](const Entry& entry) { return entry.snapshot != now; };
  for (std::uint32_t& head : shared_->first_of_meter) drop_where(head, old);
}

void SessionTable::set_fresh_as_of(base::Timestamp at) {
  shared_->fresh_as_of.store(at.time_since_epoch().count(), std::memory_order_release);
}
base::Timestamp SessionTable::fresh_as_of() const {
  return base::Timestamp(base::Duration(shared_->fresh_as_of.load(std::memory_order_acquire)));
}

void SessionTable::find(base::DevAddr address, std::vector<Session>& out) const {
  wipe_keys(out);
  out.clear();
  append(address, out);
}

void SessionTable::find(std::span<const base::DevAddr> addresses, std::size_t each_max, Found& out) const {
  out.clear();
  for (const base::DevAddr address : addresses) {
    Shard& shard = shards_[shard_of(address)];
    const base::Lock guard(shard.lock);
    shard.first_of_address.prefetch(address.value);
  }
  for (const base::DevAddr address : addresses) {
    Shard& shard = shards_[shard_of(address)];
    const base::Lock guard(shard.lock);
    const auto position = shard.first_of_address.find(address.value);
    if (position != shard.first_of_address.end()) __builtin_prefetch(&shard.at(position->second));
  }
  for (const base::DevAddr address : addresses) {
    const std::size_t kept = out.sessions.size() + each_max;
    append(address, out.sessions);
    if (out.sessions.size() > kept) {
      wipe_keys(std::span(out.sessions).subspan(kept));
      out.sessions.resize(kept);
    }
    out.ends.push_back(out.sessions.size());
  }
}

void SessionTable::append(base::DevAddr address, std::vector<Session>& out) const {
  const std::size_t before = out.size();
  Shard& shard = shards_[shard_of(address)];
  {
    const base::Lock guard(shard.lock);
    const auto position = shard.first_of_address.find(address.value);
    if (position == shard.first_of_address.end()) return;
    for (std::uint32_t at = position->second; at != kNone; at = shard.at(at).next_of_address) copy(shard.at(at), grow(out));
  }
  sort_newest_first(std::span(out).subspan(before));
}

SessionTable::Found::~Found() { clear(); }

void SessionTable::Found::clear() {
  wipe_keys(sessions);
  sessions.clear();
  ends.clear();
}

std::span<Session> SessionTable::Found::of(std::size_t i) {
  const std::size_t from = i == 0 ? 0 : ends[i - 1];
  return std::span(sessions).subspan(from, ends[i] - from);
}

std::size_t SessionTable::size() const { return shared_->count.load(std::memory_order_relaxed); }

void wipe_keys(std::span<Session> sessions) {
  for (Session& session : sessions) {
    crypto::wipe(session.nwk_skey);
    crypto::wipe(session.app_skey);
  }
}

}  // namespace meterhub::decrypt
