#include "list_server.h"

#include <meterhub/base/logging.h>

#include "list_text.h"
#include "xlsx.h"

namespace meterhub::console {
namespace {

using http::Response;

// Rows before others have their turn: some milliseconds.
constexpr std::size_t kRowsOfTurn = 500;
constexpr std::size_t kRowsOfSheetTurn = 2'000;
constexpr std::size_t kPieceBytes = 256 << 10;
// Until the client has taken something; one that takes nothing for half a minute is let go.
constexpr std::chrono::milliseconds kPause{20};
constexpr int kPausesMax = 1500;

// A place among the exports under way.
class Place {
 public:
  static std::unique_ptr<Place> take(const std::shared_ptr<std::atomic<int>>& count) {
    if (count->fetch_add(1) < ListServer::kExportsMax) return std::unique_ptr<Place>(new Place(count));
    count->fetch_sub(1);
    return nullptr;
  }
  ~Place() { count_->fetch_sub(1); }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

 private:
  explicit Place(std::shared_ptr<std::atomic<int>> count) : count_(std::move(count)) {}
  std::shared_ptr<std::atomic<int>> count_;
};

// What one answer needs; steps run one after another.
struct Answer {
  std::shared_ptr<const ListRoute> route;
  std::weak_ptr<void> alive;
  ListQuery query;
  Caller caller;
  std::unique_ptr<Place> place;  // of exports
  std::unique_ptr<ListRows> rows;
  std::optional<http::Reply> reply;  // until it is given

  const ListForm& form() const { return *route->form; }
  void refuse(const base::Error& error) {
    if (reply) std::move(*std::exchange(reply, std::nullopt)).send(Response::error(error));
  }
};

ListWindow window_of(const ListQuery& query) {
  const auto absent = query.format == ListFormat::kJson ? kPageDefault : kExportRowsMax + 1;
  return {query.offset, query.limit.value_or(absent)};
}

// Lists that cannot count are cut where they would not end.
base::Result<void> open_rows(Answer& answer) {
  const auto& query = answer.query;
  const bool sheet = query.format == ListFormat::kXlsx;
  if (sheet && query.limit.value_or(0) > kSheetRowsMax)
    return std::unexpected(too_long_for_a_sheet("a limit beyond it"));
  auto window = window_of(query);
  if (answer.form().bare_array && !query.limit && query.format != ListFormat::kJson) window.limit = kExportDefault;
  answer.rows = MH_TRY(answer.route->source(query, answer.caller, window));
  const auto total = answer.rows->total();
  if (!total || query.limit || query.format == ListFormat::kJson) return {};
  const auto rows = *total - std::min(*total, query.offset);
  if (sheet && rows > kSheetRowsMax) return std::unexpected(too_long_for_a_sheet(std::to_string(rows)));
  if (rows <= kExportRowsMax) return {};
  return base::fail(base::Errc::kInvalidArgument, "an export has at most " + std::to_string(kExportRowsMax) +
                                                      " rows, the list has " + std::to_string(rows) +
                                                      ": narrow it with filters, or take parts with limit and offset");
}

base::Result<std::string> page_of(Answer& answer) {
  MH_TRY_VOID(open_rows(answer));
  const auto window = window_of(answer.query);
  const auto rows = MH_TRY(answer.rows->next(window.limit));
  std::string list = "[";
  for (const auto& row : rows) {
    if (list.size() > 1) list += ',';
    append_json_row(list, answer.form(), row);
  }
  list += ']';
  if (answer.form().bare_array) return list;
  std::string out = "{";
  const auto total = answer.rows->total();
  if (total) out += "\"total\":" + std::to_string(*total) + ',';
  const auto next = window.offset + rows.size();
  const bool more = !rows.empty() && (!total || next < *total);
  out += "\"offset\":" + std::to_string(window.offset) + ",\"next_offset\":" + (more ? std::to_string(next) : "null");
  return out + ",\"rows\":" + list + '}';
}

Response head_of(const Answer& answer, std::string_view media_type, std::string_view ending) {
  return {200,
          {{"Content-Type", std::string(media_type)},
           {"Content-Disposition", "attachment; filename=\"" + answer.form().name + std::string(ending) + "\""},
           {"Cache-Control", "no-store"}},
          {}};
}

// Writes pieces as fast as the client takes them. On one executor.
class Flow : public std::enable_shared_from_this<Flow> {
 public:
  Flow(std::shared_ptr<Answer> answer, base::Executor& executor) : answer_(std::move(answer)), executor_(executor) {}
  virtual ~Flow() = default;

  void begin(Response head) {
    pending_ = std::exchange(head.body, {});
    stream_ = std::move(*std::exchange(answer_->reply, std::nullopt)).stream(std::move(head));
    go_on();
  }

 protected:
  // The next piece; empty at the end.
  virtual base::Result<std::string> piece() = 0;
  std::shared_ptr<Answer> answer_;

 private:
  void go_on() {
    if (!stream_->open()) return;
    if (pending_.empty()) {
      auto next = piece();
      if (!next) {
        base::logging::warn("list_export_failed", {{"list", answer_->form().name}, {"error", next.error().text}});
        return stream_->abort();
      }
      if (next->empty()) return stream_->end();
      pending_ = std::move(*next);
    }
    if (!stream_->write(pending_)) return wait();
    pending_.clear();
    pauses_ = 0;
    executor_.post([self = shared_from_this()] { self->go_on(); });
  }
  void wait() {
    if (++pauses_ > kPausesMax) return stream_->abort();
    executor_.after(kPause, [self = shared_from_this()] { self->go_on(); });
  }

