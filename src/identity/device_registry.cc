#include <meterhub/identity/device_registry.h>

#include <nlohmann/json.hpp>

#include "answers.h"
#include "registry_work.h"

namespace meterhub::identity {
namespace {

using base::Errc;
using base::Result;
using http::Response;

Response device_answer(const Work& work, const registry::Gateway& gateway) {
  auto out = json_answer(200, device_json(gateway, work.state_of(gateway)));
  out.headers.emplace_back("ETag", "\"" + gateway.etag + "\"");
  return out;
}

// Without If-Match a device is made, with it one that is there is changed.
Result<Response> put(const Work& work, const http::Request& request, const std::string& id) {
  const auto body = MH_TRY(parse_body(request.body));
  auto form = MH_TRY(device_form(body));
  if (!form.id.empty() && form.id != id)
    return base::fail(Errc::kInvalidArgument, "deviceId is another one than that of the path");
  form.id = id;
  const auto match = match_of(request);
  return device_answer(work, match ? MH_TRY(update_device(work, form, *match)) : MH_TRY(create_device(work, form)));
}

Result<Response> remove(const Work& work, const http::Request& request, const std::string& id) {
  MH_TRY_VOID(delete_device(work, id, match_of(request).value_or(Match{true})));
  return Response::empty(204);
}

Result<Response> device_counts(const Work& work) {
  const auto counts = MH_TRY(work.store.gateway_counts());
  return json_answer(200, {{"totalDeviceCount", counts.total},
                           {"enabledDeviceCount", counts.enabled},
                           {"disabledDeviceCount", counts.total - counts.enabled}});
}

Result<Response> done(const Work& work, const http::Request& request, const Asked& asked) {
  switch (asked.operation) {
    case Operation::kGet: return device_answer(work, MH_TRY(work.store.gateway(asked.device_id)));
    case Operation::kList: return list_devices(work, request);
    case Operation::kPut: return put(work, request, asked.device_id);
    case Operation::kDelete: return remove(work, request, asked.device_id);
    case Operation::kBulk: return bulk(work, request);
    case Operation::kQuery: return query_devices(work, request);
    case Operation::kDeviceCounts: return device_counts(work);
    case Operation::kConnectionCount: return json_answer(200, {{"connectedDeviceCount", work.states.connected()}});
  }
  return base::fail(Errc::kInternal, "no such operation");
}

Result<void> check_right(const Asker& asker, Operation operation) {
  const auto needed = writes(operation) ? registry::PolicyRight::kRegistryWrite : registry::PolicyRight::kRegistryRead;
  if (asker.rights.has(needed)) return {};
  return base::fail(Errc::kForbidden, "this needs the right " + registry::rights_text(registry::PolicyRights{needed}));
}

}  // namespace

DeviceRegistry::DeviceRegistry(registry::Store& store, const DeviceStates& states,
                               std::function<std::size_t()> device_count, DeviceRegistryOptions options)
    : store_(store), states_(states), device_count_(std::move(device_count)), options_(std::move(options)) {}

DeviceRegistry::Answer DeviceRegistry::answer(const http::Request& request, const Asker& asker) {
  const auto asked = asked_of(request);
  if (!asked) return {refusal(asked.error()), false};
  if (const auto allowed = check_right(asker, asked->operation); !allowed) return {refusal(allowed.error()), false};
  const Work work{store_, states_, device_count_, options_, asker};
  auto response = done(work, request, *asked);
  // Of a bulk request that failed in part, something may have been written.
  const bool wrote = response.has_value() && writes(asked->operation);
  return {response ? std::move(*response) : refusal(response.error()), wrote};
}

}  // namespace meterhub::identity
