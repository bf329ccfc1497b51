// Rows of table `alerts` as JSON, and those that are new.
#pragma once

#include <cstdint>
#include <string>

#include <meterhub/base/clock.h>
#include <meterhub/base/result.h>
#include <meterhub/tables/database.h>

namespace meterhub::console {

inline constexpr std::size_t kAlertsLimit = 1000;

// The API's array: rows with an id greater than `after`, oldest first; one tenant's when given.
base::Result<std::string> alerts_json(const tables::Database& database, std::size_t limit, std::int64_t after,
                                      std::optional<base::TenantNumber> tenant = {});

// One thread. Fresh rows are those written after the first look.
class AlertFeed {
 public:
  explicit AlertFeed(const tables::Database& database) : database_(database) {}

  // Looks for rows that were written since the last look.
  void look();
  // JSON array of those between the last two looks, newest first and at most 100; one tenant's when
  // given. Empty: none.
  std::string fresh(std::optional<base::TenantNumber> tenant = {}) const;
  // Rows in the table. Counting reads all of it, so a large table is counted less often; what
  // was written between is added.
  std::int64_t total(const base::Clock& clock);

 private:
  const tables::Database& database_;
  std::optional<std::int64_t> last_id_;
  std::int64_t before_ = 0;  // the look before it
  std::int64_t total_ = 0;
  std::int64_t counted_to_ = 0;  // newest id when it was counted
  base::MonotonicTime count_again_{};
};

}  // namespace meterhub::console
