#include "process.h"

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace meterhub::e2e {
namespace {

// Between two looks at what another process did; nothing can be waited on.
constexpr std::chrono::milliseconds kLook{20};

// A program with a sanitizer takes longer for all it does.
std::chrono::steady_clock::time_point end_of(std::chrono::seconds patience) {
  return std::chrono::steady_clock::now() + patience * METERHUB_TIME_FACTOR;
}

std::string content(const std::filesystem::path& file) {
  std::ostringstream out;
  out << std::ifstream(file, std::ios::binary).rdbuf();
  return out.str();
}

std::size_t count(const std::string& all, const std::string& text) {
  std::size_t out = 0;
  for (auto at = all.find(text); at != std::string::npos; at = all.find(text, at + text.size())) ++out;
  return out;
}

int open_output(const std::filesystem::path& file) { return ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600); }

// As exec takes them; good as long as the texts are.
std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (const auto& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

// What is in `more` comes first, where it is found.
std::vector<std::string> environment_with(const Variables& more) {
  std::vector<std::string> out;
  for (const auto& [name, value] : more) out.push_back(name + "=" + value);
  for (char** one = environ; *one != nullptr; ++one) out.emplace_back(*one);
  return out;
}

// In the child of a process that may have threads: system calls alone.
[[noreturn]] void become(const char* program, char* const* arguments, char* const* environment, int out, int err) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  ::execve(program, arguments, environment);
  ::_exit(127);
}

int code_of(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

}  // namespace

Process::Process(std::filesystem::path folder, std::vector<std::string> arguments, std::string program, const Variables& more) {
  const auto name = std::filesystem::path(arguments.front()).filename().string();
  out_file_ = folder / ("out-" + name);
  err_file_ = folder / ("err-" + name);
  const int out = open_output(out_file_);
  const int err = open_output(err_file_);
  arguments.insert(arguments.begin(), program);
  const auto argv = pointers(arguments);
  const auto environment = environment_with(more);
  const auto envp = pointers(environment);
  pid_ = ::fork();
  if (pid_ == 0) become(program.c_str(), argv.data(), envp.data(), out, err);
  ::close(out);
  ::close(err);
}

Process::~Process() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void Process::signal(int number) const {
  if (pid_ > 0) ::kill(pid_, number);
}

std::string Process::out() const { return content(out_file_); }
std::string Process::err() const { return content(err_file_); }

bool Process::wait_for(const std::string& text, std::chrono::seconds patience, std::size_t times) const {
  const auto end = end_of(patience);
  while (std::chrono::steady_clock::now() < end) {
    if (count(out(), text) + count(err(), text) >= times) return true;
    std::this_thread::sleep_for(kLook);
  }
  return false;
}

std::optional<int> Process::ended() {
  int status = 0;
  if (!code_ && ::waitpid(pid_, &status, WNOHANG) == pid_) {
    code_ = code_of(status);
    pid_ = -1;
  }
  return code_;
}

Outcome Process::wait(std::chrono::seconds patience) {
  const auto end = end_of(patience);
  while (!ended() && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(kLook);
  const int code = code_.value_or(-1);
  if (!code_) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
    code_ = code;
  }
  return {code, out(), err()};
}

Outcome run(const std::filesystem::path& folder, std::vector<std::string> arguments, std::chrono::seconds patience) {
  return Process(folder, std::move(arguments)).wait(patience);
}

std::string free_address() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  const bool bound = ::bind(fd, reinterpret_cast<sockaddr*>(&at), size) == 0 && ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size) == 0;
  ::close(fd);
  if (!bound) return {};
  return "127.0.0.1:" + std::to_string(ntohs(at.sin_port));
}

Folder::Folder() {
  std::string name = (std::filesystem::temp_directory_path() / "meterhub-e2e-XXXXXX").string();
  path_ = ::mkdtemp(name.data());
}

Folder::~Folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace meterhub::e2e
