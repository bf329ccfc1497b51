#include "usage.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <fmt/format.h>

namespace meterhub::app::bench {
namespace {

namespace fs = std::filesystem;

std::string content(const fs::path& file) {
  std::ostringstream out;
  out << std::ifstream(file).rdbuf();
  return out.str();
}

std::string first_line(const fs::path& file) {
  std::string line;
  std::getline(std::ifstream(file) >> std::ws, line);
  return line;
}

// utime and stime of /proc/PID/stat, fields 14 and 15; the name in field 2 may hold spaces.
base::Result<CpuTime> cpu_of_process(pid_t pid) {
  const auto text = content(fmt::format("/proc/{}/stat", pid));
  const auto name_end = text.rfind(')');
  if (name_end == std::string::npos) return base::fail(base::Errc::kNotFound, "no process " + std::to_string(pid));
  std::istringstream fields(text.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  std::int64_t user = 0, system = 0;
  fields >> user >> system;
  return CpuTime((user + system) * 1'000'000'000 / ::sysconf(_SC_CLK_TCK));
}

// "connector-0" -> "connector": instances of one kind are one line.
std::string kind_of(std::string name) {
  const auto end = name.find_last_not_of("0123456789");
  if (end != std::string::npos && end + 1 < name.size() && name[end] == '-') name.erase(end);
  return name;
}

std::uint64_t kilobytes_after(const std::string& text, std::string_view label) {
  const auto at = text.find(label);
  return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at + label.size(), nullptr, 10);
}

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown processor";
}

base::Result<std::uint64_t> memory_of(pid_t pid, std::string_view line) {
  const auto kilobytes = kilobytes_after(content(fmt::format("/proc/{}/status", pid)), line);
  if (kilobytes == 0) return base::fail(base::Errc::kNotFound, "no process " + std::to_string(pid));
  return kilobytes * 1024;
}

}  // namespace

base::Result<Usage> usage_of(pid_t pid) {
  Usage out;
  out.cpu = MH_TRY(cpu_of_process(pid));
  std::error_code error;
  for (const auto& task : fs::directory_iterator(fmt::format("/proc/{}/task", pid), error)) {
    std::ifstream times(task.path() / "schedstat");  // nanoseconds on a processor, waiting, slices
    CpuTime::rep on_cpu = 0;
    if (times >> on_cpu) out.threads[kind_of(first_line(task.path() / "comm"))] += CpuTime(on_cpu);
  }
  return out;
}

Usage since(const Usage& now, const Usage& before) {
  Usage out;
  CpuTime living{};
  for (const auto& [name, cpu] : now.threads) {
    const auto known = before.threads.find(name);
    const auto used = std::max(CpuTime{}, cpu - (known == before.threads.end() ? CpuTime{} : known->second));
    out.threads[name] = used;
    living += used;
  }
  // The process's clock ticks coarsely; its threads' do not.
  out.cpu = std::max(now.cpu - before.cpu, living);
  out.threads["(ended)"] = out.cpu - living;
  return out;
}

base::Result<std::uint64_t> resident_memory(pid_t pid) { return memory_of(pid, "VmRSS:"); }

base::Result<std::uint64_t> peak_memory(pid_t pid) { return memory_of(pid, "VmHWM:"); }

std::string machine_text() {
  std::array<double, 1> load{};
  ::getloadavg(load.data(), 1);
  return fmt::format("{} cores, {}, load {:.1f}", std::thread::hardware_concurrency(), processor_name(), load[0]);
}

std::string file_system_of(const std::string& directory) {
  struct statfs about{};
  if (::statfs(directory.c_str(), &about) != 0) return {};
  switch (about.f_type) {
    case EXT4_SUPER_MAGIC: return "ext4";
    case TMPFS_MAGIC: return "tmpfs";
    case XFS_SUPER_MAGIC: return "xfs";
    case BTRFS_SUPER_MAGIC: return "btrfs";
    case OVERLAYFS_SUPER_MAGIC: return "overlay";
    default: return fmt::format("file system {:#x}", about.f_type);
  }
}

std::uint64_t bytes_below(const std::string& directory) {
  std::uint64_t sum = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    std::error_code gone;  // files come and go
    if (it->is_regular_file(gone)) sum += it->file_size(gone);
    if (gone) continue;
  }
  return sum;
}

}  // namespace meterhub::app::bench
