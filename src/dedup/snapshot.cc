// Bytes of a shard: docs/formats/dedup.md.
#include <algorithm>
#include <cstdint>
#include <vector>

#include <meterhub/base/byte_io.h>

#include "state.h"

namespace meterhub::dedup {
namespace {

constexpr std::string_view kMagic = "MHDW";
constexpr std::uint8_t kVersion = 1;
enum Parts : std::uint8_t { kOlderSession = 1, kOlderGeneration = 2, kGone = 4 };

void write_window(base::ByteWriter& out, const Window& window) {
  for (const auto number : {window.session, window.generation, window.last, window.floor}) out.number(number);
  out.number(window.newest_us);
  for (const auto& block : window.seen) {
    for (const auto bits : block) out.number(bits);
  }
  for (std::uint32_t i = std::min(window.last, kWindow - 1) + 1; i-- > 0;) {
    const std::uint32_t fcnt = window.last - i;
    if (window.bit(fcnt)) out.number(window.mic(fcnt));
  }
}

Window read_window(base::ByteReader& in) {
  Window window;
  for (auto* number : {&window.session, &window.generation, &window.last, &window.floor}) {
    *number = in.number<std::uint32_t>();
  }
  window.newest_us = in.number<std::int64_t>();
  for (auto& block : window.seen) {
    for (auto& bits : block) bits = in.number<std::uint64_t>();
  }
  for (std::uint32_t i = std::min(window.last, kWindow - 1) + 1; i-- > 0;) {
    const std::uint32_t fcnt = window.last - i;
    if (window.bit(fcnt)) window.mics[fcnt % kWindow] = in.number<std::uint32_t>();
  }
  return window;
}

void write_meter(base::ByteWriter& out, std::uint32_t number, const Meter& meter) {
  const bool session = meter.older && meter.older->session;
  const bool generation = meter.older && meter.older->generation;
  const bool gone = meter.older && !meter.older->gone.empty();
  out.number(number);
  out.number(static_cast<std::uint8_t>((session ? kOlderSession : 0) | (generation ? kOlderGeneration : 0) | (gone ? kGone : 0)));
  write_window(out, meter.newest);
  if (session) write_window(out, *meter.older->session);
  if (generation) {
    write_window(out, *meter.older->generation);
    out.number(static_cast<std::int64_t>(meter.older->restarted.time_since_epoch().count()));
  }
  if (!gone) return;
  out.number(static_cast<std::uint8_t>(meter.older->gone.size()));
  for (const auto& [of_session, newest] : meter.older->gone) {
    out.number(of_session);
    out.number(newest);
  }
}

std::unique_ptr<Meter> read_meter(base::ByteReader& in) {
  auto meter = std::make_unique<Meter>();
  const auto parts = in.number<std::uint8_t>();
  meter->newest = read_window(in);
  if (parts & kOlderSession) meter->make_older().session = read_window(in);
  if (parts & kOlderGeneration) {
    meter->make_older().generation = read_window(in);
    meter->older->restarted = base::Timestamp(base::Duration(in.number<std::int64_t>()));
  }
  if (parts & kGone) {
    auto& gone = meter->make_older().gone;
    for (auto left = in.number<std::uint8_t>(); left > 0 && in.ok(); --left) {
      const auto of_session = in.number<std::uint32_t>();
      gone.emplace_back(of_session, in.number<std::uint32_t>());
    }
  }
  return meter;
}

// What times are subtracted from each other, and what is bounded while it lives.
bool is_sound(const Meter& meter) {
  constexpr base::Timestamp kLast(base::Duration(INT64_MAX / 2));
  return !meter.older || (meter.older->restarted >= base::Timestamp() && meter.older->restarted <= kLast &&
                          meter.older->gone.size() <= kGoneMax);
}

base::Result<std::string_view> checked(std::string_view bytes) {
  if (bytes.size() < 4) return base::fail(base::Errc::kCorrupt, "a snapshot of windows is cut short");
  const auto content = bytes.substr(0, bytes.size() - 4);
  base::ByteReader tail(bytes.substr(content.size()));
  if (base::crc32c(content) != tail.number<std::uint32_t>()) {
    return base::fail(base::Errc::kCorrupt, "the checksum of a snapshot of windows is wrong");
  }
  return content;
}

}  // namespace

std::string MeterWindows::snapshot(base::Shard shard) const {
  const auto& meters = state_->shards[shard.value];
  std::vector<std::uint32_t> numbers;  // sorted: the same state gives the same bytes
  numbers.reserve(meters.size());
  for (const auto& [number, meter] : meters) numbers.push_back(number);
  std::ranges::sort(numbers);
  std::string bytes;
  base::ByteWriter out(bytes);
  out.raw(kMagic);
  out.number(kVersion);
  out.number(shard.value);
  out.number(static_cast<std::uint32_t>(numbers.size()));
  for (const auto number : numbers) write_meter(out, number, *meters.at(number));
  out.number(base::crc32c(bytes));
  return bytes;
}

base::Result<void> MeterWindows::restore(base::Shard shard, std::string_view bytes) {
  drop(shard);
  base::ByteReader in(MH_TRY(checked(bytes)));
  if (in.raw(kMagic.size()) != kMagic || in.number<std::uint8_t>() != kVersion) {
    return base::fail(base::Errc::kCorrupt, "not a snapshot of windows of a known version");
  }
  const bool its_own = in.number<std::uint8_t>() == shard.value;
  bool sound = true;
  ShardMeters meters;
  for (auto left = in.number<std::uint32_t>(); left > 0 && in.ok(); --left) {
    const auto number = in.number<std::uint32_t>();
    auto& meter = meters[number];
    meter = read_meter(in);
    sound = sound && is_sound(*meter);
  }
  if (!its_own || !sound || !in.ok() || in.remaining() != 0) {
    return base::fail(base::Errc::kCorrupt, "a snapshot of windows does not hold what it says");
  }
  state_->shards[shard.value] = std::move(meters);
  return {};
}

}  // namespace meterhub::dedup
