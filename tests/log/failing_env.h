// A file layer that passes everything on until told to fail.
#pragma once

#include <rocksdb/env.h>

#include <atomic>
#include <memory>

namespace meterhub::log {

class FailingEnv final : public rocksdb::EnvWrapper {
 public:
  FailingEnv() : EnvWrapper(Default()) {}
  rocksdb::Status NewWritableFile(const std::string& name, std::unique_ptr<rocksdb::WritableFile>* file,
                                  const rocksdb::EnvOptions& options) override;
  rocksdb::Status NewRandomAccessFile(const std::string& name, std::unique_ptr<rocksdb::RandomAccessFile>* file,
                                      const rocksdb::EnvOptions& options) override;

  std::atomic<bool> fail_sync{false};
  std::atomic<bool> no_space{false};
  std::atomic<int> syncs{0};  // of the write-ahead log
  // Then kFailedReads fail: RocksDB does one that failed while reading ahead again by itself.
  static constexpr int kFailedReads = 4;
  static constexpr int kNever = 1 << 30;
  std::atomic<int> reads_until_failure{kNever};
};

}  // namespace meterhub::log
