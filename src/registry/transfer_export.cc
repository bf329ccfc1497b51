#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <fstream>

#include <meterhub/base/encoding.h>
#include <meterhub/base/time_text.h>
#include <meterhub/crypto/secret.h>
#include <meterhub/registry/transfer.h>

#include <meterhub/base/csv.h>
#include "csv_columns.h"

namespace meterhub::registry {
namespace {

using base::Errc;

constexpr std::size_t kPage = 4096;

// A CSV file being written; finish() tells whether all of it is there.
class Output {
 public:
  static base::Result<Output> make(const std::filesystem::path& file, const ExportOptions& options, std::span<const std::string_view> columns) {
    const int descriptor = ::open(file.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    if (descriptor < 0) return base::fail(Errc::kIo, "cannot make " + file.string());
    // An older file of that name may have been open to others; /dev/stdout is left as it is.
    struct stat facts {};
    const bool is_file = ::fstat(descriptor, &facts) != 0 || S_ISREG(facts.st_mode);
    const bool is_private = !is_file || ::fchmod(descriptor, S_IRUSR | S_IWUSR) == 0;
    ::close(descriptor);
    if (!is_private) return base::fail(Errc::kIo, "cannot protect " + file.string());
    Output out;
    out.name_ = file.string();
    out.file_.open(file, std::ios::binary);
    if (options.byte_order_mark) out.file_ << "\xEF\xBB\xBF";
    std::string header;
    for (std::size_t i = 0; i < columns.size(); ++i) base::append_csv(header, columns[i], i + 1 == columns.size());
    out.file_ << header;
    return out;
  }

  void write(std::string& line) {
    file_ << line;
    crypto::wipe(line);
    line.clear();
    ++count_;
  }
  base::Result<std::uint64_t> finish() {
    if (!file_.flush()) return base::fail(Errc::kIo, "cannot write " + name_);
    return count_;
  }

 private:
  std::ofstream file_;
  std::string name_;
  std::uint64_t count_ = 0;
};

std::string hex_address(base::DevAddr address) {
  const std::array<std::uint8_t, 4> bytes{static_cast<std::uint8_t>(address.value >> 24), static_cast<std::uint8_t>(address.value >> 16),
                                          static_cast<std::uint8_t>(address.value >> 8), static_cast<std::uint8_t>(address.value)};
  return base::hex_encode(bytes);
}

// The last five columns of a meter.
void append_keys(std::string& line, const MeterKeys& keys) {
  const auto* abp = std::get_if<AbpKeys>(&keys);
  const auto* otaa = std::get_if<OtaaKeys>(&keys);
  base::append_csv(line, abp == nullptr ? "" : hex_address(abp->dev_addr));
  base::append_csv(line, abp == nullptr ? "" : base::hex_encode(abp->nwk_skey));
  base::append_csv(line, abp == nullptr ? "" : base::hex_encode(abp->app_skey));
  base::append_csv(line, otaa == nullptr ? "" : otaa->join_eui.text());
  base::append_csv(line, otaa == nullptr ? "" : base::hex_encode(otaa->app_key), true);
}

void append_meter(std::string& line, const Meter& meter) {
  base::append_csv(line, meter.eui.text());
  base::append_csv(line, meter.tenant_name);
  base::append_csv(line, meter.district_name);
  base::append_csv(line, meter.building_name);
  base::append_csv(line, meter.floor);
  base::append_csv(line, meter.unit_name);
  base::append_csv(line, meter.profile);
  base::append_csv(line, meter.allow_resets ? "1" : "0");
  base::append_csv(line, std::to_string(meter.silence_limit.count()));
  base::append_csv(line, meter.low_limit_litres ? std::to_string(*meter.low_limit_litres) : "");
}

void append_gateway(std::string& line, const Gateway& gateway, std::string_view tenant, bool with_keys) {
  base::append_csv(line, gateway.id);
  base::append_csv(line, gateway.eui ? gateway.eui->text() : "");
  base::append_csv(line, tenant);
  base::append_csv(line, gateway.enabled ? "1" : "0");
  base::append_csv(line, gateway.ns_plugin);
  base::append_csv(line, with_keys ? base::base64_encode(gateway.keys.primary) : "");
  base::append_csv(line, with_keys ? base::base64_encode(gateway.keys.secondary) : "");
  base::append_csv(line, gateway.status_reason);
  base::append_csv(line, gateway.authentication);
  base::append_csv(line, gateway.thumbprints.primary);
  base::append_csv(line, gateway.thumbprints.secondary, true);
}

void append_exchange(std::string& line, const NamedExchange& named) {
  const auto& [exchange, place] = named;
  base::append_csv(line, exchange.old_meter.text());
  base::append_csv(line, exchange.new_meter.text());
  base::append_csv(line, base::rfc3339(exchange.at));
  base::append_csv(line, exchange.final_litres ? cubic_metres_text(*exchange.final_litres) : "");
  base::append_csv(line, exchange.initial_litres ? cubic_metres_text(*exchange.initial_litres) : "");
  base::append_csv(line, place.district);
  base::append_csv(line, place.building);
  base::append_csv(line, place.floor);
  base::append_csv(line, place.unit, true);
}

std::string_view name_of(const std::vector<Tenant>& tenants, base::TenantNumber number) {
  for (const auto& tenant : tenants) {
    if (tenant.number == number) return tenant.name;
  }
  return {};
}

}  // namespace

base::Result<std::uint64_t> export_tenants(const Store& store, const std::filesystem::path& file, const ExportOptions& options) {
  const auto tenants = MH_TRY(store.tenants());
  auto out = MH_TRY(Output::make(file, options, kTenantColumns));
  std::string line;
  for (const auto& tenant : tenants) {
    base::append_csv(line, tenant.name);
    base::append_csv(line, tenant.time_zone, true);
    out.write(line);
  }
  return out.finish();
}

base::Result<std::uint64_t> export_meters(const Store& store, const std::filesystem::path& file, const ExportOptions& options) {
  auto out = MH_TRY(Output::make(file, options, kMeterColumns));
  std::string line;
  for (base::MeterNumber after;;) {
    const auto page = MH_TRY(store.meters(after, kPage));
    for (const auto& meter : page) {
      append_meter(line, meter);
      append_keys(line, options.with_keys ? MH_TRY(store.meter_keys(meter.number)) : MeterKeys());
      out.write(line);
    }
    if (page.size() < kPage) return out.finish();
    after = page.back().number;
  }
}

base::Result<std::uint64_t> export_exchanges(const Store& store, const std::filesystem::path& file, const ExportOptions& options) {
  auto out = MH_TRY(Output::make(file, options, kExchangeColumns));
  std::string line;
  for (ExchangeNumber after;;) {
    const auto page = MH_TRY(store.exchanges(after, kPage));
    for (const auto& exchange : page) {
      append_exchange(line, exchange);
      out.write(line);
    }
    if (page.size() < kPage) return out.finish();
    after = page.back().exchange.number;
  }
}

base::Result<std::uint64_t> export_gateways(const Store& store, const std::filesystem::path& file, const ExportOptions& options) {
  const auto tenants = MH_TRY(store.tenants());
  auto out = MH_TRY(Output::make(file, options, kGatewayColumns));
  std::string line;
  for (std::int64_t after = 0;;) {
    const auto page = MH_TRY(store.gateways(after, kPage));
    for (const auto& row : page) {
      append_gateway(line, row.gateway, name_of(tenants, row.gateway.tenant), options.with_keys);
      out.write(line);
    }
    if (page.size() < kPage) return out.finish();
    after = page.back().row;
  }
}

}  // namespace meterhub::registry
