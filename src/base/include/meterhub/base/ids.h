// Distinct types for the numbers that are easily mixed up: an offset is not a
// sequence number, a meter number is not a tenant number.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include <meterhub/base/result.h>

namespace meterhub::base {

// A number with a name. Ordered, hashable, explicit in both directions.
template <class Tag, class Rep>
struct Id {
  using rep = Rep;
  Rep value{};

  constexpr Id() = default;
  constexpr explicit Id(Rep v) : value(v) {}
  constexpr auto operator<=>(const Id&) const = default;

  template <class H>
  friend H AbslHashValue(H state, const Id& id) {
    return H::combine(std::move(state), id.value);
  }
};

// Position in one partition of one log; the first record has 0.
using Offset = Id<struct OffsetTag, std::uint64_t>;
using PartitionId = Id<struct PartitionTag, std::uint32_t>;
// Handle of a log (topic) inside one process; the name is what is stored.
using TopicId = Id<struct TopicTag, std::uint16_t>;
// Rises with each change of a partition's owner; fences the writes of older ones.
using Epoch = Id<struct EpochTag, std::uint64_t>;

// Dense number of a meter, given by the registry, never reused. 0 = unknown.
using MeterNumber = Id<struct MeterTag, std::uint32_t>;
// Number of a tenant, given by the registry. 0 = unknown.
using TenantNumber = Id<struct TenantTag, std::uint32_t>;
// Per meter; rises with every join or re-enrolment. The first is 1.
using SessionNumber = Id<struct SessionTag, std::uint32_t>;
// Per session; rises with every accepted counter reset. The first is 0.
using Generation = Id<struct GenerationTag, std::uint32_t>;

// One of the 64 virtual shards that meters hash to, fixed for ever
// (docs/formats/shards.md). partition = shard mod number of partitions.
using Shard = Id<struct ShardTag, std::uint8_t>;
inline constexpr std::uint32_t kShards = 64;

constexpr Shard shard_of(MeterNumber meter) {
  return Shard(static_cast<std::uint8_t>((meter.value * 0x9E3779B97F4A7C15ULL) >> 58));
}
constexpr PartitionId partition_of(Shard shard, std::uint32_t partitions) {
  return PartitionId(shard.value % partitions);
}

// A device or gateway EUI. Text form: 16 lower-case hex digits, big endian.
struct Eui64 {
  std::uint64_t value{};

  constexpr Eui64() = default;
  constexpr explicit Eui64(std::uint64_t v) : value(v) {}
  constexpr auto operator<=>(const Eui64&) const = default;

  // Reads 16 hex digits of either case, also with '-' or ':' between bytes.
  static Result<Eui64> parse(std::string_view text);
  std::string text() const;

  template <class H>
  friend H AbslHashValue(H state, const Eui64& eui) {
    return H::combine(std::move(state), eui.value);
  }
};

// A LoRaWAN device address; not unique. Text form: 8 lower-case hex digits.
using DevAddr = Id<struct DevAddrTag, std::uint32_t>;

}  // namespace meterhub::base

template <class Tag, class Rep>
struct std::hash<meterhub::base::Id<Tag, Rep>> {
  std::size_t operator()(const meterhub::base::Id<Tag, Rep>& id) const noexcept {
    return std::hash<Rep>{}(id.value);
  }
};
template <>
struct std::hash<meterhub::base::Eui64> {
  std::size_t operator()(const meterhub::base::Eui64& eui) const noexcept {
    return std::hash<std::uint64_t>{}(eui.value);
  }
};
