#include <meterhub/lake/copy.h>

#include <fmt/format.h>

#include <utility>

namespace meterhub::lake {

std::vector<CopiedFile> files_of(State& state) {
  std::vector<CopiedFile> out;
  const auto add = [&](PlacedFile& file) { out.push_back({file.path, std::exchange(file.staged, {})}); };
  for (auto& [hour, files] : state.hours) {
    for (auto& [shard, file] : files.base) add(file);
    for (auto& file : files.late) add(file);
  }
  for (const auto& [path, file] : state.fresh) out.push_back({path, {}});
  for (const auto& [path, file] : state.changes) out.push_back({path, {}});
  return out;
}

std::string checkpoint_path(const State& state) { return fmt::format("_manifest/checkpoint-{:020}.json", state.sequence); }

}  // namespace meterhub::lake
