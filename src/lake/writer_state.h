// What a Writer holds.
#pragma once

#include <optional>

#include <meterhub/duck/database.h>
#include <meterhub/lake/writer.h>

namespace meterhub::lake {

// An hour being tidied: files are staged one by one, the record is committed at the end.
struct Tidying {
  Owner owner;
  HourPlan plan;
  std::size_t done = 0;              // of plan.shards
  std::vector<PlacedFile> written;
};

struct Writer::State_ {
  State_(base::Disk& d, WriterOptions o, Manifest m, duck::Connection c, duck::BatchSource s)
      : disk(d), options(std::move(o)), manifest(std::move(m)), connection(std::move(c)), source(std::move(s)) {}

  base::Disk& disk;
  WriterOptions options;
  Manifest manifest;
  duck::Connection connection;
  duck::BatchSource source;          // the table fresh_rows()
  duck::Batch batch{fresh_columns()};
  std::optional<Tidying> tidying;
  std::uint64_t files_named = 0;
  bool uncertain = false;            // a commit failed half-way: ask the disk what is true
  std::vector<std::string> garbage;      // fresh files that no longer count
  std::vector<std::string> old_garbage;  // since a sweep ago

  std::string full(std::string_view path) const { return base::join_path(options.directory, path); }
  // "p03-e12-s7-1": owner, epoch, sequence and a count make a name that was never listed.
  std::string unique_name(const Owner& owner);
  base::Result<void> refresh_if_uncertain();
  base::Result<void> commit(const Record& record);
  // Says in the manifest whose the shards are.
  base::Result<void> claim(const Owner& owner);
  // Identity and time of the rows in the lake that share one with fresh_rows(), which holds `asked`;
  // empty when there is no file to ask.
  std::string lookup_sql(const Owner& owner, const std::vector<const Reading*>& asked) const;
  // The rows, those placed by identity with the time of the reading that has theirs.
  base::Result<std::vector<Reading>> with_times_of_readings(const Owner& owner, std::span<const Reading> rows);
  // COPY with our settings; the rows written. Synced when `done`.
  base::Result<std::uint64_t> copy(const std::string& select, const std::string& path);
  // Renames what is committed and still staged.
  base::Result<void> put_in_place(const Owner& owner);
  base::Result<void> put_in_place(const PlacedFile& file);
  base::Result<void> remove_orphans(const Owner& owner, const std::string& folder);
  base::Result<void> remove_dropped_late(const Owner& owner);
  base::Result<void> stage_next();
  base::Result<void> finish_hour();
};

// Fills `batch` with the rows in this order.
void fill_batch(duck::Batch& batch, std::span<const Reading* const> rows);

}  // namespace meterhub::lake
