// The class behind ordered_job.h: its parts lie in ordered_job.cc (what it is, how a run begins and ends),
// ordered_turn.cc (events, rows, commits, time without events) and ordered_checkpoint.cc (what is saved and taken up
// again).
#pragma once

#include <algorithm>
#include <map>
#include <utility>

#include <meterhub/base/byte_io.h>
#include <meterhub/engine/pipeline.h>

#include "job_events.h"
#include "job_manifest.h"
#include "job_outputs.h"
#include "ordered_job.h"

namespace meterhub::stream {

// Names of the state that a job keeps in the log.
inline constexpr std::string_view kManifest = "manifest";
inline constexpr std::string_view kStored = "stored";
inline constexpr std::string_view kIdle = "idle";
inline constexpr std::chrono::milliseconds kRetryPause{500};
inline constexpr std::chrono::milliseconds kRetryPauseMax{30'000};
// Rows with state stand behind this number in an output's progress, those without behind their
// partition's.
inline constexpr base::PartitionId kOrderedPart(0x8000);

inline std::string note_name(std::string_view output, base::PartitionId part) {
  return stream::note_name(output) + "/" + std::to_string(part.value);
}

class OrderedJob final : public Job, public log::GroupListener, public engine::RowSink {
 public:
  OrderedJob(const JobWorld& world, base::Executor& executor, JobSpec spec, sql::Plan plan,
             std::function<void(base::Error)> fatal);
  ~OrderedJob() override { stop(); }

  base::Result<void> join();

  // ---- Job
  JobStatus status() const override;
  void drain(base::Task done) override;

  // ---- GroupListener
  void assigned(std::vector<log::Assignment> partitions) override;
  void revoked(std::vector<log::TopicPartition> partitions, base::Task drained) override;
  void lost(std::vector<log::TopicPartition> partitions) override;

  // ---- RowSink
  void row(const engine::OutputRow& row) override;
  void dropped(const engine::Dropped& dropped) override;

 private:
  // A partition that is read.
  struct Source {
    log::Assignment assignment;
    std::string input;
    std::unique_ptr<log::Cursor> cursor;
    std::unique_ptr<log::Watch> watch;
    base::Offset next;          // to be run
    log::Batch batch;           // in the engine's hands
    bool at_end = false;
    std::vector<IdleNote> replay;  // of before a restart, oldest first
  };

  struct Output {
    std::string name;
    std::unique_ptr<JobOutputWriter> at_once,
        in_order;  // for statements without and with state; null where there are none
    std::uint64_t next = 0;                              // sequence of its next row
    std::uint64_t sent = 0;                              // up to this the writer was told
    std::uint64_t rows = 0;                              // given out in this run
  };

  void send_letter_of(const engine::Dropped& dropped);
  // Runs `task` unless this run, or this object, has ended by then.
  template <class Run>
  auto of_this_run(Run&& task) {
    return [this, run = run_, life = std::weak_ptr(life_), task = std::forward<Run>(task)]() mutable {
      if (const auto lives = life.lock(); lives && run == run_) task();
    };
  }

  // How a run begins and ends: all partitions are ours; everything is read anew from the last
  // checkpoint whenever one run came to nothing.
  void begin();
  void begin_later();
  base::Result<void> prepare();
  base::Result<void> prepare_outputs();
  base::Result<void> begin_output(Output& output);
  base::Result<void> restore();
  base::Result<JobManifest> first_manifest();
  base::Result<JobManifest> taken_over(const JobManifest& old);
  base::Result<void> open_sources();
  void note_gap(Source& source, base::Offset to);
  void stop();
  void begin_again(const base::Error& why);

  // A turn: a batch of each partition through the engine, its rows to the outputs, one transaction.
  void turn();
  void turn_soon();
  // A turn when those who linger have done so.
  void next_turn();
  base::Result<void> check_memory() const;
  base::Result<bool> read_and_run();
  base::Result<void> run_batch(Source& source);
  base::Result<void> run_events(Source& source, std::size_t first, std::size_t end);
  base::Result<void> replay_idle(Source& source);
  base::Result<void> store_rows(Source& source, base::Offset from);
  base::Result<void> store_ordered();
  void store();
  void commit();
  void committed(const base::Result<log::Committed>& result);
  void outputs_committed();
  void wait_for_more();

  void look_for_idle();
  base::Result<void> apply_idle(const std::vector<IdleNote>& notes);
  std::vector<JobStateSize> state_sizes() const;
  base::Result<void> look_at_references(bool first);

  void begin_checkpoint();
  void take_pieces();
  void finish_checkpoint();

  void give(Output& output, JobOutputWriter& writer, const engine::OutputRow& row, base::PartitionId part,
            base::Offset pos);
  base::Result<void> add(JobOutputWriter& output, const engine::OutputRow& row, base::PartitionId part,
                         base::Offset pos);
  // By what number outputs know a partition. Two logs have partitions of the same numbers: those of the first log,
  // which most jobs have alone, keep theirs; others have their log's number above it.
  base::PartitionId part_of(const log::TopicPartition& partition) const {
    if (partition.topic == anchor().topic) return partition.partition;
    return base::PartitionId((partition.topic.value + 1U) << 16U | partition.partition.value);
  }
  log::Assignment output_assignment(const Source& source) const {
    const auto& own = source.assignment;
    return {{own.partition.topic, part_of(own.partition)}, own.epoch};
  }
  log::Assignment ordered_assignment() const {
    return {{anchor().topic, kOrderedPart}, sources_.begin()->second.assignment.epoch};
  }
  const log::TopicPartition& anchor() const { return sources_.begin()->first; }
  log::StateWrite state(std::string name, std::optional<std::string> value) const {
    return {group_, anchor(), std::move(name), std::move(value)};
  }
  bool all_ours() const { return owned_.size() == wanted_ && wanted_ > 0; }

  const JobWorld world_;
  base::Executor& executor_;
  const JobSpec spec_;
  const std::string group_;
  const sql::Plan plan_;
  const std::uint64_t hash_;
  std::function<void(base::Error)> fatal_;
  base::Counter& rows_;
  base::Counter& dropped_;
  base::TopicId deadletter_;
  std::map<base::TopicId, std::string> input_of_topic_;
  std::size_t wanted_ = 0;                                      // partitions of all inputs
  std::map<log::TopicPartition, base::Epoch> owned_;

  // Of the run:
  std::unique_ptr<engine::Pipeline> pipeline_;
  std::vector<Output> outputs_;                                 // by Plan::outputs
  std::map<log::TopicPartition, Source> sources_;
  JobManifest manifest_;                                        // the last that counts
  StoredNote stored_;                                           // what outputs and letters hold
  std::uint64_t letters_ = 0;                                   // events whose turn failed, so far
  std::vector<IdleNote> idle_;                                  // since the manifest
  std::map<std::string, std::uint64_t> reference_versions_;     // by source
  const Source* running_ = nullptr;
  base::Result<void> failed_;                                   // first error of an output in this turn
  log::Transaction transaction_;
  bool committing_ = false;
  bool waiting_ = false;                                        // for records
  bool lingering_ = false;                                      // so that the next batches are larger
  base::MonotonicTime linger_until_{};
  bool full_ = false;                                           // a batch of this turn was as large as they may be
  std::uint64_t run_ = 0;
  std::chrono::milliseconds pause_ = kRetryPause;
  base::Executor::TimerId idle_timer_{}, reference_timer_{};

  // Of a checkpoint under way:
  std::optional<JobManifest> next_manifest_;
  std::size_t idle_before_ = 0;                                 // notes that the new manifest makes needless
  mutable std::vector<JobStateSize> state_sizes_;
  mutable base::MonotonicTime next_look_at_state_{};
  base::MonotonicTime last_checkpoint_{};
  std::optional<base::Timestamp> checkpointed_;
  std::vector<std::string> pieces_;                             // of the new one
  std::set<std::string> old_pieces_;                            // to be removed with the manifest
  bool manifest_pending_ = false;                               // in the transaction under way

  engine::PipelineCounters counters_;                           // of runs before
  std::string last_error_;
  std::string last_dropped_;
  base::Timestamp last_dropped_at_{};
  std::optional<base::Timestamp> read_to_;
  std::uint64_t missed_ = 0;
  std::optional<JobGap> gap_;
  std::optional<base::Task> drained_;
  std::shared_ptr<bool> life_ = std::make_shared<bool>(true);
  std::unique_ptr<log::Membership> membership_;                 // goes first
};

}  // namespace meterhub::stream
