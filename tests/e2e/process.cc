#include "process.h"

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include <fcntl.h>
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

[[noreturn]] void become(const std::string& program, const std::vector<std::string>& arguments, int out, int err) {
  std::vector<char*> argv;
  argv.push_back(const_cast<char*>(program.c_str()));
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  ::execv(program.c_str(), argv.data());
  ::_exit(127);
}

}  // namespace

Process::Process(std::filesystem::path folder, std::vector<std::string> arguments, std::string program) {
  const auto name = std::filesystem::path(arguments.front()).filename().string();
  out_file_ = folder / ("out-" + name);
  err_file_ = folder / ("err-" + name);
  const int out = open_output(out_file_);
  const int err = open_output(err_file_);
  pid_ = ::fork();
  if (pid_ == 0) become(program, arguments, out, err);
  ::close(out);
  ::close(err);
}

Process::~Process() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void Process::signal(int number) const { ::kill(pid_, number); }

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

Outcome Process::wait(std::chrono::seconds patience) {
  Outcome outcome;
  const auto end = end_of(patience);
  int status = 0;
  while (::waitpid(pid_, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > end) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, &status, 0);
      status = -1;
      break;
    }
    std::this_thread::sleep_for(kLook);
  }
  pid_ = -1;
  if (status != -1) outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  outcome.out = out();
  outcome.err = err();
  return outcome;
}

Outcome run(const std::filesystem::path& folder, std::vector<std::string> arguments, std::chrono::seconds patience) {
  return Process(folder, std::move(arguments)).wait(patience);
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
