#include <fcntl.h>
#include <unistd.h>

#include <fstream>

#include <meterhub/registry/transfer.h>

#include <meterhub/base/csv.h>
#include "csv_columns.h"

namespace meterhub::registry {
namespace {

using base::Errc;

constexpr std::uint64_t kProgressLines = 10'000;

// Refused lines hold keys: the file is its owner's alone.
base::Result<void> make_private(const std::filesystem::path& file) {
  const int descriptor = ::open(file.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  if (descriptor < 0) return base::fail(Errc::kIo, "cannot make " + file.string());
  ::close(descriptor);
  return {};
}

// One file on its way into the store.
class Run {
 public:
  using Take = std::function<base::Result<void>(const Header&, const base::CsvRecord&)>;
  using Put = std::function<base::Result<void>(Store::Import&, const Header&, const base::CsvRecord&)>;

  Run(base::CsvReader& reader, const ImportOptions& options) : reader_(reader), options_(options) {}

  // Every record in order.
  base::Result<void> each(std::span<const std::string_view> columns, const Take& take);
  // The same into a store, in one transaction.
  base::Result<ImportReport> all(Store& store, const Actor& actor, std::span<const std::string_view> columns, const Put& put);
  ImportReport& report() { return report_; }

 private:
  base::Result<Header> header(std::span<const std::string_view> columns);
  base::Result<bool> next(const Header& header, const Take& take);
  base::Result<void> one(const Header& header, const Take& take);
  base::Result<void> refuse(const base::Error& error);
  void show_progress();

  base::CsvReader& reader_;
  const ImportOptions& options_;
  ImportReport report_;
  std::ofstream rejects_;
};

std::string at_line(std::uint64_t line, const std::string& text) { return "line " + std::to_string(line) + ": " + text; }

// The line itself is wrong, as opposed to the disk or another writer.
bool is_lines_fault(Errc code) {
  return code == Errc::kInvalidArgument || code == Errc::kAlreadyExists || code == Errc::kNotFound || code == Errc::kPrecondition;
}

base::Result<Header> Run::header(std::span<const std::string_view> columns) {
  const auto read = reader_.next();
  if (!read) return base::fail(read.error().code, at_line(1, read.error().text));
  if (!*read) return base::fail(Errc::kInvalidArgument, "the file is empty");
  auto header = Header::read(reader_.record(), columns);
  if (!header) return base::fail(Errc::kInvalidArgument, at_line(reader_.record().line, header.error().text));
  if (options_.rejects.empty()) return header;
  MH_TRY_VOID(make_private(options_.rejects));
  rejects_.open(options_.rejects, std::ios::binary);
  rejects_ << reader_.record().raw << ",error\n";
  return header;
}

base::Result<void> Run::refuse(const base::Error& error) {
  const auto line = reader_.record().line;
  if (!is_lines_fault(error.code)) return std::unexpected(error);
  if (!options_.skip_bad) return base::fail(error.code, at_line(line, error.text));
  ++report_.refused;
  if (report_.errors.size() < kMaxErrorsKept) report_.errors.push_back({line, error.text});
  std::string why;
  base::append_csv(why, error.text, true);
  if (rejects_.is_open() && !(rejects_ << reader_.record().raw << ',' << why)) return base::fail(Errc::kIo, "cannot write " + options_.rejects.string());
  return {};
}

void Run::show_progress() {
  if (options_.progress && report_.lines % kProgressLines == 0) options_.progress(reader_.bytes_read(), reader_.file_size());
}

base::Result<void> Run::one(const Header& header, const Take& take) {
  if (reader_.record().fields.size() != header.width()) {
    return base::fail(Errc::kInvalidArgument, std::to_string(header.width()) + " fields are expected, here are " +
                                                  std::to_string(reader_.record().fields.size()));
  }
  return take(header, reader_.record());
}

base::Result<bool> Run::next(const Header& header, const Take& take) {
  const auto read = reader_.next();
  if (read && !*read) return false;
  ++report_.lines;
  show_progress();
  const auto done = read ? one(header, take) : base::Result<void>(std::unexpected(read.error()));
  if (done) {
    ++report_.imported;
  } else {
    MH_TRY_VOID(refuse(done.error()));
  }
  return true;
}

base::Result<void> Run::each(std::span<const std::string_view> columns, const Take& take) {
  const auto header = MH_TRY(this->header(columns));
  while (MH_TRY(next(header, take))) {
  }
  return {};
}

base::Result<ImportReport> Run::all(Store& store, const Actor& actor, std::span<const std::string_view> columns, const Put& put) {
  auto import = MH_TRY(store.begin_import(actor));
  MH_TRY_VOID(each(columns, [&](const Header& header, const base::CsvRecord& record) { return put(*import, header, record); }));
  if (rejects_.is_open() && !rejects_.flush()) return base::fail(Errc::kIo, "cannot write " + options_.rejects.string());
  MH_TRY_VOID(import->commit());
  if (options_.progress) options_.progress(reader_.file_size(), reader_.file_size());
  return std::move(report_);
}

}  // namespace

base::Result<ImportReport> import_tenants(Store& store, const Actor& actor, const std::filesystem::path& file, const ImportOptions& options) {
  auto reader = MH_TRY(base::CsvReader::open(file));
  Run run(*reader, options);
  return run.all(store, actor, kTenantColumns, [](Store::Import& import, const Header& header, const base::CsvRecord& record) {
    const auto zone = header.field(record, "time_zone");
    return import.put_tenant(header.field(record, "name"), zone.empty() ? kDefaultTimeZone : zone);
  });
}

base::Result<ImportReport> import_meters(Store& store, const Actor& actor, const std::filesystem::path& file, const ImportOptions& options) {
  auto reader = MH_TRY(base::CsvReader::open(file));
  Run run(*reader, options);
  return run.all(store, actor, kMeterColumns, [&](Store::Import& import, const Header& header, const base::CsvRecord& record) -> base::Result<void> {
    return import.put_meter(MH_TRY(meter_spec(header, record)), options.replace);
  });
}

base::Result<ImportReport> import_exchanges(Store& store, const Actor& actor, const std::filesystem::path& file, const ImportOptions& options) {
  auto reader = MH_TRY(base::CsvReader::open(file));
  Run run(*reader, options);
  return run.all(store, actor, kExchangeColumns, [&](Store::Import& import, const Header& header, const base::CsvRecord& record) -> base::Result<void> {
    return import.put_exchange(MH_TRY(exchange_spec(header, record)), options.replace);
  });
}

base::Result<ImportReport> import_gateways(Store& store, const Actor& actor, const std::filesystem::path& file, const ImportOptions& options) {
  auto reader = MH_TRY(base::CsvReader::open(file));
  Run run(*reader, options);
  return run.all(store, actor, kGatewayColumns, [&](Store::Import& import, const Header& header, const base::CsvRecord& record) -> base::Result<void> {
    const auto spec = MH_TRY(gateway_spec(header, record));
    MH_TRY_VOID(import.put_gateway(spec, options.replace));
    if (spec.keys.primary.empty()) run.report().gateways_with_new_keys.push_back(spec.id);
    return {};
  });
}

namespace {

const ImportOptions kAsTheyAre;  // a bad line ends it

}  // namespace

base::Result<void> read_meters(const std::filesystem::path& file, const std::function<base::Result<void>(const MeterSpec&)>& visit) {
  auto reader = MH_TRY(base::CsvReader::open(file));
  return Run(*reader, kAsTheyAre).each(kMeterColumns, [&](const Header& header, const base::CsvRecord& record) -> base::Result<void> {
    return visit(MH_TRY(meter_spec(header, record)));
  });
}

base::Result<void> read_gateways(const std::filesystem::path& file, const std::function<base::Result<void>(const GatewaySpec&)>& visit) {
  auto reader = MH_TRY(base::CsvReader::open(file));
  return Run(*reader, kAsTheyAre).each(kGatewayColumns, [&](const Header& header, const base::CsvRecord& record) -> base::Result<void> {
    return visit(MH_TRY(gateway_spec(header, record)));
  });
}

}  // namespace meterhub::registry
