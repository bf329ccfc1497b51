#include "staged_files.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <utility>

#include <meterhub/base/commit_point.h>
#include <meterhub/base/logging.h>

namespace meterhub::stream {
namespace {

constexpr std::string_view kStaging = "staging";

// With its dash: "part-10-" begins none of "part-100-"'s names.
std::string name_of_part(const log::Assignment& assignment) {
  std::array<char, 32> buffer{};
  const int size = std::snprintf(buffer.data(), buffer.size(), "part-%02u-", assignment.partition.partition.value);
  return std::string(buffer.data(), static_cast<std::size_t>(size));
}

std::string final_name(std::string_view staged) { return std::string(staged.substr(0, staged.rfind('.'))); }

std::optional<std::uint64_t> epoch_of(std::string_view staged) {
  const auto digits = staged.substr(staged.rfind('.') + 1);
  std::uint64_t epoch = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), epoch);
  return error == std::errc() && end == digits.data() + digits.size() ? std::optional(epoch) : std::nullopt;
}

}  // namespace

StagedFiles::StagedFiles(base::Disk& disk, std::string folder, std::string suffix)
    : disk_(disk),
      folder_(std::move(folder)),
      staging_(base::join_path(folder_, kStaging)),
      suffix_(std::move(suffix)) {}

// A batch's file is named by its partition and first record, while it is staged by its writer's epoch too:
// "part-03-00000000000000000017.jsonl.12".
std::string StagedFiles::staged_name(const log::Assignment& assignment, base::Offset from) const {
  std::array<char, 96> buffer{};
  const int size = std::snprintf(buffer.data(), buffer.size(), "%020llu%s.%llu", static_cast<unsigned long long>(from.value),
                                 suffix_.c_str(), static_cast<unsigned long long>(assignment.epoch.value));
  return name_of_part(assignment) + std::string(buffer.data(), static_cast<std::size_t>(size));
}

base::Result<void> StagedFiles::begin(const log::Assignment& assignment, const std::optional<std::string>& committed) {
  const auto part = assignment.partition.partition.value;
  MH_TRY_VOID(disk_.make_directories(staging_));
  staged_.erase(part);
  if (committed) {
    staged_[part] = *committed;
    MH_TRY_VOID(put_in_place(part));
  }
  return remove_what_older_owners_left(assignment);
}

base::Result<void> StagedFiles::next(const log::Assignment& assignment) {
  const auto part = assignment.partition.partition.value;
  uncommitted_.erase(part);
  return put_in_place(part);
}

std::string StagedFiles::path(const log::Assignment& assignment, base::Offset from) const {
  return base::join_path(staging_, staged_name(assignment, from));
}

base::Result<std::string> StagedFiles::written(const log::Assignment& assignment, base::Offset from) {
  auto name = staged_name(assignment, from);
  MH_TRY_VOID(disk_.sync(base::join_path(staging_, name)));
  MH_TRY_VOID(disk_.sync_directory(staging_));
  base::commit_point("blob.file_before_offset");
  uncommitted_[assignment.partition.partition.value] = name;
  return name;
}

void StagedFiles::committed(const log::Assignment& assignment) {
  const auto part = assignment.partition.partition.value;
  auto node = uncommitted_.extract(part);
  if (node.empty()) return;
  staged_[part] = std::move(node.mapped());
  base::commit_point("blob.offset_before_rename");
  if (const auto placed = put_in_place(part); !placed) {
    base::logging::warn("blob_not_in_place", {{"file", staged_[part]}, {"error", placed.error().text}});
  }
}

base::Result<void> StagedFiles::put_in_place(std::uint32_t part) {
  const auto found = staged_.find(part);
  if (found == staged_.end()) return {};
  const auto renamed =
      disk_.rename(base::join_path(staging_, found->second), base::join_path(folder_, final_name(found->second)));
  // Not there: it is in its place since before a restart, or by another owner.
  if (!renamed && renamed.error().code != base::Errc::kNotFound) return renamed;
  MH_TRY_VOID(disk_.sync_directory(folder_));
  staged_.erase(found);
  return {};
}

base::Result<void> StagedFiles::remove_what_older_owners_left(const log::Assignment& assignment) {
  const auto own = name_of_part(assignment);
  for (const auto& entry : MH_TRY(disk_.list(staging_))) {
    const auto epoch = epoch_of(entry.name);
    if (entry.name.starts_with(own) && epoch && *epoch < assignment.epoch.value) {
      MH_TRY_VOID(disk_.remove(base::join_path(staging_, entry.name)));
    }
  }
  return {};
}

}  // namespace meterhub::stream