  base::Executor& executor_;
  http::StreamPtr stream_;
  std::string pending_;
  int pauses_ = 0;
};

class CsvFlow final : public Flow {
 public:
  using Flow::Flow;

 private:
  base::Result<std::string> piece() override {
    if (answer_->alive.expired()) return base::fail(base::Errc::kCancelled, "the platform is stopping");
    std::string out;
    for (const auto& row : MH_TRY(answer_->rows->next(kRowsOfTurn))) append_csv_row(out, answer_->form(), row);
    return out;
  }
};

class FileFlow final : public Flow {
 public:
  FileFlow(std::shared_ptr<Answer> answer, base::Executor& executor, std::unique_ptr<XlsxFile> file)
      : Flow(std::move(answer), executor), file_(std::move(file)) {}

 private:
  base::Result<std::string> piece() override { return file_->read(kPieceBytes); }
  std::unique_ptr<XlsxFile> file_;
};

// Rows from the list's executor, a block at a time, to the thread that writes them; then the file.
class SheetWork : public std::enable_shared_from_this<SheetWork> {
 public:
  SheetWork(std::shared_ptr<Answer> answer, std::weak_ptr<base::ThreadExecutor> sheets, std::unique_ptr<XlsxFile> file)
      : answer_(std::move(answer)), sheets_(std::move(sheets)), file_(std::move(file)) {}

  // On the list's executor.
  void fetch() {
    const auto sheets = sheets_.lock();
    if (answer_->alive.expired() || !sheets)
      return answer_->refuse({base::Errc::kCancelled, "the platform is stopping"});
    auto rows = answer_->rows->next(kRowsOfSheetTurn);
    if (!rows) return answer_->refuse(rows.error());
    sheets->post([self = shared_from_this(), &thread = *sheets, rows = std::move(*rows)] { self->put(rows, thread); });
  }

 private:
  // On the sheets' thread, which is there as long as this runs.
  void put(const std::vector<ListRow>& rows, base::Executor& thread) {
    if (rows.empty()) return finish(thread);
    if (const auto added = file_->add(rows); !added) return answer_->refuse(added.error());
    answer_->route->executor.post([self = shared_from_this()] { self->fetch(); });
  }
  void finish(base::Executor& thread) {
    if (const auto finished = file_->finish(); !finished) return answer_->refuse(finished.error());
    auto head = head_of(*answer_, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ".xlsx");
    std::make_shared<FileFlow>(answer_, thread, std::move(file_))->begin(std::move(head));
  }

  std::shared_ptr<Answer> answer_;
  // Weak: its last owner may not be its own thread.
  std::weak_ptr<base::ThreadExecutor> sheets_;
  std::unique_ptr<XlsxFile> file_;
};

void send_csv(const std::shared_ptr<Answer>& answer) {
  if (const auto opened = open_rows(*answer); !opened) return answer->refuse(opened.error());
  auto head = head_of(*answer, "text/csv; charset=utf-8", ".csv");
  head.body = csv_head(answer->form(), answer->query.language);
  std::make_shared<CsvFlow>(answer, answer->route->executor)->begin(std::move(head));
}

void send_sheet(const std::shared_ptr<Answer>& answer, const std::string& scratch,
                std::weak_ptr<base::ThreadExecutor> sheets) {
  if (const auto opened = open_rows(*answer); !opened) return answer->refuse(opened.error());
  auto file = XlsxFile::create(scratch, answer->route->form, answer->query.language);
  if (!file) return answer->refuse(file.error());
  std::make_shared<SheetWork>(answer, std::move(sheets), std::move(*file))->fetch();
}

void send_page(const std::shared_ptr<Answer>& answer) {
  auto page = page_of(*answer);
  if (!page) return answer->refuse(page.error());
  std::move(*std::exchange(answer->reply, std::nullopt)).send(Response::json(200, std::move(*page)));
}

}  // namespace

void ListServer::answer(std::shared_ptr<const ListRoute> route, std::weak_ptr<void> alive, const http::Request& request,
                        http::Reply reply) {
  auto query = parse_list_query(request, *route->form);
  if (!query) return std::move(reply).send(Response::error(query.error()));
  auto answer = std::make_shared<Answer>();
  answer->route = std::move(route);
  answer->alive = std::move(alive);
  answer->query = std::move(*query);
  answer->caller = caller_of(request);
  answer->reply = std::move(reply);
  const auto format = answer->query.format;
  if (format != ListFormat::kJson) {
    answer->place = Place::take(exports_);
    if (!answer->place)
      return answer->refuse({base::Errc::kResourceExhausted, "too many exports are under way: ask again"});
  }
  answer->route->executor.post([answer, format, scratch = scratch_, sheets = std::weak_ptr(sheets_)] {
    if (answer->alive.expired()) return answer->refuse({base::Errc::kCancelled, "the platform is stopping"});
    if (format == ListFormat::kCsv) return send_csv(answer);
    if (format == ListFormat::kXlsx) return send_sheet(answer, scratch, sheets);
    send_page(answer);
  });
}

}  // namespace meterhub::console
