#include "settings_table.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <meterhub/alarm/policy_settings.h>
#include <meterhub/base/time_text.h>
#include <meterhub/net/address.h>
#include <meterhub/rules/thresholds.h>

#include "event_hubs.h"
#include "pack.h"

namespace meterhub::app {
namespace {

using base::SettingKind;

std::string check_address(const base::SettingValue& value) {
  const auto& text = std::get<std::string>(value);
  if (text.empty()) return {};
  const auto address = net::Address::parse(text);
  return address ? std::string() : address.error().text;
}

std::string check_loopback(const base::SettingValue& value) {
  auto wrong = check_address(value);
  const auto& text = std::get<std::string>(value);
  if (!wrong.empty() || text.empty()) return wrong;
  return net::Address::parse(text)->is_loopback() ? std::string() : "must be on loopback, as 127.0.0.1:PORT";
}

std::string check_start(const base::SettingValue& value) {
  const auto& text = std::get<std::string>(value);
  if (text == "committed" || text == "earliest" || base::parse_rfc3339(text)) return {};
  return "must be committed, earliest or a time as 2026-01-31T00:00:00Z";
}

std::string check_partitions(const base::SettingValue& value) {
  for (const auto& text : std::get<std::vector<std::string>>(value)) {
    const auto number = base::parse_setting(SettingKind::kInt, text);
    if (!number || std::get<std::int64_t>(*number) < 0 || std::get<std::int64_t>(*number) > 63)
      return "\"" + text + "\" is no partition: they are 0 to 63";
  }
  return {};
}

std::string check_networks(const base::SettingValue& value) {
  for (const auto& text : std::get<std::vector<std::string>>(value)) {
    if (const auto network = net::Network::parse(text); !network) return network.error().text;
  }
  return {};
}

std::string check_roles(const base::SettingValue& value) {
  const auto& known = known_roles();
  for (const auto& role : std::get<std::vector<std::string>>(value)) {
    if (std::ranges::find(known, role) == known.end())
      return "no role \"" + role + "\"; there are hub, ns, connector, stream, history, console";
  }
  return {};
}

void declare_platform(base::SettingsTable& table) {
  table.section("platform", "The process as a whole.");
  table.add({"platform.data", "Directory that holds everything: logs, registry, database, lake, certificates.",
             SettingKind::kText, "meterhub-data"});
  table.add({"platform.roles", "Roles that this process runs; empty means all but ns, which is a process of its own.",
             SettingKind::kList, "", check_roles});
  table.add({"platform.log_level", "Lowest level of events that are logged: debug, info, warn or error.",
             SettingKind::kText, "info", base::one_of({"debug", "info", "warn", "error"})});
  table.add({"platform.log_format", "How events are written to stderr: text or json.", SettingKind::kText, "text",
             base::one_of({"text", "json"})});
  table.add({"platform.drain_timeout", "How long one role may take to finish what is under way when the process ends.",
             SettingKind::kDuration, "20s", base::duration_between("0ms", "1h")});
}

std::string check_consumer_groups(const base::SettingValue& value) {
  for (const auto& text : std::get<std::vector<std::string>>(value)) {
    const auto slash = text.find('/');
    const auto name = slash == text.npos ? text : text.substr(slash + 1);
    const bool plain = !name.empty() && name.size() <= 50 && std::ranges::all_of(name, [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' ||
             c == '.';
    });
    if (!plain || slash == 0)
      return "\"" + text +
             "\" is no consumer group: 1 to 50 letters, digits, '-', '_' and '.', behind NAME/ for one event hub";
  }
  return {};
}

void declare_hub(base::SettingsTable& table) {
  table.section("hub", "Where gateways come in.");
  table.add({"hub.amqps_listen", "Address and port of AMQP 1.0 over TLS.", SettingKind::kText, "0.0.0.0:5671",
             check_address});
  table.add({"hub.amqp_listen", "Address and port of AMQP 1.0 without TLS, on loopback only; empty means none.",
             SettingKind::kText, "", check_loopback});
  table.add({"hub.host_names", "Names that clients use for this hub and that their tokens may hold; empty means any.",
             SettingKind::kList, ""});
  table.add({"hub.certificate_file",
             "Server certificate with its chain (PEM); empty means one of the platform's own authority.",
             SettingKind::kText, ""});
  table.add({"hub.key_file", "Private key of hub.certificate_file (PEM).", SettingKind::kText, ""});
  table.add({"hub.devicebound_expiry", "How long a cloud-to-device message that states no time waits for its device.",
             SettingKind::kDuration, "1h", base::duration_between("1s", "2d")});
  table.add({"hub.devicebound_memory", "Memory for cloud-to-device messages that wait; over it new ones are refused.",
             SettingKind::kBytes, "64MiB", base::size_between("1MiB", "16GiB")});
  table.add(
      {"hub.device_ca_file",
       "Authorities (PEM) that vouch for certificates of devices, in whose name they are; empty means none. Certificates with a registered thumbprint need none.",
       SettingKind::kText, ""});
  table.add({"hub.gwmp_listen", "UDP address and port for gateways that speak GWMP directly; empty means none.",
             SettingKind::kText, "", check_address});
  table.add({"hub.gwmp_networks", "Networks from which GWMP is heard.", SettingKind::kList, "", check_networks});
  table.add({"hub.message_max", "Largest message that is taken.", SettingKind::kBytes, "256KiB",
             base::size_between("1KiB", "16MiB")});
  table.add({"hub.batch_max", "Largest message or batch of a sender to an event hub, told to clients.",
             SettingKind::kBytes, "1MiB", base::size_between("1KiB", "4MiB")});
  table.add(
      {"hub.external_readings",
       "Policies with the right send may send documents of readings to event hub readings (docs/external-readings.md).",
       SettingKind::kBool, "false"});
  table.add({"hub.frame_max", "Largest AMQP frame, told to clients.", SettingKind::kBytes, "64KiB",
             base::size_between("512B", "16MiB")});
  table.add({"hub.link_credit", "Messages that one gateway may have under way.", SettingKind::kInt, "300",
             base::int_between(100, 1000)});
  table.add({"hub.claim_timeout", "A connection without a valid token is dropped after this.", SettingKind::kDuration,
             "60s", base::duration_between("1s", "1h")});
  table.add({"hub.idle_timeout", "A client that is silent for longer is dropped.", SettingKind::kDuration, "4m",
             base::duration_between("1s", "1d")});
  table.add({"hub.connections_max", "Connections at the same time.", SettingKind::kInt, "100000",
             base::int_between(1, 10'000'000)});
  table.add(
      {"hub.accept_rate",
       "Connections a second from one address, or one IPv6 /64; what is over waits up to 5 s for its turn, and over that is closed. 0 means no limit, as does this host itself.",
       SettingKind::kInt, "50", base::int_between(0, 1'000'000)});
  table.add({"hub.accept_burst",
             "Connections that one address may open at once after a pause: at least the gateways behind it.",
             SettingKind::kInt, "1000", base::int_between(1, 10'000'000)});
  table.add({"hub.consumer_groups",
             "Groups beside $Default in which events are read; \"readings/NAME\" is one of event hub readings only.",
             SettingKind::kList, "", check_consumer_groups});
  table.add({"hub.reader_memory",
             "Memory of all readers of events together, 512 KiB each; one reader more than have room is refused.",
             SettingKind::kBytes, "64MiB", base::size_between("512KiB", "16GiB")});
  table.add({"hub.device_rate", "Messages a second of one gateway; 0 means no limit.", SettingKind::kInt, "1000",
             base::int_between(0, 1'000'000)});
  table.add({"hub.device_burst", "Messages that one gateway may send at once after a pause.", SettingKind::kInt, "5000",
             base::int_between(1, 10'000'000)});
}

void declare_log(base::SettingsTable& table) {
  table.section("log", "The durable logs between the roles.");
  table.add({"log.engine",
             "embedded keeps logs on disk; memory keeps them until the process ends, for trials in a new directory.",
             SettingKind::kText, "embedded", base::one_of({"embedded", "memory"})});
  table.add({"log.partitions", "Partitions of each log by gateway or meter; fixed once the logs exist.",
             SettingKind::kInt, "8", base::int_between(1, 64)});
  table.add(
      {"log.quota", "Bytes of all logs together; 0 means 90 % of what the disk has free.", SettingKind::kBytes, "0B"});
  table.add({"log.group_window", "How long a write may wait for others to share its sync.", SettingKind::kDuration,
             "10ms", base::duration_between("0ms", "1s")});
  table.add({"log.segment", "A file of a log is closed at this size.", SettingKind::kBytes, "8GiB",
             base::size_between("1MiB", "1TiB")});
  table.add({"log.telemetry_retention", "How long what gateways sent is kept, by time.", SettingKind::kDuration, "24h",
             base::duration_between("1m", "3650d")});
  table.add({"log.readings_retention",
             "How long readings are kept in their log, by time; the lake keeps them for good.", SettingKind::kDuration,
             "24h", base::duration_between("1m", "3650d")});
  table.add({"log.deadletter_retention", "How long dead letters and noise can be looked at and driven again.",
             SettingKind::kDuration, "30d", base::duration_between("1m", "3650d")});
}

void declare_registry(base::SettingsTable& table) {
  table.section("registry", "Who and what exists.");
  table.add(
      {"registry.master_key_file",
       "Key under which all keys are kept, 64 hex digits, mode 0600; empty means master.key in the data directory, made at first start.",
       SettingKind::kText, ""});
  table.add({"registry.follow_interval", "How often edits by other processes are looked for.", SettingKind::kDuration,
             "500ms", base::duration_between("10ms", "1h")});
  table.add({"registry.rest_tenant",
             "Tenant of the devices that IoT Hub clients make; empty means the only one there is.", SettingKind::kText,
             ""});
  table.add({"registry.rest_rate",
             "Requests a second to the device registry from one address, or one IPv6 /64; 0 means no limit.",
             SettingKind::kInt, "100", base::int_between(0, 1'000'000)});
  table.add({"registry.rest_burst", "Requests that one address may send at once after a pause.", SettingKind::kInt,
             "500", base::int_between(1, 10'000'000)});
  table.add({"registry.net_id", "Network id told to meters that join, 24 bits.", SettingKind::kInt, "0",
             base::int_between(0, 0xFFFFFF)});
}

std::string check_addresses(const base::SettingValue& value) {
  for (const auto& text : std::get<std::vector<std::string>>(value)) {
    if (const auto address = net::Address::parse(text); !address) return address.error().text;
  }
  return {};
}

void declare_ns(base::SettingsTable& table) {
  table.section("ns", "Network servers: how the connector reaches them, and a process of the role ns.");
  table.add(
      {"ns.transport",
       "embedded opens frames in this process; udp asks processes of the role ns; foreign asks a vendor's own network server.",
       SettingKind::kText, "embedded", base::one_of({"embedded", "udp", "foreign"})});
  table.add({"ns.servers", "UDP addresses of the network servers, or of one balancer before them.", SettingKind::kList,
             "", check_addresses});
  table.add(
      {"ns.bind", "Source address of the connector's datagrams.", SettingKind::kText, "127.0.0.1:0", check_address});
  table.add({"ns.answer_listen", "TCP address where the connector takes answers.", SettingKind::kText, "127.0.0.1:0",
             check_address});
  table.add({"ns.answer_to",
             "HOST:PORT of that address as servers see it; empty means as it is, which 0.0.0.0 cannot be.",
             SettingKind::kText, ""});
  table.add({"ns.networks", "Networks that may answer (connector) or ask (role ns); empty means loopback only.",
             SettingKind::kList, "", check_networks});
  table.add({"ns.plaintext", "Answers, which are decrypted readings, may leave the machine without TLS.",
             SettingKind::kBool, "false"});
  table.add({"ns.resend_after", "udp: a part without a complete answer is sent again, to another server, after this.",
             SettingKind::kDuration, "200ms", base::duration_between("10ms", "1m")});
  table.add({"ns.answer_wait", "foreign: how long answers are waited for, before and after the one resend.",
             SettingKind::kDuration, "2s", base::duration_between("10ms", "1h")});
  table.add({"ns.plugins", "Directory of cipher plug-ins (NAME.so); empty means none.", SettingKind::kText, ""});
  table.add(
      {"ns.feed_listen",
       "Address where the registry's owner offers its sessions to NS processes, over mutual TLS; empty means none.",
       SettingKind::kText, "", check_address});
  table.add(
      {"ns.listen", "Role ns: UDP address where it is asked.", SettingKind::kText, "127.0.0.1:1700", check_address});
  table.add({"ns.feed_servers", "Role ns: addresses of the session feed.", SettingKind::kList, "", check_addresses});
  table.add({"ns.feed_name", "Role ns: name in the platform's certificate.", SettingKind::kText, "localhost"});
  table.add({"ns.ca_file", "Role ns: the platform's authority (PEM).", SettingKind::kText, ""});
  table.add(
      {"ns.certificate_file", "Role ns: its own certificate, as meterhub tls issue makes it.", SettingKind::kText, ""});
  table.add({"ns.key_file", "Role ns: private key of ns.certificate_file.", SettingKind::kText, ""});
  table.add(
      {"ns.sessions_directory",
       "Role ns: directory for an encrypted copy of the sessions, so that it starts without the feed; empty means none.",
       SettingKind::kText, ""});
  table.add({"ns.http_listen", "Role ns: address of /metrics and /health; empty means none.", SettingKind::kText, "",
             check_address});
}

void declare_roles(base::SettingsTable& table) {  // NOLINT(readability-function-size): a table
  table.section("connector", "From what gateways sent to decrypted readings.");
  table.add(
      {"connector.enabled",
       "false leaves what gateways sent to a connector that is not ours, which reads telemetry and sends to readings (hub.external_readings); this one then only drives dead letters again.",
       SettingKind::kBool, "true"});
  table.add({"connector.instances", "Instances that share the partitions in this process.", SettingKind::kInt, "1",
             base::int_between(1, 64)});
  table.add(
      {"connector.start",
       "Where a partition of telemetry begins at each start of the process: committed (where it had come to), earliest, or a time as 2026-01-31T00:00:00Z. What is read once more ends as copies.",
       SettingKind::kText, "committed", check_start});
  table.add(
      {"connector.partitions",
       "Partitions of telemetry that this process reads; empty means shared with other processes. What is driven again is read in any case.",
       SettingKind::kList, "", check_partitions});
  declare_ns(table);
  table.section("stream", "Deduplication and jobs.");
  table.add({"stream.deduplication_instances", "Instances that share the partitions in this process.",
             SettingKind::kInt, "1", base::int_between(1, 64)});
  table.add({"stream.snapshot_pause", "One shard's counters are written this often, in turn.", SettingKind::kDuration,
             "10s", base::duration_between("0ms", "1h")});
  table.add(
      {"stream.pack",
       "Jobs of the query pack that run (docs/queries.md); all of them are too much for a million meters on two cores: there list raw-archive, low-balance-alert, usage-trend. A job that a user changed is his own and runs in any case.",
       SettingKind::kList, fmt::format("{}", fmt::join(pack_names(), ",")), check_pack});
  table.add({"stream.job_memory",
             "What the operators of one job may keep in memory; a job beyond it stands still and says so.",
             SettingKind::kBytes, "2GiB", base::size_between("1MiB", "1TiB")});
  table.section("history", "The archive of all readings.");
  table.add({"history.flush_after", "Readings can be queried after this at the latest.", SettingKind::kDuration, "10s",
             base::duration_between("100ms", "1h")});
  table.add({"history.memory", "Memory of the database kernel that writes the lake.", SettingKind::kBytes, "512MiB",
             base::size_between("64MiB", "1TiB")});
  table.add({"history.rollup", "Consumption is rolled up into tables usage_trend and peak_flow (docs/usage.md).",
             SettingKind::kBool, "true"});
  table.add(
      {"history.rollup_keep",
       "Five-minute sums are kept, and late readings change sums, this long; at least 31d, as gateways' clocks are believed 30 days back.",
       SettingKind::kDuration, "62d", base::duration_between("31d", "3650d")});
  table.add({"history.rollup_late_pause",
             "An hour that late readings change is rolled up again so long after the last time.",
             SettingKind::kDuration, "1h", base::duration_between("0s", "7d")});
  table.section("notify", "Messages to people about episodes; channels and routes are kept by meterhub notify.");
  table.add({"notify.ca_file",
             "Authorities (PEM) that servers of channels are checked against; empty means the system's.",
             SettingKind::kText, ""});
  table.add({"notify.plaintext", "http:// URLs and mail servers without TLS are allowed beyond this machine.",
             SettingKind::kBool, "false"});
  table.section("console", "HTTP: the page, the API, metrics.");
  table.add({"console.listen", "Address and port of HTTP, on loopback only; empty means none.", SettingKind::kText,
             "127.0.0.1:8080", check_loopback});
  table.add(
      {"console.https_listen",
       "Address and port of the same over TLS, and of the device registry for IoT Hub clients, which want port 443; empty means none. The certificate is the hub's.",
       SettingKind::kText, "", check_address});
  table.section("office", "What the staff see: states, episodes, gas used by day.");
  const auto often = base::duration_between("1s", "1h");
  table.add({"office.survey_every",
             "Figures of buildings and districts are made anew so often, in memory; of a million meters once a minute.",
             SettingKind::kDuration, "10s", often});
  table.add({"office.tables_every",
             "Tables meter_latest, building_status and district_status are written at most so often.",
             SettingKind::kDuration, "60s", often});
  table.add({"office.snapshot_every", "The fleet's state is saved so often; a start reads what came since.",
             SettingKind::kDuration, "60s", often});
  table.add({"office.day_closes_after",
             "A tenant's day is closed in table completeness_day so long after its local midnight.",
             SettingKind::kDuration, "2h", base::duration_between("1m", "12h")});
  table.add(
      {"office.completeness_kept",
       "Rows of meters in table completeness_day stay so long, and so long late readings move in closed days; rows of buildings, districts, tenants and gateways stay 400 days.",
       SettingKind::kDuration, "35d", base::duration_between("2d", "400d")});
  table.add({"office.episodes_kept",
             "Episodes that are over, and the history of what people did to them, stay so long.",
             SettingKind::kDuration, "730d", base::duration_between("100d", "3650d")});
}

}  // namespace

const std::vector<std::string>& known_roles() {
  static const std::vector<std::string> kRoles{"hub", "ns", "connector", "stream", "history", "console"};
  return kRoles;
}

base::SettingsTable settings_table() {
  base::SettingsTable table;
  declare_platform(table);
  declare_hub(table);
  declare_event_hubs(table);
  declare_log(table);
  declare_registry(table);
  declare_roles(table);
  rules::declare(table);
  alarm::declare(table);
  return table;
}

base::SettingSources settings_sources(std::optional<std::string> file) {
  return {std::move(file), base::settings_environment(), {}};
}

}  // namespace meterhub::app
