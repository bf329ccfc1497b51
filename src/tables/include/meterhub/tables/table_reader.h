// Rows of output tables that match what people ask for, read beside the writers.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/result.h>
#include <meterhub/tables/database.h>

namespace meterhub::tables {

struct RowFilter {
  std::optional<base::TenantNumber> tenant{};
  std::optional<base::Timestamp> from{};  // by event time
  std::optional<base::Timestamp> to{};    // exclusive
  std::vector<std::string> jobs{};        // any of them
  // Column and values: any of them, as they stand.
  std::vector<std::pair<std::string, std::vector<std::string>>> texts{};
  std::string search{};  // some text column holds it; ASCII letters in any case; no wildcards
  std::int64_t before_id = INT64_MAX;
};

// A read-only connection: a search through a long table holds up nobody. One thread at a time.
class TableReader {
 public:
  // kNotFound and others when there is no such database.
  static base::Result<std::unique_ptr<TableReader>> open(const std::filesystem::path& file);
  ~TableReader();
  TableReader(const TableReader&) = delete;
  TableReader& operator=(const TableReader&) = delete;

  // The newest `limit` rows that match, newest first. kNotFound: no such table; kInvalidArgument: no such
  // column; kTimeout: searching took longer than `within` of `clock`, narrow the filter.
  base::Result<StoredRows> newest(std::string_view table, const RowFilter& filter, std::size_t limit, const base::Clock& clock,
                                  std::chrono::milliseconds within = std::chrono::seconds(10));

 private:
  struct State;
  explicit TableReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace meterhub::tables
