#include <map>

#include <meterhub/base/disk.h>
#include <meterhub/meter/profile.h>
#include <meterhub/registry/transfer.h>

namespace meterhub::registry {
namespace {

using base::Errc;

constexpr std::string_view kSuffix = ".toml";

bool is_profile_file(const base::DirectoryEntry& entry) {
  return !entry.directory && entry.name.ends_with(kSuffix) && !entry.name.starts_with('.');
}

// A file as it is; of a directory its *.toml, in order of name.
base::Result<std::vector<std::string>> files_at(const base::Disk& disk, const std::string& path) {
  std::error_code unknown;
  if (!std::filesystem::is_directory(path, unknown)) return std::vector<std::string>{path};
  std::vector<std::string> out;
  for (const auto& entry : MH_TRY(disk.list(path))) {
    if (is_profile_file(entry)) out.push_back(base::join_path(path, entry.name));
  }
  if (out.empty()) return base::fail(Errc::kNotFound, path + ": there is no profile here (*.toml)");
  return out;
}

base::Result<Profile> read_profile(const base::Disk& disk, const std::string& file) {
  if (MH_TRY(disk.size(file)) > kProfileBytesMax) {
    return base::fail(Errc::kTooLarge, file + ": a profile has at most " + std::to_string(kProfileBytesMax) + " bytes");
  }
  auto text = MH_TRY(disk.read(file));
  auto parsed = meter::parse_profile(text);
  if (!parsed) return std::unexpected(std::move(parsed.error()).in(file));
  return Profile{parsed->name, std::move(text)};
}

}  // namespace

base::Result<ProfileReport> import_profiles(Store& store, const Actor& actor, const std::vector<std::string>& paths,
                                            bool replace) {
  const base::PosixDisk disk;
  ProfileReport report;
  std::map<std::string, std::string> file_of;
  auto import = MH_TRY(store.begin_import(actor));
  for (const auto& path : paths) {
    for (const auto& file : MH_TRY(files_at(disk, path))) {
      const auto profile = MH_TRY(read_profile(disk, file));
      const auto [first, is_new] = file_of.try_emplace(profile.name, file);
      if (!is_new) {
        return base::fail(Errc::kInvalidArgument, file + ": profile " + profile.name + " is in " + first->second +
                                                      " too: leave one out or give it another name");
      }
      auto put = import->put_profile(profile, replace);
      if (!put) return std::unexpected(std::move(put.error()).in(file));
      ++(*put == PutProfile::kUnchanged ? report.unchanged : report.imported);
    }
  }
  MH_TRY_VOID(import->commit());
  return report;
}

base::Result<std::uint64_t> export_profiles(const Store& store, const std::string& directory) {
  base::PosixDisk disk;
  MH_TRY_VOID(disk.make_directories(directory));
  const auto profiles = MH_TRY(store.profiles());
  for (const auto& profile : profiles) {
    MH_TRY_VOID(disk.write(base::join_path(directory, profile.name + std::string(kSuffix)), profile.text));
  }
  return profiles.size();
}

}  // namespace meterhub::registry
