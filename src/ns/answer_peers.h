// Connections over which answers go to connectors: one a peer, bounded. Private; loop's thread.
#pragma once

#include <map>
#include <memory>
#include <string_view>

#include <meterhub/base/metrics.h>
#include <meterhub/net/connection.h>
#include <meterhub/net/event_loop.h>

namespace meterhub::ns {

class AnswerPeers {
 public:
  struct Options {
    std::shared_ptr<net::TlsContext> tls;  // outside loopback; null: plain
    std::size_t peers_max;
    std::size_t output_max;
  };
  AnswerPeers(net::EventLoop& loop, base::Metrics& metrics, Options options);
  ~AnswerPeers();

  // Connects when needed. What does not fit is dropped and counted: the connector asks again.
  void send(const net::Address& to, std::string_view lines);
  std::size_t connected() const;

 private:
  struct Peer;
  Peer* find_or_make(const net::Address& to);
  bool make_room();
  void drop(std::string_view lines);

  net::EventLoop& loop_;
  const Options options_;
  base::Counter& sent_;
  base::Counter& dropped_;
  base::Counter& connects_;
  std::map<net::Address, std::unique_ptr<Peer>> peers_;
};

}  // namespace meterhub::ns
