#include "xlsx.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include <xlsxwriter.h>

#include <meterhub/base/csv.h>

#include "list_text.h"

namespace meterhub::console {
namespace {

using base::Errc;
using base::Result;

// What a cell may hold.
constexpr std::size_t kCellBytesMax = 32'767;
constexpr double kColumnWidth = 18;

// Text that XML can hold: a file with anything else is one that Excel calls damaged.
std::string clean(const std::string& text) {
  std::string out = text.substr(0, kCellBytesMax);
  while (out.size() < text.size() && !out.empty() && (static_cast<unsigned char>(text[out.size()]) & 0xC0) == 0x80)
    out.pop_back();
  const bool utf8 = base::valid_utf8(out);
  for (char& c : out) {
    const auto byte = static_cast<unsigned char>(c);
    const bool control = byte < 0x20 && c != '\t' && c != '\n' && c != '\r';
    if (control || byte == 0x7f || (!utf8 && byte >= 0x80)) c = '?';
  }
  // U+FFFE and U+FFFF are no characters.
  for (auto at = out.find("\xEF\xBF"); at != out.npos; at = out.find("\xEF\xBF", at + 2)) {
    if (at + 2 < out.size() && static_cast<unsigned char>(out[at + 2]) >= 0xBE) out.replace(at, 3, "?");
  }
  return out;
}

std::string last_error() { return std::strerror(errno); }

}  // namespace

struct XlsxFile::State {
  State(std::shared_ptr<const ListForm> f, std::string d) : form(std::move(f)), directory(std::move(d)) {}
  ~State() {
    // Frees what the book holds; there is no other way, so an unfinished one is written out too.
    if (book != nullptr) workbook_close(book);
    if (descriptor >= 0) ::close(descriptor);
    ::unlink(file().c_str());
    ::rmdir(directory.c_str());
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  std::string file() const { return directory + "/list.xlsx"; }
  lxw_error write(lxw_row_t line, lxw_col_t at, ValueType type, const Value& value);
  Result<void> begin(Language language);

  std::shared_ptr<const ListForm> form;
  std::string directory;
  lxw_workbook* book = nullptr;  // owns sheet and formats
  lxw_worksheet* sheet = nullptr;
  lxw_format* time_format = nullptr;
  lxw_format* volume_format = nullptr;
  std::uint64_t rows = 0;
  int descriptor = -1;
};

// Texts are written as texts, which no spreadsheet takes for a formula.
lxw_error XlsxFile::State::write(lxw_row_t line, lxw_col_t at, ValueType type, const Value& value) {
  struct Write {
    State& state;
    lxw_row_t line;
    lxw_col_t at;
    ValueType type;
    lxw_error operator()(std::monostate) const { return LXW_NO_ERROR; }
    lxw_error operator()(std::int64_t number) const {
      const bool volume = type == ValueType::kVolume;
      const auto shown = volume ? static_cast<double>(number) / 1000 : static_cast<double>(number);
      return worksheet_write_number(state.sheet, line, at, shown, volume ? state.volume_format : nullptr);
    }
    lxw_error operator()(double number) const {
      return std::isfinite(number) ? worksheet_write_number(state.sheet, line, at, number, nullptr) : LXW_NO_ERROR;
    }
    lxw_error operator()(const std::string& text) const {
      return worksheet_write_string(state.sheet, line, at, clean(text).c_str(), nullptr);
    }
    lxw_error operator()(base::Timestamp time) const {
      const auto seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
      return worksheet_write_unixtime(state.sheet, line, at, seconds, state.time_format);
    }
    lxw_error operator()(bool flag) const { return worksheet_write_boolean(state.sheet, line, at, flag, nullptr); }
  };
  return std::visit(Write{*this, line, at, type}, value);
}

Result<void> XlsxFile::State::begin(Language language) {
  lxw_workbook_options options{.constant_memory = 1, .tmpdir = directory.data(), .use_zip64 = 1};
  book = workbook_new_opt(file().c_str(), &options);
  if (book == nullptr) return base::fail(Errc::kIo, "no workbook can be made under " + directory);
  const auto& title = language == Language::kChinese ? form->chinese : form->english;
  sheet = workbook_add_worksheet(book, title.c_str());
  if (sheet == nullptr) return base::fail(Errc::kIo, "no sheet can be made under " + directory);
  auto* const bold = workbook_add_format(book);
  format_set_bold(bold);
  time_format = workbook_add_format(book);
  format_set_num_format(time_format, "yyyy-mm-dd hh:mm:ss");
  volume_format = workbook_add_format(book);
  format_set_num_format(volume_format, "0.000");
  worksheet_set_column(sheet, 0, static_cast<lxw_col_t>(form->columns.size() - 1), kColumnWidth, nullptr);
  worksheet_freeze_panes(sheet, 1, 0);
  for (std::size_t c = 0; c < form->columns.size(); ++c) {
    const auto& column = form->columns[c];
    const auto head = header_of(column, language) + (column.type == ValueType::kTime ? " (UTC)" : "");
    worksheet_write_string(sheet, 0, static_cast<lxw_col_t>(c), head.c_str(), bold);
  }
  return {};
}

XlsxFile::XlsxFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
XlsxFile::~XlsxFile() = default;

Result<std::unique_ptr<XlsxFile>> XlsxFile::create(const std::string& scratch, std::shared_ptr<const ListForm> form,
                                                   Language language) {
  std::string directory = scratch + "/meterhub-list-XXXXXX";
  if (::mkdtemp(directory.data()) == nullptr) return base::fail(Errc::kIo, scratch + ": " + last_error());
  std::unique_ptr<XlsxFile> out(new XlsxFile(std::make_unique<State>(std::move(form), std::move(directory))));
  MH_TRY_VOID(out->state_->begin(language));
  return out;
}

Result<void> XlsxFile::add(const std::vector<ListRow>& rows) {
  auto& state = *state_;
  for (const auto& row : rows) {
    if (state.rows >= kSheetRowsMax) return std::unexpected(too_long_for_a_sheet("more rows than that"));
    const auto line = static_cast<lxw_row_t>(++state.rows);
    for (std::size_t c = 0; c < row.size(); ++c) {
      const auto error = state.write(line, static_cast<lxw_col_t>(c), state.form->columns[c].type, row[c]);
      if (error != LXW_NO_ERROR)
        return base::fail(Errc::kIo, std::string("a cell was not written: ") + lxw_strerror(error));
    }
  }
  return {};
}

Result<void> XlsxFile::finish() {
  const auto error = workbook_close(std::exchange(state_->book, nullptr));
  if (error != LXW_NO_ERROR)
    return base::fail(Errc::kIo, std::string("the workbook was not written: ") + lxw_strerror(error));
  state_->descriptor = ::open(state_->file().c_str(), O_RDONLY | O_CLOEXEC);
  if (state_->descriptor < 0) return base::fail(Errc::kIo, state_->file() + ": " + last_error());
  return {};
}

Result<std::string> XlsxFile::read(std::size_t most) {
  std::string out(most, '\0');
  const auto got = ::read(state_->descriptor, out.data(), out.size());
  if (got < 0) return base::fail(Errc::kIo, state_->file() + ": " + last_error());
  out.resize(static_cast<std::size_t>(got));
  return out;
}

base::Error too_long_for_a_sheet(std::string_view rows) {
  return {Errc::kInvalidArgument,
          "a sheet holds " + std::to_string(kSheetRowsMax) + " rows, the list has " + std::string(rows) +
              ": narrow it with filters, take a part with limit and offset, or ask for format=csv"};
}

}  // namespace meterhub::console
