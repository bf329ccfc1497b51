// Packets of a made-up town in order of time, for benches of queries: as the case study's
// document and as typed values.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include <meterhub/base/clock.h>

namespace meterhub::app::bench {

// What a document holds; volumes in thousandths of a cubic metre.
struct Packet {
  std::uint32_t meter = 0;   // from 0
  std::uint32_t seq = 0;     // of this meter, from 0
  base::Timestamp time{};    // when it was sent; the document has whole seconds
  std::uint64_t payload = 0; // chance, so that no two are alike
  std::uint64_t bought = 0, left = 0, used = 0;
};

// Every meter sends once an interval, in an order that jumps about. Counters rise, by nothing in
// one interval of three; one meter in twenty has less than 5 cubic metres left and uses none. One
// thread; the same for the same arguments.
class PacketStream {
 public:
  PacketStream(std::uint32_t meters, std::chrono::seconds interval);

  Packet next();
  std::uint64_t given() const { return given_; }

 private:
  const std::uint32_t meters_;
  const std::chrono::seconds interval_;
  std::uint64_t step_ = 1;  // from meter to meter, coprime to their number
  std::uint64_t given_ = 0;
};

// 16 hex digits.
std::string eui_of(std::uint32_t meter);
// Appends the case study's document, some 500 bytes.
void append_document(std::string& out, const Packet& packet);
// A row of reference data on this meter, as JSON: DeviceID, Building, District (50 of them), Tenant (7), LowLimit.
std::string meter_row(std::uint32_t meter);

}  // namespace meterhub::app::bench
