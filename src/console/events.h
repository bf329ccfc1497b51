// The clients of GET /api/v1/events.
#pragma once

#include <string_view>
#include <vector>

#include <meterhub/http/server.h>

namespace meterhub::console {

// One thread. A client that takes nothing until its buffer is full is let go; its browser
// comes again by itself.
class EventClients {
 public:
  explicit EventClients(std::size_t most) : most_(most) {}
  ~EventClients() { end(); }

  // Room for one more, after those that have gone are forgotten?
  bool has_room();
  void add(http::StreamPtr stream) { streams_.push_back(std::move(stream)); }
  bool empty() const { return streams_.empty(); }
  void send(std::string_view event, std::string_view data);
  // Keeps proxies and clients from taking silence for the end.
  void send_comment();
  void end();

 private:
  template <class Write>
  void each(Write write);

  const std::size_t most_;
  std::vector<http::StreamPtr> streams_;
};

}  // namespace meterhub::console
