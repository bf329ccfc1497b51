// MH_ASSERT checks our own invariants, in release builds too. Input from outside
// is never asserted on: it returns an error.
#pragma once

namespace meterhub::base {
// Prints what was expected and where, then ends the process without unwinding.
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line) noexcept;
}  // namespace meterhub::base

#define MH_ASSERT(expression)                                                             \
  (static_cast<bool>(expression)                                                          \
       ? static_cast<void>(0)                                                             \
       : ::meterhub::base::assertion_failed(#expression, __FILE__, __LINE__))
