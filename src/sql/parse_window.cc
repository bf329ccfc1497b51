#include <array>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <meterhub/base/result.h>

#include "names.h"
#include "parser.h"

namespace meterhub::sql {

using namespace ast;

namespace {

std::optional<WindowKind> window_kind(std::string_view word) {
  constexpr std::array<std::pair<std::string_view, WindowKind>, 8> kNames = {{
      {"tumblingwindow", WindowKind::kTumbling}, {"tumbling", WindowKind::kTumbling},
      {"hoppingwindow", WindowKind::kHopping},   {"hopping", WindowKind::kHopping},
      {"slidingwindow", WindowKind::kSliding},   {"sliding", WindowKind::kSliding},
      {"sessionwindow", WindowKind::kSession},   {"session", WindowKind::kSession}}};
  for (const auto& [name, kind] : kNames) {
    if (same_name(name, word)) return kind;
  }
  return std::nullopt;
}

}  // namespace

bool Parser::window_ahead() const {
  return peek().kind == TokenKind::kWord && at_symbol("(", 1) && window_kind(peek().text).has_value();
}

Parsed<GroupItem> Parser::windows_list() {
  GroupItem result;
  result.is_windows_list = true;
  take();
  take();
  do {
    result.windows.push_back(MH_TRY(list_window()));
  } while (take_symbol(","));
  MH_TRY_VOID(expect_symbol(")", "after the windows"));
  return result;
}

// A window, Window('id', window) or System.Timestamp() inside Windows(...).
Parsed<Window> Parser::list_window() {
  const Span begin = peek().span;
  if (at_word("Windows")) return unexpected_token("a window", "Windows(...) cannot hold another Windows(...)");
  if (at_word("Window") && at_symbol("(", 1)) {
    take();
    take();
    if (peek().kind != TokenKind::kString) return unexpected_token("the window's name, a text in single quotes");
    std::string id = take().text;
    MH_TRY_VOID(expect_symbol(",", "after the window's name"));
    Window named = MH_TRY(list_window());
    if (named.id) return unexpected_token("a window", "Window('name', ...) cannot hold another one");
    named.id = std::move(id);
    MH_TRY_VOID(expect_symbol(")", "after the window"));
    named.span = since(begin);
    return named;
  }
  if (at_word("System") && at_symbol(".", 1) && at_word("Timestamp", 2)) {
    Window snapshot;
    snapshot.kind = WindowKind::kSnapshot;
    for (int i = 0; i < 3; ++i) take();
    if (take_symbol("(")) MH_TRY_VOID(expect_symbol(")", "after System.Timestamp("));
    snapshot.span = since(begin);
    return snapshot;
  }
  if (!window_ahead()) return unexpected_token("a window: TumblingWindow, HoppingWindow, SlidingWindow, SessionWindow");
  return window();
}

Parsed<Window> Parser::window() {
  Window result;
  const Span begin = peek().span;
  result.kind = *window_kind(take().text);
  MH_TRY_VOID(expect_symbol("(", "after the window's name"));
  MH_TRY_VOID(window_arguments(result));
  MH_TRY_VOID(expect_symbol(")", "after the window's sizes"));
  if (at_word("OVER")) {
    if (result.kind != WindowKind::kSession) return unexpected_token("',' or the end of GROUP BY", "only a session window takes OVER");
    take();
    MH_TRY_VOID(expect_symbol("(", "after OVER"));
    MH_TRY_VOID(expect_word("PARTITION", "in a session window's OVER"));
    MH_TRY_VOID(expect_word("BY", "after PARTITION"));
    result.partition = MH_TRY(expressions());
    MH_TRY_VOID(expect_symbol(")", "after PARTITION BY"));
  }
  result.span = since(begin);
  return result;
}

Done Parser::window_arguments(Window& window) {
  const bool session = window.kind == WindowKind::kSession;
  const bool functions = at_symbol("(", 1) && (at_word("Duration") || at_word("Timeout"));
  if (functions && at_word("Timeout") != session) {
    return unexpected_token(session ? "Timeout(unit, n), MaxDuration(unit, n)" : "Duration(unit, n)");
  }
  return functions ? window_functions(window) : window_numbers(window);
}

Done Parser::window_functions(Window& window) {
  if (window.kind == WindowKind::kSession) {
    window.size = MH_TRY(duration_call("Timeout", false));
    MH_TRY_VOID(expect_symbol(",", "after Timeout(...)"));
    window.hop = MH_TRY(duration_call("MaxDuration", false));
    return {};
  }
  window.size = MH_TRY(duration_call("Duration", false));
  if (window.kind == WindowKind::kHopping) {
    MH_TRY_VOID(expect_symbol(",", "before Hop(unit, n)"));
    window.hop = MH_TRY(duration_call("Hop", false));
  }
  if (window.kind != WindowKind::kSliding && take_symbol(",")) window.offset = MH_TRY(duration_call("Offset", true));
  return {};
}

// The short form: one unit for all numbers.
Done Parser::window_numbers(Window& window) {
  window.size = MH_TRY(duration(false));
  const auto further = [&](std::string_view what, bool sign) -> Parsed<Duration> {
    const Span begin = peek().span;
    const std::int64_t count = MH_TRY(expect_integer(what, sign));
    return Duration{window.size.unit, count, since(begin)};
  };
  if (window.kind == WindowKind::kHopping || window.kind == WindowKind::kSession) {
    const bool hopping = window.kind == WindowKind::kHopping;
    MH_TRY_VOID(expect_symbol(",", hopping ? "and the hop size" : "and the longest duration"));
    window.hop = MH_TRY(further(hopping ? "the hop, a whole number" : "the longest duration, a whole number", false));
  }
  const bool offset = window.kind == WindowKind::kTumbling || window.kind == WindowKind::kHopping;
  if (offset && take_symbol(",")) window.offset = MH_TRY(further("the offset, a whole number", true));
  return {};
}

// unit "," n
Parsed<Duration> Parser::duration(bool sign_allowed) {
  Duration result;
  const Span begin = peek().span;
  result.unit = MH_TRY(expect_name("a time unit: day, hour, minute, second, millisecond, microsecond"));
  MH_TRY_VOID(expect_symbol(",", "after the time unit"));
  result.count = MH_TRY(expect_integer("a whole number of units", sign_allowed));
  result.span = since(begin);
  return result;
}

Parsed<Duration> Parser::duration_call(std::string_view word, bool sign_allowed) {
  const Span begin = peek().span;
  MH_TRY_VOID(expect_word(word, "(unit, n)"));
  MH_TRY_VOID(expect_symbol("(", fmt::format("after {}", word)));
  Duration result = MH_TRY(duration(sign_allowed));
  MH_TRY_VOID(expect_symbol(")", fmt::format("after {}'s size", word)));
  result.span = since(begin);
  return result;
}

}  // namespace meterhub::sql
