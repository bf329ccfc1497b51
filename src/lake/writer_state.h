// What a Writer holds.
#pragma once

#include <functional>
#include <optional>

#include <meterhub/duck/database.h>
#include <meterhub/lake/writer.h>

#include "redo.h"

namespace meterhub::lake {

// Whether an hour's files are asked.
using Reach = std::function<bool(Hour)>;

// An hour being tidied: files are staged one by one, the record is committed at the end.
struct Tidying {
  Owner owner;
  HourPlan plan;
  std::size_t done = 0;              // of plan.shards
  std::vector<PlacedFile> written;
};

struct Writer::State_ {
  State_(base::Disk& d, WriterOptions o, Manifest m, duck::Connection c, duck::BatchSource s,
         duck::BatchSource of_changes)
      : disk(d),
        options(std::move(o)),
        manifest(std::move(m)),
        connection(std::move(c)),
        source(std::move(s)),
        changes_source(std::move(of_changes)) {}

  base::Disk& disk;
  WriterOptions options;
  Manifest manifest;
  duck::Connection connection;
  duck::BatchSource source;          // the table fresh_rows()
  duck::BatchSource changes_source;  // the table changed_rows()
  duck::Batch batch{fresh_columns()};
  std::optional<Tidying> tidying;
  std::uint64_t files_named = 0;
  bool uncertain = false;            // a commit failed half-way: ask the disk what is true
  std::vector<std::string> garbage;      // files of fresh/ and changes/ that no longer count
  std::vector<std::string> old_garbage;  // since a sweep ago

  std::string full(std::string_view path) const { return base::join_path(options.directory, path); }
  // "p03-e12-s7-1": owner, epoch, sequence and a count make a name that was never listed.
  std::string unique_name(const Owner& owner);
  base::Result<void> refresh_if_uncertain();
  base::Result<void> commit(const Record& record);
  // Says in the manifest whose the shards are.
  base::Result<void> claim(const Owner& owner);
  // The rows up to `to` that the lake has not, those placed by identity with the time of the reading that has theirs,
  // and what a redo changes (redo.h).
  base::Result<Placing> place(const Owner& owner, base::Offset to, std::span<const Reading> rows);
  // Adds to `there` the readings of the lake that have an identity of `asked`, in the hours that `reach` names.
  base::Result<void> look_up(const Owner& owner, const std::vector<const Reading*>& asked, const Reach& reach,
                             ByIdentity& there);
  base::Result<void> write_fresh(const Owner& owner, base::Offset to, std::span<const Reading> rows, Record& record);
  // Files of the owner's changes that are to be put together.
  std::vector<std::string> small_changes(const Owner& owner) const;
  base::Result<void> write_changes(const Owner& owner, std::span<const Change> changes, Record& record);
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
