#include "member.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fmt/format.h>

namespace meterhub::chaos {
namespace {

std::string content(const std::filesystem::path& folder, const std::string& kind) {
  std::string out;
  std::error_code ignored;
  for (const auto& file : std::filesystem::directory_iterator(folder, ignored)) {
    if (!file.path().filename().string().starts_with(kind)) continue;
    std::ostringstream text;
    text << std::ifstream(file.path(), std::ios::binary).rdbuf();
    out += text.str();
  }
  return out;
}

}  // namespace

base::Result<std::unique_ptr<MappedControl>> MappedControl::create(const std::filesystem::path& file) {
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0 || ::ftruncate(fd, sizeof(Control)) != 0) return base::fail(base::Errc::kIo, file.string() + ": " + std::strerror(errno));
  void* at = ::mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::close(fd);
  if (at == MAP_FAILED) return base::fail(base::Errc::kIo, file.string() + ": " + std::strerror(errno));
  return std::unique_ptr<MappedControl>(new MappedControl(static_cast<Control*>(at)));
}

MappedControl::~MappedControl() { ::munmap(control_, sizeof(Control)); }

std::filesystem::path Member::folder() const { return logs_ / fmt::format("{}-{:03}", launch_.name, starts_); }

void Member::start() {
  ++starts_;
  ready_since_.reset();
  std::filesystem::create_directories(folder());
  process_ = std::make_unique<e2e::Process>(folder(), launch_.arguments(starts_), METERHUB_PROGRAM, launch_.environment);
}

std::optional<int> Member::take_end() {
  if (!process_) return std::nullopt;
  const auto code = process_->ended();
  if (code) process_.reset();
  return code;
}

bool Member::is_ready() {
  if (!process_) return false;
  if (!ready_since_ && (launch_.ready_text.empty() || err().contains(launch_.ready_text))) {
    ready_since_ = std::chrono::steady_clock::now();
  }
  return ready_since_.has_value();
}

std::optional<std::chrono::milliseconds> Member::ready_for() {
  if (!is_ready()) return std::nullopt;
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - *ready_since_);
}

std::string Member::err() const { return content(folder(), "err-"); }
std::string Member::out() const { return content(folder(), "out-"); }

}  // namespace meterhub::chaos
