#include "policy_command.h"

#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <string>

#include <meterhub/base/time_text.h>
#include <meterhub/log/log.h>

#include "registry_store.h"

namespace meterhub::app {
namespace {

using base::Result;
using registry::Policy;
using registry::PolicyKey;
using registry::PolicyRight;
using registry::Store;

const registry::Actor kActor = "cli";

struct Arguments {
  RegistryPlace place;
  std::string name, event_hub, rights, key_file, which, host = "localhost";
  bool keys = false;
};

std::string scope_text(const Policy& policy) { return policy.scope.empty() ? "hub" : policy.scope; }

std::string access_key(const Policy& policy) {
  return "SharedAccessKeyName=" + policy.name + ";SharedAccessKey=" + policy.primary_key;
}

// What clients of the built-in endpoint or of an event hub take; of all event hubs without a path.
std::string event_hubs_connection(const Policy& policy, const std::string& host) {
  std::string entity = policy.scope;
  if (entity.empty()) entity = log::topics::kTelemetry;
  if (entity == registry::kAllEventHubs) return "Endpoint=sb://" + host + "/;" + access_key(policy);
  return "Endpoint=sb://" + host + "/;" + access_key(policy) + ";EntityPath=" + entity;
}

void print_secrets(const Policy& policy, const std::string& host) {
  std::cout << "primary key\t" << policy.primary_key << "\nsecondary key\t" << policy.secondary_key << '\n';
  if (policy.scope.empty()) std::cout << "IoT Hub\tHostName=" << host << ';' << access_key(policy) << '\n';
  if (!policy.scope.empty() || policy.rights.has(PolicyRight::kServiceConnect))
    std::cout << "Event Hubs\t" << event_hubs_connection(policy, host) << '\n';
}

Result<void> list(Store& store, const Arguments&) {
  for (const auto& policy : MH_TRY(store.policies())) {
    std::cout << policy.name << '\t' << scope_text(policy) << '\t' << registry::rights_text(policy.rights) << '\t'
              << base::rfc3339(policy.created) << '\t' << base::rfc3339(policy.changed) << '\n';
  }
  return {};
}

// First line the primary key, second line, if there is one, the secondary.
Result<void> read_keys(const std::string& path, registry::PolicySpec& spec) {
  if (path.empty()) return {};
  std::ifstream file(path);
  if (!std::getline(file, spec.primary_key)) return base::fail(base::Errc::kIo, "cannot read a key from " + path);
  std::getline(file, spec.secondary_key);
  return {};
}

Result<void> add(Store& store, const Arguments& a) {
  registry::PolicySpec spec{a.name, a.event_hub, MH_TRY(registry::parse_rights(a.rights)), {}, {}};
  MH_TRY_VOID(read_keys(a.key_file, spec));
  print_secrets(MH_TRY(store.add_policy(kActor, spec)), a.host);
  return {};
}

Result<void> rotate(Store& store, const Arguments& a) {
  const auto which = a.which == "primary" ? PolicyKey::kPrimary : PolicyKey::kSecondary;
  print_secrets(MH_TRY(store.rotate_policy(kActor, a.event_hub, a.name, which)), a.host);
  return {};
}

Result<void> show(Store& store, const Arguments& a) {
  const auto policy = MH_TRY(store.policy(a.event_hub, a.name));
  std::cout << "name\t" << policy.name << "\nscope\t" << scope_text(policy) << "\nrights\t" << registry::rights_text(policy.rights)
            << "\ncreated\t" << base::rfc3339(policy.created) << "\nchanged\t" << base::rfc3339(policy.changed) << '\n';
  if (a.keys) print_secrets(policy, a.host);
  return {};
}

Result<void> remove(Store& store, const Arguments& a) { return store.remove_policy(kActor, a.event_hub, a.name); }

using Action = Result<void> (*)(Store&, const Arguments&);

CLI::App* command(CLI::App& parent, const std::shared_ptr<Arguments>& a, Exit& exit, const char* name, const char* about, Action action,
                  Begins begins = Begins::kNo) {
  auto* sub = parent.add_subcommand(name, about);
  sub->add_option("--data", a->place.data, "Data directory")->capture_default_str();
  sub->add_option("--master-key", a->place.master_key, "File of the master key (default: master.key in the data directory)");
  sub->callback([a, &exit, action, begins] {
    const base::SystemClock clock;
    auto store = open_registry(a->place, clock, begins);
    const auto done = store ? action(**store, *a) : Result<void>(std::unexpected(store.error()));
    if (done) return;
    std::cerr << "meterhub registry policy: " << done.error().text << '\n';
    exit.code = 1;
  });
  return sub;
}

}  // namespace

void add_policy_commands(CLI::App& registry, Exit& exit) {
  const auto a = std::make_shared<Arguments>();
  auto* policy = registry.add_subcommand("policy", "Shared access policies, as IoT Hub and Event Hubs have them: list, add, rotate, show, remove");
  policy->require_subcommand(1);
  command(*policy, a, exit, "list", "Name, scope, rights, created, changed", list);
  const auto named = [&](const char* name, const char* about, Action action, Begins begins = Begins::kNo) {
    auto* sub = command(*policy, a, exit, name, about, action, begins);
    sub->add_option("name", a->name, "Name")->required();
    sub->add_option("--event-hub", a->event_hub, "A policy of this event hub, or of all ('*'); without it, of the hub");
    return sub;
  };
  const auto with_host = [&](CLI::App* sub) {
    sub->add_option("--host", a->host, "Host name in the connection strings, with :port when it is not 5671")->capture_default_str();
    return sub;
  };
  auto* adder = with_host(named("add", "Make a policy; prints its keys and connection strings", add, Begins::kYes));
  adder->add_option("--rights", a->rights, "registry-read, registry-write, service-connect, device-connect; of event hubs listen, send, manage")
      ->required();
  adder->add_option("--key-file", a->key_file, "Keys that clients have already: the primary in the first line, the secondary in the second");
  auto* rotater = with_host(named("rotate", "Make one key anew; connections that were opened with the old one end at once", rotate));
  rotater->add_option("--key", a->which, "primary or secondary")->required()->check(CLI::IsMember({"primary", "secondary"}));
  with_host(named("show", "What a policy may do", show))->add_flag("--keys", a->keys, "With its keys and connection strings");
  named("remove", "Forget a policy; connections that it opened end at once", remove);
}

}  // namespace meterhub::app
