#include <map>

#include <meterhub/base/assert.h>
#include <meterhub/base/commit_point.h>
#include <meterhub/base/encoding.h>
#include <meterhub/base/logging.h>
#include <meterhub/log/consumer.h>
#include <meterhub/registry/joins.h>

namespace meterhub::registry {
namespace {

using log::topics::kDeadletter;
using log::topics::kJoins;
using log::topics::kNoise;

bool refused(JoinVerdict verdict) { return verdict != JoinVerdict::kAccepted && verdict != JoinVerdict::kRepeated; }

// A body that the connector takes when the letter is driven again.
std::string letter_body(std::string_view phy) {
  return "{\"rxpk\":[{\"stat\":1,\"modu\":\"LORA\",\"size\":" + std::to_string(phy.size()) + ",\"data\":\"" +
         base::base64_encode(base::as_bytes(phy)) + "\"}]}";
}

}  // namespace

// The work of the consumer: all on its executor.
struct JoinRunner::State final : log::ConsumerWork {
  State(log::Log& l, Store& store, base::Executor& e, base::Metrics& m, const JoinOptions& options, RandomSource random)
      : log(l), executor(e), metrics(m), server(store, options, std::move(random)) {}

  base::Result<std::optional<log::From>> begin(const log::Assignment&) override { return std::nullopt; }
  void process(const log::Assignment& assignment, const log::Batch& batch, Answer answer) override;
  void committed(const log::Assignment& assignment) override;
  void end(const log::TopicPartition& partition) override { verdicts.erase(partition); }

  base::Result<log::Transaction> judge(const log::Assignment& assignment, const log::Batch& batch);
  log::Append letter(const log::RecordView& record, JoinVerdict verdict) const;

  log::Log& log;
  base::Executor& executor;
  base::Metrics& metrics;
  JoinServer server;
  JoinRunner::Answer answer_on;
  base::TopicId deadletter;
  base::TopicId noise;
  // Of the batch under way, counted once it is committed.
  std::map<log::TopicPartition, std::vector<JoinVerdict>> verdicts;
  std::unique_ptr<log::Consumer> consumer;
};

log::Append JoinRunner::State::letter(const log::RecordView& record, JoinVerdict verdict) const {
  const auto topic = verdict == JoinVerdict::kUnknownDevEui ? noise : deadletter;
  const auto partition = std::hash<std::string_view>()(record.key) % log.partitions(topic);
  log::NewRecord out{.key = std::string(record.key), .properties = record.properties, .sections = {}, .body = letter_body(record.body)};
  out.properties.reason = join_code(verdict);
  return {{topic, base::PartitionId(static_cast<std::uint32_t>(partition))}, std::move(out)};
}

base::Result<log::Transaction> JoinRunner::State::judge(const log::Assignment& assignment, const log::Batch& batch) {
  const Owner owner{"joins/" + std::to_string(assignment.partition.partition.value), assignment.epoch};
  auto& seen = verdicts[assignment.partition];
  seen.clear();
  log::Transaction out;
  for (const auto& record : batch.records) {
    const auto result = MH_TRY(server.handle(base::as_bytes(record.body), owner));
    base::commit_point("registry.join_before_answer");
    seen.push_back(result.verdict);
    if (refused(result.verdict)) {
      out.appends.push_back(letter(record, result.verdict));
    } else if (answer_on) {
      answer_on(record.properties, result);
    }
  }
  return out;
}

void JoinRunner::State::process(const log::Assignment& assignment, const log::Batch& batch, Answer answer) {
  answer(judge(assignment, batch));
}

void JoinRunner::State::committed(const log::Assignment& assignment) {
  for (const auto verdict : verdicts[assignment.partition]) {
    metrics.counter("meterhub_registry_joins_total", "Join-requests judged, by verdict.", {{"verdict", std::string(join_code(verdict))}}).add();
  }
}

JoinRunner::JoinRunner(log::Log& log, Store& store, base::Executor& executor, base::Metrics& metrics, const JoinOptions& options,
                       RandomSource random)
    : state_(std::make_shared<State>(log, store, executor, metrics, options, std::move(random))) {}

JoinRunner::~JoinRunner() = default;

base::Result<void> JoinRunner::start(Answer answer) {
  MH_ASSERT(state_->consumer == nullptr);
  state_->answer_on = std::move(answer);
  state_->deadletter = MH_TRY(state_->log.topic(kDeadletter));
  state_->noise = MH_TRY(state_->log.topic(kNoise));
  log::ConsumerOptions options;
  options.group = log::groups::kJoins;
  options.topics = {MH_TRY(state_->log.topic(kJoins))};
  state_->consumer = MH_TRY(log::Consumer::create(state_->log, state_->executor, *state_, std::move(options), [](base::Error error) {
    base::logging::error("joins_stopped", {{"error", error.text}});
  }));
  return {};
}

void JoinRunner::stop(base::Task stopped) {
  if (state_->consumer == nullptr) {
    state_->executor.post(std::move(stopped));
  } else {
    state_->consumer->drain(std::move(stopped));
  }
}

}  // namespace meterhub::registry
