// RocksDB behind our own words: families of ordered keys, atomic batches, one sync for
// everything written. Knows nothing of logs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <meterhub/base/result.h>

namespace rocksdb {
class Env;
}

namespace meterhub::kv {

// How a family is kept.
enum class FamilyKind : std::uint8_t {
  kValues,   // small values, overwritten and read by key: compacted, LZ4
  kSegment,  // written once in rising keys and dropped whole: never compacted, not compressed
};

// A family of keys. Keeps its database open; reading a dropped family goes on working
// until the last reference is gone, then its files are deleted.
class FamilyHandle;
using Family = std::shared_ptr<const FamilyHandle>;

struct DatabaseOptions {
  std::filesystem::path directory;  // made when missing
  std::uint64_t wal_bytes = std::uint64_t{512} << 20;
  std::uint64_t memtable_bytes = std::uint64_t{64} << 20;  // of a segment; over all, four times this
  std::uint64_t block_cache_bytes = std::uint64_t{32} << 20;
  std::function<FamilyKind(std::string_view family)> kind_of;  // when opening what is there
  rocksdb::Env* env = nullptr;                                 // the file layer; null = the system's
};

// Writes that happen together. One thread.
class Batch {
 public:
  Batch();
  ~Batch();
  Batch(Batch&&) noexcept;
  Batch& operator=(Batch&&) noexcept;

  void put(const Family& family, std::string_view key, std::string_view value);
  void remove(const Family& family, std::string_view key);
  bool empty() const;

 private:
  friend class Database;
  struct Data;
  std::unique_ptr<Data> data_;
};

// Walks a family in order of keys, over what was there when it was made. One thread;
// short-lived, since it pins memory and files.
class Iterator {
 public:
  // Ends before `upper_bound`; empty = no bound.
  Iterator(const Family& family, std::string upper_bound);
  ~Iterator();

  void seek(std::string_view key);           // the first at or after `key`
  void seek_for_previous(std::string_view key);  // the last at or before `key`
  void next();
  bool valid() const;
  std::string_view key() const;    // until the next move
  std::string_view value() const;  // until the next move
  // Why valid() turned false: fine at the end, kIo or kCorrupt otherwise.
  base::Result<void> status() const;

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};

// One process has a directory open. Any thread.
class Database {
 public:
  struct Opened {
    std::unique_ptr<Database> database;
    std::map<std::string, Family> families;  // always with "default" (kValues)
  };
  // kUnavailable when another process has it open; the text names directory and process.
  static base::Result<Opened> open(const DatabaseOptions& options);
  ~Database();

  // Slow (a file is written and synced).
  base::Result<Family> create(std::string_view name, FamilyKind kind);
  base::Result<void> drop(const Family& family);

  // Visible at once, durable after the next sync(). After a failure every later write fails.
  base::Result<void> write(Batch& batch);
  // One fdatasync for all that was written.
  base::Result<void> sync();
  // Starts writing a family's memory to a file, in the background.
  base::Result<void> flush_soon(const Family& family);
  // Writes all of a family's memory to a file and waits.
  base::Result<void> flush(const Family& family);

  // Everything as it is at one moment of the call, as a database of its own in `directory`, which
  // must not exist yet: memory is written to files, files are linked (copied on another file system).
  // Writers go on meanwhile.
  base::Result<void> checkpoint(const std::filesystem::path& directory);

  base::Result<std::optional<std::string>> get(const Family& family, std::string_view key) const;
  // Bytes in files and memory, about.
  std::uint64_t bytes(const Family& family) const;

  struct Core;

 private:
  explicit Database(std::shared_ptr<Core> core);
  std::shared_ptr<Core> core_;
};

}  // namespace meterhub::kv
