// Reading the lake: views `readings` and `changes` over exactly the files the manifest lists.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/disk.h>
#include <meterhub/base/result.h>
#include <meterhub/duck/database.h>
#include <meterhub/lake/manifest.h>

namespace meterhub::lake {

struct QueryOptions {
  std::uint64_t memory_limit = 1ull << 30;  // bytes
  unsigned threads = 2;
};

// A connection whose `readings` is the lake as it is now, each reading once, and whose `changes` are the values that a
// reading had before it was decoded again (docs/formats/lake.md). It can read
// files below the lake's directory and nothing else, and change none. kNotFound when
// there is no such directory.
base::Result<duck::Connection> open_readonly(const base::Disk& disk, const std::string& directory,
                                             const QueryOptions& options = {});

// Where the closed hour's files of a shard lie now, absolute: the object first, then late files. A file may be moved or
// removed at any time: who then reads in vain (kIo) asks a newer state.
base::Result<std::vector<std::string>> placed_paths(const base::Disk& disk, const std::string& directory,
                                                    const State& state, Hour hour, base::Shard shard);

enum class Format : std::uint8_t { kTable, kCsv, kJson };

// One SELECT (or DESCRIBE, SUMMARIZE) as text, over `readings`, `changes` and over "JOB"."OUTPUT", what jobs wrote into
// the lake. Begins again when files were moved meanwhile. JSON: one object per line, numbers as numbers.
base::Result<std::string> query_text(const base::Disk& disk, const std::string& directory, const std::string& sql,
                                     Format format, const QueryOptions& options = {});

// What check() found. `problems` has a sentence for each thing that is wrong.
struct CheckReport {
  std::uint64_t files = 0;
  std::uint64_t rows = 0;
  std::uint64_t missing_files = 0;
  std::uint64_t wrong_rows = 0;    // files whose row count is not the manifest's
  std::uint64_t unlisted = 0;      // files a glob of readings/ would read and must not
  std::uint64_t duplicates = 0;    // identities that are there more than once
  std::vector<std::string> problems;
  bool clean() const { return problems.empty(); }
};
base::Result<CheckReport> check(const base::Disk& disk, const std::string& directory, const QueryOptions& options = {});

}  // namespace meterhub::lake
