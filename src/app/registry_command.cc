// meterhub registry …: who exists.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/encoding.h>
#include <meterhub/base/settings.h>
#include <meterhub/base/time_text.h>
#include <meterhub/meter/profile.h>
#include <meterhub/registry/store.h>
#include <meterhub/registry/transfer.h>

#include "ask.h"
#include "commands.h"
#include "policy_command.h"
#include "program.h"
#include "registry_store.h"

namespace meterhub::app {
namespace {

using base::Result;
using registry::Store;

const registry::Actor kActor = "cli";
constexpr std::size_t kPage = 1000;

// What the flags of one run said.
struct Arguments {
  RegistryPlace place;
  std::string name, time_zone{registry::kDefaultTimeZone};
  std::string id, eui, tenant, plugin, reason, host = "localhost";
  std::string district, building, floor, unit, profile{registry::kDefaultProfile};
  std::string dev_addr, nwkskey, appskey, joineui, appkey;
  std::string meters, gateways, tenants, exchanges, rejects;
  std::string old_meter, new_meter, at, final_m3, initial_m3;
  std::string right = "read", expires;
  bool platform = false, by_keys = false, by_authority = false;
  std::vector<std::string> thumbprints;
  std::vector<std::string> profiles;  // import: files or directories; export: one directory
  bool allow_resets = false, skip_bad = false, replace = false, with_keys = false, byte_order_mark = false;
};

struct Context {
  Arguments arguments;
  base::SystemClock clock;
};

// Shown once, at creation, and when `keys` asks for it.
void print_connection_string(const registry::Gateway& gateway, const std::string& host) {
  std::cout << "HostName=" << host << ";DeviceId=" << gateway.id;
  if (gateway.authentication == registry::kSasAuthentication) {
    std::cout << ";SharedAccessKey=" << base::base64_encode(gateway.keys.primary) << '\n';
  } else {
    std::cout << ";x509=true\n";
  }
}

// How a gateway proves who it is; nothing said: as it was, by keys when it is new.
Result<void> read_authentication(const Arguments& a, registry::GatewaySpec& spec) {
  if (a.by_keys) spec.authentication = registry::kSasAuthentication;
  if (a.by_authority) spec.authentication = registry::kAuthorityAuthentication;
  if (a.thumbprints.empty()) return {};
  if (a.by_keys || a.by_authority) return base::fail(base::Errc::kInvalidArgument, "--thumbprint goes with neither --keys nor --authority");
  spec.authentication = registry::kThumbprintAuthentication;
  spec.thumbprints = registry::Thumbprints{a.thumbprints.front(), a.thumbprints.size() > 1 ? a.thumbprints.back() : std::string()};
  return {};
}

Result<void> add_tenant(Store& store, const Arguments& a) {
  const auto tenant = MH_TRY(store.add_tenant(kActor, a.name, a.time_zone));
  std::cout << "tenant " << tenant.number.value << ' ' << tenant.name << '\n';
  return {};
}

Result<void> add_gateway(Store& store, const Arguments& a) {
  registry::GatewaySpec spec;
  spec.id = a.id;
  if (!a.eui.empty()) spec.eui = MH_TRY(base::Eui64::parse(a.eui));
  spec.tenant = a.tenant;
  spec.ns_plugin = a.plugin;
  MH_TRY_VOID(read_authentication(a, spec));
  print_connection_string(MH_TRY(store.add_gateway(kActor, spec)), a.host);
  return {};
}

// All else about it stays.
Result<void> change_authentication(Store& store, const Arguments& a) {
  const auto old = MH_TRY(store.gateway(a.id));
  registry::GatewaySpec spec;
  spec.id = old.id;
  spec.eui = old.eui;
  spec.enabled = old.enabled;
  spec.status_reason = old.status_reason;
  spec.ns_plugin = old.ns_plugin;
  MH_TRY_VOID(read_authentication(a, spec));
  print_connection_string(MH_TRY(store.update_gateway(kActor, spec, old.etag)), a.host);
  return {};
}

Result<registry::MeterKeys> keys_of(const Arguments& a) {
  if (!a.appkey.empty()) {
    return registry::OtaaKeys{MH_TRY(base::Eui64::parse(a.joineui)), MH_TRY(base::hex_decode_array<16>(a.appkey))};
  }
  if (a.dev_addr.empty()) return registry::MeterKeys();
  const auto address = MH_TRY(base::hex_decode_array<4>(a.dev_addr));
  std::uint32_t value = 0;
  for (const auto byte : address) value = value << 8 | byte;
  return registry::AbpKeys{base::DevAddr(value), MH_TRY(base::hex_decode_array<16>(a.nwkskey)), MH_TRY(base::hex_decode_array<16>(a.appskey))};
}

Result<void> add_meter(Store& store, const Arguments& a) {
  registry::MeterSpec spec;
  spec.eui = MH_TRY(base::Eui64::parse(a.eui));
  spec.tenant = a.tenant;
  spec.district = a.district;
  spec.building = a.building;
  spec.floor = a.floor;
  spec.unit = a.unit;
  spec.profile = a.profile;
  spec.allow_resets = a.allow_resets;
  spec.keys = MH_TRY(keys_of(a));
  const auto meter = MH_TRY(a.replace ? store.update_meter(kActor, spec) : store.add_meter(kActor, spec));
  std::cout << "meter " << meter.number.value << ' ' << meter.eui.text() << '\n';
  return {};
}

Result<std::optional<std::int64_t>> counter_of(std::string_view flag, const std::string& text) {
  if (text.empty()) return std::nullopt;
  auto litres = registry::litres_of(text);
  if (!litres) return std::unexpected(std::move(litres.error()).in(flag));
  return *litres;
}

std::string place_text(const registry::ExchangePlace& place) {
  std::string out;
  for (const auto& part : {place.district, place.building, place.floor, place.unit}) {
    if (!part.empty()) out += (out.empty() ? "" : ", ") + part;
  }
  return out;
}

Result<void> exchange_meter(Store& store, const Arguments& a) {
  registry::ExchangeSpec spec{.old_meter = MH_TRY(base::Eui64::parse(a.old_meter)), .new_meter = MH_TRY(base::Eui64::parse(a.new_meter))};
  if (!a.at.empty()) {
    const auto at = MH_TRY(since_text(a.at));
    spec.at = MH_TRY(base::parse_rfc3339(at)).at;
  }
  spec.final_litres = MH_TRY(counter_of("--final", a.final_m3));
  spec.initial_litres = MH_TRY(counter_of("--initial", a.initial_m3));
  const auto done = MH_TRY(store.exchange_meter(kActor, spec));
  const auto named = MH_TRY(store.exchanges(registry::ExchangeNumber(done.number.value - 1), 1));
  std::cout << "exchange " << done.number.value << ": " << done.old_meter.text() << " -> " << done.new_meter.text() << " at " << base::rfc3339(done.at)
            << " in " << place_text(named.front().place) << '\n';
  return {};
}

using Importer = Result<registry::ImportReport> (*)(Store&, const registry::Actor&, const std::filesystem::path&, const registry::ImportOptions&);

// Who mends a file and gives it again meets what the good lines or files before it have made.
base::Error with_hint(base::Error error, bool replace) {
  const bool there = error.code == base::Errc::kAlreadyExists && error.text.contains("there is a ");
  if (there && !replace) error.text += "; --replace updates what exists";
  return error;
}

Result<void> import_one(Store& store, const Arguments& a, std::string_view what, const std::string& file, Importer importer) {
  if (file.empty()) return {};
  registry::ImportOptions options{.skip_bad = a.skip_bad, .replace = a.replace};
  options.rejects = a.rejects;
  const bool terminal = ::isatty(STDERR_FILENO) != 0;
  if (terminal) {
    options.progress = [&](std::uint64_t bytes, std::uint64_t total) {
      std::fprintf(stderr, "\r%s: %3.0f %%", std::string(what).c_str(), total == 0 ? 100.0 : 100.0 * static_cast<double>(bytes) / static_cast<double>(total));
    };
  }
  const auto report = importer(store, kActor, file, options);
  if (terminal) std::fputc('\n', stderr);
  if (!report) return std::unexpected(with_hint(report.error(), a.replace).in(file));
  for (const auto& error : report->errors) std::cerr << file << ": line " << error.line << ": " << error.text << '\n';
  std::cout << what << ": " << report->imported << " imported, " << report->refused << " refused\n";
  return {};
}

// All or none, whatever --skip-bad says: a profile is somebody's whole fleet.
Result<void> import_profile_files(Store& store, const Arguments& a) {
  if (a.profiles.empty()) return {};
  const auto report = registry::import_profiles(store, kActor, a.profiles, a.replace);
  if (!report) return std::unexpected(with_hint(report.error(), a.replace));
  std::cout << "profiles: " << report->imported << " imported, " << report->unchanged << " unchanged\n";
  return {};
}

// In this order, as meters name a profile and a tenant, and exchanges meters.
Result<void> import_files(Store& store, const Arguments& a) {
  MH_TRY_VOID(import_profile_files(store, a));
  MH_TRY_VOID(import_one(store, a, "tenants", a.tenants, registry::import_tenants));
  MH_TRY_VOID(import_one(store, a, "gateways", a.gateways, registry::import_gateways));
  MH_TRY_VOID(import_one(store, a, "meters", a.meters, registry::import_meters));
  return import_one(store, a, "exchanges", a.exchanges, registry::import_exchanges);
}

Result<void> export_files(Store& store, const Arguments& a) {
  const registry::ExportOptions options{.with_keys = a.with_keys, .byte_order_mark = a.byte_order_mark};
  const auto say = [](std::string_view what, std::uint64_t count) { std::cout << what << ": " << count << " exported\n"; };
  if (!a.tenants.empty()) say("tenants", MH_TRY(registry::export_tenants(store, a.tenants, options)));
  if (!a.gateways.empty()) say("gateways", MH_TRY(registry::export_gateways(store, a.gateways, options)));
  if (!a.meters.empty()) say("meters", MH_TRY(registry::export_meters(store, a.meters, options)));
  if (!a.exchanges.empty()) say("exchanges", MH_TRY(registry::export_exchanges(store, a.exchanges, options)));
  if (!a.profiles.empty()) say("profiles", MH_TRY(registry::export_profiles(store, a.profiles.front())));
  return {};
}

Result<void> list_profiles(Store& store, const Arguments&) {
  const auto stored = MH_TRY(store.profiles());
  for (const auto name : meter::builtin_profile_names()) {
    if (std::ranges::find(stored, name, &registry::Profile::name) != stored.end()) continue;
    std::cout << name << "\tbuilt in\t" << meter::builtin_profile(name)->description << '\n';
  }
  for (const auto& profile : stored) {
    const auto parsed = meter::parse_profile(profile.text);
    std::cout << profile.name << "\timported\t" << (parsed ? parsed->description : parsed.error().text) << '\n';
  }
  return {};
}

Result<void> list_tenants(Store& store, const Arguments&) {
  for (const auto& t : MH_TRY(store.tenants())) std::cout << t.number.value << '\t' << t.name << '\t' << t.time_zone << '\n';
  return {};
}

Result<void> list_gateways(Store& store, const Arguments&) {
  for (std::int64_t after = 0;;) {
    const auto page = MH_TRY(store.gateways(after, kPage));
    for (const auto& row : page) {
      const auto& gateway = row.gateway;
      std::cout << gateway.id << '\t' << (gateway.eui ? gateway.eui->text() : "-") << '\t' << (gateway.enabled ? "enabled" : "disabled") << '\n';
    }
    if (page.size() < kPage) return {};
    after = page.back().row;
  }
}

Result<void> list_meters(Store& store, const Arguments&) {
  for (base::MeterNumber after;;) {
    const auto page = MH_TRY(store.meters(after, kPage));
    for (const auto& m : page) {
      std::cout << m.number.value << '\t' << m.eui.text() << '\t' << m.tenant_name << '\t' << m.building_name << '\t' << m.floor << '\t'
                << m.unit_name << '\t' << m.profile << '\t' << (m.otaa ? "joins" : "fixed") << '\n';
    }
    if (page.size() < kPage) return {};
    after = page.back().number;
  }
}

Result<void> list_exchanges(Store& store, const Arguments&) {
  const auto counter = [](const std::optional<std::int64_t>& litres) { return litres ? registry::cubic_metres_text(*litres) : std::string("-"); };
  for (registry::ExchangeNumber after;;) {
    const auto page = MH_TRY(store.exchanges(after, kPage));
    for (const auto& [exchange, place] : page) {
      std::cout << exchange.number.value << '\t' << base::rfc3339(exchange.at) << '\t' << exchange.old_meter.text() << '\t' << exchange.new_meter.text()
                << '\t' << counter(exchange.final_litres) << '\t' << counter(exchange.initial_litres) << '\t' << place_text(place) << '\n';
    }
    if (page.size() < kPage) return {};
    after = page.back().exchange.number;
  }
}

Result<void> add_key(Store& store, const Arguments& a) {
  registry::ApiKeySpec spec{.name = a.name, .tenant = a.tenant, .right = MH_TRY(registry::parse_right(a.right))};
  if (!a.expires.empty()) spec.expires = base::SystemClock().now() + MH_TRY(base::parse_duration(a.expires));
  std::cout << MH_TRY(store.add_api_key(kActor, spec)).text << '\n';
  return {};
}

std::string time_or(const std::optional<base::Timestamp>& time, std::string_view none) {
  return time ? base::rfc3339(*time) : std::string(none);
}

std::string_view state_of(const registry::ApiKey& key, base::Timestamp now) {
  if (!key.enabled) return "disabled";
  return key.expires && *key.expires <= now ? "expired" : "enabled";
}

Result<void> list_keys(Store& store, const Arguments&) {
  const auto tenants = MH_TRY(store.tenants());
  const auto name_of = [&](const std::optional<base::TenantNumber>& number) -> std::string {
    if (!number) return "(platform)";
    const auto found = std::ranges::find(tenants, *number, &registry::Tenant::number);
    return found == tenants.end() ? std::to_string(number->value) : found->name;
  };
  const auto now = base::SystemClock().now();
  for (const auto& key : MH_TRY(store.api_keys())) {
    std::cout << key.name << '\t' << name_of(key.tenant) << '\t' << registry::right_name(key.right) << '\t' << state_of(key, now) << '\t'
              << base::rfc3339(key.created) << '\t' << time_or(key.expires, "no end") << '\t' << time_or(key.used, "never used") << '\n';
  }
  return {};
}

using Action = std::function<Result<void>(Store&, const Arguments&)>;

// A subcommand that opens the store, acts, and turns an error into text and exit code 1.
CLI::App* command(CLI::App& parent, const std::shared_ptr<Context>& context, Exit& exit, const std::string& name, const std::string& about, Action action,
                  Begins begins = Begins::kNo) {
  auto* sub = parent.add_subcommand(name, about);
  sub->add_option("--data", context->arguments.place.data, "Data directory")->capture_default_str();
  sub->add_option("--master-key", context->arguments.place.master_key, "File of the master key (default: master.key in the data directory)");
  sub->callback([context, &exit, begins, action = std::move(action)] {
    auto store = open_registry(context->arguments.place, context->clock, begins);
    auto done = store ? action(**store, context->arguments) : Result<void>(std::unexpected(store.error()));
    if (done) return;
    std::cerr << "meterhub registry: " << done.error().text << '\n';
    exit.code = 1;
  });
  return sub;
}

void add_certificate_options(CLI::App& sub, Arguments& a) {
  sub.add_option("--thumbprint", a.thumbprints, "It shows a certificate with this SHA-1 or SHA-256 in hex; a second one may follow")->expected(1, 2);
  sub.add_flag("--authority", a.by_authority, "It shows a certificate in its name, signed by an authority of hub.device_ca_file");
}

void add_adders(CLI::App& registry, const std::shared_ptr<Context>& context, Exit& exit) {
  auto& a = context->arguments;
  auto* add = registry.add_subcommand("add", "Add a tenant, gateway or meter");
  add->require_subcommand(1);
  auto* tenant = command(*add, context, exit, "tenant", "Add a tenant", add_tenant, Begins::kYes);
  tenant->add_option("name", a.name, "Name")->required();
  tenant->add_option("--time-zone", a.time_zone, "IANA time zone")->capture_default_str();
  auto* gateway = command(*add, context, exit, "gateway", "Add a gateway; prints its connection string once", add_gateway, Begins::kYes);
  gateway->add_option("id", a.id, "Device id")->required();
  gateway->add_option("--eui", a.eui, "Gateway EUI");
  gateway->add_option("--tenant", a.tenant, "Tenant (default: the only one)");
  gateway->add_option("--ns-plugin", a.plugin, "Cipher plug-in for its bodies");
  add_certificate_options(*gateway, a);
  gateway->add_option("--host", a.host, "Host name in the connection string")->capture_default_str();
  auto* meter = command(*add, context, exit, "meter", "Add a meter", add_meter, Begins::kYes);
  meter->add_option("eui", a.eui, "Device EUI")->required();
  for (const auto& [flag, value, about] : std::initializer_list<std::tuple<const char*, std::string&, const char*>>{
           {"--tenant", a.tenant, "Tenant (default: the only one)"}, {"--district", a.district, "District"}, {"--building", a.building, "Building"},
           {"--floor", a.floor, "Floor"}, {"--unit", a.unit, "Unit"}, {"--profile", a.profile, "Payload profile"},
           {"--dev-addr", a.dev_addr, "8 hex digits"}, {"--nwkskey", a.nwkskey, "32 hex digits"}, {"--appskey", a.appskey, "32 hex digits"},
           {"--joineui", a.joineui, "16 hex digits"}, {"--appkey", a.appkey, "32 hex digits: the meter joins"}}) {
    meter->add_option(flag, value, about);
  }
  meter->add_flag("--allow-resets", a.allow_resets, "A counter that starts again is a battery change");
  meter->add_flag("--replace", a.replace, "Change the existing meter");
}

void add_transfers(CLI::App& registry, const std::shared_ptr<Context>& context, Exit& exit) {
  auto& a = context->arguments;
  auto* in = command(registry, context, exit, "import", "Read CSV files (docs/formats/registry-csv.md) and payload profiles", import_files, Begins::kYes);
  auto* out = command(registry, context, exit, "export", "Write CSV files and payload profiles", export_files);
  for (auto* sub : {in, out}) {
    auto* files = sub->add_option_group("files", "Which files");
    files->add_option("--meters", a.meters, "File of meters");
    files->add_option("--gateways", a.gateways, "File of gateways");
    files->add_option("--tenants", a.tenants, "File of tenants");
    files->add_option("--exchanges", a.exchanges, "File of exchanges of meters");
    auto* profiles = files->add_option("--profiles", a.profiles,
                                       sub == in ? "Payload profiles (docs/formats/profile.md): files, or directories with *.toml"
                                                 : "Directory for the payload profiles");
    if (sub == out) profiles->expected(1);
    files->require_option(1, 5);
  }
  in->add_flag("--skip-bad", a.skip_bad, "Take the good lines");
  in->add_option("--rejects", a.rejects, "With --skip-bad: the other lines");
  in->add_flag("--replace", a.replace, "Update what exists");
  out->add_flag("--with-keys", a.with_keys, "With all keys: the file then is a secret");
  out->add_flag("--bom", a.byte_order_mark, "With a byte order mark, for spreadsheets");
}

void add_exchange(CLI::App& registry, const std::shared_ptr<Context>& context, Exit& exit) {
  auto& a = context->arguments;
  auto* sub = command(registry, context, exit, "exchange", "Note that another meter came in a meter's place: it takes the place, and its usage goes on from the old one's",
                      exchange_meter);
  sub->add_option("old", a.old_meter, "EUI of the meter that was taken out; it stays in the registry, placed nowhere, with its history")->required();
  sub->add_option("new", a.new_meter, "EUI of the one that came: add it before, with its keys, profile and no place")->required();
  sub->add_option("--at", a.at, "When, as 2026-03-01T10:30:00+08:00, or how long ago, as 2h (default: now)")->check(check_since);
  sub->add_option("--final", a.final_m3, "Counter of the old one when it was taken out, m3; without, gas used after its last packet is not known");
  sub->add_option("--initial", a.initial_m3, "Counter of the new one when it was put in, m3; without, gas used before its first packet is not known");
  sub->footer("Example: a new meter, on stock until today, comes into a flat\n"
              "  meterhub registry add meter ffffffff00000002 --profile v1 --dev-addr … --nwkskey … --appskey …\n"
              "  meterhub registry exchange ffffffff00000001 ffffffff00000002 --at 2h --final 1234.567 --initial 0\n"
              "  meterhub usage --meter ffffffff00000002 --by day --from 7d\n"
              "Many at once: meterhub registry import --exchanges FILE (docs/formats/registry-csv.md)");
}

void add_gateway_commands(CLI::App& registry, const std::shared_ptr<Context>& context, Exit& exit) {
  auto& a = context->arguments;
  for (const bool enable : {true, false}) {
    auto* group = registry.add_subcommand(enable ? "enable" : "disable", enable ? "Let a gateway in again" : "Shut a gateway out at once");
    group->require_subcommand(1);
    auto* sub = command(*group, context, exit, "gateway", "By id", [enable](Store& store, const Arguments& args) {
      return store.set_gateway_enabled(kActor, args.id, enable, args.reason);
    });
    sub->add_option("id", a.id, "Device id")->required();
    sub->add_option("--reason", a.reason, "For the audit log");
  }
  auto* authentication = registry.add_subcommand("authentication", "Change how a gateway proves who it is");
  authentication->require_subcommand(1);
  auto* change = command(*authentication, context, exit, "gateway", "By keys or by a certificate; prints its connection string", change_authentication);
  change->add_option("id", a.id, "Device id")->required();
  add_certificate_options(*change, a);
  change->add_flag("--keys", a.by_keys, "It signs tokens with the keys that it had, or that were made for it");
  change->add_option("--host", a.host, "Host name in the connection string")->capture_default_str();
  auto* keys = registry.add_subcommand("keys", "Show keys");
  keys->require_subcommand(1);
  auto* gateway = command(*keys, context, exit, "gateway", "Print a gateway's connection string", [](Store& store, const Arguments& args) -> Result<void> {
    print_connection_string(MH_TRY(store.gateway(args.id)), args.host);
    return {};
  });
  gateway->add_option("id", a.id, "Device id")->required();
  gateway->add_option("--host", a.host, "Host name in the connection string")->capture_default_str();
}

void add_key_commands(CLI::App& registry, const std::shared_ptr<Context>& context, Exit& exit) {
  auto& a = context->arguments;
  auto* key = registry.add_subcommand("key", "Keys of the HTTP API: add, list, disable, enable, remove");
  key->require_subcommand(1);
  auto* add = command(*key, context, exit, "add", "Make a key; it is printed once and not kept", add_key);
  add->add_option("name", a.name, "Name, for lists and the audit log")->required();
  auto* whose = add->add_option_group("whose", "Whose data it sees");
  whose->add_option("--tenant", a.tenant, "One tenant's");
  whose->add_flag("--platform", a.platform, "The whole platform's");
  whose->require_option(1);
  add->add_option("--right", a.right, "read, operate, manage, or admin with --platform; each includes those before")->capture_default_str();
  add->add_option("--expires", a.expires, "Ends after this long, as 90d (default: no end)")->check(check_span);
  command(*key, context, exit, "list", "Name, tenant, right, state, created, end, last use", list_keys);
  for (const bool enable : {true, false}) {
    auto* sub = command(*key, context, exit, enable ? "enable" : "disable", enable ? "Let a key in again" : "Shut a key out, within a second",
                        [enable](Store& store, const Arguments& args) { return store.set_api_key_enabled(kActor, args.name, enable); });
    sub->add_option("name", a.name, "Name")->required();
  }
  auto* remove = command(*key, context, exit, "remove", "Forget a key; it is shut out within a second",
                         [](Store& store, const Arguments& args) { return store.remove_api_key(kActor, args.name); });
  remove->add_option("name", a.name, "Name")->required();
}

}  // namespace

void add_registry(CLI::App& program, Exit& exit) {
  const auto context = std::make_shared<Context>();
  auto* registry = program.add_subcommand("registry", "Tenants, gateways, meters, profiles, policies, keys of the API: add, exchange, import, list, export, disable");
  registry->require_subcommand(1);
  add_adders(*registry, context, exit);
  add_exchange(*registry, context, exit);
  add_transfers(*registry, context, exit);
  add_gateway_commands(*registry, context, exit);
  add_key_commands(*registry, context, exit);
  add_policy_commands(*registry, exit);
  auto* list = registry->add_subcommand("list", "List what exists");
  list->require_subcommand(1);
  command(*list, context, exit, "tenants", "Number, name, time zone", list_tenants);
  command(*list, context, exit, "profiles", "Name, built in or imported, description", list_profiles);
  command(*list, context, exit, "gateways", "Id, EUI, state", list_gateways);
  command(*list, context, exit, "meters", "Number, EUI, tenant, place, profile", list_meters);
  command(*list, context, exit, "exchanges", "Number, time, old and new meter, their counters in m3, place", list_exchanges);
}

}  // namespace meterhub::app
