#include "child.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <thread>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace meterhub::app::bench {
namespace {

constexpr std::chrono::milliseconds kLook{5};

base::Error failed(const std::string& what) { return {base::Errc::kIo, what + ": " + std::strerror(errno)}; }

struct Pipe {
  int read = -1, write = -1;
};

base::Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return std::unexpected(failed("pipe"));
  return Pipe{ends[0], ends[1]};
}

// Between fork and exec: system calls only.
[[noreturn]] void become(std::vector<char*>& argv, const Pipe& in, const Pipe& out, int errors, pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(1);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::dup2(in.read, STDIN_FILENO);
  ::dup2(out.write, STDOUT_FILENO);
  ::dup2(errors, STDERR_FILENO);
  ::execv("/proc/self/exe", argv.data());
  ::_exit(127);
}

}  // namespace

base::Result<std::unique_ptr<Child>> Child::start(const std::vector<std::string>& arguments,
                                                  const std::string& errors) {
  auto owned = arguments;
  owned.insert(owned.begin(), "meterhub");
  std::vector<char*> argv;
  argv.reserve(owned.size() + 1);
  for (auto& one : owned) argv.push_back(one.data());
  argv.push_back(nullptr);
  const int error_file = ::open(errors.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (error_file < 0) return std::unexpected(failed(errors));
  const auto in = MH_TRY(make_pipe());
  const auto out = MH_TRY(make_pipe());
  const auto parent = ::getpid();
  const auto pid = ::fork();
  if (pid == 0) become(argv, in, out, error_file, parent);
  const auto error = failed("fork");
  ::close(in.read);
  ::close(out.write);
  ::close(error_file);
  if (pid < 0) return std::unexpected(error);
  ::fcntl(out.read, F_SETFL, O_NONBLOCK);
  return std::unique_ptr<Child>(new Child(pid, in.write, out.read));
}

Child::~Child() {
  if (runs()) {
    signal(SIGKILL);
    reap(0);
  }
  ::close(in_);
  ::close(out_);
}

void Child::write(std::string_view line) {
  const auto text = std::string(line) + "\n";
  [[maybe_unused]] const auto written = ::write(in_, text.data(), text.size());  // a dead child is seen by runs()
}

std::vector<std::string> Child::lines() {
  std::array<char, 4096> buffer{};
  for (auto n = ::read(out_, buffer.data(), buffer.size()); n > 0; n = ::read(out_, buffer.data(), buffer.size())) {
    rest_.append(buffer.data(), static_cast<std::size_t>(n));
  }
  std::vector<std::string> out;
  for (auto end = rest_.find('\n'); end != std::string::npos; end = rest_.find('\n')) {
    out.push_back(rest_.substr(0, end));
    rest_.erase(0, end + 1);
  }
  return out;
}

void Child::reap(int options) {
  int status = 0;
  if (code_ || ::waitpid(pid_, &status, options) != pid_) return;
  code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool Child::runs() {
  reap(WNOHANG);
  return !code_;
}

void Child::signal(int number) const {
  if (!code_) ::kill(pid_, number);
}

std::optional<int> Child::wait(std::chrono::milliseconds patience) {
  for (auto left = patience; runs() && left.count() > 0; left -= kLook) std::this_thread::sleep_for(kLook);
  return code_;
}

}  // namespace meterhub::app::bench
