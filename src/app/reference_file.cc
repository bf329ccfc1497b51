#include "reference_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include <meterhub/base/csv.h>
#include <meterhub/engine/value.h>

namespace meterhub::app {
namespace {

base::Result<std::shared_ptr<const engine::ReferenceTable>> read_lines(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return base::fail(base::Errc::kNotFound, "cannot read the reference data '" + path + "': " + std::strerror(errno));
  auto table = std::make_shared<engine::ReferenceTable>();
  for (std::string line; std::getline(file, line);) {
    if (line.find_first_not_of(" \t\r") != std::string::npos) table->rows.push_back(line);
  }
  return table;
}

std::string json_of(const std::vector<std::string>& names, const std::vector<std::string>& fields) {
  std::string json = "{";
  for (std::size_t i = 0; i < std::min(names.size(), fields.size()); ++i) {
    if (i > 0) json += ',';
    engine::append_json_string(json, names[i]);
    json += ':';
    engine::append_json_string(json, fields[i]);
  }
  return json + '}';
}

}  // namespace

base::Result<std::shared_ptr<const engine::ReferenceTable>> read_reference(const std::string& path) {
  if (path.ends_with(".jsonl")) return read_lines(path);
  const auto reader = MH_TRY(base::CsvReader::open(path));
  std::vector<std::string> names;
  auto table = std::make_shared<engine::ReferenceTable>();
  for (;;) {
    const auto more = reader->next();
    const auto& record = reader->record();
    if (!more) return base::fail(more.error().code, path + " line " + std::to_string(record.line) + ": " + more.error().text);
    if (!*more) break;
    if (names.empty()) {
      names = record.fields;
      continue;
    }
    if (record.fields.size() != names.size()) {
      return base::fail(base::Errc::kInvalidArgument, path + " line " + std::to_string(record.line) + ": " + std::to_string(record.fields.size()) +
                                                          " values for " + std::to_string(names.size()) + " columns");
    }
    table->rows.push_back(json_of(names, record.fields));
  }
  return table;
}

}  // namespace meterhub::app
