// Runs the real program and watches it from outside.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

namespace meterhub::e2e {

// Names and values of an environment.
using Variables = std::vector<std::pair<std::string, std::string>>;

// What a program left behind.
struct Outcome {
  int code = -1;        // exit code; 128 + signal when one ended it; -1 when it had to be killed
  std::string out;
  std::string err;
};

// A child process with its output in files. Killed when the object goes, and when the process that made it dies.
class Process {
 public:
  // `arguments` without the program's name. `folder` takes the output files, named after the first argument.
  // `more` is added to the environment of the caller.
  Process(std::filesystem::path folder, std::vector<std::string> arguments, std::string program = METERHUB_PROGRAM,
          const Variables& more = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  void signal(int number) const;
  // True once `text` stands `times` times in what the program has printed.
  bool wait_for(const std::string& text, std::chrono::seconds patience, std::size_t times = 1) const;
  std::string out() const;
  std::string err() const;
  // Its code once it has ended, as in Outcome; nothing while it runs.
  std::optional<int> ended();
  // Waits for the end; kills it when the patience is over.
  Outcome wait(std::chrono::seconds patience);

 private:
  std::filesystem::path out_file_, err_file_;
  pid_t pid_ = -1;
  std::optional<int> code_;
};

Outcome run(const std::filesystem::path& folder, std::vector<std::string> arguments,
            std::chrono::seconds patience = std::chrono::seconds(60));

// A port that was free a moment ago, for processes that must be told of it beforehand. Empty when there is none.
std::string free_address();

// A directory of its own, removed with the object.
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::string data() const { return (path_ / "data").string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace meterhub::e2e
