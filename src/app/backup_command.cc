// meterhub backup: everything of a platform, running or not, into a directory.
#include <cstdio>
#include <filesystem>
#include <memory>

#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "ask.h"
#include "backup.h"
#include "commands.h"
#include "opened_directory.h"
#include "program.h"
#include "signals.h"

namespace meterhub::app {
namespace {

using nlohmann::json;

constexpr std::chrono::milliseconds kLook{200};

// One line that is written over, on a terminal only.
class ProgressLine {
 public:
  ~ProgressLine() {
    if (shown_) fmt::print(stderr, "\n");
  }
  void show(const std::string& text) {
    if (::isatty(STDERR_FILENO) != 1) return;
    fmt::print(stderr, "\r\x1b[K{}", text);
    shown_ = true;
  }

 private:
  bool shown_ = false;
};

// Who makes the backup: the process that owns the directory, or this one.
class Maker {
 public:
  virtual ~Maker() = default;
  virtual base::Result<void> start(const std::string& to) = 0;
  virtual base::Result<std::string> status() = 0;
  virtual void cancel() = 0;
};

class RunningPlatform final : public Maker {
 public:
  explicit RunningPlatform(std::string data) : data_(std::move(data)) {}
  base::Result<void> start(const std::string& to) override {
    const auto begun = ask_platform(data_, http::Method::kPost, "/api/v1/backup", {{"to", to}});
    if (!begun) return std::unexpected(begun.error());
    return {};
  }
  base::Result<std::string> status() override { return ask_platform(data_, http::Method::kGet, "/api/v1/backup", {}); }
  void cancel() override { (void)ask_platform(data_, http::Method::kPost, "/api/v1/backup/cancel", {}); }

 private:
  const std::string data_;
};

class Stopped final : public Maker {
 public:
  explicit Stopped(std::unique_ptr<OpenedDirectory> directory) : directory_(std::move(directory)), backups_(directory_->backup_world()) {}
  base::Result<void> start(const std::string& to) override { return backups_.start(to); }
  base::Result<std::string> status() override { return backups_.status_json(); }
  void cancel() override { backups_.cancel(); }

 private:
  const std::unique_ptr<OpenedDirectory> directory_;
  Backups backups_;  // goes first
};

base::Result<std::unique_ptr<Maker>> maker_for(const std::string& data) {
  if (is_running(data)) return std::make_unique<RunningPlatform>(data);
  return std::make_unique<Stopped>(MH_TRY(OpenedDirectory::open(data)));
}

std::string progress_text(const json& status) {
  return fmt::format("{}: {} files, {:.1f} MB", status.value("phase", ""), status.value("files", std::uint64_t{0}),
                     static_cast<double>(status.value("bytes", std::uint64_t{0})) / 1e6);
}

base::Result<json> wait_for_end(Maker& maker, StopSignals& signals) {
  ProgressLine line;
  for (bool cancelled = false;;) {
    if (signals.wait(kLook) && !std::exchange(cancelled, true)) {
      maker.cancel();
      signals.let_next_end_the_process();
    }
    auto status = json::parse(MH_TRY(maker.status()), nullptr, false);
    if (status.value("state", "") != "running") return status;
    line.show(progress_text(status));
  }
}

base::Result<int> make_backup(const std::string& data, const std::string& target) {
  const auto signals = MH_TRY(StopSignals::create());
  const auto to = std::filesystem::absolute(target).lexically_normal().string();
  const auto maker = MH_TRY(maker_for(data));
  MH_TRY_VOID(maker->start(to));
  const auto status = MH_TRY(wait_for_end(*maker, *signals));
  if (status.value("state", "") != "done") return base::fail(base::Errc::kIo, "no backup was made: " + status.value("error", "it ended without a word"));
  fmt::print("backup of {} as of {}: {} files, {} bytes in {}\n", data, status.value("taken", ""), status.value("files", std::uint64_t{0}),
             status.value("bytes", std::uint64_t{0}), to);
  fmt::print(stderr, "The master key is not in it: keep a copy of it elsewhere, the backup is worth nothing without.\n");
  return 0;
}

}  // namespace

void add_backup(CLI::App& program, Exit& exit) {
  struct Arguments {
    std::string data = "meterhub-data";
    std::string to;
  };
  const auto arguments = std::make_shared<Arguments>();
  auto* command = program.add_subcommand("backup", "Copy everything but the master key into a new directory, while the platform runs or not");
  command->add_option("--to", arguments->to, "A directory that does not exist yet")->required();
  command->add_option("--data", arguments->data, "The data directory")->capture_default_str();
  command->callback([arguments, &exit] { exit.code = report(make_backup(arguments->data, arguments->to)); });
}

}  // namespace meterhub::app
