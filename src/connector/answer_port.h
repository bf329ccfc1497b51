// The TCP port where network servers bring their answers. Private; loop's thread.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string_view>
#include <vector>

#include <meterhub/base/metrics.h>
#include <meterhub/base/result.h>
#include <meterhub/net/address.h>
#include <meterhub/net/connection.h>
#include <meterhub/net/tls.h>

namespace meterhub::connector {

// Takes the bytes of one connection.
class AnswerReader {
 public:
  virtual ~AnswerReader() = default;
  // False: these are no answers, the connection is ended.
  virtual bool feed(std::string_view bytes) = 0;
};

struct AnswerPortOptions {
  net::Address listen;
  std::vector<net::Network> networks;  // empty: loopback only
  std::shared_ptr<net::TlsContext> tls;
  bool plaintext = false;              // plain answers outside loopback are wanted
};

// Whether `peer` is one of `networks`; without any, whether it is this machine.
bool is_allowed(const std::vector<net::Network>& networks, const net::Address& peer);

class AnswerPort {
 public:
  // kInvalidArgument when decrypted readings would come plain from outside loopback unasked.
  static base::Result<std::unique_ptr<AnswerPort>> open(net::EventLoop& loop, AnswerPortOptions options, base::Metrics& metrics,
                                                        std::function<std::unique_ptr<AnswerReader>()> make_reader);
  ~AnswerPort();

  const net::Address& address() const { return listener_->address(); }
  std::size_t connections() const { return peers_.size(); }

 private:
  struct Peer;
  AnswerPort(AnswerPortOptions options, base::Metrics& metrics, std::function<std::unique_ptr<AnswerReader>()> make_reader);
  void accept(net::ConnectionPtr connection);
  void remove(Peer& peer);

  const AnswerPortOptions options_;
  std::function<std::unique_ptr<AnswerReader>()> make_reader_;
  base::Counter& refused_;
  base::Counter& broken_;
  std::list<std::unique_ptr<Peer>> peers_;
  std::unique_ptr<net::Listener> listener_;  // first to go: accepts nothing after it
};

}  // namespace meterhub::connector
