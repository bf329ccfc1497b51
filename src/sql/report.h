// Collects diagnostics for one text, up to the limit; any further ones are only counted.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <meterhub/sql/diagnostic.h>

namespace meterhub::sql {

class Report {
 public:
  explicit Report(std::string_view text) : text_(text) {}

  void error(Span span, std::string_view code, std::string message, std::string expected = {},
             std::string suggestion = {}) {
    add(Severity::kError, span, code, std::move(message), std::move(expected), std::move(suggestion));
  }
  void warning(Span span, std::string_view code, std::string message, std::string suggestion = {}) {
    add(Severity::kWarning, span, code, std::move(message), {}, std::move(suggestion));
  }
  bool failed() const { return failed_; }
  std::string_view text() const { return text_; }

  // In order of place; the last one says so when more were found than are kept.
  std::vector<Diagnostic> take();

 private:
  void add(Severity severity, Span span, std::string_view code, std::string message, std::string expected,
           std::string suggestion);

  std::string_view text_;
  std::vector<Diagnostic> diagnostics_;
  std::size_t dropped_ = 0;
  bool failed_ = false;
};

}  // namespace meterhub::sql
