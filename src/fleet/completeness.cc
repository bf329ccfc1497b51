#include <meterhub/fleet/completeness.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <utility>

namespace meterhub::fleet {
namespace {

// A meter that was slower than its interval by so many packets was not silent, and one packet in so many of a long
// step.
constexpr std::int64_t kPatience = 2;
constexpr std::int64_t kPatienceShare = 16;
// So many steps in a row that agree among themselves are an interval, and where they are shorter than the known one,
// when they took so many of it together: a gateway's backlog comes in at once.
constexpr std::uint16_t kAgreeing = 3;
constexpr std::int64_t kAgreeingTime = 4;
// No meter sends more often.
constexpr std::int64_t kShortest = 500;  // ms
// A counter that goes so far ahead, and so many times faster than the time, was set anew: it counts nothing sent.
constexpr std::int64_t kJump = 256;
constexpr std::int64_t kJumpFactor = 8;

constexpr int kMantissaBits = 11;

// Milliseconds in two bytes, to a part in a thousand.
std::uint16_t coded(std::int64_t ms) {
  std::uint16_t exponent = 0;
  for (; ms >= (1 << kMantissaBits) && exponent < 31; ++exponent) ms = (ms + 1) / 2;
  return static_cast<std::uint16_t>(exponent << kMantissaBits | std::min<std::int64_t>(ms, (1 << kMantissaBits) - 1));
}
std::int64_t decoded(std::uint16_t code) {
  return static_cast<std::int64_t>(code & ((1 << kMantissaBits) - 1)) << (code >> kMantissaBits);
}

bool near(std::int64_t a, std::int64_t b) { return std::abs(a - b) <= b / 4; }

std::int64_t milliseconds(base::Duration time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
}

std::uint16_t added(std::uint16_t to, std::int64_t n) {
  return static_cast<std::uint16_t>(std::clamp<std::int64_t>(to + n, 0, UINT16_MAX));
}

std::uint16_t& of(DayCount& day, Missing reason) { return day.missing[static_cast<std::size_t>(reason)]; }

// Null for a day that is not kept.
DayCount* day_of(MeterCount& count, std::int32_t number) {
  return count.on(number) != nullptr ? &count.days[static_cast<std::size_t>(number) % 2] : nullptr;
}

void begin_day(MeterCount& count, std::int32_t number) {
  if (number <= count.day || number > UINT16_MAX) return;
  if (number - count.day >= 2) count.days = {};
  count.days[static_cast<std::size_t>(number) % 2] = {};
  count.day = static_cast<std::uint16_t>(number);
}

// `n` packets at even distances between two times.
class Spread {
 public:
  Spread(base::Timestamp from, base::Timestamp to, std::int64_t n)
      : from_(from), span_(std::max(to - from, base::Duration(1)).count()), n_(n) {}

  // How many of them were before `time`: packet i is at i / (n + 1) of the way.
  std::int64_t before(base::Timestamp time) const {
    const auto way = (time - from_).count();
    if (way <= 0) return 0;
    if (way >= span_) return n_;
    return static_cast<std::int64_t>((static_cast<__int128>(way) * (n_ + 1) - 1) / span_);
  }
  std::int64_t within(base::Timestamp from, base::Timestamp to) const {
    return from < to ? before(to) - before(from) : 0;
  }

