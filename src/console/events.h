// The clients of GET /api/v1/events.
#pragma once

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include <meterhub/console/caller.h>
#include <meterhub/http/server.h>

namespace meterhub::console {

// Whose data an event holds: one tenant's, or (nothing) the whole platform's.
using EventScope = std::optional<base::TenantNumber>;

// One thread. A client that takes nothing until its buffer is full is let go; its browser
// comes again by itself.
class EventClients {
 public:
  explicit EventClients(std::size_t most) : most_(most) {}
  ~EventClients() { end(); }

  // Room for one more, after those that have gone are forgotten?
  bool has_room();
  void add(http::StreamPtr stream, const Caller& caller) { clients_.push_back({std::move(stream), caller}); }
  bool empty() const { return clients_.empty(); }
  // Those there are clients of, each once.
  std::vector<EventScope> scopes() const;
  // To the clients of exactly this scope: what holds all they may see.
  void send_to(const EventScope& scope, std::string_view event, std::string_view data);
  // To all who see `whose`: its tenant and the platform.
  void publish(const EventScope& whose, std::string_view event, std::string_view data);
  // Keeps proxies and clients from taking silence for the end.
  void send_comment();
  // Lets go of those whose caller is no longer let in.
  void keep(const std::function<bool(const Caller&)>& stands);
  void end();

 private:
  struct Client {
    http::StreamPtr stream;
    Caller caller;
  };
  void each(auto is_meant, auto write);

  const std::size_t most_;
  std::vector<Client> clients_;
};

}  // namespace meterhub::console
