#include "judge.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <tuple>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <meterhub/base/disk.h>
#include <meterhub/base/executor.h>
#include <meterhub/base/metrics.h>
#include <meterhub/base/time_text.h>
#include <meterhub/duck/database.h>
#include <meterhub/lake/query.h>
#include <meterhub/log/embedded.h>
#include <meterhub/sim/sent_file.h>
#include <meterhub/sim/verify.h>

#include "data_directory.h"
#include "e2e/process.h"

namespace meterhub::chaos {
namespace {

constexpr std::size_t kExamples = 20;

// Reasons that the simulated town gives by itself: damaged frames, and neighbours' frames.
bool is_expected(const std::string& letter) { return letter == "noise crc" || letter == "noise unknown_devaddr" || letter == "deadletter unknown_devaddr"; }

// A reading as the job's files show it: meter, time in milliseconds, litres used.
using Shown = std::tuple<std::string, std::int64_t, std::int64_t>;

std::int64_t litres(const nlohmann::json& cubic_metres) {
  return cubic_metres.is_number() ? std::llround(cubic_metres.get<double>() * 1000) : -1;
}

std::int64_t milliseconds(base::Timestamp time) {
  return std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

class Judge {
 public:
  Judge(const std::string& data, const std::string& sent_file, bool with_times)
      : paths_{data}, sent_file_(sent_file), with_times_(with_times) {}

  base::Result<Judgement> run() {
    MH_TRY_VOID(read_truth());
    MH_TRY_VOID(compare_with_truth());
    MH_TRY_VOID(check_lake());
    MH_TRY_VOID(read_files());
    MH_TRY_VOID(compare_job_output());
    MH_TRY_VOID(read_letters());
    return std::move(out_);
  }

 private:
  void trouble(std::string text) {
    if (out_.troubles.size() < kExamples) out_.troubles.push_back(std::move(text));
  }

  base::Result<void> read_truth() {
    const auto truth = MH_TRY(sim::load_sent(disk_, sent_file_));
    out_.messages_settled = truth.settled_deliveries;
    out_.packets = truth.packets.size();
    for (const auto& one : truth.packets) out_.packets_settled += one.settled > 0 ? 1 : 0;
    return {};
  }

  // The product's own verdict, by the product's own command, and then the numbers behind it.
  base::Result<void> compare_with_truth() {
    const auto folder = std::filesystem::path(paths_.root).parent_path();
    std::vector<std::string> command{"verify", "--data", paths_.root, "--sent", sent_file_};
    if (!with_times_) command.emplace_back("--any-time");
    const auto verify = e2e::run(folder, command, std::chrono::seconds(300));
    sim::VerifyOptions options;
    options.sent_file = sent_file_;
    options.lake = paths_.lake();
    options.database = paths_.database();
    options.examples_max = kExamples;
    options.compare_times = with_times_;
    const auto report = MH_TRY(sim::verify(disk_, options));
    out_.rows = report.rows;
    out_.alerts = report.alerts;
    out_.missing += report.missing;
    out_.duplicate += report.duplicate;
    out_.wrong += report.wrong + report.foreign_rows;
    for (const auto& example : report.examples) trouble("verify: " + example);
    if (verify.code != 0 && report.clean()) trouble("verify ended with code " + std::to_string(verify.code) + ": " + verify.err);
    return {};
  }

  base::Result<void> check_lake() {
    const auto report = MH_TRY(lake::check(disk_, paths_.lake()));
    out_.duplicate += report.duplicates;
    for (const auto& problem : report.problems) trouble("lake check: " + problem);
    const auto folder = std::filesystem::path(paths_.root).parent_path();
    const auto compact = e2e::run(folder, {"lake", "compact", "--data", paths_.root}, std::chrono::seconds(300));
    if (compact.code != 0) trouble("lake compact: " + compact.err);
    return {};
  }

  // As any tool would read them, without the manifest and without the lake's view.
  base::Result<void> read_files() {
    duck::Options options;
    options.external_access = true;
    auto database = MH_TRY(duck::Database::open(options));
    auto connection = MH_TRY(database.connect());
    const auto from = "read_parquet(" + duck::literal(base::join_path(paths_.lake(), "readings/**/*.parquet")) + ")";
    auto rows = MH_TRY(connection.query("SELECT DeviceID, epoch_us(DateTime), COALESCE(CAST(TotalUsed * 1000 AS BIGINT), -1), "
                                        "concat(Session, '/', Generation, '/', Seq) FROM " + from));
    std::map<std::pair<std::string, std::string>, std::uint64_t> identities;
    std::uint64_t count = 0;
    while (const auto chunk = rows.next()) {
      for (std::size_t i = 0; i < chunk->rows(); ++i) {
        const std::string meter(chunk->text(0, i));
        const base::Timestamp time{base::Duration(chunk->values<std::int64_t>(1)[i])};
        ++balance_[{meter, milliseconds(time), chunk->values<std::int64_t>(2)[i]}];
        if (++identities[{meter, std::string(chunk->text(3, i))}] > 1) duplicate("Parquet: meter " + meter + " " + std::string(chunk->text(3, i)));
        ++count;
      }
    }
    if (count != out_.rows) trouble(fmt::format("{} rows in the files of a compacted lake, {} in its view", count, out_.rows));
    return {};
  }

  void duplicate(const std::string& what) {
    ++out_.duplicate;
    trouble(what + ": there more than once");
  }

  // Job raw-archive writes every reading.
  base::Result<void> compare_job_output() {
    for (const auto& file : std::filesystem::directory_iterator(base::join_path(paths_.root, "blob/raw-archive"))) {
      if (file.path().extension() != ".jsonl") continue;
      std::ifstream in(file.path());
      for (std::string line; std::getline(in, line);) take_job_row(file.path().filename().string(), line);
    }
    for (const auto& [shown, balance] : balance_) {
      const auto what = fmt::format("job raw-archive: meter {} at {} ms", std::get<0>(shown), std::get<1>(shown));
      if (balance > 0) trouble(what + ": not in its files");
      if (balance < 0) trouble(what + ": more rows than readings");
      (balance > 0 ? out_.missing : out_.duplicate) += static_cast<std::uint64_t>(std::abs(balance));
    }
    return {};
  }

  void take_job_row(const std::string& file, const std::string& line) {
    ++out_.job_rows;
    const auto row = nlohmann::json::parse(line, nullptr, false);
    const auto time = base::parse_rfc3339(row.is_object() ? row.value("DateTime", std::string()) : std::string());
    if (!time) {
      ++out_.wrong;
      return trouble("job raw-archive: " + file + " holds the line " + line);
    }
    --balance_[{row.value("DeviceID", std::string()), milliseconds(time->at), litres(row["TotalUsed"])}];
  }

  base::Result<void> read_letters() {
    base::SystemClock clock;
    base::Metrics metrics;
    base::ThreadExecutor writer("log");
    log::EmbeddedOptions options;
    options.directory = paths_.store();
    const auto log = MH_TRY(log::EmbeddedLog::open(std::move(options), clock, writer, metrics));
    for (const auto name : {log::topics::kDeadletter, log::topics::kNoise}) {
      const auto topic = MH_TRY(log->topic(name));
      for (std::uint32_t number = 0; number < log->partitions(topic); ++number) {
        MH_TRY_VOID(read_letters(*log, name, {topic, base::PartitionId(number)}));
      }
    }
    for (const auto& [letter, count] : out_.letters) {
      if (!is_expected(letter)) trouble(fmt::format("{} times {}, which nothing here explains", count, letter));
    }
    return {};
  }

  base::Result<void> read_letters(log::Log& log, std::string_view name, log::TopicPartition partition) {
    const auto cursor = MH_TRY(log.open(partition, log::Earliest{}));
    while (true) {
      const auto batch = MH_TRY(cursor->next(1 << 20));
      if (batch.records.empty()) return {};
      for (const auto& record : batch.records) ++out_.letters[fmt::format("{} {}", name, record.properties.reason)];
    }
  }

  const app::DataPaths paths_;
  const std::string sent_file_;
  const bool with_times_;
  base::PosixDisk disk_;
  Judgement out_;
  std::map<Shown, std::int64_t> balance_;  // in the lake minus in the job's files
};

}  // namespace

base::Result<Judgement> judge(const std::string& data, const std::string& sent_file, bool with_times) {
  return Judge(data, sent_file, with_times).run();
}

}  // namespace meterhub::chaos
