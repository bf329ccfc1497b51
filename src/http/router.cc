#include "router.h"

#include <algorithm>

namespace meterhub::http {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> out;
  while (true) {
    const auto end = text.find(at);
    out.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text, bool plus) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

std::optional<Fields> parse_query(std::string_view text) {
  Fields out;
  for (const auto pair : split(text, '&')) {
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    const auto value = equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
    auto name_text = percent_decode(pair.substr(0, equals), true);
    auto value_text = percent_decode(value, true);
    if (!name_text || !value_text) return std::nullopt;
    out.emplace_back(std::move(*name_text), std::move(*value_text));
  }
  return out;
}

std::optional<std::vector<std::string>> path_segments(std::string_view raw_path) {
  if (!raw_path.starts_with('/')) return std::nullopt;
  std::vector<std::string> out;
  for (const auto part : split(raw_path.substr(1), '/')) {
    auto text = percent_decode(part, false);
    if (!text || text->find('\0') != std::string::npos) return std::nullopt;
    out.push_back(std::move(*text));
  }
  return out;
}

Pattern::Pattern(std::string_view text) {
  if (text.starts_with('/')) text.remove_prefix(1);
  for (const auto part : split(text, '/')) {
    if (part.starts_with('{') && part.ends_with("*}")) {
      segments_.push_back({Kind::kRest, std::string(part.substr(1, part.size() - 3))});
    } else if (part.starts_with('{') && part.ends_with('}')) {
      segments_.push_back({Kind::kName, std::string(part.substr(1, part.size() - 2))});
    } else {
      segments_.push_back({Kind::kLiteral, std::string(part)});
    }
  }
}

bool Pattern::matches(const std::vector<std::string>& segments) const {
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    if (segments_[i].kind == Kind::kRest) return segments.size() > i;
    if (i >= segments.size()) return false;
    if (segments_[i].kind == Kind::kLiteral && segments_[i].text != segments[i]) return false;
    if (segments_[i].kind == Kind::kName && segments[i].empty()) return false;
  }
  return segments.size() == segments_.size();
}

Fields Pattern::params(const std::vector<std::string>& segments) const {
  Fields out;
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    if (segments_[i].kind == Kind::kName) out.emplace_back(segments_[i].text, segments[i]);
    if (segments_[i].kind != Kind::kRest) continue;
    std::string rest;
    for (std::size_t j = i; j < segments.size(); ++j) rest += (j == i ? "" : "/") + segments[j];
    out.emplace_back(segments_[i].text, std::move(rest));
  }
  return out;
}

bool Pattern::closer_than(const Pattern& other) const {
  return std::ranges::lexicographical_compare(segments_, other.segments_, {}, &Segment::kind, &Segment::kind);
}

}  // namespace meterhub::http
