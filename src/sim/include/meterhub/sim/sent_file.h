// The truth: what the meters sent and what became of it. Written before a packet is encoded,
// so that nothing the platform does can change it. Append-only, every record with a checksum:
// docs/formats/sent.md. The file is also the fleet's memory across restarts.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/disk.h>
#include <meterhub/base/ids.h>
#include <meterhub/base/result.h>
#include <meterhub/lorawan/session.h>

namespace meterhub::sim {

// First record: which town and from when. A file is always continued with the same one.
struct SentTown {
  std::uint64_t seed = 0;
  std::uint32_t meters = 0;
  std::uint32_t meters_per_gateway = 0;
  std::uint32_t otaa_meters = 0;
  std::string tenant;
  base::Timestamp begun{};

  bool operator==(const SentTown&) const = default;
};

// A gateway of the town, in order of its index.
struct SentGateway {
  std::string id;
  base::Eui64 eui;
  bool operator==(const SentGateway&) const = default;
};

// One packet as the meter meant it. Its identity is (meter, session, generation, fcnt).
struct SentPacket {
  std::uint64_t number = 0;         // rises by one through the file, from 0
  base::Eui64 meter;
  base::SessionNumber session;
  base::Generation generation;
  std::uint32_t fcnt = 0;
  base::Timestamp time{};           // when it was on the air
  std::uint32_t bought_litres = 0;
  std::int32_t left_litres = 0;
  std::uint32_t used_litres = 0;
  std::uint16_t status = 0;
  std::array<char, 4> version{};
  // The payload is not what the profile says: a row without figures is right.
  bool undecodable = false;
  // Every gateway that heard it has a right clock: the reading's time must be `time`.
  bool time_certain = false;
  std::vector<std::uint32_t> heard_by;  // indexes of gateways; empty = lost on the air

  bool operator==(const SentPacket&) const = default;
};

// One message of a gateway with the packets in it.
struct SentDelivery {
  std::uint64_t number = 0;         // rises by one through the file, from 0
  std::uint32_t gateway = 0;
  std::vector<std::uint64_t> packets;
  bool operator==(const SentDelivery&) const = default;
};

// What the hub said about a delivery. A delivery without this record may be stored or not.
enum class DeliveryEnd : std::uint8_t { kSettled = 0, kRejected = 1, kDropped = 2 };
struct SentEnd {
  std::uint64_t delivery = 0;
  DeliveryEnd end = DeliveryEnd::kSettled;
  bool operator==(const SentEnd&) const = default;
};

// A join-request on the air; its nonce is never used again.
struct SentJoinRequest {
  base::Eui64 meter;
  std::uint16_t dev_nonce = 0;
  bool operator==(const SentJoinRequest&) const = default;
};

// A join that the meter heard the answer of. Holds keys: the file has mode 0600 by its folder.
struct SentJoined {
  base::Eui64 meter;
  base::SessionNumber session;
  base::DevAddr dev_addr;
  lorawan::AesKey nwk_skey{};
  lorawan::AesKey app_skey{};
  bool operator==(const SentJoined&) const = default;
};

// Which of the one-time faults happened, and to whom. `subject`: index of meter or gateway.
struct SentFault {
  std::uint8_t kind = 0;            // FaultKind
  std::uint32_t subject = 0;
  base::Timestamp time{};
  bool operator==(const SentFault&) const = default;
};

// What a packet of a meter with another profile than v1 says, behind its SentPacket.
struct SentFields {
  std::uint64_t packet = 0;
  std::uint8_t columns = 0;           // which of SentPacket's figures the payload carries, see below
  std::vector<std::int64_t> values;   // by field of the profile, in 1/10^decimals of its unit; 0 for text
  bool operator==(const SentFields&) const = default;
};
inline constexpr std::uint8_t kSentBought = 1;
inline constexpr std::uint8_t kSentLeft = 2;
inline constexpr std::uint8_t kSentUsed = 4;
inline constexpr std::uint8_t kSentStatus = 8;
inline constexpr std::uint8_t kSentVersion = 16;
inline constexpr std::uint8_t kSentAll = 31;

using SentRecord = std::variant<SentTown, SentGateway, SentPacket, SentDelivery, SentEnd, SentJoinRequest, SentJoined,
                                SentFault, SentFields>;

// Appends records. They are with the operating system when flush() returns. One thread.
class SentWriter {
 public:
  // Continues the file at `path` or begins it; `valid_bytes` is what read_sent() returned,
  // a torn end behind it is cut off.
  static base::Result<SentWriter> open(base::Disk& disk, std::string path, std::uint64_t valid_bytes);

  void add(const SentRecord& record);
  base::Result<void> flush();

 private:
  SentWriter(base::Disk& disk, std::string path) : disk_(&disk), path_(std::move(path)) {}
  base::Disk* disk_;
  std::string path_;
  std::string buffer_;
};

// Visits all whole records in order and returns the bytes they take. A record cut short or
// damaged ends the file there: it was being written when the process died. kNotFound: no
// file. kCorrupt: not a sent file.
base::Result<std::uint64_t> read_sent(const base::Disk& disk, const std::string& path,
                                      const std::function<void(const SentRecord&)>& visit);

// The whole truth for `verify`: packets with what became of them.
struct SentOutcome {
  SentPacket packet;
  std::uint8_t columns = kSentAll;  // the figures of `packet` that its payload carries
  std::uint32_t deliveries = 0;  // messages it went out in
  std::uint32_t settled = 0;     // of these, settled by the hub: at least one = must be there once
};
struct SentTruth {
  SentTown town;
  std::vector<SentGateway> gateways;
  std::vector<SentOutcome> packets;  // by packet number
  std::vector<SentFault> faults;
  std::uint64_t lost_on_air = 0;
  std::uint64_t deliveries = 0;
  std::uint64_t settled_deliveries = 0;
};
base::Result<SentTruth> load_sent(const base::Disk& disk, const std::string& path);

}  // namespace meterhub::sim
