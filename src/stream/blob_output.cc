#include <array>
#include <cstdio>
#include <utility>

#include "job_outputs.h"

namespace meterhub::stream {
namespace {

// A batch's file is named by its first record: the batch that is repeated after a crash
// begins there too and replaces it, however long it is now.
std::string file_name(std::uint32_t partition, base::Offset from) {
  std::array<char, 64> buffer{};
  const int size = std::snprintf(buffer.data(), buffer.size(), "part-%02u-%020llu.jsonl", partition,
                                 static_cast<unsigned long long>(from.value));
  return std::string(buffer.data(), static_cast<std::size_t>(size));
}

class BlobWriter final : public JobOutputWriter {
 public:
  BlobWriter(base::Disk& disk, std::string folder) : disk_(disk), folder_(std::move(folder)) {}

  base::Result<void> begin(const log::Assignment&) override { return disk_.make_directories(folder_); }

  base::Result<void> add(const engine::OutputRow& row, const log::RecordView&) override {
    text_ += '{';
    bool first = true;
    for (const auto& column : row.columns) {
      if (!first) text_ += ',';
      first = false;
      engine::append_json_string(text_, column.name);
      text_ += ':';
      engine::append_json(text_, column.value);
    }
    text_ += "}\n";
    return {};
  }

  base::Result<void> store(const log::Assignment& assignment, base::Offset from, base::Offset /*next*/) override {
    const auto text = std::exchange(text_, {});
    const auto path = base::join_path(folder_, file_name(assignment.partition.partition.value, from));
    if (!text.empty()) return disk_.replace_durably(path, text);
    // The repeated batch may have no rows where the first one, longer, had some.
    if (!MH_TRY(disk_.exists(path))) return {};
    MH_TRY_VOID(disk_.remove(path));
    return disk_.sync_directory(folder_);
  }

  void discard() override { text_.clear(); }

 private:
  base::Disk& disk_;
  const std::string folder_;
  std::string text_;
};

}  // namespace

base::Result<std::unique_ptr<JobOutputWriter>> make_blob_output(base::Disk& disk, const BlobOutput& sink) {
  return std::make_unique<BlobWriter>(disk, sink.folder);
}

}  // namespace meterhub::stream