 private:
  base::Timestamp from_;
  std::int64_t span_, n_;
};

// Packets that were sent between two times and did not come.
struct Gap {
  base::Timestamp from, to;
  std::int64_t packets;
};

void add_lost(MeterCount& count, const Gap& gap, const CountWorld& world) {
  if (gap.packets <= 0) return;
  const Spread spread(gap.from, gap.to, gap.packets);
  const auto outages = world.outages.outages(count.gateway, gap.to);
  for (std::int32_t number = count.day - 1; number <= count.day; ++number) {
    const auto begin = world.days.begin_of(number);
    const auto end = number < count.day ? world.days.begin_of(number + 1) : base::Timestamp::max();
    const auto all = spread.within(begin, end);
    std::int64_t down = 0;
    for (const auto& outage : outages) down += spread.within(std::max(begin, outage.from), std::min(end, outage.to));
    auto& day = *day_of(count, number);
    of(day, Missing::kGatewayDown) = added(of(day, Missing::kGatewayDown), down);
    of(day, Missing::kLost) = added(of(day, Missing::kLost), all - down);
  }
}

void add_silent(MeterCount& count, const Gap& gap, DayClock& days) {
  if (gap.packets <= 0) return;
  const Spread spread(gap.from, gap.to, gap.packets);
  const auto today = spread.within(days.begin_of(count.day), base::Timestamp::max());
  const auto yesterday = spread.within(days.begin_of(count.day - 1), days.begin_of(count.day));
  auto& newest = of(*day_of(count, count.day), Missing::kSilent);
  newest = added(newest, today);
  auto& before = of(*day_of(count, count.day - 1), Missing::kSilent);
  before = added(before, yesterday);
}

constexpr std::array kOfLetters{Missing::kDecryptFailed, Missing::kRejected};

void take_back(MeterCount& count, Missing reason, std::int64_t packets) {
  for (std::int32_t number = count.day; number >= count.day - 1 && packets > 0; --number) {
    auto& counted = of(*day_of(count, number), reason);
    const auto back = std::min<std::int64_t>(counted, packets);
    counted = added(counted, -back);
    packets -= back;
  }
}

// Letters of packets that are not missing were of other gateways' copies: they are taken back, the newest first.
// Returns how many of `missing` they explain.
std::int64_t settle_letters(MeterCount& count, std::int64_t missing) {
  std::int64_t explained = 0;
  for (std::size_t kind = 0; kind < kOfLetters.size(); ++kind) {
    const std::int64_t letters = std::exchange(count.letters[kind], std::uint16_t{0});
    const auto found = std::min(letters, missing - explained);
    explained += found;
    take_back(count, kOfLetters[kind], letters - found);
  }
  return explained;
}

bool is_agreed(const MeterCount& count) {
  const auto together = count.others * decoded(count.other_interval);
  return count.others >= kAgreeing && (count.interval_ms == 0 || together >= kAgreeingTime * count.interval_ms);
}

void learn_interval(MeterCount& count, std::int64_t ms, bool was_silent) {
  if (ms < kShortest || ms > UINT32_MAX) return;
  const std::int64_t known = count.interval_ms;
  if (known != 0 && near(ms, known)) {
    count.others = 0;
    if (!was_silent) count.interval_ms = static_cast<std::uint32_t>(known + (ms - known) / 8);
    return;
  }
  if (count.others > 0 && near(ms, decoded(count.other_interval))) {
    count.others = added(count.others, 1);
  } else {
    count.other_interval = coded(ms);
    count.others = 1;
  }
  if (!is_agreed(count)) return;
  count.interval_ms = static_cast<std::uint32_t>(ms);
  count.others = 0;
}

// Packets sent between the newest one and this, by the counter; nothing when it does not say.
std::optional<std::int64_t> sent_between(const MeterCount& count, const CountedPacket& packet, std::int64_t by_time) {
  const bool goes_on =
      packet.session == count.session && static_cast<std::uint16_t>(packet.generation) == count.generation;
  // Else it began anew at 0: how many followed the newest one before, nobody knows.
  if (!goes_on) return std::nullopt;
  const auto sent = std::int64_t{packet.fcnt} - count.fcnt - 1;
  if (count.interval_ms != 0 && sent > kJump && sent > kJumpFactor * by_time) return std::nullopt;
  return sent;
}

// Of a counter that began anew no more than the time allows: it may have been set to any value.
std::int64_t missing_of_restart(std::int64_t fcnt, std::int64_t by_time) {
  return fcnt <= by_time + kPatience ? fcnt : std::max<std::int64_t>(by_time - 1, 0);
}

// What the counter leaves of the time is silence; what comes faster than time passes was none.
bool count_silence(MeterCount& count, const Gap& step, std::int64_t by_time, DayClock& days) {
  if (count.interval_ms == 0) return false;
  const auto silent = by_time - (step.packets + 1);
  if (silent > kPatience + step.packets / kPatienceShare) {
    add_silent(count, {step.from, step.to, silent}, days);
    count.doubtful = added(0, silent);
    return true;
  }
  if (by_time > 0) {
    count.doubtful = 0;
    return false;
  }
  const auto back = std::min<std::int64_t>(count.doubtful, step.packets + 1);
  take_back(count, Missing::kSilent, back);
  count.doubtful = added(count.doubtful, -back);
  return false;
}

void count_step(MeterCount& count, base::Timestamp heard, const CountedPacket& packet, const CountWorld& world) {
  const auto to = std::max(packet.at, heard);
  const auto passed = milliseconds(to - heard);
  const std::int64_t interval = count.interval_ms;
  const auto by_time = interval > 0 ? (passed + interval / 2) / interval : 0;
  const auto sent = sent_between(count, packet, by_time);
  const auto missing = sent ? *sent : missing_of_restart(packet.fcnt, by_time);
  add_lost(count, {heard, to, missing - settle_letters(count, missing)}, world);
  const bool was_silent = count_silence(count, {heard, to, missing}, by_time, world.days);
  if (sent) learn_interval(count, passed / (*sent + 1), was_silent);
}

bool is_behind(const MeterCount& count, const CountedPacket& packet) {
  if (packet.late || packet.again) return true;
  return packet.session == count.session && static_cast<std::uint16_t>(packet.generation) == count.generation &&
         packet.fcnt <= count.fcnt;
}

// What a late one was taken for, most likely first: silence is told by time alone, so that a session's last packets may
// have been taken for it.
std::optional<Missing> take_missing(DayCount& day) {
  for (const auto reason : {Missing::kLost, Missing::kGatewayDown, Missing::kDecryptFailed, Missing::kSilent}) {
    if (of(day, reason) == 0) continue;
    --of(day, reason);
    return reason;
  }
  return std::nullopt;
}

void put(DayCount& day, const CountedPacket& packet, bool late) {
  if (packet.undecoded) {
    of(day, Missing::kRejected) = added(of(day, Missing::kRejected), 1);
    return;
  }
  day.received = added(day.received, 1);
  if (late) day.late = added(day.late, 1);
}

std::optional<CountChange> count_behind(MeterCount& count, const CountedPacket& packet, std::int32_t number) {
  CountChange change{.day = number, .received = !packet.undecoded};
  auto* const day = day_of(count, number);
  if (packet.again) {
    if (packet.undecoded) return std::nullopt;
    change.from = Missing::kRejected;
    if (day != nullptr && of(*day, Missing::kRejected) > 0) --of(*day, Missing::kRejected);
  } else if (day != nullptr) {
    change.from = take_missing(*day);
  } else {
    change.from = Missing::kLost;
  }
  if (day != nullptr) put(*day, packet, true);
  return change;
}

void take_as_newest(MeterCount& count, const CountedPacket& packet) {
  count.session = packet.session;
  count.generation = static_cast<std::uint16_t>(packet.generation);
  count.fcnt = packet.fcnt;
  count.gateway = packet.gateway;
}

}  // namespace

std::string_view missing_name(Missing reason) {
  static constexpr std::array<std::string_view, kMissing> kNames{"silent", "gateway_down", "decrypt_failed", "rejected",
                                                                 "lost"};
  return kNames[static_cast<std::size_t>(reason)];
}

const DayCount* MeterCount::on(std::int32_t number) const {
  if (day == 0 || number > day || number < day - 1) return nullptr;
  return &days[static_cast<std::size_t>(number) % 2];
}

std::optional<CountChange> count_packet(MeterCount& count, base::Timestamp heard, const CountedPacket& packet,
                                        const CountWorld& world) {
  if (packet.stale) return std::nullopt;
  const auto number = world.days.number_of(packet.at);
  const bool first = count.day == 0;
  if (!first && is_behind(count, packet))
    return packet.late || packet.again ? count_behind(count, packet, number) : std::nullopt;
  begin_day(count, number);
  if (!first) count_step(count, heard, packet, world);
  take_as_newest(count, packet);
  const bool closed = number < world.open_day;
  if (auto* const day = day_of(count, number)) put(*day, packet, closed);
  CountChange change{.day = number, .received = !packet.undecoded};
  if (!first) change.from = Missing::kSilent;
  return change;
}

void count_letter(MeterCount& count, base::Timestamp heard, Missing reason, std::uint16_t fcnt, base::Timestamp at,
                  DayClock& days) {
  if (count.day == 0) return;  // expects nothing yet
  const auto number = days.number_of(at);
  if (at <= heard) {
    // The counter's step over it was taken before.
    auto* const day = day_of(count, number);
    if (day == nullptr || of(*day, Missing::kLost) == 0) return;
    --of(*day, Missing::kLost);
    of(*day, reason) = added(of(*day, reason), 1);
    return;
  }
  const auto kind = reason == Missing::kDecryptFailed ? std::size_t{0} : std::size_t{1};
  if (count.letters != std::array<std::uint16_t, 2>{} && count.letter == fcnt) return;
  begin_day(count, number);
  count.letter = fcnt;
  count.letters[kind] = added(count.letters[kind], 1);
  if (auto* const day = day_of(count, number)) of(*day, reason) = added(of(*day, reason), 1);
}

std::uint64_t CountFigures::expected() const { return std::accumulate(missing.begin(), missing.end(), received); }

double CountFigures::percent() const {
  const auto all = expected();
  return all == 0 ? 100.0 : 100.0 * static_cast<double>(received) / static_cast<double>(all);
}

CountFigures& CountFigures::operator+=(const CountFigures& other) {
  received += other.received;
  late += other.late;
  for (std::size_t n = 0; n < kMissing; ++n) missing[n] += other.missing[n];
  return *this;
}

CountFigures figures_of(const MeterCount& count, base::Timestamp heard, std::int32_t day, base::Timestamp as_of,
                        const CountWorld& world) {
  CountFigures out;
  if (const auto* const counted = count.on(day)) {
    out.received = counted->received;
    out.late = counted->late;
    for (std::size_t n = 0; n < kMissing; ++n) out.missing[n] = counted->missing[n];
  }
  if (count.interval_ms == 0 || as_of <= heard) return out;
  const std::int64_t interval = count.interval_ms;
  const auto due = milliseconds(as_of - heard) / interval;
  const auto letters = std::int64_t{count.letters[0]} + count.letters[1];
  if (due - letters <= kPatience) return out;
  // One at each interval from the newest packet on.
  const Spread spread(heard, heard + std::chrono::milliseconds((due + 1) * interval), due);
  const auto begin = world.days.begin_of(day);
  const auto end = world.days.begin_of(day + 1);
  auto all = spread.within(begin, end);
  std::int64_t down = 0;
  for (const auto& outage : world.outages.outages(count.gateway, as_of))
    down += spread.within(std::max(begin, outage.from), std::min(end, outage.to));
  const auto told = static_cast<std::int64_t>(out.of(Missing::kDecryptFailed) + out.of(Missing::kRejected));
  all = std::max<std::int64_t>(all - std::min(letters, told), 0);
  down = std::min(down, all);
  out.of(Missing::kGatewayDown) += static_cast<std::uint64_t>(down);
  out.of(Missing::kSilent) += static_cast<std::uint64_t>(all - down);
  return out;
}

}  // namespace meterhub::fleet
