#include "failing_env.h"

namespace meterhub::log {
namespace {

class FailingFile final : public rocksdb::WritableFileWrapper {
 public:
  FailingFile(FailingEnv& env, std::unique_ptr<rocksdb::WritableFile> file)
      : WritableFileWrapper(file.get()), env_(env), file_(std::move(file)) {}

  using WritableFileWrapper::Append;
  rocksdb::Status Append(const rocksdb::Slice& data) override {
    if (env_.no_space) return rocksdb::Status::NoSpace("no space left on device");
    return file_->Append(data);
  }
  rocksdb::Status Sync() override { return sync(); }
  rocksdb::Status Fsync() override { return sync(); }

 private:
  rocksdb::Status sync() {
    ++env_.syncs;
    if (env_.fail_sync) return rocksdb::Status::IOError("fdatasync", "input/output error");
    return file_->Sync();
  }

  FailingEnv& env_;
  std::unique_ptr<rocksdb::WritableFile> file_;
};

class FailingReads final : public rocksdb::RandomAccessFileWrapper {
 public:
  FailingReads(FailingEnv& env, std::unique_ptr<rocksdb::RandomAccessFile> file)
      : RandomAccessFileWrapper(file.get()), env_(env), file_(std::move(file)) {}

  rocksdb::Status Read(std::uint64_t offset, std::size_t n, rocksdb::Slice* result, char* scratch) const override {
    const int left = env_.reads_until_failure--;
    if (left <= 0 && left > -FailingEnv::kFailedReads) return rocksdb::Status::IOError("pread", "input/output error");
    return file_->Read(offset, n, result, scratch);
  }

 private:
  FailingEnv& env_;
  std::unique_ptr<rocksdb::RandomAccessFile> file_;
};

}  // namespace

rocksdb::Status FailingEnv::NewRandomAccessFile(const std::string& name, std::unique_ptr<rocksdb::RandomAccessFile>* file,
                                                const rocksdb::EnvOptions& options) {
  std::unique_ptr<rocksdb::RandomAccessFile> real;
  const auto status = target()->NewRandomAccessFile(name, &real, options);
  if (status.ok()) *file = std::make_unique<FailingReads>(*this, std::move(real));
  return status;
}

rocksdb::Status FailingEnv::NewWritableFile(const std::string& name, std::unique_ptr<rocksdb::WritableFile>* file,
                                            const rocksdb::EnvOptions& options) {
  std::unique_ptr<rocksdb::WritableFile> real;
  const auto status = target()->NewWritableFile(name, &real, options);
  if (!status.ok()) return status;
  if (name.ends_with(".log")) {
    *file = std::make_unique<FailingFile>(*this, std::move(real));
  } else {
    *file = std::move(real);
  }
  return status;
}

}  // namespace meterhub::log
