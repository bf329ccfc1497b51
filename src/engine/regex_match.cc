#include "regex_match.h"

// A pattern of more states is refused: {1000}{1000} would fill the memory, and matching recurses
// over the states that take no character. Seen by std::wregex, which only this file uses.
#define _GLIBCXX_REGEX_STATE_LIMIT 2000  // NOLINT(bugprone-reserved-identifier)

#include <iterator>
#include <locale>
#include <regex>

#include "like.h"

namespace meterhub::engine {
namespace {

class OutOfSteps {};

// Over the text's characters. Whatever the matcher does, it reads and moves through this, and so
// ends: after kRegexStepsMax it is left by an exception.
class Counting {
 public:
  using iterator_category = std::bidirectional_iterator_tag;
  using value_type = wchar_t;
  using difference_type = std::ptrdiff_t;
  using pointer = const wchar_t*;
  using reference = const wchar_t&;

  Counting() = default;
  Counting(const wchar_t* at, std::uint64_t* left) : at_(at), left_(left) {}

  reference operator*() const {
    spend();
    return *at_;
  }
  Counting& operator++() {
    spend();
    ++at_;
    return *this;
  }
  Counting operator++(int) {
    const auto before = *this;
    ++*this;
    return before;
  }
  Counting& operator--() {
    --at_;
    return *this;
  }
  Counting operator--(int) {
    const auto before = *this;
    --*this;
    return before;
  }
  bool operator==(const Counting& other) const { return at_ == other.at_; }
  const wchar_t* at() const { return at_; }

 private:
  void spend() const {
    if (*left_ == 0) throw OutOfSteps();
    --*left_;
  }

  const wchar_t* at_ = nullptr;
  std::uint64_t* left_ = nullptr;
};

// One element a character, as character_count() counts them; U+FFFD for what is none.
std::wstring characters_of(std::string_view text) {
  static_assert(sizeof(wchar_t) == 4);
  std::wstring out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const auto size = character_bytes(text, i);
    out.push_back(static_cast<wchar_t>(code_point(text.substr(i, size))));
    i += size;
  }
  return out;
}

std::unexpected<base::Error> refused(const char* why) {
  return base::fail(base::Errc::kInvalidArgument, std::string("REGEXMATCH: ") + why);
}

}  // namespace

struct RegexPatterns::Compiled {
  std::wregex regex;
  bool valid = false;
  const char* refused = nullptr;  // a pattern that is one, but not for us
};

RegexPatterns::RegexPatterns() = default;
RegexPatterns::~RegexPatterns() = default;

const RegexPatterns::Compiled& RegexPatterns::compiled(std::string_view pattern) {
  const auto found = kept_.find(std::string(pattern));
  if (found != kept_.end()) return *found->second;
  auto fresh = std::make_unique<Compiled>();
  try {
    using namespace std::regex_constants;
    fresh->regex.imbue(std::locale::classic());
    // Polynomial: no back-tracking, so no exponential time and no stack by the length of the text.
    fresh->regex.assign(characters_of(pattern), ECMAScript | icase | __polynomial);
    fresh->valid = true;
  } catch (const std::regex_error& error) {
    if (error.code() == std::regex_constants::error_complexity) fresh->refused = "back-references are not supported";
    if (error.code() == std::regex_constants::error_space) fresh->refused = "the pattern is too large";
  }
  if (kept_.size() >= kKept) kept_.clear();
  return *(kept_[std::string(pattern)] = std::move(fresh));
}

base::Result<std::int64_t> RegexPatterns::find(std::string_view text, std::string_view pattern) {
  if (pattern.size() > kRegexPatternMax) return refused("a pattern of more than 1,000 bytes");
  if (text.size() > kRegexTextMax) return refused("a text of more than 64 KiB");
  const auto& use = compiled(pattern);
  if (use.refused != nullptr) return refused(use.refused);
  if (!use.valid) return 0;
  const auto characters = characters_of(text);
  std::uint64_t left = kRegexStepsMax;
  const Counting begin(characters.data(), &left);
  const Counting end(characters.data() + characters.size(), &left);
  std::match_results<Counting> match;
  try {
    if (!std::regex_search(begin, end, match, use.regex)) return 0;
  } catch (const OutOfSteps&) {
    return refused("the pattern takes too many steps over this text");
  } catch (const std::regex_error&) {
    return refused("the pattern is too large for this text");
  }
  return match[0].first.at() - characters.data() + 1;
}

}  // namespace meterhub::engine
