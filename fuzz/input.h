// Takes a fuzzer's input apart: some bytes decide how, the rest is fed.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include <meterhub/base/bytes.h>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace meterhub::fuzz {

// What must hold for every input. Ends the process, which is a finding.
inline void require(bool holds) {
  if (!holds) std::abort();
}

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : rest_(data, size) {}

  bool empty() const { return rest_.empty(); }
  std::uint8_t byte() {
    const auto first = take(1);
    return first.empty() ? 0 : first[0];
  }
  base::BytesView take(std::size_t most) {
    const auto front = rest_.first(std::min(most, rest_.size()));
    rest_ = rest_.subspan(front.size());
    return front;
  }
  base::BytesView rest() const { return rest_; }
  std::string_view text() const { return base::as_text(rest_); }

 private:
  base::BytesView rest_;
};

// Sizes of pieces, 1 to `most`, that one byte of the input decides.
class Cuts {
 public:
  Cuts(std::uint8_t seed, std::size_t most) : state_(seed + 1u), most_(most) {}
  std::size_t next() {
    state_ = state_ * 1664525u + 1013904223u;
    return 1 + (state_ >> 8) % most_;
  }

 private:
  std::uint32_t state_;
  std::size_t most_;
};

// A file in memory with a path, for readers that open one.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view content) : file_(memfd_create("input", MFD_CLOEXEC)) {
    require(file_ >= 0);
    require(write(file_, content.data(), content.size()) == static_cast<ssize_t>(content.size()));
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { close(file_); }
  std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }

 private:
  int file_;
};

}  // namespace meterhub::fuzz
