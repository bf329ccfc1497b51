#include <meterhub/connector/connector.h>

#include <map>
#include <set>
#include <utility>

#include "lane.h"

namespace meterhub::connector {
namespace {

base::Result<Topics> find_topics(log::Log& log) {
  Topics out;
  const auto find = [&](std::string_view name, base::TopicId& topic, std::uint32_t* partitions) -> base::Result<void> {
    topic = MH_TRY(log.topic(name));
    if (partitions != nullptr) *partitions = log.partitions(topic);
    return {};
  };
  MH_TRY_VOID(find(log::topics::kTelemetry, out.telemetry, nullptr));
  MH_TRY_VOID(find(log::topics::kRetry, out.retry, nullptr));
  MH_TRY_VOID(find(log::topics::kDecoded, out.decoded, &out.decoded_partitions));
  MH_TRY_VOID(find(log::topics::kStatus, out.status, &out.status_partitions));
  MH_TRY_VOID(find(log::topics::kJoins, out.joins, &out.joins_partitions));
  MH_TRY_VOID(find(log::topics::kDeadletter, out.deadletter, &out.deadletter_partitions));
  MH_TRY_VOID(find(log::topics::kNoise, out.noise, &out.noise_partitions));
  return out;
}

class Member final : public Connector, public log::GroupListener {
 public:
  Member(log::Log& log, registry::Directory& directory, Transport& transport, base::Executor& executor,
         base::Metrics& metrics, ConnectorOptions options, Topics topics, std::function<void(base::Error)> fatal)
      : executor_(executor),
        directory_(directory),
        options_(std::move(options)),
        sorter_(topics, directory, profiles_, metrics),
        context_{log, directory, transport, executor, sorter_, options_,
                 metrics.counter("meterhub_connector_deliveries_total", "Deliveries read from telemetry and retry."),
                 metrics.counter("meterhub_connector_asked_again_total", "Deliveries newer than the sessions that judged them."),
                 metrics.counter("meterhub_connector_rewinds_total", "Times a partition began again at its committed offset."),
                 std::move(fatal), topics.retry} {}

  base::Result<void> start(log::Log& log, const Topics& topics) {
    std::vector<base::TopicId> reads{topics.retry};
    if (options_.reads == Reads::kAll) reads.push_back(topics.telemetry);
    // What may fail comes first: the tasks below need this object.
    membership_ = MH_TRY(log.join(log::groups::kConnector, std::move(reads), listed(log, topics), executor_, *this));
    profile_watch_ = directory_.on_profile_change(executor_, [this] { profiles_.load(directory_); });
    executor_.post([this] { profiles_.load(directory_); });
    return {};
  }

  void assigned(std::vector<log::Assignment> partitions) override {
    if (lanes_.empty()) profiles_.load(directory_);  // the first partitions may come before the task of start()
    for (const auto& assignment : partitions) {
      // Once: what comes back later goes on where the group was.
      const bool is_first =
          !context_.from_retry_topic(assignment.partition.topic) && begun_.insert(assignment.partition).second;
      const auto lane =
          std::make_shared<Lane>(context_, assignment, is_first ? options_.start : Start(FromCommitted{}));
      lanes_[assignment.partition] = lane;
      lane->start();
    }
  }

  void revoked(std::vector<log::TopicPartition> partitions, base::Task drained) override {
    const auto left = std::make_shared<std::size_t>(partitions.size());
    const auto all = std::make_shared<base::Task>(std::move(drained));
    if (partitions.empty()) (*all)();
    for (const auto& partition : partitions) {
      const auto found = lanes_.find(partition);
      const auto one = [left, all] {
        if (--*left == 0) (*all)();
      };
      if (found == lanes_.end()) {
        one();
        continue;
      }
      // It stays ours until then: this object's end, or the partition's loss, is its end too.
      const auto lane = found->second;
      lane->drain([this, partition, one] {
        lanes_.extract(partition).mapped()->stop();
        one();
      });
    }
  }

  void lost(std::vector<log::TopicPartition> partitions) override {
    for (const auto& partition : partitions) {
      const auto node = lanes_.extract(partition);
      if (!node.empty()) node.mapped()->stop();
    }
  }

  void drain(base::Task done) override { membership_->leave(std::move(done)); }

  ~Member() override {
    for (const auto& [partition, lane] : lanes_) lane->stop();
  }

 private:
  // Empty: all partitions, shared. Whoever has a list shares `retry` with the others: it has to be read too.
  std::vector<log::TopicPartition> listed(const log::Log& log, const Topics& topics) const {
    std::vector<log::TopicPartition> out;
    if (options_.reads != Reads::kAll || options_.partitions.empty()) return out;
    for (const auto partition : options_.partitions) out.push_back({topics.telemetry, partition});
    for (std::uint32_t n = 0; n < log.partitions(topics.retry); ++n)
      out.push_back({topics.retry, base::PartitionId(n)});
    return out;
  }

  base::Executor& executor_;
  registry::Directory& directory_;
  const ConnectorOptions options_;
  reading::Profiles profiles_;
  Sorter sorter_;
  LaneContext context_;
  std::map<log::TopicPartition, std::shared_ptr<Lane>> lanes_;
  std::set<log::TopicPartition> begun_;  // of telemetry, given to it before
  std::unique_ptr<registry::Subscription> profile_watch_;
  std::unique_ptr<log::Membership> membership_;  // first to go: no calls after it
};

}  // namespace

base::Result<std::unique_ptr<Connector>> Connector::create(log::Log& log, registry::Directory& directory,
                                                           Transport& transport, base::Executor& executor,
                                                           base::Metrics& metrics, ConnectorOptions options,
                                                           std::function<void(base::Error)> fatal) {
  const auto topics = MH_TRY(find_topics(log));
  auto member = std::make_unique<Member>(log, directory, transport, executor, metrics, std::move(options), topics, std::move(fatal));
  MH_TRY_VOID(member->start(log, topics));
  return member;
}

}  // namespace meterhub::connector
