#include "events.h"

#include <algorithm>

namespace meterhub::console {

void EventClients::each(auto is_meant, auto write) {
  std::erase_if(clients_, [&](const Client& client) {
    if (!is_meant(client.caller)) return false;
    const bool taken = write(*client.stream);
    if (!taken) client.stream->end();
    return !taken;
  });
}

bool EventClients::has_room() {
  std::erase_if(clients_, [](const Client& client) { return !client.stream->open(); });
  return clients_.size() < most_;
}

std::vector<EventScope> EventClients::scopes() const {
  std::vector<EventScope> out;
  for (const auto& client : clients_) {
    if (std::ranges::find(out, client.caller.tenant) == out.end()) out.push_back(client.caller.tenant);
  }
  return out;
}

void EventClients::send_to(const EventScope& scope, std::string_view event, std::string_view data) {
  each([&](const Caller& caller) { return caller.tenant == scope; },
       [&](http::Stream& stream) { return stream.send_event(event, data); });
}

void EventClients::publish(const EventScope& whose, std::string_view event, std::string_view data) {
  each([&](const Caller& caller) { return !caller.tenant || caller.tenant == whose; },
       [&](http::Stream& stream) { return stream.send_event(event, data); });
}

void EventClients::send_comment() {
  each([](const Caller&) { return true; }, [](http::Stream& stream) { return stream.write(":\n\n"); });
}

void EventClients::keep(const std::function<bool(const Caller&)>& stands) {
  std::erase_if(clients_, [&](const Client& client) {
    const bool stays = stands(client.caller);
    if (!stays) client.stream->end();
    return !stays;
  });
}

void EventClients::end() {
  for (const auto& client : clients_) client.stream->end();
  clients_.clear();
}

}  // namespace meterhub::console
