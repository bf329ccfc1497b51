// A process of the platform or beside it, started again and again; and the control of the I/O layer in it.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <meterhub/base/result.h>

#include "control.h"
#include "e2e/process.h"

namespace meterhub::chaos {

// The file that harness and started programs share.
class MappedControl {
 public:
  static base::Result<std::unique_ptr<MappedControl>> create(const std::filesystem::path& file);
  ~MappedControl();
  MappedControl(const MappedControl&) = delete;
  MappedControl& operator=(const MappedControl&) = delete;
  Control& operator*() const { return *control_; }
  Control* operator->() const { return control_; }

 private:
  explicit MappedControl(Control* control) : control_(control) {}
  Control* control_;
};

struct Launch {
  std::string name;
  std::function<std::vector<std::string>(int start)> arguments;  // of the n-th start, from 1
  e2e::Variables environment{};
  std::string ready_text{};  // printed once it works; empty = at once
};

// One thread.
class Member {
 public:
  // `logs` gets a folder for each start.
  Member(std::filesystem::path logs, Launch launch) : logs_(std::move(logs)), launch_(std::move(launch)) {}

  void start();
  // Its code, once, when it has ended.
  std::optional<int> take_end();
  bool runs() const { return process_ != nullptr; }
  bool is_ready();
  // How long it has been ready.
  std::optional<std::chrono::milliseconds> ready_for();
  void signal(int number) const {
    if (process_) process_->signal(number);
  }
  const std::string& name() const { return launch_.name; }
  int starts() const { return starts_; }
  // Of this start, or of the last when it does not run.
  std::string err() const;
  std::string out() const;
  std::filesystem::path folder() const;

 private:
  std::filesystem::path logs_;
  Launch launch_;
  std::unique_ptr<e2e::Process> process_;
  int starts_ = 0;
  std::optional<std::chrono::steady_clock::time_point> ready_since_{};
};

}  // namespace meterhub::chaos
