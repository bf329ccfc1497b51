// Bodies of log `readings` as the platform writes them, of meters of one reception.
#pragma once

#include <string>
#include <vector>

#include <meterhub/base/ids.h>
#include <meterhub/base/time_text.h>
#include <meterhub/log/record.h>
#include <meterhub/meter/reading.h>

namespace meterhub::bench {

inline std::string document(std::uint32_t meter, std::uint32_t fcnt) {
  const std::string origin =
      R"({"gw":null,"mote":null,"app":{"moteeui":")" + base::Eui64(0xFFFFFFFF00000000 + meter).text() +
      R"(","dir":"up","userdata":{"seqno":)" + std::to_string(fcnt) +
      R"(,"port":1,"payload":"AgEAD0JAAA7w4wAAUV0ABHYxLjA"},"motetx":{"freq":481.5,"modu":"LORA","datr":"SF12BW125","codr":"4/5","adr":false},)"
      R"("gwrx":[{"eui":"fffe020100000011","time":"2016-12-21T03:24:34.123456Z","timefromgateway":true,"chan":4,"rfch":0,"rssi":-)" +
      std::to_string(60 + meter % 60) + R"(,"lsnr":)" + std::to_string(meter % 9) + R"(.5}]}})";
  const std::int64_t left = meter % 100 == 0 ? 3'584 : 979'171 - fcnt;
  return R"({"originData":)" + origin + R"(,"userData":{"type":2,"code":1,"bought":1000.0,"left":)" + std::to_string(left / 1000) + '.' +
         std::to_string(100 + left % 900) + R"(,"used":20.829,"status":4,"version":"v1.0","time":"2016-12-21T03:24:34.123456Z"}})";
}

// Records of `count` readings, one a meter; what they point at lies in `bodies`.
inline std::vector<log::RecordView> records(std::vector<std::string>& keys, std::vector<std::string>& bodies, std::uint32_t count) {
  const base::Timestamp start(std::chrono::seconds(1'482'290'680));
  std::vector<log::RecordView> out;
  keys.reserve(count);
  bodies.reserve(count);
  for (std::uint32_t n = 0; n < count; ++n) {
    const std::uint32_t meter = 1 + n * 7919 % count;
    log::RecordView record;
    record.offset = base::Offset(n);
    record.key = keys.emplace_back(base::Eui64(0xFFFFFFFF00000000 + meter).text());
    record.body = bodies.emplace_back(document(meter, 1 + n / count));
    record.properties.meter = base::MeterNumber(meter);
    record.properties.session = base::SessionNumber(1);
    record.properties.fcnt = 1 + n / count;
    record.properties.time = start + std::chrono::microseconds(30 * n);
    record.enqueued = record.properties.time + std::chrono::milliseconds(80);
    out.push_back(record);
  }
  return out;
}

}  // namespace meterhub::bench
