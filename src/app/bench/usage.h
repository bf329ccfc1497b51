// What a process has used: CPU by name of thread, memory, disk. From /proc.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

#include <sys/types.h>

#include <meterhub/base/result.h>

namespace meterhub::app::bench {

using CpuTime = std::chrono::nanoseconds;

struct Usage {
  CpuTime cpu{};                            // of all threads, ended ones too
  std::map<std::string, CpuTime> threads;   // of those that live, by name; numbers of instances left out
};

// kNotFound: no such process.
base::Result<Usage> usage_of(pid_t pid);
// What was used since `before`. What threads that ended meanwhile used is under "(ended)".
Usage since(const Usage& now, const Usage& before);

// Memory that the process has resident now, bytes.
base::Result<std::uint64_t> resident_memory(pid_t pid);
// Most memory that the process ever had resident, bytes.
base::Result<std::uint64_t> peak_memory(pid_t pid);

// "2 cores, AMD EPYC-Milan Processor, load 3.1".
std::string machine_text();
// "ext4", "tmpfs"; empty when unknown.
std::string file_system_of(const std::string& directory);
// All files below, bytes.
std::uint64_t bytes_below(const std::string& directory);

}  // namespace meterhub::app::bench
