#include <meterhub/sql/diagnostic.h>

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace meterhub::sql {
namespace {

constexpr std::size_t kShownColumnsMax = 160;  // a longer line is cut around the place

// Bytes of the character at `i`; a byte that begins no whole UTF-8 sequence is one character.
std::size_t character_bytes(std::string_view text, std::size_t i) {
  const auto lead = static_cast<unsigned char>(text[i]);
  const std::size_t size = lead < 0x80 ? 1 : lead >= 0xf0 && lead < 0xf8 ? 4 : lead >= 0xe0 && lead < 0xf0 ? 3 : lead >= 0xc2 && lead < 0xe0 ? 2 : 1;
  if (i + size > text.size()) return 1;
  for (std::size_t k = 1; k < size; ++k) {
    if ((static_cast<unsigned char>(text[i + k]) & 0xc0) != 0x80) return 1;
  }
  return size;
}

std::uint32_t characters(std::string_view text) {
  std::uint32_t count = 0;
  for (std::size_t i = 0; i < text.size(); i += character_bytes(text, i)) ++count;
  return count;
}

std::size_t line_start(std::string_view text, std::size_t at) {
  const std::size_t newline = at == 0 ? std::string_view::npos : text.rfind('\n', at - 1);
  return newline == std::string_view::npos ? 0 : newline + 1;
}

std::string_view line_at(std::string_view text, std::size_t at) {
  const std::size_t start = line_start(text, at);
  std::string_view line = text.substr(start, text.find('\n', start) - start);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

// Most scripts written without spaces take two columns of a terminal.
bool wide(std::string_view character) { return character.size() >= 3 && static_cast<unsigned char>(character[0]) >= 0xe2; }

std::string blanks(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t size = character_bytes(text, i);
    const std::string_view character = text.substr(i, size);
    result += character == "\t" ? "\t" : wide(character) ? "  " : " ";
    i += size;
  }
  return result;
}

// What a terminal could take as a command is shown as a question mark.
std::string printable(std::string_view line) {
  std::string result;
  for (std::size_t i = 0; i < line.size();) {
    const std::size_t size = character_bytes(line, i);
    const auto byte = static_cast<unsigned char>(line[i]);
    const bool bad = size == 1 && (byte >= 0x7f || (byte < 0x20 && byte != '\t'));
    if (bad) result += '?';
    else result += line.substr(i, size);
    i += size;
  }
  return result;
}

std::string_view severity_name(Severity severity) {
  return severity == Severity::kError ? "error" : severity == Severity::kWarning ? "warning" : "note";
}

std::string carets(std::string_view line, std::size_t begin, std::size_t end) {
  std::string result = blanks(line.substr(0, begin));
  const std::size_t columns = blanks(line.substr(begin, end - begin)).size();
  result += '^';
  if (columns > 1) result.append(columns - 1, '~');
  return result;
}

// A part of the line that holds the place, when the line is very long.
std::string excerpt(std::string_view line, std::size_t begin, std::size_t end) {
  std::size_t from = 0;
  if (line.size() > kShownColumnsMax && begin > kShownColumnsMax / 2) {
    from = begin - kShownColumnsMax / 2;
    while (from < begin && (static_cast<unsigned char>(line[from]) & 0xc0) == 0x80) ++from;
  }
  std::size_t to = std::min(line.size(), from + kShownColumnsMax);
  while (to < line.size() && (static_cast<unsigned char>(line[to]) & 0xc0) == 0x80) ++to;
  const std::string_view shown = line.substr(from, to - from);
  const std::size_t last = std::clamp(end, begin, to) - from;
  return fmt::format("  {}\n  {}\n", printable(shown), carets(shown, begin - from, last));
}

}  // namespace

Place place_of(std::string_view text, Span span) {
  const std::size_t begin = std::min<std::size_t>(span.begin, text.size());
  const std::size_t end = std::clamp<std::size_t>(span.end, begin, text.size());
  const std::size_t start = line_start(text, begin);
  const std::string_view line = line_at(text, begin);
  Place place;
  place.line = 1 + static_cast<std::uint32_t>(std::ranges::count(text.substr(0, begin), '\n'));
  place.column = 1 + characters(text.substr(start, begin - start));
  const std::size_t stop = std::max(begin, std::min(end, start + line.size()));
  place.length = std::max(1u, characters(text.substr(begin, stop - begin)));
  return place;
}

std::string caret_text(std::string_view text, const Diagnostic& diagnostic, std::string_view file) {
  std::string result = fmt::format("{}:{}:{}: {}: {}", file, diagnostic.place.line, diagnostic.place.column,
                                   severity_name(diagnostic.severity), diagnostic.message);
  if (!diagnostic.expected.empty()) result += fmt::format("; expected {}", diagnostic.expected);
  const std::size_t at = std::min<std::size_t>(diagnostic.span.begin, text.size());
  const std::size_t start = line_start(text, at);
  const std::string_view line = line_at(text, at);
  const std::size_t begin = std::min(at - start, line.size());
  const std::size_t end = std::clamp<std::size_t>(diagnostic.span.end, at, text.size()) - start;
  result += '\n' + excerpt(line, begin, std::min(end, line.size()));
  if (!diagnostic.suggestion.empty()) result += fmt::format("  help: {}\n", diagnostic.suggestion);
  return result;
}

std::string diagnostics_json(const std::vector<Diagnostic>& diagnostics, std::string_view file) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Diagnostic& d : diagnostics) {
    nlohmann::ordered_json one = {{"severity", severity_name(d.severity)}, {"code", d.code},
                                  {"line", d.place.line},   {"column", d.place.column},
                                  {"length", d.place.length}, {"message", d.message}};
    if (!d.expected.empty()) one["expected"] = d.expected;
    if (!d.suggestion.empty()) one["suggestion"] = d.suggestion;
    list.push_back(std::move(one));
  }
  const nlohmann::ordered_json all = {{"file", file}, {"ok", !has_error(diagnostics)}, {"diagnostics", list}};
  return all.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

bool has_error(const std::vector<Diagnostic>& diagnostics) {
  return std::ranges::any_of(diagnostics, [](const Diagnostic& d) { return d.severity == Severity::kError; });
}

}  // namespace meterhub::sql
