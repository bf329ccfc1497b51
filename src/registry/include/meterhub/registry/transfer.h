// CSV files in and out. Files are UTF-8 (with or without a byte order mark) or GB18030,
// told apart by their bytes; first line = column names, any order, unknown ones refused;
// fields may be quoted. Columns: docs/formats/registry-csv.md. Profiles are files of their own
// (docs/formats/profile.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <meterhub/base/result.h>
#include <meterhub/registry/store.h>

namespace meterhub::registry {

struct LineError {
  std::uint64_t line = 0;  // first line of the record, from 1
  std::string text;
};

struct ImportOptions {
  bool skip_bad = false;  // take the good lines; else one bad line and nothing is done
  bool replace = false;   // existing ones are updated instead of refused
  // With skip_bad: refused lines as they came, with a last column `error`.
  std::filesystem::path rejects{};
  // Called every 10,000 lines with bytes read and the file's size.
  std::function<void(std::uint64_t bytes, std::uint64_t total)> progress{};
};

struct ImportReport {
  std::uint64_t lines = 0;     // records read
  std::uint64_t imported = 0;
  std::uint64_t refused = 0;
  std::vector<LineError> errors;  // the first kMaxErrorsKept
  // Gateways whose keys were made by the import, to be shown once.
  std::vector<std::string> gateways_with_new_keys;
};
inline constexpr std::size_t kMaxErrorsKept = 20;

// Memory does not grow with the file. kInvalidArgument with the first bad line's number
// and text when not skip_bad.
base::Result<ImportReport> import_tenants(Store& store, const Actor& actor, const std::filesystem::path& file,
                                          const ImportOptions& options);
base::Result<ImportReport> import_meters(Store& store, const Actor& actor, const std::filesystem::path& file,
                                         const ImportOptions& options);
base::Result<ImportReport> import_gateways(Store& store, const Actor& actor, const std::filesystem::path& file,
                                           const ImportOptions& options);

// A line with a place is history and moves no meter; one without is done as Store::exchange_meter() does it.
base::Result<ImportReport> import_exchanges(Store& store, const Actor& actor, const std::filesystem::path& file,
                                            const ImportOptions& options);

// The records of such files, keys included, for others than a store. Ends at the first error, of the file or of `visit`,
// with its line.
base::Result<void> read_meters(const std::filesystem::path& file, const std::function<base::Result<void>(const MeterSpec&)>& visit);
base::Result<void> read_gateways(const std::filesystem::path& file, const std::function<base::Result<void>(const GatewaySpec&)>& visit);

struct ProfileReport {
  std::uint64_t imported = 0;   // new or replaced
  std::uint64_t unchanged = 0;  // as they were
};
// Profile files, and of directories their *.toml: all of them or, after any error, none. kInvalidArgument as
// "FILE: line N: …", and when two of them have one name; kAlreadyExists when the registry or the program has another
// profile of that name and not `replace`.
base::Result<ProfileReport> import_profiles(Store& store, const Actor& actor, const std::vector<std::string>& paths, bool replace);

struct ExportOptions {
  bool with_keys = false;  // the file then is as secret as the master key; made with mode 0600
  bool byte_order_mark = false;  // spreadsheets want one
};
// What import takes. Returns the number of records.
base::Result<std::uint64_t> export_tenants(const Store& store, const std::filesystem::path& file, const ExportOptions& options);
base::Result<std::uint64_t> export_meters(const Store& store, const std::filesystem::path& file, const ExportOptions& options);
base::Result<std::uint64_t> export_gateways(const Store& store, const std::filesystem::path& file, const ExportOptions& options);
// All of them with their places, in the order in which they were noted; of removed meters too, which an import refuses.
base::Result<std::uint64_t> export_exchanges(const Store& store, const std::filesystem::path& file, const ExportOptions& options);
// DIRECTORY/NAME.toml for every profile that is not only built in.
base::Result<std::uint64_t> export_profiles(const Store& store, const std::string& directory);

}  // namespace meterhub::registry
