// Golden files of tests/sql/run as the oracle reads them; README.md there describes the format.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <meterhub/sql/compile.h>

#include "oracle.h"

namespace meterhub::engine::oracle {

struct GoldenFile {
  std::string head;  // everything before the results
  std::string query;
  std::map<std::string, std::string> options;
  std::vector<InputEvents> inputs;
  std::vector<ReferenceTable> references;
  std::vector<std::string> results;  // lines
};

GoldenFile parse_golden(const std::string& text);
GoldenFile read_golden(const std::filesystem::path& path);

sql::CompileOptions compile_options(const GoldenFile& golden);
Options run_options(const GoldenFile& golden);

// One JSON value a line, an array's elements one event each; arrival is EventEnqueuedUtcTime.
InputEvents read_events(std::string name, const std::string& json_lines);

// A header line and rows of text, or JSON lines when the first character is '{'.
std::vector<std::string> read_table(const std::string& text);

}  // namespace meterhub::engine::oracle
