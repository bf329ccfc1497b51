#include <chrono>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>

#include <meterhub/base/clock.h>
#include <meterhub/base/encoding.h>
#include <meterhub/base/settings.h>
#include <meterhub/sas/token.h>

#include "commands.h"
#include "registry_store.h"

namespace meterhub::app {
namespace {

struct TokenRequest {
  std::string host, device, policy, event_hub, key, key_file;
  std::string ttl = "1h";
  RegistryPlace registry;
};

// host[/devices/<id>], or sb://host/<hub> for Event Hubs clients (spec/azure-amqp.md section 3.4).
std::string resource_of(const TokenRequest& request) {
  if (!request.event_hub.empty()) return "sb://" + request.host + "/" + request.event_hub;
  if (!request.device.empty()) return request.host + "/devices/" + request.device;
  return request.host;
}

// Of a policy that an event hub's token names: that hub's own, one of all event hubs, or the hub's.
base::Result<std::string> policy_key(const registry::Store& store, const TokenRequest& request) {
  if (!request.event_hub.empty()) {
    for (const auto scope : {std::string_view(request.event_hub), registry::kAllEventHubs})
      if (const auto policy = store.policy(scope, request.policy)) return policy->primary_key;
  }
  return MH_TRY(store.policy(registry::kHubScope, request.policy)).primary_key;
}

base::Result<std::string> stored_key(const TokenRequest& request) {
  const base::SystemClock clock;
  const auto store = MH_TRY(open_registry(request.registry, clock, Begins::kNo));
  if (!request.policy.empty()) return policy_key(*store, request);
  return base::base64_encode(MH_TRY(store->gateway(request.device)).keys.primary);
}

base::Result<std::string> key_of(const TokenRequest& request) {
  if (!request.key.empty()) return request.key;
  if (request.key_file.empty()) return stored_key(request);
  std::ifstream file(request.key_file);
  std::string key;
  if (!std::getline(file, key)) return base::fail(base::Errc::kIo, "cannot read a key from " + request.key_file);
  return key;
}

base::Result<std::string> token_for(const TokenRequest& request, const std::string& key) {
  const auto ttl = MH_TRY(base::parse_duration(request.ttl));
  const auto expiry = std::chrono::floor<std::chrono::seconds>(base::SystemClock().now() + ttl);
  return sas::make_token(sas::percent_encode(resource_of(request)), key, expiry, request.policy);
}

void print(const TokenRequest& request, Exit& exit) {
  if (request.device.empty() && request.policy.empty()) {
    std::fputs("meterhub token: give --device, --policy, or --event-hub with --policy\n", stderr);
    exit.code = 2;
    return;
  }
  const auto key = key_of(request);
  if (!key && key.error().code == base::Errc::kNotFound) {
    std::fprintf(stderr, "meterhub token: no --key or --key-file, and %s\n", key.error().text.c_str());
    exit.code = 2;
    return;
  }
  const auto token = key ? token_for(request, *key) : base::Result<std::string>(std::unexpected(key.error()));
  if (!token) {
    std::fprintf(stderr, "meterhub token: %s\n", token.error().text.c_str());
    exit.code = 1;
    return;
  }
  std::puts(token->c_str());
}

}  // namespace

void add_token(CLI::App& program, Exit& exit) {
  const auto request = std::make_shared<TokenRequest>();
  auto* token = program.add_subcommand("token", "Print a shared access signature for a gateway, a policy or an event hub");
  token->add_option("--host", request->host, "Name in the token, with :port when the connection string has one")->required();
  auto* device = token->add_option("--device", request->device, "Gateway id; the key is the gateway's own unless --policy is given");
  token->add_option("--policy", request->policy, "Policy that the key belongs to");
  token->add_option("--event-hub", request->event_hub, "Event hub that the token opens (with --policy)")->excludes(device);
  auto* key = token->add_option("--key", request->key, "Key as in the connection string; without it and --key-file the registry's is taken");
  token->add_option("--key-file", request->key_file, "File whose first line is the key")->excludes(key);
  token->add_option("--data", request->registry.data, "Data directory, of the registry")->capture_default_str();
  token->add_option("--master-key", request->registry.master_key, "File of the master key (default: master.key in the data directory)");
  token->add_option("--ttl", request->ttl, "How long the token lives, as 90s, 15m, 1h or 7d")->capture_default_str();
  token->callback([request, &exit] { print(*request, exit); });
}

}  // namespace meterhub::app
