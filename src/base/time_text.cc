#include <meterhub/base/time_text.h>

#include <algorithm>

namespace meterhub::base {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// Takes what it is told off the front of the text; remembers the first failure.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : rest_(text) {}

  // `count` decimal digits.
  int number(int count) {
    if (rest_.size() < static_cast<std::size_t>(count)) return failed();
    int value = 0;
    for (int i = 0; i < count; ++i) {
      const char c = rest_[static_cast<std::size_t>(i)];
      if (c < '0' || c > '9') return failed();
      value = value * 10 + (c - '0');
    }
    rest_.remove_prefix(static_cast<std::size_t>(count));
    return value;
  }
  bool accept(std::string_view any_of) {
    for (const char c : any_of) {
      if (rest_.empty() || rest_.front() != c) continue;
      taken_ = c;
      rest_.remove_prefix(1);
      return true;
    }
    return false;
  }
  void expect(std::string_view any_of) {
    if (!accept(any_of)) failed();
  }
  char taken() const { return taken_; }
  bool digit_ahead() const { return !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9'; }
  bool good_to_the_end() const { return good_ && rest_.empty(); }
  bool good() const { return good_; }

 private:
  int failed() {
    good_ = false;
    return 0;
  }
  std::string_view rest_;
  char taken_ = 0;
  bool good_ = true;
};

struct Fraction {
  microseconds value{0};
  std::uint8_t digits = 0;
};

Fraction read_fraction(Cursor& in) {
  Fraction out;
  if (!in.accept(".,")) return out;
  std::int64_t value = 0;
  int digits = 0;
  if (!in.digit_ahead()) in.number(1);  // a point needs a digit behind it
  for (; in.digit_ahead(); ++digits) {
    const int digit = in.number(1);
    if (digits < 6) value = value * 10 + digit;
  }
  out.digits = static_cast<std::uint8_t>(std::min(digits, 6));
  for (int i = out.digits; i < 6; ++i) value *= 10;
  out.value = microseconds(value);
  return out;
}

minutes read_offset(Cursor& in) {
  if (in.accept("Zz")) return minutes(0);
  in.expect("+-");
  const int sign = in.taken() == '-' ? -1 : 1;
  const int hour = in.number(2);
  in.accept(":");
  const int minute = in.number(2);
  if (hour > 23 || minute > 59) in.expect("");
  return minutes(sign * (hour * 60 + minute));
}

// `count` digits and what stands behind them; the end of it.
char* put(char* at, std::uint32_t value, int count, char behind) {
  for (int i = count - 1; i >= 0; --i) {
    at[i] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
  at[count] = behind;
  return at + count + 1;
}

}  // namespace

PreciseTime precise(Timestamp at) {
  const auto micros = (at - std::chrono::floor<seconds>(at)).count();
  return {at, static_cast<std::uint8_t>(micros == 0 ? 0 : micros % 1000 == 0 ? 3 : 6)};
}

void append_rfc3339(std::string& out, PreciseTime time) {
  const auto day = std::chrono::floor<days>(time.at);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time.at - day);
  const int digits = std::min<int>(time.digits, 6);
  char text[32];
  char* end = put(text, static_cast<std::uint32_t>(std::clamp(static_cast<int>(date.year()), 0, 9999)), 4, '-');
  end = put(end, static_cast<unsigned>(date.month()), 2, '-');
  end = put(end, static_cast<unsigned>(date.day()), 2, 'T');
  end = put(end, static_cast<std::uint32_t>(clock.hours().count()), 2, ':');
  end = put(end, static_cast<std::uint32_t>(clock.minutes().count()), 2, ':');
  end = put(end, static_cast<std::uint32_t>(clock.seconds().count()), 2, digits > 0 ? '.' : 'Z');
  auto fraction = static_cast<std::uint32_t>(clock.subseconds().count());
  for (int i = digits; i < 6; ++i) fraction /= 10;
  if (digits > 0) end = put(end, fraction, digits, 'Z');
  out.append(text, static_cast<std::size_t>(end - text));
}

std::string rfc3339(PreciseTime time) {
  std::string out;
  append_rfc3339(out, time);
  return out;
}

std::string rfc3339(Timestamp at) { return rfc3339(precise(at)); }

Result<PreciseTime> parse_rfc3339(std::string_view text) {
  Cursor in(text);
  const int year = in.number(4);
  const bool extended = in.accept("-");
  const int month = in.number(2);
  if (extended) in.expect("-");
  const int day = in.number(2);
  in.expect("Tt ");
  const int hour = in.number(2);
  if (extended) in.expect(":");
  const int minute = in.number(2);
  if (extended) in.expect(":");
  const int second = in.number(2);
  const Fraction fraction = read_fraction(in);
  const minutes offset = read_offset(in);
  const auto date = std::chrono::year(year) / month / day;
  if (!in.good_to_the_end() || !date.ok() || hour > 23 || minute > 59 || second > 60) {
    return fail(Errc::kInvalidArgument, "not an RFC 3339 time");
  }
  const Timestamp at = std::chrono::sys_days(date) + hours(hour) + minutes(minute) + seconds(std::min(second, 59)) +
                       fraction.value - offset;
  constexpr std::chrono::sys_days first = std::chrono::year(0) / 1 / 1;
  constexpr std::chrono::sys_days end = std::chrono::year(10'000) / 1 / 1;
  if (at < first || at >= end) return fail(Errc::kInvalidArgument, "a time outside the years 0000 to 9999");
  return PreciseTime{at, fraction.digits};
}

}  // namespace meterhub::base
