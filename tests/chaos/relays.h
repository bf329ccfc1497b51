// Between processes that talk to each other: what their network does to datagrams and connections.
// Real sockets on a loop of their own. The addresses they listen at never change.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <meterhub/net/address.h>
#include <meterhub/net/event_loop.h>

namespace meterhub::chaos {

// In percent; any thread writes.
struct Weather {
  std::atomic<std::uint32_t> lost{0};
  std::atomic<std::uint32_t> late{0};     // overtaken by those behind them
  std::atomic<std::uint32_t> twice{0};
};

struct DatagramCounts {
  std::uint64_t passed = 0, lost = 0, late = 0, twice = 0;
};

// Datagrams to one server, both ways. Loop thread.
class DatagramRelay {
 public:
  static base::Result<std::unique_ptr<DatagramRelay>> create(net::EventLoop& loop, const Weather& weather, const std::string& server,
                                                             std::uint64_t seed);
  ~DatagramRelay();
  const std::string& address() const { return address_; }
  const DatagramCounts& counts() const { return counts_; }

 private:
  struct Socket;
  struct Waiting;

  DatagramRelay(net::EventLoop& loop, const Weather& weather, std::uint64_t seed);
  base::Result<void> open(const std::string& server);
  void from_client(std::string_view bytes, const std::string& client);
  void from_server(std::string_view bytes, const std::string& client);
  void carry(int fd, std::string bytes, const std::string& to);
  bool chance(std::uint32_t percent) { return random_() % 100 < percent; }

  net::EventLoop& loop_;
  const Weather& weather_;
  std::mt19937_64 random_;
  DatagramCounts counts_;
  std::string address_;
  std::string server_;                                      // as the system's calls take it
  std::unique_ptr<Socket> front_;
  std::map<std::string, std::unique_ptr<Socket>> clients_;  // each with a socket of its own towards the server
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

// TCP connections to one server. Loop thread.
class ConnectionRelay {
 public:
  static base::Result<std::unique_ptr<ConnectionRelay>> create(net::EventLoop& loop, const std::string& server);
  ~ConnectionRelay();
  const std::string& address() const { return address_; }
  // Both ends of `share` of 256 of the connections get a reset. Returns how many.
  std::uint64_t reset(std::uint32_t share, std::uint64_t seed);

 private:
  struct Pair;
  class Door;

  explicit ConnectionRelay(net::EventLoop& loop);
  base::Result<void> open(const std::string& server);
  void accept();
  void forget(Pair& pair);

  net::EventLoop& loop_;
  std::string address_;
  std::string server_;
  std::unique_ptr<Door> door_;
  std::vector<std::unique_ptr<Pair>> pairs_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace meterhub::chaos
