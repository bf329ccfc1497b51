// Reads CSV (RFC 4180) from bytes that come in blocks; text in UTF-8 or GB18030.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/result.h>

namespace meterhub::base {

// A record longer than this is an error, so a lost quote cannot swallow the file.
inline constexpr std::size_t kMaxRecordBytes = 64 << 10;

struct CsvRecord {
  std::uint64_t line = 0;            // its first line, from 1
  std::string raw;                   // as it stands in the file, without the line end
  std::vector<std::string> fields;   // UTF-8, unquoted
};

// Turns GB18030 into UTF-8. One thread.
class Gb18030 {
 public:
  Gb18030();
  ~Gb18030();
  Gb18030(const Gb18030&) = delete;
  Gb18030& operator=(const Gb18030&) = delete;
  Result<std::string> utf8(std::string_view text);

 private:
  void* converter_;
};

bool valid_utf8(std::string_view text);

// One file, record by record. The first record with more than ASCII decides: the file is
// UTF-8 when its bytes are (or the file has a byte order mark), else GB18030. One Chinese
// character alone may be either, so what was found holds for all that follow.
class CsvReader {
 public:
  static Result<std::unique_ptr<CsvReader>> open(const std::filesystem::path& file);

  // False at the end. kInvalidArgument: this record is bad (see record().line, raw); the
  // next call goes on behind it.
  Result<bool> next();
  const CsvRecord& record() const { return record_; }
  std::uint64_t bytes_read() const { return bytes_read_; }
  std::uint64_t file_size() const { return file_size_; }

 private:
  CsvReader() = default;
  bool read_line(std::string& line);
  Result<bool> read_raw();
  Result<std::string> decoded(const std::string& raw);
  Result<void> split();

  enum class Encoding : std::uint8_t { kUnknown, kUtf8, kGb18030 };

  std::ifstream file_;
  std::vector<char> buffer_;
  std::uint64_t file_size_ = 0;
  std::uint64_t bytes_read_ = 0;
  std::uint64_t line_ = 0;
  CsvRecord record_;
  Encoding encoding_ = Encoding::kUnknown;
  std::unique_ptr<Gb18030> gb18030_;  // once it was needed
};

// Appends a field, quoted where it must be.
void append_csv(std::string& out, std::string_view field, bool last = false);

}  // namespace meterhub::base
