// One query over a town's packets: records into a log, out of it as a job reads them, through
// the engine, and every row as JSON.
#include <fstream>
#include <future>
#include <iterator>
#include <memory>
#include <utility>

#include <malloc.h>
#include <unistd.h>

#include <meterhub/base/clock.h>
#include <meterhub/base/disk.h>
#include <meterhub/base/metrics.h>
#include <meterhub/engine/bounded.h>
#include <meterhub/log/embedded.h>
#include <meterhub/log/memory.h>
#include <meterhub/sql/compile.h>

#include "cpu_clock.h"
#include "packets.h"
#include "sql.h"
#include "usage.h"

namespace meterhub::app::bench {
namespace {

constexpr std::uint32_t kPartitions = 8;
constexpr std::size_t kChunk = 16 * 1024;          // records written, then read
constexpr std::size_t kBatchBytes = 256 * 1024;    // of a partition, as a job asks for
constexpr std::uint64_t kKeptBytes = 64 << 20;     // of the log
constexpr std::size_t kRowsBytes = 1 << 20;        // of rendered rows, then forgotten
constexpr std::chrono::milliseconds kOnTheWay{80}; // from the meter to the hub

// Rows as an output writes them.
class Renderer final : public engine::RowSink {
 public:
  void row(const engine::OutputRow& row) override {
    const auto before = text_.size();
    engine::append_json(text_, row);
    text_ += '\n';
    ++rows;
    bytes += text_.size() - before;
    if (text_.size() > kRowsBytes) text_.clear();
  }
  void dropped(const engine::Dropped& one) override {
    ++dropped_events;
    last_dropped = one.text;
  }
  std::uint64_t rows = 0, bytes = 0, dropped_events = 0;
  std::string last_dropped;

 private:
  std::string text_;
};

// A log with one topic, its writer and its readers. One thread.
class ReadingsLog {
 public:
  static base::Result<std::unique_ptr<ReadingsLog>> open(SqlLog kind, const std::string& directory) {
    std::unique_ptr<ReadingsLog> made(new ReadingsLog);
    if (kind == SqlLog::kMemory) {
      made->log_ = std::make_unique<log::MemoryLog>(made->clock_);
    } else {
      log::EmbeddedOptions options;
      options.directory = base::join_path(directory, "store");
      made->log_ = MH_TRY(log::EmbeddedLog::open(std::move(options), made->clock_, made->writer_, made->metrics_));
    }
    made->topic_ = MH_TRY(made->log_->declare({std::string(log::topics::kReadings), kPartitions, std::chrono::hours(24), kKeptBytes, {}}));
    for (std::uint32_t i = 0; i < kPartitions; ++i) {
      made->cursors_.push_back(MH_TRY(made->log_->open({made->topic_, base::PartitionId(i)}, log::Earliest{})));
    }
    return made;
  }

  base::Result<void> write(log::Appends records) {
    log::Transaction transaction;
    transaction.appends = std::move(records);
    std::promise<base::Result<log::Committed>> done;
    log_->transact(std::move(transaction), replies_, [&](base::Result<log::Committed> result) { done.set_value(std::move(result)); });
    auto result = done.get_future().get();
    if (!result) return std::unexpected(std::move(result).error());
    return {};
  }
  base::Result<log::Batch> read(std::uint32_t partition) { return cursors_[partition]->next(kBatchBytes); }
  base::TopicId topic() const { return topic_; }

 private:
  ReadingsLog() : writer_("bench-log"), replies_("bench-replies") {}

  base::SystemClock clock_;
  base::Metrics metrics_;
  base::ThreadExecutor writer_, replies_;
  std::unique_ptr<log::Log> log_;
  base::TopicId topic_;
  std::vector<std::unique_ptr<log::Cursor>> cursors_;  // go first
};

std::uint64_t heap() {
  const auto about = ::mallinfo2();
  return about.uordblks + about.hblkhd;
}

class CaseRun {
 public:
  CaseRun(const SqlCase& one, const SqlOptions& options)
      : options_(options), meters_(options.meters != 0 ? options.meters : one.meters), packets_(meters_, options.interval) {
    figures_.of = one;
    figures_.of.meters = meters_;
  }

  base::Result<SqlFigures> run(const std::string& directory) {
    MH_TRY_VOID(compile());
    const auto heap_before = heap();
    log_ = MH_TRY(ReadingsLog::open(options_.log, directory));
    MH_TRY_VOID(write_chunk(std::min<std::uint64_t>(kChunk, wanted())));  // so that what the log needs is there
    figures_.resident_before = resident_memory(::getpid()).value_or(0);
    MH_TRY_VOID(start());
    while (MH_TRY(run_chunk())) {
      keep_most(pipeline_->state_sizes());
      const auto left = wanted();
      if (left == 0) break;
      MH_TRY_VOID(write_chunk(std::min<std::uint64_t>(kChunk, left)));
    }
    finish();
    log_.reset();
    const auto heap_after = heap();
    figures_.heap_bytes = heap_after - std::min(heap_before, heap_after);
    return std::move(figures_);
  }

 private:
  base::Result<void> compile() {
    sql::CompileOptions options;
    options.infer_inputs = true;
    options.inferred_metadata = sql::InputMetadata::kEventHub;
    auto compiled = sql::compile(figures_.of.text, options);
    for (const auto& one : compiled.diagnostics) {
      if (one.severity == sql::Severity::kError) return base::fail(base::Errc::kInvalidArgument, figures_.of.name + ": " + one.message);
    }
    for (const auto& reader : compiled.plan.readers) {
      if (reader.input != compiled.plan.readers.front().input) return base::fail(base::Errc::kInvalidArgument, figures_.of.name + " reads more than one stream");
    }
    plan_ = std::move(compiled.plan);
    return {};
  }

