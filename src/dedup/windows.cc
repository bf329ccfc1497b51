#include <meterhub/dedup/windows.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>
#include <vector>

#include "state.h"

namespace meterhub::dedup {
namespace {

constexpr std::array<std::string_view, 7> kNames{"accept",   "late",  "duplicate", "conflict",
                                                 "stale",    "reset", "counter_reset"};

Reading reading_of(const Copy& copy, base::Generation generation) {
  return {copy.meter, copy.session, generation, copy.fcnt, copy.mic, copy.enqueued, false};
}

// Of a session that is gone: as many as a meter has that restarts every ten minutes of a block's life. Each is a look
// into the store, and how many there are is the meter's doing.
constexpr std::uint32_t kGenerationsTried = kBlockLifetime / std::chrono::minutes(10);

// Judges one copy against the windows of its meter.
class Judge {
 public:
  Judge(Meter& meter, const Copy& copy, BlockStore& blocks) : meter_(meter), copy_(copy), blocks_(blocks) {}

  base::Result<Judgement> run();

 private:
  Window& newest() { return meter_.newest; }
  base::Result<Judgement> join();
  base::Result<Judgement> in_newest_session();
  base::Result<Judgement> inside_newest();
  base::Result<Judgement> outside_newest();
  base::Result<Judgement> maybe_restarted();
  base::Result<Judgement> among_first();
  base::Result<Judgement> restart();
  base::Result<Judgement> in_older_session();
  base::Result<Judgement> in_gone_session();
  base::Result<Judgement> outside(Window& window);
  base::Result<std::optional<Judgement>> in_older_generation();
  base::Result<Judgement> take(Window& window, Verdict verdict);
  Judgement say(const Window& window, Verdict verdict) const {
    return {verdict, base::Generation(window.generation)};
  }
  // A restart comes after what was seen, but for what gateways resend after an outage in any order.
  bool after_newest() const {
    return (copy_.enqueued + kOutageOrder).time_since_epoch().count() > meter_.newest.newest_us;
  }

