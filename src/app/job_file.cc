#include "job_file.h"

#include <filesystem>

#include <nlohmann/json.hpp>

#include <meterhub/base/disk.h>
#include <meterhub/base/toml_text.h>
#include <meterhub/registry/entities.h>

namespace meterhub::app {
namespace {

using nlohmann::json;

base::Result<std::string> read_bounded(const std::string& path, std::size_t most) {
  const base::PosixDisk disk;
  if (MH_TRY(disk.size(path)) > most)
    return base::fail(base::Errc::kTooLarge, path + ": more than " + std::to_string(most) + " bytes");
  return disk.read(path);
}

// A text member, taken out; its default when it is not there.
base::Result<std::string> take_text(json& object, const char* key, std::string otherwise, const std::string& path) {
  const auto found = object.find(key);
  if (found == object.end()) return otherwise;
  if (!found->is_string()) return base::fail(base::Errc::kInvalidArgument, path + ": " + key + ": expected a text");
  auto out = found->get<std::string>();
  object.erase(found);
  return out;
}

}  // namespace

base::Result<std::string> read_job_file(const std::string& path) {
  const auto text = MH_TRY(read_bounded(path, registry::kJobDefinitionBytesMax));
  auto out = json::parse(MH_TRY(base::json_of_toml(text, path)), nullptr, false);
  if (!out.is_object()) return base::fail(base::Errc::kInvalidArgument, path + ": this cannot be said in JSON");
  const std::filesystem::path file(path);
  const auto query = MH_TRY(take_text(out, "query", file.stem().string() + ".sql", path));
  out["name"] = MH_TRY(take_text(out, "name", file.stem().string(), path));
  out["query"] = MH_TRY(read_bounded((file.parent_path() / query).string(), registry::kJobQueryBytesMax));
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace meterhub::app
