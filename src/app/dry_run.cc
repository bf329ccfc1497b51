#include "dry_run.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include <meterhub/base/json_text.h>
#include <meterhub/engine/bounded.h>
#include <meterhub/lake/query.h>

namespace meterhub::app {
namespace {

using base::Errc;

// Readings taken up at once: a slice of time that holds more is halved.
constexpr std::int64_t kSliceRows = 200'000;
constexpr std::chrono::hours kSliceMost{6};
constexpr std::chrono::seconds kSliceLeast{1};
constexpr int kAttempts = 5;

// Members of a reading's document that can be made again from the lake's columns (docs/formats/lake.md).
constexpr std::array<std::string_view, 12> kHeld{"origindata.app.moteeui",
                                                 "origindata.app.dir",
                                                 "origindata.app.userdata.seqno",
                                                 "origindata.app.userdata.port",
                                                 "userdata.type",
                                                 "userdata.code",
                                                 "userdata.bought",
                                                 "userdata.left",
                                                 "userdata.used",
                                                 "userdata.status",
                                                 "userdata.version",
                                                 "userdata.time"};

enum Column : std::size_t {
  kDevice,
  kTime,
  kType,
  kCode,
  kBought,
  kLeft,
  kUsed,
  kStatus,
  kVersion,
  kSeq,
  kPort,
  kUndecoded,
  kEnqueued,
  kLate,
  kTenant
};

std::string slice_sql(base::Timestamp from, base::Timestamp to) {
  const auto microseconds = [](base::Timestamp time) { return std::to_string(time.time_since_epoch().count()); };
  return "FROM readings WHERE epoch_us(EnqueuedTime) >= " + microseconds(from) + " AND epoch_us(EnqueuedTime) < " +
         microseconds(to);
}

std::string rows_sql(base::Timestamp from, base::Timestamp to) {
  return "SELECT DeviceID, strftime(DateTime, '%Y-%m-%dT%H:%M:%SZ'), MeterType::VARCHAR, FactoryCode::VARCHAR, Bought::VARCHAR, "
         "Remaining::VARCHAR, TotalUsed::VARCHAR, MeterStatus::VARCHAR, MeterSoftwareVer, Seq::VARCHAR, Port::VARCHAR, "
         "(Payload IS NOT NULL)::BOOLEAN, epoch_us(EnqueuedTime)::BIGINT, Late::BOOLEAN, Tenant::BIGINT " +
         slice_sql(from, to) + " ORDER BY EnqueuedTime, DeviceID, Session, Generation, Seq";
}

void add_text(std::string& out, std::string_view name, const duck::Chunk& chunk, Column column, std::size_t row) {
  base::append_json_string(out, name);
  out += ':';
  if (chunk.is_null(column, row)) {
    out += "null";
  } else {
    base::append_json_string(out, chunk.text(column, row));
  }
}

// "1000.000" as the document has it: "1000.0".
std::string_view without_zeros(std::string_view number) {
  if (number.find('.') == std::string_view::npos) return number;
  while (number.ends_with('0') && number[number.size() - 2] != '.') number.remove_suffix(1);
  return number;
}

void add_number(std::string& out, std::string_view name, const duck::Chunk& chunk, Column column, std::size_t row) {
  base::append_json_string(out, name);
  out += ':';
  out += chunk.is_null(column, row) ? std::string_view("null") : without_zeros(chunk.text(column, row));
}

std::string document_of(const duck::Chunk& chunk, std::size_t row) {
  std::string out = R"({"originData":{"gw":null,"mote":null,"app":{)";
  add_text(out, "moteeui", chunk, kDevice, row);
  out += R"(,"dir":"up","userdata":{)";
  add_number(out, "seqno", chunk, kSeq, row);
  out += ',';
  add_number(out, "port", chunk, kPort, row);
  out += R"(}}},"userData":)";
  if (chunk.values<bool>(kUndecoded)[row]) return out + "null}";
  out += '{';
  constexpr std::array<std::pair<std::string_view, Column>, 6> kNumbers{
      {{"type", kType}, {"code", kCode}, {"bought", kBought}, {"left", kLeft}, {"used", kUsed}, {"status", kStatus}}};
  for (const auto& [name, column] : kNumbers) {
    add_number(out, name, chunk, column, row);
    out += ',';
  }
  add_text(out, "version", chunk, kVersion, row);
  out += ',';
  add_text(out, "time", chunk, kTime, row);
  return out + "}}";
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

// Whether the path, or something above or below it, is there.
bool is_held(const std::string& path) {
  return std::ranges::any_of(kHeld, [&](std::string_view held) {
    return held == path || path.starts_with(std::string(held) + ".") || held.starts_with(path + ".");
  });
}

std::vector<std::string> missing_paths(const sql::Plan& plan) {
  std::set<std::string> out;
  for (const auto& reader : plan.readers) {
    for (const auto& needed : reader.paths) {
      std::string path;
      for (const auto& name : needed.path) path += (path.empty() ? "" : ".") + name;
      if (!needed.metadata && !path.empty() && !is_held(lower(path))) out.insert(path);
    }
  }
  return {out.begin(), out.end()};
}

class Counting final : public engine::RowSink {
 public:
  using Row = std::function<void(const std::string&, const std::string&)>;
  Counting(const sql::Plan& plan, DryRun& run, const Row& row) : plan_(plan), run_(run), row_(row) {}

  void row(const engine::OutputRow& row) override {
    const auto& output = plan_.outputs[row.output];
    ++run_.rows[output];
    if (!row_) return;
    text_.clear();
    engine::append_json(text_, row);
    row_(output, text_);
  }
  void dropped(const engine::Dropped& dropped) override {
    ++run_.left_out[std::string(engine::drop_reason_name(dropped.reason))];
  }

 private:
  const sql::Plan& plan_;
  DryRun& run_;
  const Row& row_;
  std::string text_;
};

struct Running {
  const base::Disk& disk;
  const std::string& lake;
  const stream::JobSpec& spec;
  engine::Pipeline& pipeline;
  DryRun& run;
  Counting& sink;
};

base::Result<std::int64_t> count_rows(duck::Connection& lake, base::Timestamp from, base::Timestamp to) {
  auto rows = MH_TRY(lake.query("SELECT count(*)::BIGINT " + slice_sql(from, to)));
  const auto chunk = rows.next();
  return chunk ? chunk->values<std::int64_t>(0)[0] : std::int64_t{0};
}

// Nothing: there are too many.
base::Result<std::optional<duck::Rows>> read_slice(const Running& running, base::Timestamp from, base::Timestamp to,
                                                   std::int64_t most) {
  auto connection = MH_TRY(lake::open_readonly(running.disk, running.lake));
  if (MH_TRY(count_rows(connection, from, to)) > most) return std::nullopt;
  return MH_TRY(connection.query(rows_sql(from, to)));
}

// The owner of a lake may move files away while they are read: then again, with those that there are now.
base::Result<std::optional<duck::Rows>> read_slice_again(const Running& running, base::Timestamp from,
                                                         base::Timestamp to, std::int64_t most) {
  for (int attempt = 1;; ++attempt) {
    auto rows = read_slice(running, from, to, most);
    if (rows || rows.error().code == Errc::kNotFound || attempt == kAttempts) return rows;
  }
}

base::Result<void> run_chunk(Running& running, const duck::Chunk& chunk) {
  std::vector<std::string> documents;
  std::vector<engine::Event> events;
  documents.reserve(chunk.rows());
  for (std::size_t row = 0; row < chunk.rows(); ++row) {
    const auto tenant = chunk.values<std::int64_t>(kTenant)[row];
    engine::Event event;
    event.body = documents.emplace_back(document_of(chunk, row));
    event.arrival = base::Timestamp(base::Duration(chunk.values<std::int64_t>(kEnqueued)[row]));
    event.offset = base::Offset(running.run.events++);
    event.late = chunk.values<bool>(kLate)[row];
    event.stale =
        running.spec.tenant.value != 0 && (chunk.is_null(kTenant, row) || tenant != running.spec.tenant.value);
    events.push_back(event);
  }
  return running.pipeline.run(running.spec.inputs.front().name, events, running.sink);
}

base::Result<void> run_slices(Running& running, base::Timestamp from, base::Timestamp to) {
  base::Duration slice = kSliceMost;
  while (from < to) {
    const auto end = std::min(from + slice, to);
    auto rows = MH_TRY(read_slice_again(running, from, end, slice > kSliceLeast ? kSliceRows : INT64_MAX));
    if (!rows) {
      slice = std::max<base::Duration>(slice / 2, kSliceLeast);
      continue;
    }
    while (const auto chunk = rows->next()) MH_TRY_VOID(run_chunk(running, *chunk));
    from = end;
  }
  return {};
}

base::Result<void> take_references(Running& running) {
  for (const auto& reference : running.spec.references) {
    MH_TRY_VOID(running.pipeline.set_reference(reference.name, 0, reference.rows));
  }
  return {};
}

// What is final at `to`, as a job would have said by then: a window that ends later is not, and who is heard again
// later is not silent.
base::Result<void> run_up_to(Running& running, base::Timestamp to) {
  if (!running.pipeline.stateful()) return {};
  return running.pipeline.idle(running.spec.inputs.front().name, base::PartitionId(0), engine::to_ticks(to),
                               running.sink);
}

base::Result<sql::Plan> plan_of(const stream::JobSpec& spec) {
  const bool readings = spec.inputs.size() == 1 && spec.inputs.front().log == log::topics::kReadings;
  if (!readings)
    return base::fail(Errc::kInvalidArgument,
                      "a dry run reads the lake, which holds readings: the job must have them as its one input");
  auto compiled = stream::compile(spec);
  if (compiled.ok()) return std::move(compiled.plan);
  std::string text = "job " + spec.name + " does not compile";
  for (const auto& diagnostic : compiled.diagnostics) {
    if (diagnostic.severity == sql::Severity::kError) text += "\n" + sql::caret_text(spec.sql, diagnostic, spec.name);
  }
  return base::fail(Errc::kInvalidArgument, std::move(text));
}

}  // namespace

base::Result<DryRun> dry_run(const base::Disk& disk, const std::string& lake, const stream::JobSpec& spec,
                             base::Timestamp from, base::Timestamp to,
                             const std::function<void(const std::string& output, const std::string& json)>& row) {
  DryRun out;
  engine::PipelineOptions options;
  options.on_runtime_error = spec.on_runtime_error;
  auto plan = MH_TRY(plan_of(spec));
  const auto pipeline = MH_TRY(engine::Pipeline::create(std::move(plan), options));
  for (const auto& name : pipeline->plan().outputs) out.rows[name] = 0;
  out.missing_paths = missing_paths(pipeline->plan());
  if (!MH_TRY(disk.exists(lake))) return base::fail(Errc::kNotFound, lake + ": there is no lake here");
  Counting sink(pipeline->plan(), out, row);
  Running running{disk, lake, spec, *pipeline, out, sink};
  pipeline->open(spec.inputs.front().name, base::PartitionId(0));
  MH_TRY_VOID(take_references(running));
  MH_TRY_VOID(run_slices(running, from, to));
  MH_TRY_VOID(run_up_to(running, to));
  return out;
}

}  // namespace meterhub::app