  base::Result<void> start() {
    input_ = plan_.readers.front().input;
    const auto references = plan_.references;
    pipeline_ = MH_TRY(engine::Pipeline::create(std::move(plan_), {}));
    if (!references.empty()) {
      auto table = std::make_shared<engine::ReferenceTable>();
      for (std::uint32_t meter = 0; meter < meters_; ++meter) table->rows.push_back(meter_row(meter));
      for (const auto& reference : references) pipeline_->set_reference(reference.input, 0, table);
    }
    for (std::uint32_t i = 0; i < kPartitions; ++i) pipeline_->open(input_, base::PartitionId(i));
    return {};
  }

  // Packets that are still to be made, about. Where time passes, in steps that show the most a window holds.
  std::uint64_t wanted() const {
    if (options_.events != 0)
      return std::min<std::uint64_t>(options_.events - std::min(options_.events, packets_.given()), std::max(meters_ / 2, 64U));
    const std::chrono::duration<double> measured = figures_.steady.reading + figures_.steady.running;
    return figures_.first.events >= meters_ && measured.count() >= options_.seconds ? 0 : kChunk;
  }

  base::Result<void> write_chunk(std::uint64_t count) {
    log::Appends records;
    std::string body;
    log::Properties properties;
    properties.origin.log = log::topics::kTelemetry;
    properties.tenant = base::TenantNumber(1);
    properties.gateway = "fffe020100000011";
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto packet = packets_.next();
      body.clear();
      append_document(body, packet);
      documents_bytes_ += body.size();
      properties.origin.enqueued = packet.time + kOnTheWay;
      properties.meter = base::MeterNumber(packet.meter + 1);
      properties.fcnt = packet.seq;
      properties.time = packet.time;
      records.add({log_->topic(), base::PartitionId(packet.meter % kPartitions)}, {eui_of(packet.meter), properties, {}, body});
    }
    return log_->write(std::move(records));
  }

  // All that lies in the log, a batch of each partition in turn. False: nothing was there.
  base::Result<bool> run_chunk() {
    bool any = false;
    for (bool more = true; more;) {
      more = false;
      for (std::uint32_t i = 0; i < kPartitions; ++i) more = MH_TRY(run_batch(base::PartitionId(i))) || more;
      any = any || more;
    }
    return any;
  }

  base::Result<bool> run_batch(base::PartitionId partition) {
    const auto begin = thread_cpu();
    const auto batch = MH_TRY(log_->read(partition.value));
    events_.clear();
    for (const auto& record : batch.records) {
      engine::Event event;
      event.body = record.body;
      event.arrival = record.properties.origin.enqueued;
      event.partition = partition;
      event.offset = record.offset;
      event.device = record.properties.gateway;
      event.tenant = record.properties.tenant.value;
      events_.push_back(event);
    }
    const auto read = thread_cpu();
    MH_TRY_VOID(pipeline_->run(input_, events_, sink_));
    auto& cost = figures_.first.events < meters_ && options_.events == 0 ? figures_.first : figures_.steady;
    cost.events += events_.size();
    cost.reading += read - begin;
    cost.running += thread_cpu() - read;
    return !events_.empty();
  }

  // Windows are full before they end.
  void keep_most(const std::vector<engine::StateSize>& now) {
    if (figures_.states.empty()) figures_.states = now;
    for (std::size_t i = 0; i < now.size(); ++i) {
      figures_.states[i].keys = std::max(figures_.states[i].keys, now[i].keys);
      figures_.states[i].bytes = std::max(figures_.states[i].bytes, now[i].bytes);
    }
  }

  void finish() {
    figures_.document_bytes = documents_bytes_ / std::max<std::uint64_t>(packets_.given(), 1);
    figures_.rows = sink_.rows;
    figures_.row_bytes = sink_.bytes;
    figures_.dropped = sink_.dropped_events;
    figures_.last_dropped = sink_.last_dropped;
    figures_.resident = resident_memory(::getpid()).value_or(0);
    figures_.peak = peak_memory(::getpid()).value_or(0);
  }

  const SqlOptions options_;
  const std::uint32_t meters_;
  PacketStream packets_;
  SqlFigures figures_;
  sql::Plan plan_;
  std::string input_;
  std::unique_ptr<ReadingsLog> log_;
  std::unique_ptr<engine::Pipeline> pipeline_;
  std::vector<engine::Event> events_;
  Renderer sink_;
  std::uint64_t documents_bytes_ = 0;
};

}  // namespace

base::Result<SqlFigures> run_case(const SqlCase& one, const SqlOptions& options, const std::string& directory) {
  return CaseRun(one, options).run(directory);
}

base::Result<SqlCase> case_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return base::fail(base::Errc::kNotFound, "cannot read the query '" + path + "'");
  SqlCase out;
  out.text.assign(std::istreambuf_iterator<char>(file), {});
  const auto slash = path.rfind('/');
  out.name = path.substr(slash == std::string::npos ? 0 : slash + 1);
  if (out.name.ends_with(".sql")) out.name.resize(out.name.size() - 4);
  return out;
}

}  // namespace meterhub::app::bench
