// meterhub restore: a backup into an empty data directory.
#include <cstdio>
#include <filesystem>
#include <memory>
#include <thread>

#include <unistd.h>

#include <fmt/format.h>

#include <meterhub/base/settings.h>
#include <meterhub/base/time_text.h>
#include <meterhub/registry/master_key.h>

#include "commands.h"
#include "program.h"
#include "restore.h"
#include "settings_table.h"
#include "signals.h"

namespace meterhub::app {
namespace {

struct RestoreArguments {
  std::string data = "meterhub-data";
  std::string from;
  std::string key_file;  // empty: as the settings say, else master.key in the data directory
};

base::Result<std::string> key_file_of(const RestoreArguments& arguments) {
  if (!arguments.key_file.empty()) return arguments.key_file;
  const auto settings = MH_TRY(base::Settings::load(settings_table(), settings_sources(std::nullopt)));
  const auto& set = settings.text("registry.master_key_file");
  return set.empty() ? DataPaths{arguments.data}.master_key() : set;
}

base::Result<crypto::Key256> key_for(const std::string& file) {
  auto key = registry::load_master_key(file);
  if (key || key.error().code != base::Errc::kNotFound) return key;
  return base::fail(base::Errc::kNotFound, "the platform's master key is not in the backup and must be supplied: --master-key FILE, or " + file);
}

// Ctrl-C is passed on until the work ends.
void watch(StopSignals& signals, BringProgress& progress, const std::atomic<bool>& ended) {
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  while (!ended) {
    if (signals.wait(std::chrono::milliseconds(200)) && !ended) {
      progress.cancelled = true;
      signals.let_next_end_the_process();
      while (!ended) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    if (terminal) fmt::print(stderr, "\r\x1b[K{} of {} files, {:.1f} MB", progress.files.load(), progress.files_all.load(), static_cast<double>(progress.bytes.load()) / 1e6);
  }
  if (terminal) fmt::print(stderr, "\n");
}

base::Result<BackupFacts> restore_watched(const RestoreArguments& arguments, const crypto::Key256& key) {
  const auto signals = MH_TRY(StopSignals::create());
  BringProgress progress;
  std::atomic<bool> ended{false};
  base::Result<BackupFacts> out;
  const auto data = std::filesystem::absolute(arguments.data).lexically_normal().string();
  std::thread work([&] {
    out = restore(arguments.from, data, key, progress);
    ended = true;
    signals->wake();
  });
  watch(*signals, progress, ended);
  work.join();
  return out;
}

base::Result<int> run_restore(const RestoreArguments& arguments) {
  const auto key_file = MH_TRY(key_file_of(arguments));
  const auto key = MH_TRY(key_for(key_file));
  const auto facts = MH_TRY(restore_watched(arguments, key));
  fmt::print("restored {} as of {}: {} files, {} bytes\n", arguments.data, base::rfc3339(facts.taken), facts.files, facts.bytes);
  const auto expected = DataPaths{arguments.data}.master_key();
  if (key_file != expected) {
    fmt::print(stderr, "The master key was checked and not stored: put it at {} (mode 0600), or name its file in registry.master_key_file.\n", expected);
  }
  return 0;
}

}  // namespace

void add_restore(CLI::App& program, Exit& exit) {
  const auto arguments = std::make_shared<RestoreArguments>();
  auto* command = program.add_subcommand("restore", "Check a backup and put it into an empty data directory");
  command->add_option("--from", arguments->from, "The backup's directory")->required();
  command->add_option("--data", arguments->data, "The data directory: it does not exist, or holds nothing but master.key")->capture_default_str();
  command->add_option("--master-key", arguments->key_file, "The platform's master key; checked, not stored. Else registry.master_key_file, or master.key in the data directory");
  command->callback([arguments, &exit] { exit.code = report(run_restore(*arguments)); });
}

}  // namespace meterhub::app
