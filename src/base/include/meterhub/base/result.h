// Value-or-error results. No exception crosses a module's public header; what
// can fail for a reason outside the program returns Result<T>.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace meterhub::base {

// Why something failed, in few classes. `error_class()` says for each one what
// the protocols answer and whether trying again can help.
enum class Errc : std::uint8_t {
  kInvalidArgument,   // the request itself is wrong; trying again cannot help
  kNotFound,          // the named thing does not exist
  kAlreadyExists,     // the named thing exists and must not
  kPrecondition,      // an ETag or an expected old value did not match
  kUnauthorized,      // no valid claim was shown
  kForbidden,         // a valid claim, but not for this
  kTooLarge,          // over a size limit
  kResourceExhausted, // a quota or queue is full
  kThrottled,         // this client alone is too fast
  kUnavailable,       // the other side is away or starting; try again
  kTimeout,           // no answer in time; try again
  kFenced,            // a newer owner exists; this one must stop
  kCancelled,         // shutting down
  kCorrupt,           // stored bytes are not what was written
  kIo,                // the operating system or the disk refused
  kNotImplemented,    // known, and not offered
  kInternal,          // our own mistake
};

// What a class of errors means to the outside.
struct ErrorClass {
  std::string_view name;            // stable, snake_case: for logs, metrics and JSON
  std::string_view amqp_condition;  // spec/azure-amqp.md section 10
  std::uint16_t http_status;
  bool retry;                       // trying the same again may succeed
};

// Any thread. The table covers every Errc.
const ErrorClass& error_class(Errc code);

// An error with a text for people. The text names what to do where that is known
// and never holds keys, tokens or plaintext.
struct Error {
  Errc code = Errc::kInternal;
  std::string text;

  Error() = default;
  Error(Errc c, std::string t) : code(c), text(std::move(t)) {}

  // The same error, its text led by the place it passed: "context: text".
  Error&& in(std::string_view context) && {
    text.insert(0, std::string(context) + ": ");
    return std::move(*this);
  }
};

template <class T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(Errc code, std::string text) {
  return std::unexpected<Error>(Error(code, std::move(text)));
}

}  // namespace meterhub::base

// Value of a Result, or return its error from the calling function.
#define MH_TRY(expr)                                                                 \
  (__extension__({                                                                   \
    auto mh_result = (expr);                                                         \
    if (!mh_result) [[unlikely]] return std::unexpected(std::move(mh_result).error()); \
    std::move(*mh_result);                                                           \
  }))

// The same as a statement: for Result<void>, or where the value is of no use.
#define MH_TRY_VOID(expr)                                                            \
  do {                                                                               \
    if (auto mh_result = (expr); !mh_result) [[unlikely]]                            \
      return std::unexpected(std::move(mh_result).error());                          \
  } while (false)
