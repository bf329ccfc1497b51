#include <meterhub/sim/registry_files.h>

#include <fmt/format.h>

#include <meterhub/base/encoding.h>

namespace meterhub::sim {
namespace {

std::string meter_line(const Town& town, const SimMeter& meter, std::chrono::seconds silence_limit) {
  const auto& building = town.buildings[meter.building];
  std::string line = fmt::format("{},{},{},{},{},{:02}{:02},v1,{},{},", meter.eui.text(), town.options.tenant,
                                 building.district, building.name, meter.floor, meter.floor, meter.flat,
                                 meter.allow_resets ? 1 : 0, silence_limit.count());
  if (meter.otaa) {
    line += fmt::format(",,,{},{}\n", meter.join_eui.text(), base::hex_encode(meter.app_key));
  } else {
    line += fmt::format("{:08x},{},{},,\n", meter.dev_addr.value, base::hex_encode(meter.nwk_skey),
                        base::hex_encode(meter.app_skey));
  }
  return line;
}

}  // namespace

std::string tenants_csv(const Town& town) {
  return fmt::format("name,time_zone\n{},Asia/Shanghai\n", town.options.tenant);
}

std::string gateways_csv(const Town& town, const RegistryFileOptions& options) {
  std::string text = "id,eui,tenant,ns_plugin,primary_key\n";
  for (const auto& gateway : town.gateways) {
    text += fmt::format("{},{},{},{},{}\n", gateway.id, gateway.eui.text(), town.options.tenant, options.ns_plugin, gateway.key);
  }
  return text;
}

std::string meters_csv(const Town& town, const RegistryFileOptions& options) {
  std::string text =
      "eui,tenant,district,building,floor,unit,profile,allow_resets,silence_limit_s,dev_addr,nwkskey,appskey,joineui,"
      "appkey\n";
  for (const auto& meter : town.meters) text += meter_line(town, meter, options.silence_limit);
  return text;
}

std::string connection_string(const SimGateway& gateway, std::string_view host) {
  return fmt::format("HostName={};DeviceId={};SharedAccessKey={}", host, gateway.id, gateway.key);
}

base::Result<void> write_registry_files(const Town& town, std::string_view host, base::Disk& disk,
                                        const std::string& directory, const RegistryFileOptions& options) {
  MH_TRY_VOID(disk.make_directories(directory));
  MH_TRY_VOID(disk.write(base::join_path(directory, "tenants.csv"), tenants_csv(town)));
  MH_TRY_VOID(disk.write(base::join_path(directory, "gateways.csv"), gateways_csv(town, options)));
  MH_TRY_VOID(disk.write(base::join_path(directory, "meters.csv"), meters_csv(town, options)));
  std::string strings;
  for (const auto& gateway : town.gateways) strings += connection_string(gateway, host) + "\n";
  return disk.write(base::join_path(directory, "gateways.txt"), strings);
}

}  // namespace meterhub::sim