  Meter& meter_;
  const Copy& copy_;
  BlockStore& blocks_;
};

base::Result<Judgement> Judge::run() {
  if (copy_.session.value > newest().session) return join();
  if (copy_.session.value < newest().session) return in_older_session();
  return in_newest_session();
}

base::Result<Judgement> Judge::take(Window& window, Verdict verdict) {
  MH_TRY_VOID(mark(window, reading_of(copy_, base::Generation(window.generation)), blocks_));
  return say(window, verdict);
}

// Drops the window of the session before and of the generation before: a third session began.
void rotate_session(Meter& meter, const Reading& first, BlockStore& blocks) {
  auto& older = meter.make_older();
  if (older.session) older.remember(*older.session);
  if (older.session) hand_out(*older.session, first.meter, blocks);
  if (older.generation) hand_out(*older.generation, first.meter, blocks);
  older.session = meter.newest;
  older.generation.reset();
  meter.newest = begin_window(first, Start::kFirstEver);
}

void rotate_generation(Meter& meter, const Reading& first, BlockStore& blocks) {
  auto& older = meter.make_older();
  if (older.generation) hand_out(*older.generation, first.meter, blocks);
  older.generation = meter.newest;
  older.restarted = first.enqueued;
  meter.newest = begin_window(first, Start::kRestart);
}

base::Result<Judgement> Judge::join() {
  rotate_session(meter_, reading_of(copy_, base::Generation(0)), blocks_);
  return say(newest(), Verdict::kAccept);
}

base::Result<Judgement> Judge::in_newest_session() {
  if (newest().inside(copy_.fcnt)) return inside_newest();
  if (copy_.fcnt < newest().last) return outside_newest();
  if (const auto old = MH_TRY(in_older_generation())) return *old;
  return take(newest(), Verdict::kAccept);
}

base::Result<Judgement> Judge::inside_newest() {
  if (!newest().bit(copy_.fcnt)) return take(newest(), Verdict::kLate);
  if (newest().mic(copy_.fcnt) == copy_.mic) return say(newest(), Verdict::kDuplicate);
  if (const auto old = MH_TRY(in_older_generation())) return *old;
  return say(newest(), Verdict::kConflict);
}

base::Result<Judgement> Judge::outside_newest() {
  if (copy_.fcnt < kResetBelow) return maybe_restarted();
  if (copy_.fcnt < kFirstMicsKept) return among_first();
  return outside(newest());
}

// Seen with another MIC is another frame: of a meter that restarted and whose first frames were
// lost, or of nobody's.
base::Result<Judgement> Judge::among_first() {
  const auto memory = MH_TRY(recall(newest(), copy_.meter, copy_.fcnt, blocks_));
  if (memory != Memory::kSeen) return outside(newest());
  const auto mic = MH_TRY(recall_first_mic(newest(), copy_.meter, copy_.fcnt, blocks_));
  if (!mic || mic == copy_.mic) return say(newest(), Verdict::kDuplicate);
  if (const auto old = MH_TRY(in_older_generation())) return *old;
  if (!after_newest() || !copy_.resets_allowed) return say(newest(), Verdict::kConflict);
  return restart();
}

// Seen, unseen or not known any more. What was seen cannot be told from another frame with
// the same counter here, as MICs are kept for the window and the first counters alone.
base::Result<Judgement> Judge::outside(Window& window) {
  switch (MH_TRY(recall(window, copy_.meter, copy_.fcnt, blocks_))) {
    case Memory::kSeen: return say(window, Verdict::kDuplicate);
    case Memory::kUnseen: return take(window, Verdict::kLate);
    case Memory::kUnknown: break;
  }
  return say(window, Verdict::kStale);
}

// One of the first counters, far behind the newest: a delayed copy, or a restarted meter.
// The first MICs tell them apart; a restart comes after everything seen so far.
base::Result<Judgement> Judge::maybe_restarted() {
  const auto memory = MH_TRY(recall(newest(), copy_.meter, copy_.fcnt, blocks_));
  const auto mic = MH_TRY(recall_first_mic(newest(), copy_.meter, copy_.fcnt, blocks_));
  if (mic == copy_.mic || (memory == Memory::kSeen && !mic)) return say(newest(), Verdict::kDuplicate);
  if (!after_newest()) return memory == Memory::kSeen ? say(newest(), Verdict::kConflict) : outside(newest());
  if (copy_.resets_allowed) return restart();
  // A meter that may not restart and whose counter was never seen: its own delayed frame.
  if (memory == Memory::kUnseen) return take(newest(), Verdict::kLate);
  return say(newest(), Verdict::kCounterReset);
}

base::Result<Judgement> Judge::restart() {
  const base::Generation next(newest().generation + 1);
  rotate_generation(meter_, reading_of(copy_, next), blocks_);
  return say(newest(), Verdict::kReset);
}

// A delayed frame of before the join. Newer than all of its session or not, it is behind
// what jobs have seen.
base::Result<Judgement> Judge::in_older_session() {
  if (!meter_.older || !meter_.older->session || meter_.older->session->session != copy_.session.value) {
    return in_gone_session();
  }
  auto& window = *meter_.older->session;
  if (copy_.fcnt > window.last) return take(window, Verdict::kLate);
  if (!window.inside(copy_.fcnt)) return outside(window);
  if (!window.bit(copy_.fcnt)) return take(window, Verdict::kLate);
  return say(window, window.mic(copy_.fcnt) == copy_.mic ? Verdict::kDuplicate : Verdict::kConflict);
}

// The window is gone; its generation is remembered where it was not the first, as identities have
// it, and the blocks may say in which generation the counter was seen.
base::Result<Judgement> Judge::in_gone_session() {
  const auto newest_of = meter_.older ? meter_.older->generation_of(copy_.session.value) : 0;
  const auto oldest = newest_of < kGenerationsTried ? 0 : newest_of - kGenerationsTried + 1;
  for (auto generation = newest_of + 1; generation-- > oldest;) {
    const BlockKey key{copy_.meter, copy_.session, base::Generation(generation), copy_.fcnt / kWindow};
    const auto block = MH_TRY(blocks_.get(key));
    const bool seen = block && ((*block)[copy_.fcnt % kWindow / 8] >> (copy_.fcnt % 8) & 1) != 0;
    if (seen) return Judgement{Verdict::kDuplicate, base::Generation(generation)};
  }
  return Judgement{Verdict::kStale, base::Generation(newest_of)};
}

std::uint32_t distance(std::uint32_t a, std::uint32_t b) { return a > b ? a - b : b - a; }

// Nothing unless the copy belongs to the generation before the last restart: within a day of
// it, nearer to that counter than to the new one, and no other frame was seen there.
base::Result<std::optional<Judgement>> Judge::in_older_generation() {
  if (!meter_.older || !meter_.older->generation) return std::nullopt;
  if (copy_.enqueued - meter_.older->restarted > kOldGenerationTime) return std::nullopt;
  auto& old = *meter_.older->generation;
  const bool near = old.inside(copy_.fcnt) || (copy_.fcnt > old.last && copy_.fcnt - old.last <= kOldGenerationReach);
  if (!near) return std::nullopt;
  if (copy_.fcnt > newest().last && distance(copy_.fcnt, old.last) >= copy_.fcnt - newest().last) return std::nullopt;
  if (!old.inside(copy_.fcnt) || !old.bit(copy_.fcnt)) return MH_TRY(take(old, Verdict::kLate));
  if (old.mic(copy_.fcnt) == copy_.mic) return say(old, Verdict::kDuplicate);
  return std::nullopt;
}

// The window that a reading in the log belongs to; null when it is not kept any more.
Window* window_of(Meter& meter, const Reading& reading) {
  const auto is_its = [&](const Window& w) {
    return w.session == reading.session.value && w.generation == reading.generation.value;
  };
  if (is_its(meter.newest)) return &meter.newest;
  if (!meter.older) return nullptr;
  if (meter.older->generation && is_its(*meter.older->generation)) return &*meter.older->generation;
  if (meter.older->session && is_its(*meter.older->session)) return &*meter.older->session;
  return nullptr;
}

bool forget(std::optional<Window>& window, std::uint32_t meter, base::Timestamp before, BlockStore& blocks) {
  if (!window) return true;
  if (window->newest_us >= before.time_since_epoch().count()) return false;
  hand_out(*window, base::MeterNumber(meter), blocks);
  window.reset();
  return true;
}

// Looks for one copy in all that is known of its meter.
class Finder {
 public:
  Finder(Meter& meter, const Copy& copy, BlockStore& blocks) : meter_(meter), copy_(copy), blocks_(blocks) {}

