// Another process of this program, which talks over its standard input and output.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include <meterhub/base/result.h>

namespace meterhub::app::bench {

// One thread. Ctrl-C on the terminal does not reach the child; it ends with its parent.
class Child {
 public:
  // `arguments` without the program; its stderr goes to the file `errors`.
  static base::Result<std::unique_ptr<Child>> start(const std::vector<std::string>& arguments, const std::string& errors);
  // Kills it when it still runs.
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  void write(std::string_view line);
  // Whole lines that have come, never waiting.
  std::vector<std::string> lines();
  bool runs();
  void signal(int number) const;
  // Waits for the end. Its exit code, 128 + signal; nothing when the patience ran out.
  std::optional<int> wait(std::chrono::milliseconds patience);

 private:
  Child(pid_t pid, int in, int out) : pid_(pid), in_(in), out_(out) {}
  void reap(int options);

  const pid_t pid_;
  const int in_, out_;
  std::optional<int> code_;
  std::string rest_;  // of a line that has not ended
};

}  // namespace meterhub::app::bench
