#include <meterhub/kv/database.h>

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>

#include <array>
#include <cstdarg>
#include <cstdio>
#include <limits>
#include <utility>
#include <vector>

#include <meterhub/base/logging.h>

#include "directory_lock.h"

namespace meterhub::kv {
namespace {

using base::Errc;

rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }
std::string_view view(const rocksdb::Slice& text) { return {text.data(), text.size()}; }

std::unexpected<base::Error> failed(const rocksdb::Status& status) {
  const auto code = status.IsCorruption() ? Errc::kCorrupt : Errc::kIo;
  return base::fail(code, "store: " + status.ToString());
}

base::Result<void> done(const rocksdb::Status& status) {
  if (!status.ok()) return failed(status);
  return {};
}

// RocksDB's own words among the program's. A file LOG in the directory, its default, would fill
// the disk it tells about: version 7.8 as Debian builds it then aborts the process on an assertion.
class ProgramLog final : public rocksdb::Logger {
 public:
  ProgramLog() : Logger(rocksdb::WARN_LEVEL) {}
  using Logger::Logv;
  void Logv(const char* format, std::va_list values) override { say(base::logging::Level::kWarn, format, values); }
  void Logv(rocksdb::InfoLogLevel level, const char* format, std::va_list values) override {
    if (level < GetInfoLogLevel() || level == rocksdb::HEADER_LEVEL) return;
    say(level >= rocksdb::ERROR_LEVEL ? base::logging::Level::kError : base::logging::Level::kWarn, format, values);
  }

 private:
  static void say(base::logging::Level level, const char* format, std::va_list values) {
    std::array<char, 1024> text;
    std::vsnprintf(text.data(), text.size(), format, values);
    base::logging::write(level, "store_says", {{"text", text.data()}});
  }
};

rocksdb::DBOptions database_options(const DatabaseOptions& options) {
  rocksdb::DBOptions out;
  out.create_if_missing = true;
  if (options.env) out.env = options.env;
  out.max_total_wal_size = options.wal_bytes;
  out.db_write_buffer_size = 4 * options.memtable_bytes;
  out.max_background_jobs = 2;
  out.max_open_files = 1024;
  out.max_file_opening_threads = 2;
  out.track_and_verify_wals_in_manifest = true;
  // A torn tail ends the replay where the last whole write ended; what was synced lies before it.
  out.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  // After a failed sync the kernel may have dropped the pages: trying again would lie.
  out.max_bgerror_resume_count = 0;
  out.avoid_unnecessary_blocking_io = true;
  out.bytes_per_sync = 1 << 20;
  out.allow_concurrent_memtable_write = false;  // one writer
  out.stats_dump_period_sec = 0;
  out.stats_persist_period_sec = 0;
  out.info_log = std::make_shared<ProgramLog>();
  return out;
}

rocksdb::ColumnFamilyOptions segment_options(std::uint64_t memtable_bytes, std::shared_ptr<rocksdb::Cache> cache) {
  rocksdb::ColumnFamilyOptions out;
  out.write_buffer_size = memtable_bytes;
  out.max_write_buffer_number = 4;
  out.disable_auto_compactions = true;
  out.compression = rocksdb::kNoCompression;
  constexpr int kNever = std::numeric_limits<int>::max();
  out.level0_file_num_compaction_trigger = kNever;
  out.level0_slowdown_writes_trigger = kNever;
  out.level0_stop_writes_trigger = kNever;
  out.soft_pending_compaction_bytes_limit = 0;
  out.hard_pending_compaction_bytes_limit = 0;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = std::move(cache);
  table.block_size = 16 << 10;
  out.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return out;
}

rocksdb::ColumnFamilyOptions values_options(std::shared_ptr<rocksdb::Cache> cache) {
  rocksdb::ColumnFamilyOptions out;
  out.write_buffer_size = 16 << 20;
  out.compression = rocksdb::kLZ4Compression;
  // Large values lie in files of their own: a seek that ends beside one would otherwise read and
  // unpack it whole, and each compaction write it again.
  out.enable_blob_files = true;
  out.min_blob_size = 4 << 10;
  out.blob_compression_type = rocksdb::kLZ4Compression;
  out.enable_blob_garbage_collection = true;
  out.blob_garbage_collection_age_cutoff = 0.5;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = std::move(cache);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  out.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return out;
}

}  // namespace

struct Database::Core {
  Core(DirectoryLock l, const DatabaseOptions& options)
      : lock(std::move(l)),
        memtable_bytes(options.memtable_bytes),
        cache(rocksdb::NewLRUCache(options.block_cache_bytes)) {}

  DirectoryLock lock;  // goes last
  std::uint64_t memtable_bytes;
  std::shared_ptr<rocksdb::Cache> cache;
  std::unique_ptr<rocksdb::DB> db;

  rocksdb::ColumnFamilyOptions options_of(FamilyKind kind) const {
    return kind == FamilyKind::kSegment ? segment_options(memtable_bytes, cache) : values_options(cache);
  }
};

class FamilyHandle {
 public:
  FamilyHandle(std::shared_ptr<Database::Core> core, rocksdb::ColumnFamilyHandle* handle)
      : core_(std::move(core)), handle_(handle) {}
  FamilyHandle(const FamilyHandle&) = delete;
  FamilyHandle& operator=(const FamilyHandle&) = delete;
  // Handles go before their database, which core_ sees to.
  ~FamilyHandle() { db().DestroyColumnFamilyHandle(handle_); }

  rocksdb::ColumnFamilyHandle* get() const { return handle_; }
  rocksdb::DB& db() const { return *core_->db; }

 private:
  std::shared_ptr<Database::Core> core_;
  rocksdb::ColumnFamilyHandle* handle_;
};

