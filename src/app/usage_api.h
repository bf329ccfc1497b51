// Gas used: `/api/v1/usage`, `/api/v1/peaks` and `/api/v1/meters/{eui}/usage` (docs/reference/http-api.md), of a
// running platform or over a directory that nobody owns.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/disk.h>
#include <meterhub/base/executor.h>
#include <meterhub/console/console.h>
#include <meterhub/consumption/consumption.h>
#include <meterhub/consumption/local_time.h>
#include <meterhub/http/server.h>
#include <meterhub/registry/directory.h>
#include <meterhub/tables/usage.h>

namespace meterhub::app {

// All of it outlives the API.
struct UsageWorld {
  const registry::Directory& directory;
  const base::Disk& disk;
  const base::Clock& clock;
  std::string lake;
  std::filesystem::path database;
};

// On one executor, which should be a thread of its own: questions to the lake take seconds. Reads the database through
// a connection of its own, so that nobody waits for it.
class UsageApi {
 public:
  explicit UsageApi(UsageWorld world) : world_(std::move(world)) {}

  // `request` needs path, query and who asks.
  http::Response answer(const http::Request& request);
  // The same as rows, for exports: at most kExportRowsMax.
  base::Result<std::vector<console::ListRow>> rows(const http::Request& request);
  void drain(base::Task done) {
    alive_.reset();
    done();
  }
  // Goes with the object, or with drain().
  std::weak_ptr<void> alive() const { return alive_; }

 private:
  // What the tables hold of a question.
  template <class Row>
  struct Found {
    consumption::Period by{};
    tables::UsageQuery query;
    tables::UsageState state;
    std::vector<Row> rows;
    bool truncated = false;
  };
  base::Result<Found<tables::UsageRow>> find_usage(const http::Request& request, std::size_t most);
  base::Result<Found<tables::PeakRow>> find_peaks(const http::Request& request, std::size_t most);
  struct Figures {
    base::Eui64 eui;
    consumption::Period by{};
    std::vector<consumption::Figure> figures;
  };
  base::Result<Figures> find_figures(const http::Request& request, std::string_view eui) const;
  base::Result<std::string> usage(const http::Request& request);
  base::Result<std::string> peaks(const http::Request& request);
  base::Result<std::string> meter(const http::Request& request, std::string_view eui) const;
  // What of the tables is asked for; a tenant's caller asks for his own only.
  base::Result<tables::UsageQuery> query_of(const http::Request& request, tables::UsagePeriod period) const;
  base::Result<db::Connection*> connection();
  std::string tenant_name(base::TenantNumber tenant) const;

  const UsageWorld world_;
  std::unique_ptr<db::Connection> connection_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

// How the rows of `path` are exported, and what may be asked of it.
console::ListForm usage_form(std::string_view path);

// Console's loop thread. The executor outlives the console; the API may go before it.
void add_usage_routes(console::Console& console, UsageApi& api, base::Executor& executor);

}  // namespace meterhub::app