  base::Result<Found> run() {
    for (const auto generation : generations()) {
      if (MH_TRY(seen_in(generation))) return Found{Known::kSeen, base::Generation(generation)};
    }
    return Found{is_unclear() ? Known::kUnclear : Known::kUnseen, {}};
  }

 private:
  // More restarts of one session's counter are not looked through.
  static constexpr std::uint32_t kGenerationsMax = 16;

  bool is_of_newest_session() const { return copy_.session.value == meter_.newest.session; }
  bool is_before_restart() const {
    return is_of_newest_session() && meter_.older && copy_.enqueued < meter_.older->restarted;
  }

  // Null: the session's windows are gone, or it has not begun.
  Window* newest_of_session() {
    if (is_of_newest_session()) return &meter_.newest;
    const bool is_before =
        meter_.older && meter_.older->session && meter_.older->session->session == copy_.session.value;
    return is_before ? &*meter_.older->session : nullptr;
  }

  // The likeliest first. Two generations may know one counter, so that time decides where no MIC does.
  std::vector<std::uint32_t> generations() {
    std::vector<std::uint32_t> out;
    if (copy_.session.value > meter_.newest.session) return out;
    const auto* const window = newest_of_session();
    const auto top = window ? window->generation : meter_.older ? meter_.older->generation_of(copy_.session.value) : 0;
    for (auto g = top + 1; g-- > 0 && out.size() < kGenerationsMax;) out.push_back(g);
    if (is_before_restart() && out.size() > 1) std::ranges::rotate(out, out.begin() + 1);
    return out;
  }

  Window* window_of(std::uint32_t generation) {
    auto* const window = newest_of_session();
    if (window && window->generation == generation) return window;
    const bool is_before = is_of_newest_session() && meter_.older && meter_.older->generation &&
                           meter_.older->generation->generation == generation;
    return is_before ? &*meter_.older->generation : nullptr;
  }

  base::Result<bool> seen_in(std::uint32_t generation) {
    if (const auto* const window = window_of(generation)) return seen_in(*window);
    Window gone;  // of which the blocks alone know
    gone.session = copy_.session.value;
    gone.generation = generation;
    gone.last = std::numeric_limits<std::uint32_t>::max();
    return seen_in(gone);
  }

