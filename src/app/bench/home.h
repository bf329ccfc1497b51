// Where a bench runs, what it says meanwhile, and what it asks of the server there.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <meterhub/base/clock.h>
#include <meterhub/base/disk.h>
#include <meterhub/base/result.h>

#include "../data_directory.h"

namespace meterhub::app::bench {

// The directory of a run; removed at its end unless the user named it.
class Home {
 public:
  static base::Result<Home> make(const std::string& wanted);
  Home(Home&& other) noexcept : path_(std::exchange(other.path_, {})), temporary_(other.temporary_) {}
  Home& operator=(Home&&) = delete;
  ~Home();
  const std::string& path() const { return path_; }
  std::string file(std::string_view name) const { return base::join_path(path_, name); }

 private:
  Home(std::string path, bool temporary) : path_(std::move(path)), temporary_(temporary) {}
  std::string path_;
  bool temporary_;
};

// A line in place on a terminal, else one every five seconds.
class ProgressLine {
 public:
  explicit ProgressLine(const base::Clock& clock);
  ~ProgressLine() { end(); }
  void show(const std::string& text);
  // A line that stays.
  void line(const std::string& text);
  void end();

 private:
  const base::Clock& clock_;
  const bool terminal_;
  base::MonotonicTime next_{};
  bool open_ = false;
};

// Everything a platform does by default but for the query pack, of which the case study's two run, on ports that the system
// chooses: figures stay comparable. `device_rate` of the hub: 0 where few gateways stand for many.
std::string settings_text(const Home& home, unsigned device_rate);
// HOST:PORT of AMQPS from the log of the server; empty until it listens.
std::string listening_hub(const base::Disk& disk, const Home& home);
// Whether every stage has read all there is.
bool all_passed_on(const DataPaths& paths);

}  // namespace meterhub::app::bench
