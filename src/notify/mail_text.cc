#include "mail_text.h"

#include <algorithm>
#include <array>
#include <chrono>

#include <fmt/format.h>

#include <meterhub/base/encoding.h>

namespace meterhub::notify {
namespace {

// RFC 2047, 2: a word has at most 75 characters; 12 are around its base64, of which 4 carry 3 bytes.
constexpr std::size_t kBytesInWord = 45;
constexpr std::size_t kLine = 76;
constexpr std::string_view kEnd = "\r\n";

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

bool is_plain(std::string_view text) {
  return text.size() < 60 &&
         std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; }) && !text.contains("=?");
}

bool address_character(char c) {
  return c > 0x20 && c < 0x7f && std::string_view("<>()[],;:\\\"").find(c) == std::string_view::npos;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// RFC 5322, 3.3, in UTC.
std::string date_text(base::Timestamp at) {
  static constexpr std::array<std::string_view, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(at - day));
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} +0000", kDays[std::chrono::weekday(day).c_encoding()],
                     static_cast<unsigned>(date.day()), kMonths[static_cast<unsigned>(date.month()) - 1],
                     static_cast<int>(date.year()), time.hours().count(), time.minutes().count(),
                     time.seconds().count());
}

std::string base64_lines(std::string_view text) {
  const auto all = base::base64_encode(base::as_bytes(text));
  std::string out;
  for (std::size_t at = 0; at < all.size(); at += kLine) (out += all.substr(at, kLine)) += kEnd;
  return out;
}

std::string joined(const std::vector<std::string>& list) {
  std::string out;
  for (const auto& one : list) (out += out.empty() ? "" : ",\r\n ") += one;
  return out;
}

}  // namespace

std::string encoded_words(std::string_view text) {
  if (is_plain(text)) return std::string(text);
  std::string out;
  while (!text.empty()) {
    auto size = std::min(text.size(), kBytesInWord);
    // A character is never cut (RFC 2047, 5).
    while (size < text.size() && size > kBytesInWord - 4 && continues(text[size])) --size;
    out += (out.empty() ? "=?UTF-8?B?" : "\r\n =?UTF-8?B?") +
           base::base64_encode(base::as_bytes(text.substr(0, size))) + "?=";
    text.remove_prefix(size);
  }
  return out;
}

base::Result<Mailbox> parse_mailbox(std::string_view text) {
  Mailbox out;
  auto address = trimmed(text);
  if (const auto open = address.find('<'); open != address.npos && address.ends_with('>')) {
    out.name = trimmed(address.substr(0, open));
    address = address.substr(open + 1, address.size() - open - 2);
  }
  const auto at = address.find('@');
  const bool right = address.size() <= 254 && at != address.npos && at > 0 && at + 1 < address.size() &&
                     address.find('@', at + 1) == address.npos && std::ranges::all_of(address, address_character);
  if (!right)
    return base::fail(base::Errc::kInvalidArgument,
                      "\"" + std::string(text.substr(0, 80)) + "\" is no mail address, as office@example.org");
  out.address = address;
  return out;
}

std::string mail_text(const Mailbox& from, const std::vector<std::string>& to, const Letter& letter) {
  const auto domain = from.address.substr(from.address.find('@') + 1);
  std::string body;
  for (const auto& line : letter.message.lines) (body += line) += kEnd;
  std::string out;
  const auto field = [&](std::string_view name, const std::string& value) {
    ((((out += name) += ": ") += value) += kEnd);
  };
  field("From", from.name.empty() ? from.address : encoded_words(from.name) + " <" + from.address + ">");
  field("To", joined(to));
  field("Subject", encoded_words(letter.message.subject));
  field("Date", date_text(letter.created));
  field("Message-ID", "<" + letter.message_id + "@" + domain + ">");
  field("X-Meterhub-Id", letter.message_id);
  // No holiday notice answers it (RFC 3834).
  field("Auto-Submitted", "auto-generated");
  field("MIME-Version", "1.0");
  field("Content-Type", "text/plain; charset=utf-8");
  field("Content-Transfer-Encoding", "base64");
  return (out += kEnd) + base64_lines(body);
}

}  // namespace meterhub::notify