  base::Result<bool> seen_in(const Window& window) {
    if (copy_.fcnt > window.last) return false;
    if (window.inside(copy_.fcnt)) return window.bit(copy_.fcnt) && window.mic(copy_.fcnt) == copy_.mic;
    if (MH_TRY(recall(window, copy_.meter, copy_.fcnt, blocks_)) != Memory::kSeen) return false;
    const auto mic = MH_TRY(recall_first_mic(window, copy_.meter, copy_.fcnt, blocks_));
    return !mic || *mic == copy_.mic;
  }

  bool is_unclear() {
    if (is_before_restart()) return true;
    const auto* const window = newest_of_session();
    if (window) return copy_.fcnt > window->last && copy_.enqueued.time_since_epoch().count() < window->newest_us;
    return copy_.session.value < meter_.newest.session && meter_.older &&
           meter_.older->generation_of(copy_.session.value) > 0;
  }

  Meter& meter_;
  const Copy& copy_;
  BlockStore& blocks_;
};

}  // namespace

std::string_view name(Verdict verdict) { return kNames[std::to_underlying(verdict)]; }

MeterWindows::MeterWindows(BlockStore& blocks) : state_(std::make_unique<State>(blocks)) {}
MeterWindows::~MeterWindows() = default;

base::Result<Found> MeterWindows::find(const Copy& copy) const {
  const auto& meters = state_->shard(copy.meter);
  const auto meter = meters.find(copy.meter.value);
  if (meter == meters.end()) return Found{Known::kUnseen, {}};
  return Finder(*meter->second, copy, state_->blocks).run();
}

base::Result<Judgement> MeterWindows::judge(const Copy& copy) {
  auto& meter = state_->shard(copy.meter)[copy.meter.value];
  if (meter) return Judge(*meter, copy, state_->blocks).run();
  meter = std::make_unique<Meter>();
  meter->newest = begin_window(reading_of(copy, base::Generation(0)), Start::kFirstEver);
  return Judgement{Verdict::kAccept, base::Generation(0)};
}

base::Result<void> MeterWindows::apply_reading(const Reading& reading) {
  if (reading.stale) return {};
  auto& meter = state_->shard(reading.meter)[reading.meter.value];
  if (!meter) {
    meter = std::make_unique<Meter>();
    meter->newest = begin_window(reading, Start::kFirstEver);
    return {};
  }
  if (auto* window = window_of(*meter, reading)) return mark(*window, reading, state_->blocks);
  const auto& newest = meter->newest;
  if (reading.session.value > newest.session) {
    rotate_session(*meter, reading, state_->blocks);
  } else if (reading.session.value == newest.session && reading.generation.value > newest.generation) {
    rotate_generation(*meter, reading, state_->blocks);
  }
  return {};  // of a window that is gone: its blocks were handed out when it went
}

void MeterWindows::drop(base::Shard shard) { state_->shards[shard.value].clear(); }

void MeterWindows::forget_older_windows(base::Timestamp before) {
  for (auto& shard : state_->shards) {
    for (auto& [number, meter] : shard) {
      if (!meter->older) continue;
      auto& older = *meter->older;
      const bool idle = older.session && older.session->newest_us < before.time_since_epoch().count();
      if (idle) older.remember(*older.session);
      const bool no_session = forget(older.session, number, before, state_->blocks);
      const bool no_generation = forget(older.generation, number, before, state_->blocks);
      if (no_session && no_generation && older.gone.empty()) meter->older.reset();
    }
  }
}

std::size_t MeterWindows::meters() const {
  std::size_t count = 0;
  for (const auto& shard : state_->shards) count += shard.size();
  return count;
}

std::uint16_t MeterWindows::high_word(base::MeterNumber meter, base::SessionNumber session) const {
  const auto& shard = state_->shard(meter);
  const auto found = shard.find(meter.value);
  if (found == shard.end() || found->second->newest.session != session.value) return 0;
  return static_cast<std::uint16_t>(found->second->newest.last >> 16);
}

std::size_t MeterWindows::bytes_per_meter() { return sizeof(Meter); }

}  // namespace meterhub::dedup
