#include <meterhub/base/csv.h>

#include <iconv.h>

#include <algorithm>

namespace meterhub::base {
namespace {

constexpr std::size_t kBuffer = 1 << 20;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// Length of the UTF-8 sequence at `at`; 0 when there is none. Overlong forms, surrogates
// and code points past U+10FFFF are none.
std::size_t sequence(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const auto follows = [&](std::size_t i) { return at + i < text.size() && (byte(i) & 0xC0) == 0x80; };
  const auto lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return follows(1) ? 2 : 0;
  if ((lead & 0xF0) == 0xE0) {
    if (!follows(1) || !follows(2)) return 0;
    const bool bad = (lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xED && byte(1) > 0x9F);
    return bad ? 0 : 3;
  }
  if (lead < 0xF0 || lead > 0xF4 || !follows(1) || !follows(2) || !follows(3)) return 0;
  const bool bad = (lead == 0xF0 && byte(1) < 0x90) || (lead == 0xF4 && byte(1) > 0x8F);
  return bad ? 0 : 4;
}

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// Quotes are ASCII and never part of a GB18030 pair, so they can be counted before conversion.
bool open_quote(std::string_view raw) { return std::ranges::count(raw, '"') % 2 != 0; }

// One field from `at`; moves `at` behind its comma. False when quotes are misplaced.
bool take_field(std::string_view text, std::size_t& at, std::string& out) {
  out.clear();
  if (at >= text.size() || text[at] != '"') {
    const auto end = std::min(text.find(',', at), text.size());
    out = text.substr(at, end - at);
    at = end + 1;
    return out.find('"') == std::string::npos;
  }
  for (++at; at < text.size(); ++at) {
    if (text[at] != '"') {
      out += text[at];
    } else if (at + 1 < text.size() && text[at + 1] == '"') {
      out += text[++at];
    } else {
      const bool good = at + 1 == text.size() || text[at + 1] == ',';
      at += 2;
      return good;
    }
  }
  return false;
}

}  // namespace

bool valid_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto length = sequence(text, at);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

namespace {
// What iconv_open() gives when it fails.
const auto kNoConverter = reinterpret_cast<iconv_t>(-1);  // NOLINT(performance-no-int-to-ptr)
}  // namespace

Gb18030::Gb18030() : converter_(iconv_open("UTF-8", "GB18030")) {}

Gb18030::~Gb18030() {
  if (converter_ != kNoConverter) iconv_close(converter_);
}

Result<std::string> Gb18030::utf8(std::string_view text) {
  if (converter_ == kNoConverter) return fail(Errc::kInternal, "the system cannot convert GB18030");
  std::string in(text);
  std::string out(text.size() * 2 + 4, '\0');  // two bytes become three at most
  char* from = in.data();
  char* to = out.data();
  std::size_t from_left = in.size();
  std::size_t to_left = out.size();
  iconv(converter_, nullptr, nullptr, nullptr, nullptr);
  if (iconv(converter_, &from, &from_left, &to, &to_left) == static_cast<std::size_t>(-1)) {
    return fail(Errc::kInvalidArgument, "the text is neither UTF-8 nor GB18030");
  }
  out.resize(out.size() - to_left);
  return out;
}

Result<std::unique_ptr<CsvReader>> CsvReader::open(const std::filesystem::path& file) {
  auto reader = std::unique_ptr<CsvReader>(new CsvReader);
  reader->buffer_.resize(kBuffer);
  reader->file_.rdbuf()->pubsetbuf(reader->buffer_.data(), static_cast<std::streamsize>(reader->buffer_.size()));
  reader->file_.open(file, std::ios::binary);
  std::error_code error;
  reader->file_size_ = std::filesystem::file_size(file, error);
  if (!reader->file_ || error) return fail(Errc::kNotFound, "cannot read " + file.string());
  return reader;
}

bool CsvReader::read_line(std::string& line) {
  line.clear();
  // A line without an end is cut where the record would be refused anyway.
  for (int c = 0; line.size() <= kMaxRecordBytes;) {
    c = file_.rdbuf()->sbumpc();
    if (c == std::char_traits<char>::eof()) {
      if (line.empty()) return false;
      break;
    }
    ++bytes_read_;
    if (c == '\n') break;
    line += static_cast<char>(c);
  }
  ++line_;
  if (line_ == 1 && line.starts_with(kByteOrderMark)) {
    line.erase(0, kByteOrderMark.size());
    encoding_ = Encoding::kUtf8;
  }
  if (line.ends_with('\r')) line.pop_back();
  return true;
}

Result<bool> CsvReader::read_raw() {
  std::string line;
  do {
    if (!read_line(line)) return false;
  } while (line.empty());
  record_.line = line_;
  record_.raw = line;
  while (open_quote(record_.raw)) {
    if (!read_line(line)) return fail(Errc::kInvalidArgument, "a quoted field has no end");
    record_.raw += '\n' + line;
    if (record_.raw.size() > kMaxRecordBytes) break;
  }
  if (record_.raw.size() > kMaxRecordBytes) return fail(Errc::kInvalidArgument, "the record is longer than 64 KiB");
  return true;
}

Result<std::string> CsvReader::decoded(const std::string& raw) {
  if (is_ascii(raw)) return raw;
  if (encoding_ != Encoding::kGb18030 && valid_utf8(raw)) {
    encoding_ = Encoding::kUtf8;
    return raw;
  }
  if (encoding_ == Encoding::kUtf8) return fail(Errc::kInvalidArgument, "the text is not UTF-8 as the lines before");
  if (gb18030_ == nullptr) gb18030_ = std::make_unique<Gb18030>();
  auto text = MH_TRY(gb18030_->utf8(raw));
  encoding_ = Encoding::kGb18030;
  return text;
}

Result<void> CsvReader::split() {
  const std::string text = MH_TRY(decoded(record_.raw));
  std::size_t count = 0;
  for (std::size_t at = 0; at <= text.size(); ++count) {
    if (record_.fields.size() <= count) record_.fields.emplace_back();
    if (!take_field(text, at, record_.fields[count])) return fail(Errc::kInvalidArgument, "a quote is misplaced");
  }
  record_.fields.resize(count);
  return {};
}

Result<bool> CsvReader::next() {
  if (!MH_TRY(read_raw())) return false;
  MH_TRY_VOID(split());
  return true;
}

void append_csv(std::string& out, std::string_view field, bool last) {
  // A leading or trailing blank is quoted too: spreadsheets trim it otherwise.
  const bool quote =
      field.find_first_of(",\"\r\n") != std::string_view::npos || field.starts_with(' ') || field.ends_with(' ');
  if (quote) out += '"';
  for (const char c : field) {
    if (c == '"') out += '"';
    out += c;
  }
  if (quote) out += '"';
  out += last ? '\n' : ',';
}

}  // namespace meterhub::base
