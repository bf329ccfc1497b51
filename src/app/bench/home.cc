#include "home.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <meterhub/http/client.h>

namespace meterhub::app::bench {

namespace fs = std::filesystem;

base::Result<Home> Home::make(const std::string& wanted) {
  std::error_code error;
  if (!wanted.empty()) {
    fs::create_directories(wanted, error);
    if (error) return base::fail(base::Errc::kIo, wanted + ": " + error.message());
    return Home(fs::absolute(wanted).string(), false);
  }
  auto name = (fs::temp_directory_path(error) / "meterhub-bench-XXXXXX").string();
  if (error || ::mkdtemp(name.data()) == nullptr) return base::fail(base::Errc::kIo, name + ": cannot be made");
  return Home(name, true);
}

Home::~Home() {
  std::error_code ignored;
  if (temporary_ && !path_.empty()) fs::remove_all(path_, ignored);
}

ProgressLine::ProgressLine(const base::Clock& clock) : clock_(clock), terminal_(::isatty(STDERR_FILENO) == 1) {}

void ProgressLine::show(const std::string& text) {
  const auto now = clock_.monotonic();
  if (!terminal_ && now < next_) return;
  next_ = now + std::chrono::seconds(5);
  fmt::print(stderr, "{}{}{}", terminal_ ? "\r\x1b[K" : "", text, terminal_ ? "" : "\n");
  open_ = terminal_;
}

void ProgressLine::line(const std::string& text) {
  end();
  fmt::print(stderr, "{}\n", text);
}

void ProgressLine::end() {
  if (std::exchange(open_, false)) fmt::print(stderr, "\r\x1b[K");
}

std::string settings_text(const Home& home, unsigned device_rate) {
  return fmt::format(
      "[platform]\ndata = \"{}\"\n\n[hub]\namqps_listen = \"127.0.0.1:0\"\ndevice_rate = {}\n\n[console]\nlisten = \"127.0.0.1:0\"\n\n"
      "[stream]\npack = [\"raw-archive\", \"low-balance-alert\"]\n",
      home.path(), device_rate);
}

std::string listening_hub(const base::Disk& disk, const Home& home) {
  constexpr std::string_view kBefore = "hub_listens amqps=";
  const auto text = disk.read(home.file("server.log")).value_or("");
  const auto at = text.find(kBefore);
  const auto end = text.find_first_of(" \n", at == std::string::npos ? at : at + kBefore.size());
  return end == std::string::npos ? std::string() : text.substr(at + kBefore.size(), end - at - kBefore.size());
}

bool all_passed_on(const DataPaths& paths) {
  const auto answer = http::Client::unix_domain(paths.control_socket()).get("/api/v1/status");
  const auto status = nlohmann::json::parse(answer ? answer->body : "", nullptr, false);
  if (!status.is_object()) return false;
  for (const auto& stage : status["lag"]["stages"]) {
    if (stage.value("records", 1) != 0) return false;
  }
  return true;
}

}  // namespace meterhub::app::bench
