#include <algorithm>
#include <array>
#include <unordered_map>
#include <vector>

#include "functions.h"
#include "like.h"

namespace meterhub::engine {
namespace {

using Args = std::span<const Value>;

// A text made here may not grow without bound.
constexpr std::size_t kTextMax = 1024 * 1024;

Value made(Evaluator& in, const std::string& text) {
  if (text.size() > kTextMax) return in.fail("a text of more than 1 MiB");
  return Value::characters(in.arena().keep(text));
}

std::string_view without_leading(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  return text;
}

std::string_view without_trailing(std::string_view text) {
  const auto last = text.find_last_not_of(' ');
  return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

Value concat(Evaluator& in, const sql::Expr&, Args args) {
  std::string out;
  for (const auto& arg : args) out += in.to_text(arg).text;
  return made(in, out);
}

Value concat_ws(Evaluator& in, const sql::Expr&, Args args) {
  const auto separator = in.to_text(args[0]);
  std::string out;
  bool first = true;
  for (const auto& arg : args.subspan(1)) {
    if (arg.is_null()) continue;
    if (!first) out += separator.text;
    out += in.to_text(arg).text;
    first = false;
  }
  return made(in, out);
}

// Characters [start, start + length) of the text, counted from 1; what lies before 1 eats
// into the length (8.4).
std::string_view slice(std::string_view text, std::int64_t start, std::int64_t length) {
  const std::int64_t end = start > INT64_MAX - length ? INT64_MAX : start + length;
  const std::int64_t from = std::max<std::int64_t>(start, 1);
  if (end <= from) return {};
  const auto begin = character_position(text, static_cast<std::size_t>(from - 1));
  const auto rest = text.substr(begin);
  return rest.substr(0, character_position(rest, static_cast<std::size_t>(end - from)));
}

Value substring(Evaluator& in, const sql::Expr&, Args args) {
  const auto text = in.to_text(args[0]);
  const auto start = in.to_bigint(args[1]);
  const auto length = in.to_bigint(args[2]);
  if (text.is_null() || start.is_null() || length.is_null()) return Value::null();
  if (length.integer < 0) return in.fail("SUBSTRING with a negative length");
  return Value::characters(slice(text.text, start.integer, length.integer));
}

Value left(Evaluator& in, const sql::Expr&, Args args) {
  const auto text = in.to_text(args[0]);
  const auto length = in.to_bigint(args[1]);
  if (text.is_null() || length.is_null()) return Value::null();
  if (length.integer < 0) return in.fail("LEFT with a negative length");
  return Value::characters(slice(text.text, 1, length.integer));
}

Value right(Evaluator& in, const sql::Expr&, Args args) {
  const auto text = in.to_text(args[0]);
  const auto length = in.to_bigint(args[1]);
  if (text.is_null() || length.is_null()) return Value::null();
  if (length.integer < 0) return in.fail("RIGHT with a negative length");
  const auto all = static_cast<std::int64_t>(character_count(text.text));
  return Value::characters(slice(text.text, std::max<std::int64_t>(all - length.integer, 0) + 1, length.integer));
}

Value length(Evaluator& in, const sql::Expr&, Args args) {
  const auto text = in.to_text(args[0]);
  if (text.is_null()) return text;
  return Value::bigint(static_cast<std::int64_t>(character_count(without_trailing(text.text))));
}

template <char From, char To, int Shift>
Value change_case(Evaluator& in, const sql::Expr&, Args args) {
  const auto text = in.to_text(args[0]);
  if (text.is_null()) return text;
  std::string out(text.text);
  for (char& c : out) {
    if (c >= From && c <= To) c = static_cast<char>(c + Shift);
  }
  return made(in, out);
}

Value ltrim(Evaluator& in, const sql::Expr&, Args args) {
  const auto text = in.to_text(args[0]);
  return text.is_null() ? text : Value::characters(without_leading(text.text));
}

Value rtrim(Evaluator& in, const sql::Expr&, Args args) {
  const auto text = in.to_text(args[0]);
  return text.is_null() ? text : Value::characters(without_trailing(text.text));
}

Value trim(Evaluator& in, const sql::Expr&, Args args) {
  const auto text = in.to_text(args[0]);
  return text.is_null() ? text : Value::characters(without_leading(without_trailing(text.text)));
}

Value replace(Evaluator& in, const sql::Expr&, Args args) {
  if (any_null(args)) return Value::null();
  const auto text = in.to_text(args[0]).text;
  const auto what = in.to_text(args[1]).text;
  const auto with = in.to_text(args[2]).text;
  if (what.empty()) return Value::characters(text);
  std::string out;
  std::size_t at = 0;
  for (auto found = text.find(what); found != std::string_view::npos && out.size() <= kTextMax;
       found = text.find(what, at)) {
    out += text.substr(at, found - at);
    out += with;
    at = found + what.size();
  }
  out += text.substr(at);
  return made(in, out);
}

Value char_index(Evaluator& in, const sql::Expr&, Args args) {
  if (any_null(args)) return Value::null();
  const auto what = in.to_text(args[0]).text;
  const auto text = in.to_text(args[1]).text;
  const auto from = args.size() > 2 ? in.to_bigint(args[2]) : Value::bigint(1);
  if (from.is_null()) return from;
  const auto skip = static_cast<std::size_t>(std::max<std::int64_t>(from.integer, 1) - 1);
  const auto found = text.find(what, character_position(text, skip));
  if (found == std::string_view::npos || what.empty()) return Value::bigint(0);
  return Value::bigint(static_cast<std::int64_t>(character_count(text.substr(0, found))) + 1);
}

// Without a place to put it, or with a negative length, there is no result (T-SQL's STUFF).
Value stuff(Evaluator& in, const sql::Expr&, Args args) {
  if (any_null(args)) return Value::null();
  const auto text = in.to_text(args[0]).text;
  const auto start = in.to_bigint(args[1]);
  const auto length = in.to_bigint(args[2]);
  if (start.is_null() || length.is_null()) return Value::null();
  const auto characters = static_cast<std::int64_t>(character_count(text));
  if (start.integer < 1 || start.integer > characters || length.integer < 0) return Value::null();
  const auto from = character_position(text, static_cast<std::size_t>(start.integer - 1));
  const auto cut = slice(text, start.integer, length.integer);
  return made(in, std::string(text.substr(0, from)) + std::string(in.to_text(args[3]).text) +
                      std::string(text.substr(from + cut.size())));
}

std::vector<std::string_view> characters_of(std::string_view text) {
  std::vector<std::string_view> out;
  for (std::size_t i = 0; i < text.size(); i += out.back().size())
    out.push_back(text.substr(i, character_bytes(text, i)));
  return out;
}

// Of a character that stands twice in `from` the first place counts.
Value translate(Evaluator& in, const sql::Expr&, Args args) {
  if (any_null(args)) return Value::null();
  const auto from = characters_of(in.to_text(args[1]).text);
  const auto to = characters_of(in.to_text(args[2]).text);
  if (from.size() != to.size()) return in.fail("TRANSLATE with lists of different length");
  std::unordered_map<std::string_view, std::string_view> by;
  for (std::size_t i = 0; i < from.size(); ++i) by.emplace(from[i], to[i]);
  std::string out;
  for (const auto character : characters_of(in.to_text(args[0]).text)) {
    const auto found = by.find(character);
    out += found == by.end() ? character : found->second;
  }
  return made(in, out);
}

Value repeated(Evaluator& in, std::string_view text, std::int64_t count) {
  if (count < 0) return Value::null();
  if (!text.empty() && count > static_cast<std::int64_t>(kTextMax / text.size()))
    return in.fail("a text of more than 1 MiB");
  std::string out;
  if (text.empty()) return made(in, out);
  out.reserve(text.size() * static_cast<std::size_t>(count));
  for (; count > 0; --count) out += text;
  return made(in, out);
}

Value replicate(Evaluator& in, const sql::Expr&, Args args) {
  const auto text = in.to_text(args[0]);
  const auto count = in.to_bigint(args[1]);
  return text.is_null() || count.is_null() ? Value::null() : repeated(in, text.text, count.integer);
}

Value space(Evaluator& in, const sql::Expr&, Args args) {
  const auto count = in.to_bigint(args[0]);
  return count.is_null() ? count : repeated(in, " ", count.integer);
}

Value reverse(Evaluator& in, const sql::Expr&, Args args) {
  const auto text = in.to_text(args[0]);
  if (text.is_null()) return text;
  std::string out;
  const auto characters = characters_of(text.text);
  for (auto it = characters.rbegin(); it != characters.rend(); ++it) out += *it;
  return made(in, out);
}

// NULL for what is no character: surrogates and beyond U+10FFFF.
Value nchar(Evaluator& in, const sql::Expr&, Args args) {
  const auto number = in.to_bigint(args[0]);
  if (number.is_null()) return number;
  const bool surrogate = number.integer >= 0xD800 && number.integer <= 0xDFFF;
  if (number.integer < 0 || number.integer > 0x10FFFF || surrogate) return Value::null();
  return made(in, utf8(static_cast<char32_t>(number.integer)));
}

Value unicode(Evaluator& in, const sql::Expr&, Args args) {
  const auto text = in.to_text(args[0]);
  if (text.is_null() || text.text.empty()) return Value::null();
  return Value::bigint(code_point(text.text.substr(0, character_bytes(text.text, 0))));
}

constexpr std::array kKernels{
    Kernel{sql::FunctionId::kConcat, concat},
    Kernel{sql::FunctionId::kConcatWs, concat_ws},
    Kernel{sql::FunctionId::kSubstring, substring},
    Kernel{sql::FunctionId::kLeft, left},
    Kernel{sql::FunctionId::kRight, right},
    Kernel{sql::FunctionId::kLen, length},
    Kernel{sql::FunctionId::kUpper, change_case<'a', 'z', 'A' - 'a'>},
    Kernel{sql::FunctionId::kLower, change_case<'A', 'Z', 'a' - 'A'>},
    Kernel{sql::FunctionId::kLtrim, ltrim},
    Kernel{sql::FunctionId::kRtrim, rtrim},
    Kernel{sql::FunctionId::kTrim, trim},
    Kernel{sql::FunctionId::kReplace, replace},
    Kernel{sql::FunctionId::kCharIndex, char_index},
    Kernel{sql::FunctionId::kStuff, stuff},
    Kernel{sql::FunctionId::kTranslate, translate},
    Kernel{sql::FunctionId::kReplicate, replicate},
    Kernel{sql::FunctionId::kReverse, reverse},
    Kernel{sql::FunctionId::kSpace, space},
    Kernel{sql::FunctionId::kNchar, nchar},
    Kernel{sql::FunctionId::kUnicode, unicode},
};

}  // namespace

std::span<const Kernel> text_kernels() { return kKernels; }

}  // namespace meterhub::engine
