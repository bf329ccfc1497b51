// REGEXMATCH's search: ECMAScript patterns without case, in bounded time, stack and memory
// whatever pattern and text are. docs/decisions/0011 says why this engine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include <meterhub/base/result.h>

namespace meterhub::engine {

inline constexpr std::size_t kRegexPatternMax = 1000;      // bytes
inline constexpr std::size_t kRegexTextMax = 64 * 1024;    // bytes
inline constexpr std::uint64_t kRegexStepsMax = 2'000'000; // characters looked at in one search

// Compiled patterns, the newest ones kept. One thread.
class RegexPatterns {
 public:
  RegexPatterns();
  ~RegexPatterns();
  RegexPatterns(const RegexPatterns&) = delete;
  RegexPatterns& operator=(const RegexPatterns&) = delete;

  // The place of the first match in characters, from 1; 0: none, or the pattern is none (8.4).
  // kInvalidArgument: one of the bounds above, or a back-reference.
  base::Result<std::int64_t> find(std::string_view text, std::string_view pattern);

 private:
  struct Compiled;
  const Compiled& compiled(std::string_view pattern);

  static constexpr std::size_t kKept = 64;
  std::unordered_map<std::string, std::unique_ptr<Compiled>> kept_;
};

}  // namespace meterhub::engine
