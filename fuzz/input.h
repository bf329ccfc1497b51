// What the fuzzers share: the input taken apart, what must hold, and the entry point.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <source_location>
#include <string>
#include <vector>

#include <meterhub/base/bytes.h>

namespace meterhub::fuzz {

// What must hold for every input. Ends the process, which is a finding.
inline void require(bool holds, std::source_location where = std::source_location::current()) {
  if (holds) return;
  std::fprintf(stderr, "%s:%u: does not hold\n", where.file_name(), static_cast<unsigned>(where.line()));
  std::abort();
}

// Some bytes decide how, the rest is fed.
class Input {
 public:
  explicit Input(base::BytesView bytes) : rest_(bytes) {}

  bool empty() const { return rest_.empty(); }
  std::uint8_t byte() {
    const auto first = take(1);
    return first.empty() ? 0 : first[0];
  }
  // Two bytes, the higher first.
  std::uint16_t number() {
    const auto high = byte();
    return static_cast<std::uint16_t>(high << 8 | byte());
  }
  base::BytesView take(std::size_t most) {
    const auto front = rest_.first(std::min(most, rest_.size()));
    rest_ = rest_.subspan(front.size());
    return front;
  }
  // What stands before the next such byte, which is left out; all when there is none.
  base::BytesView take_until(std::uint8_t end) {
    const auto found = std::ranges::find(rest_, end);
    const auto front = take(static_cast<std::size_t>(found - rest_.begin()));
    take(1);
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
  static Cuts none() { return {0, 0}; }
  std::size_t next() {
    if (most_ == 0) return SIZE_MAX;
    state_ = state_ * 1664525u + 1013904223u;
    return 1 + (state_ >> 8) % most_;
  }

 private:
  std::uint32_t state_;
  std::size_t most_;
};

// Calls `feed` with one piece of `all` after the other while it answers true.
template <class View, class Feed>
void in_pieces(View all, Cuts cuts, Feed feed) {
  while (!all.empty()) {
    const auto size = std::min(cuts.next(), all.size());
    const auto piece = View(all.data(), size);
    all = View(all.data() + size, all.size() - size);
    if (!feed(piece)) return;
  }
}

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

// The fuzzers of this program, for corpus_test.cc.
struct Target {
  std::string name;
  void (*run)(Input);
};
inline std::vector<Target>& targets() {
  static std::vector<Target> all;
  return all;
}

}  // namespace meterhub::fuzz

// MH_FUZZER(name, input) { … }: what is done with one input. libFuzzer's entry point, or with
// METERHUB_REPLAY one of targets().
#ifdef METERHUB_REPLAY
#define MH_FUZZER_ENTRY(name)                                                                    \
  [[maybe_unused]] static const auto& mh_target_##name =                                          \
      meterhub::fuzz::targets().emplace_back(meterhub::fuzz::Target{#name, &mh_fuzz_##name})
#else
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
#define MH_FUZZER_ENTRY(name)                                                     \
  int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {       \
    mh_fuzz_##name(meterhub::fuzz::Input(meterhub::base::BytesView(data, size))); \
    return 0;                                                                    \
  }                                                                              \
  static_assert(true)
#endif
#define MH_FUZZER(name, input)                             \
  static void mh_fuzz_##name(meterhub::fuzz::Input input); \
  MH_FUZZER_ENTRY(name);                                   \
  static void mh_fuzz_##name([[maybe_unused]] meterhub::fuzz::Input input)
