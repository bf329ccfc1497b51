#include <optional>
#include <utility>

#include <meterhub/engine/bounded.h>

#include "job_outputs.h"
#include "staged_files.h"

namespace meterhub::stream {
namespace {

class BlobWriter final : public JobOutputWriter {
 public:
  BlobWriter(base::Disk& disk, std::string folder) : disk_(disk), files_(disk, std::move(folder), ".jsonl") {}

  base::Result<void> begin(const log::Assignment& assignment, const std::optional<std::string>& committed) override {
    return files_.begin(assignment, committed);
  }

  base::Result<void> add(const engine::OutputRow& row, const log::RecordView&) override {
    engine::append_json(text_, row);
    text_ += '\n';
    return {};
  }

  base::Result<std::optional<std::string>> store(const log::Assignment& assignment, base::Offset from,
                                                 base::Offset /*next*/) override {
    const auto text = std::exchange(text_, {});
    MH_TRY_VOID(files_.next(assignment));
    if (text.empty()) return std::nullopt;
    MH_TRY_VOID(disk_.write(files_.path(assignment, from), text));
    return MH_TRY(files_.written(assignment, from));
  }

  void committed(const log::Assignment& assignment) override { files_.committed(assignment); }
  void discard() override { text_.clear(); }

 private:
  base::Disk& disk_;
  StagedFiles files_;
  std::string text_;
};

}  // namespace

base::Result<std::unique_ptr<JobOutputWriter>> make_blob_output(base::Disk& disk, const BlobOutput& sink) {
  return std::make_unique<BlobWriter>(disk, sink.folder);
}

}  // namespace meterhub::stream
