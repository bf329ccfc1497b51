// Registry files as operators hand them in: quotes, line ends, UTF-8 and GB18030, columns.
#include <meterhub/base/csv.h>

#include <iconv.h>

#include "input.h"
#include "registry/csv_columns.h"

namespace meterhub::registry {
namespace {

using fuzz::require;

using Fields = std::vector<std::string>;

// Every record of the file; bad ones are empty.
std::vector<Fields> records_of(std::string_view content) {
  const fuzz::MemoryFile file(content);
  const auto reader = base::CsvReader::open(file.path());
  require(reader.has_value());
  std::vector<Fields> out;
  while (true) {
    const auto more = (*reader)->next();
    if (more && !*more) break;
    require((*reader)->record().line > 0 && (*reader)->record().raw.size() <= 2 * base::kMaxRecordBytes + 2);
    out.push_back(more ? (*reader)->record().fields : Fields());
  }
  require((*reader)->bytes_read() == content.size());
  return out;
}

std::string line_of(const Fields& fields) {
  std::string out;
  for (std::size_t i = 0; i < fields.size(); ++i) base::append_csv(out, fields[i], i + 1 == fields.size());
  return out;
}

std::string gb18030_of(std::string text) {
  const auto converter = iconv_open("GB18030", "UTF-8");
  require(converter != reinterpret_cast<iconv_t>(-1));
  std::string out(text.size() * 4 + 8, '\0');
  char* from = text.data();
  char* to = out.data();
  std::size_t from_left = text.size();
  std::size_t to_left = out.size();
  const auto converted = iconv(converter, &from, &from_left, &to, &to_left);
  iconv_close(converter);
  out.resize(converted == static_cast<std::size_t>(-1) ? 0 : out.size() - to_left);
  return out;
}

// A record written by us, as UTF-8 or in a file that was found to be GB18030, is the record.
// Left out: what a line-based format changes (CR LF inside a field, an empty line).
void write_again(const Fields& fields) {
  const std::string line = line_of(fields);
  if (line == "\n" || line.find('\r') != std::string::npos || line.size() > base::kMaxRecordBytes) return;
  require(records_of("a,b\n" + line).at(1) == fields);
  const std::string foreign = gb18030_of(line);
  if (foreign.empty() || base::Gb18030().utf8(foreign).value_or("") != line) return;
  require(records_of("\xD3\xE5\xD6\xD0\n" + foreign).at(1) == fields);
}

// An error tells no key.
void read_columns(const base::CsvRecord& head, const base::CsvRecord& record) {
  const auto meters = Header::read(head, kMeterColumns);
  const auto gateways = Header::read(head, kGatewayColumns);
  std::string error;
  if (meters && meters->width() == record.fields.size()) {
    const auto spec = meter_spec(*meters, record);
    if (!spec) error = spec.error().text;
  }
  if (gateways && gateways->width() == record.fields.size()) {
    const auto spec = gateway_spec(*gateways, record);
    if (!spec) error = spec.error().text;
  }
  for (std::size_t i = 0; i < head.fields.size() && !error.empty(); ++i) {
    const auto& column = head.fields[i];
    const bool secret = column.ends_with("key") && record.fields[i].size() >= 24;
    require(!secret || error.find(record.fields[i]) == std::string::npos);
  }
}

void read_file(std::string_view content) {
  const auto records = records_of(content);
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (records[i].empty()) continue;
    for (const auto& field : records[i]) require(base::valid_utf8(field));
    if (i < 4) write_again(records[i]);
    if (i > 0 && !records[0].empty()) read_columns({1, {}, records[0]}, {i + 1, {}, records[i]});
  }
}

}  // namespace
}  // namespace meterhub::registry

MH_FUZZER(registry_csv, input) { meterhub::registry::read_file(input.text()); }
