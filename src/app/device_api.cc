#include "device_api.h"

#include <array>
#include <atomic>

namespace meterhub::app {
namespace {

using http::Method;

// As the console's table of scopes has them.
constexpr std::array<std::pair<Method, std::string_view>, 20> kRoutes{{{Method::kGet, "/devices"},
                                                                       {Method::kPost, "/devices"},
                                                                       {Method::kGet, "/devices/{rest*}"},
                                                                       {Method::kPost, "/devices/{rest*}"},
                                                                       {Method::kPut, "/devices/{rest*}"},
                                                                       {Method::kDelete, "/devices/{rest*}"},
                                                                       {Method::kGet, "/statistics/{rest*}"},
                                                                       {Method::kGet, "/twins/{rest*}"},
                                                                       {Method::kPut, "/twins/{rest*}"},
                                                                       {Method::kPatch, "/twins/{rest*}"},
                                                                       {Method::kPost, "/twins/{rest*}"},
                                                                       {Method::kGet, "/jobs"},
                                                                       {Method::kGet, "/jobs/{rest*}"},
                                                                       {Method::kPost, "/jobs/{rest*}"},
                                                                       {Method::kPut, "/jobs/{rest*}"},
                                                                       {Method::kDelete, "/jobs/{rest*}"},
                                                                       {Method::kGet, "/configurations"},
                                                                       {Method::kGet, "/configurations/{rest*}"},
                                                                       {Method::kPut, "/configurations/{rest*}"},
                                                                       {Method::kDelete, "/configurations/{rest*}"}}};

http::Response unavailable(std::string text) { return identity::refusal({base::Errc::kUnavailable, std::move(text)}); }

// What the server's loop holds of the API: who may ask, and how many wait. Loop thread, but for `waiting`.
struct Front {
  identity::Gate gate;
  base::Metrics& metrics;
  base::Executor& executor;
  const std::size_t waiting_max;
  std::atomic<std::size_t> waiting{0};
};

void finish(base::Metrics& metrics, http::Reply reply, http::Response response) {
  metrics
      .counter("meterhub_app_device_registry_requests_total", "Requests of IoT Hub clients to the device registry.",
               {{"status", std::to_string(response.status)}})
      .add();
  std::move(reply).send(std::move(response));
}

// A place among those that wait, until it is given back.
std::shared_ptr<void> take_place(const std::shared_ptr<Front>& front) {
  if (front->waiting.fetch_add(1) < front->waiting_max) {
    return {front.get(), [front](void*) { front->waiting.fetch_sub(1); }};
  }
  front->waiting.fetch_sub(1);
  return nullptr;
}

// Whoever may not is answered from memory; what waits for the store is bounded.
void take(const std::shared_ptr<Front>& front, DeviceApi& api, std::weak_ptr<void> alive, const http::Request& request,
          http::Reply reply) {
  auto asker = front->gate.admit(request);
  if (!asker) return finish(front->metrics, std::move(reply), std::move(asker).error());
  auto place = take_place(front);
  if (!place) return finish(front->metrics, std::move(reply), unavailable("too many requests wait for the registry"));
  front->executor.post([&api, &metrics = front->metrics, alive = std::move(alive), place = std::move(place), request,
                        asker = std::move(*asker), reply = std::move(reply)]() mutable {
    if (alive.expired()) return finish(metrics, std::move(reply), unavailable("the platform is stopping"));
    api.answer(request, asker,
               [&metrics, place = std::move(place), reply = std::move(reply)](http::Response response) mutable {
                 finish(metrics, std::move(reply), std::move(response));
               });
  });
}

}  // namespace

DeviceApi::DeviceApi(const DeviceApiWorld& world, const DeviceApiOptions& options)
    : follow_(world.follow),
      states_(world.presence),
      registry_(
          world.store, states_, [&directory = world.directory] { return directory.gateway_count(); },
          options.registry) {}

// What was written is answered when the directory has it: a device that was made can connect, one that was disabled is
// out.
void DeviceApi::answer(const http::Request& request, const identity::Asker& asker, Done done) {
  auto answered = registry_.answer(request, asker);
  if (!answered.wrote) return done(std::move(answered.response));
  follow_([done = std::move(done), response = std::move(answered.response)]() mutable { done(std::move(response)); });
}

void add_device_routes(http::Server& server, DeviceApi& api, const DeviceApiWorld& world,
                       const DeviceApiOptions& options, base::Executor& executor) {
  const auto policies = [&directory = world.directory] { return directory.policies(); };
  const std::shared_ptr<Front> front(
      new Front{identity::Gate(policies, options.gate, world.clock), world.metrics, executor, options.waiting_max});
  for (const auto& [method, pattern] : kRoutes) {
    server.route(method, pattern, [front, &api, alive = api.alive()](const http::Request& request, http::Reply reply) {
      take(front, api, alive, request, std::move(reply));
    });
  }
}

}  // namespace meterhub::app
