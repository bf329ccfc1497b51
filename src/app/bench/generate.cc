#include "generate.h"

#include <iostream>

#include <sys/resource.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <meterhub/base/disk.h>
#include <meterhub/net/event_loop.h>
#include <meterhub/net/tls.h>

namespace meterhub::app::bench {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kStep{100};
constexpr std::chrono::seconds kSettlePatience{60};

void tell(const json& event) { std::cout << event.dump() << '\n' << std::flush; }

base::Result<std::string> hear() {
  std::string line;
  if (std::getline(std::cin, line)) return line;
  return base::fail(base::Errc::kCancelled, "whoever started this has gone");
}

std::int64_t cpu_ns() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto ns = [](const timeval& t) { return t.tv_sec * 1'000'000'000 + t.tv_usec * 1'000; };
  return ns(used.ru_utime) + ns(used.ru_stime);
}

json counts_of(const sim::LoadDriver& driver) {
  const auto counts = driver.counts();
  return {{"packets", counts.packets},
          {"receptions", counts.receptions},
          {"settled_packets", counts.settled_packets},
          {"settled", counts.settled},
          {"rejected", counts.rejected},
          {"withheld", counts.withheld},
          {"waiting", counts.waiting},
          {"disconnects", driver.net().disconnects}};
}

class Generator {
 public:
  Generator(net::EventLoop& loop, sim::LoadDriver& driver, const PipelineOptions& options)
      : loop_(loop), driver_(driver), connect_patience_(options.connect_patience()), interval_(options.interval) {}

  base::Result<void> connect() {
    driver_.connect();
    MH_TRY_VOID(run_until([&] { return driver_.first_settled().has_value(); }, "the first packet was not settled"));
    tell({{"event", "first_settled"}, {"ns", driver_.first_settled()->time_since_epoch().count()}});
    return run_until([&] { return driver_.connected(); }, "not all gateways could connect");
  }

  // The load, and until all of it is settled.
  json load() {
    const auto cpu = cpu_ns();
    const auto begun = loop_.clock().monotonic();
    driver_.begin();
    auto next_report = begun + 1s;
    auto next_interval = begun + interval_;
    base::MonotonicTime over = base::MonotonicTime::max();
    for (bool done = false; !done;) {
      loop_.run_once(kStep);
      const auto now = loop_.clock().monotonic();
      if (interval_.count() > 0 && now >= next_interval) {
        next_interval += interval_;
        tell(interval());
      }
      if (driver_.over()) over = std::min(over, now);
      done = over <= now && (driver_.counts().waiting == 0 || now > over + kSettlePatience);
      if (now < next_report) continue;
      next_report += 1s;
      tell(report("progress"));
    }
    auto out = report("done");
    out["cpu_ns"] = cpu_ns() - cpu;
    out["seconds"] = std::chrono::duration<double>(over - begun).count();
    out["settle_seconds"] = std::chrono::duration<double>(loop_.clock().monotonic() - begun).count();
    out["latency_us"] = latency_json(driver_.latencies());
    return out;
  }

 private:
  static json latency_json(const sim::Latencies& times) {
    return {{"count", times.count()},
            {"p50", times.percentile(0.5).count()},
            {"p99", times.percentile(0.99).count()},
            {"max", times.max().count()}};
  }
  // Latencies since the last one.
  json interval() {
    auto out = report("interval");
    out["latency_us"] = latency_json(driver_.latencies().since(told_));
    told_ = driver_.latencies();
    return out;
  }
  json report(const char* event) const {
    auto out = counts_of(driver_);
    out["event"] = event;
    return out;
  }
  template <class Condition>
  base::Result<void> run_until(const Condition& reached, const char* otherwise) {
    const auto end = loop_.clock().monotonic() + connect_patience_;
    while (!reached()) {
      if (loop_.clock().monotonic() > end) {
        return base::fail(base::Errc::kTimeout, fmt::format("{}; {} are connected. {}", otherwise,
                                                            driver_.net().connected, driver_.net().last_error));
      }
      loop_.run_once(kStep);
    }
    return {};
  }

  net::EventLoop& loop_;
  sim::LoadDriver& driver_;
  const std::chrono::milliseconds connect_patience_;
  const std::chrono::seconds interval_;
  sim::Latencies told_;
};

base::Result<void> write_states(base::Disk& disk, const std::string& file,
                                const std::vector<sim::PacketState>& states) {
  static_assert(sizeof(sim::PacketState) == 1);
  return disk.write(file, {reinterpret_cast<const char*>(states.data()), states.size()});
}

}  // namespace

base::Result<int> generate(const GenerateOptions& options) {
  base::PosixDisk disk;
  const auto town = MH_TRY(sim::LoadTown::create(options.pipeline.meters, options.pipeline.gateways));
  const auto& plan = options.pipeline.plan;
  sim::LoadSource source(town, options.first_fcnt, plan.copies);
  tell({{"event", "prepared"}});
  sim::DriverOptions net;
  const auto hub = MH_TRY(hear());
  net.hub = MH_TRY(net::Address::parse(hub));
  net.host = "localhost";
  const auto ca = MH_TRY(disk.read(options.ca));
  net.tls = MH_TRY(net::TlsContext::client({ca, {}, {}}));
  net.in_flight = std::max(net.in_flight, 2 * plan.packets_per_record);
  const auto loop = MH_TRY(net::EventLoop::create());
  sim::LoadDriver driver(*loop, town, source, net, plan);
  Generator generator(*loop, driver, options.pipeline);
  MH_TRY_VOID(generator.connect());
  tell({{"event", "connected"}});
  MH_TRY(hear());
  auto done = generator.load();
  MH_TRY_VOID(write_states(disk, options.states, driver.states()));
  done["next_fcnt"] = source.next_fcnt();
  tell(done);
  return 0;
}

}  // namespace meterhub::app::bench
