#include "packets.h"

#include <iterator>
#include <numeric>

#include <fmt/format.h>

namespace meterhub::app::bench {
namespace {

constexpr base::Timestamp kStart(std::chrono::seconds(1'482'292'800));  // 2016-12-21T04:00:00Z
constexpr std::uint64_t kStride = 7'919;  // prime; neighbours in time are no neighbours in memory
constexpr std::uint64_t kBought = 1'000'000;
constexpr std::uint64_t kLowLeft = 3'584;
constexpr std::uint32_t kLowEvery = 20;
constexpr std::uint64_t kUsedBefore = 200'000;  // at most, when the stream begins
constexpr std::uint64_t kStepMax = 20;
constexpr std::uint64_t kQuietEvery = 3;
constexpr std::uint32_t kDistricts = 50;
constexpr std::uint32_t kTenants = 7;
constexpr std::uint32_t kMetersABuilding = 40;

// SplitMix64: chance that is the same everywhere.
std::uint64_t mixed(std::uint64_t number) {
  number += 0x9E37'79B9'7F4A'7C15;
  number = (number ^ number >> 30) * 0xBF58'476D'1CE4'E5B9;
  number = (number ^ number >> 27) * 0x94D0'49BB'1331'11EB;
  return number ^ number >> 31;
}

void append_seconds(std::string& out, base::Timestamp time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(time - day));
  fmt::format_to(std::back_inserter(out), "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                 static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                 clock.minutes().count(), clock.seconds().count());
}

void append_volume(std::string& out, std::uint64_t thousandths) {
  fmt::format_to(std::back_inserter(out), "{}.{:03}", thousandths / 1000, thousandths % 1000);
}

void append_payload(std::string& out, std::uint64_t chance) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (int i = 0; i < 10; ++i, chance >>= 6) out += kDigits[chance & 63];
}

}  // namespace

PacketStream::PacketStream(std::uint32_t meters, std::chrono::seconds interval)
    : meters_(meters), interval_(interval), step_(kStride) {
  while (std::gcd<std::uint64_t>(step_, meters_) != 1) ++step_;
}

Packet PacketStream::next() {
  Packet out;
  const auto place = given_ % meters_;
  out.seq = static_cast<std::uint32_t>(given_ / meters_);
  out.meter = static_cast<std::uint32_t>(place * step_ % meters_);
  out.time = kStart + out.seq * interval_ + std::chrono::duration_cast<base::Duration>(interval_) * place / meters_;
  out.payload = mixed(given_);
  ++given_;
  if (out.meter % kLowEvery == 0) {
    out.bought = kBought;
    out.left = kLowLeft;
    out.used = kBought - kLowLeft;
    return out;
  }
  const auto own = mixed(out.meter);
  const auto steps = out.seq - out.seq / kQuietEvery;
  out.used = own % kUsedBefore + steps * (1 + own / kUsedBefore % kStepMax);
  out.bought = (out.used / kBought + 1) * kBought;
  out.left = out.bought - out.used;
  return out;
}

std::string eui_of(std::uint32_t meter) { return fmt::format("{:016x}", 0xFFFF'FFFF'0000'0000 + meter); }

void append_document(std::string& out, const Packet& packet) {
  fmt::format_to(
      std::back_inserter(out),
      R"({{"originData":{{"gw":null,"mote":null,"app":{{"moteeui":"{:016x}","dir":"up","userdata":{{"seqno":{},"port":1,"payload":"AgEAD0JAAA7w4w)",
      0xFFFF'FFFF'0000'0000 + packet.meter, packet.seq);
  append_payload(out, packet.payload);
  out += R"(jA"},"motetx":{"freq":481.5,"mode":null,"datr":"SF12BW125","codr":"4/5","adr":false},)"
         R"("gwrx":[{"eui":"fffe020100000011","time":")";
  append_seconds(out, packet.time);
  out +=
      R"(","timefromgateway":false,"chan":4,"rfch":0,"rssi":-13,"lsnr":9}]}},"userData":{"type":2,"code":1,"bought":)";
  append_volume(out, packet.bought);
  out += R"(,"left":)";
  append_volume(out, packet.left);
  out += R"(,"used":)";
  append_volume(out, packet.used);
  out += R"(,"status":4,"version":"v1.0","time":")";
  append_seconds(out, packet.time);
  out += R"("}})";
}

std::string meter_row(std::uint32_t meter) {
  return fmt::format(
      R"({{"DeviceID":"{}","Building":"B{}","District":"district {}","Tenant":"tenant {}","LowLimit":"5.0"}})",
      eui_of(meter), meter / kMetersABuilding, meter % kDistricts, meter % kTenants);
}

}  // namespace meterhub::app::bench