struct Batch::Data {
  rocksdb::WriteBatch batch;
  std::vector<Family> families;  // alive until written
};

Batch::Batch() : data_(std::make_unique<Data>()) {}
Batch::~Batch() = default;
Batch::Batch(Batch&&) noexcept = default;
Batch& Batch::operator=(Batch&&) noexcept = default;

// WriteBatch only fails for families it does not know or over 4 GiB; writing reports both.
void Batch::put(const Family& family, std::string_view key, std::string_view value) {
  data_->batch.Put(family->get(), slice(key), slice(value)).PermitUncheckedError();
}
void Batch::remove(const Family& family, std::string_view key) {
  data_->batch.Delete(family->get(), slice(key)).PermitUncheckedError();
}
bool Batch::empty() const { return data_->batch.Count() == 0; }

struct Iterator::Data {
  Family family;
  std::string upper_bound;
  rocksdb::Slice upper_slice;
  std::unique_ptr<rocksdb::Iterator> iterator;
};

Iterator::Iterator(const Family& family, std::string upper_bound) : data_(std::make_unique<Data>()) {
  data_->family = family;
  data_->upper_bound = std::move(upper_bound);
  data_->upper_slice = slice(data_->upper_bound);
  rocksdb::ReadOptions options;
  if (!data_->upper_bound.empty()) options.iterate_upper_bound = &data_->upper_slice;
  data_->iterator.reset(family->db().NewIterator(options, family->get()));
}
Iterator::~Iterator() = default;

void Iterator::seek(std::string_view key) { data_->iterator->Seek(slice(key)); }
void Iterator::seek_for_previous(std::string_view key) { data_->iterator->SeekForPrev(slice(key)); }
void Iterator::next() { data_->iterator->Next(); }
bool Iterator::valid() const { return data_->iterator->Valid(); }
std::string_view Iterator::key() const { return view(data_->iterator->key()); }
std::string_view Iterator::value() const { return view(data_->iterator->value()); }
base::Result<void> Iterator::status() const { return done(data_->iterator->status()); }

Database::Database(std::shared_ptr<Core> core) : core_(std::move(core)) {}
Database::~Database() = default;

base::Result<Database::Opened> Database::open(const DatabaseOptions& options) {
  std::error_code error;
  std::filesystem::create_directories(options.directory, error);
  if (error) return base::fail(Errc::kIo, options.directory.string() + ": " + error.message());
  auto core = std::make_shared<Core>(MH_TRY(DirectoryLock::take(options.directory)), options);
  const auto settings = database_options(options);
  const auto path = options.directory.string();

  std::vector<std::string> names;
  const bool exists = settings.env->FileExists(path + "/CURRENT").ok();
  if (exists) {
    if (auto status = rocksdb::DB::ListColumnFamilies(settings, path, &names); !status.ok()) return failed(status);
  } else {
    names.push_back(rocksdb::kDefaultColumnFamilyName);
  }
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (const auto& name : names) {
    const auto kind =
        name != rocksdb::kDefaultColumnFamilyName && options.kind_of ? options.kind_of(name) : FamilyKind::kValues;
    descriptors.emplace_back(name, core->options_of(kind));
  }
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  if (auto status = rocksdb::DB::Open(settings, path, descriptors, &handles, &db); !status.ok()) {
    return failed(status);
  }
  core->db.reset(db);
  Opened out{std::unique_ptr<Database>(new Database(core)), {}};
  for (auto* handle : handles) {
    out.families.emplace(handle->GetName(), std::make_shared<const FamilyHandle>(core, handle));
  }
  return out;
}

base::Result<Family> Database::create(std::string_view name, FamilyKind kind) {
  rocksdb::ColumnFamilyHandle* handle = nullptr;
  const auto status = core_->db->CreateColumnFamily(core_->options_of(kind), std::string(name), &handle);
  if (!status.ok()) return failed(status);
  return std::make_shared<const FamilyHandle>(core_, handle);
}

base::Result<void> Database::drop(const Family& family) { return done(core_->db->DropColumnFamily(family->get())); }

base::Result<void> Database::write(Batch& batch) {
  return done(core_->db->Write(rocksdb::WriteOptions(), &batch.data_->batch));
}

base::Result<void> Database::sync() { return done(core_->db->SyncWAL()); }

base::Result<void> Database::flush_soon(const Family& family) {
  rocksdb::FlushOptions options;
  options.wait = false;
  options.allow_write_stall = true;
  return done(core_->db->Flush(options, family->get()));
}

base::Result<void> Database::flush(const Family& family) {
  return done(core_->db->Flush(rocksdb::FlushOptions(), family->get()));
}

base::Result<void> Database::checkpoint(const std::filesystem::path& directory) {
  rocksdb::Checkpoint* raw = nullptr;
  if (const auto status = rocksdb::Checkpoint::Create(core_->db.get(), &raw); !status.ok()) return failed(status);
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(raw);
  return done(checkpoint->CreateCheckpoint(directory.string()));
}

base::Result<std::optional<std::string>> Database::get(const Family& family, std::string_view key) const {
  std::string value;
  const auto status = core_->db->Get(rocksdb::ReadOptions(), family->get(), slice(key), &value);
  if (status.IsNotFound()) return std::nullopt;
  if (!status.ok()) return failed(status);
  return value;
}

std::uint64_t Database::bytes(const Family& family) const {
  std::uint64_t files = 0;
  std::uint64_t memory = 0;
  core_->db->GetIntProperty(family->get(), rocksdb::DB::Properties::kTotalSstFilesSize, &files);
  core_->db->GetIntProperty(family->get(), rocksdb::DB::Properties::kCurSizeAllMemTables, &memory);
  return files + memory;
}

}  // namespace meterhub::kv
