#include "session_file.h"

#include <algorithm>
#include <utility>

#include <meterhub/base/byte_io.h>
#include <meterhub/crypto/secret.h>

namespace meterhub::ns {
namespace {

constexpr std::string_view kMagic = "MHSESS01";
constexpr std::size_t kIdSize = 16;
// Messages sealed together.
constexpr std::size_t kRecordMax = 256 * 1024;
// A heartbeat alone is kept so often.
constexpr std::chrono::minutes kBeatEvery{1};

// Binds a record to its file and place: none can be moved, left out or repeated unseen.
std::string context_of(std::string_view id, std::uint64_t number) {
  std::string out(id);
  base::ByteWriter(out).number(number);
  return out;
}

std::unexpected<base::Error> damaged(const std::string& path) {
  return base::fail(base::Errc::kCorrupt, path + ": no copy of the sessions, damaged, or of another key");
}

// All messages of one record; false when they are not what encode() writes.
bool hand_over(base::BytesView plain, const std::function<void(const registry::FeedMessage&)>& take, bool& complete) {
  while (!plain.empty()) {
    std::size_t used = 0;
    auto message = registry::decode(plain, used);
    if (!message || !*message) return false;
    take(**message);
    complete = complete || std::holds_alternative<registry::SnapshotEnd>(**message);
    plain = plain.subspan(used);
  }
  return true;
}

}  // namespace

SessionFile::SessionFile(base::Disk& disk, std::string path, crypto::Key256 key)
    : disk_(disk), path_(std::move(path)), key_(key) {}

SessionFile::~SessionFile() {
  crypto::wipe(key_);
  crypto::wipe(waiting_);
}

base::Result<void> SessionFile::replay(const std::function<void(const registry::FeedMessage&)>& take) const {
  if (path_.empty()) return base::fail(base::Errc::kNotFound, "no copy of the sessions is kept");
  const auto read = disk_.read(path_);
  if (!read) return std::unexpected(read.error());
  const std::string& content = *read;
  base::ByteReader reader(content);
  if (reader.raw(kMagic.size()) != kMagic) return damaged(path_);
  const auto id = reader.raw(kIdSize);
  bool complete = false;
  for (std::uint64_t number = 0; reader.remaining() > 0; ++number) {
    const auto sealed = reader.raw(reader.number<std::uint32_t>());
    if (!reader.ok()) break;  // torn: the process ended while it wrote
    auto plain = crypto::open(key_, base::as_bytes(sealed), base::as_bytes(context_of(id, number)));
    const bool good = plain && hand_over(*plain, take, complete);
    if (plain) crypto::wipe(*plain);
    if (!good) return damaged(path_);
  }
  return complete ? base::Result<void>() : damaged(path_);
}

std::string SessionFile::path_being_written() const {
  return stage_ == Stage::kChanges ? path_ : path_ + std::string(base::kTemporarySuffix);
}

base::Result<void> SessionFile::begin() {
  crypto::wipe(waiting_);
  waiting_.clear();
  stage_ = Stage::kSnapshot;
  records_ = 0;
  changes_ = 0;
  crypto::random_bytes(id_);
  return disk_.write(path_being_written(), std::string(kMagic).append(base::as_text(id_)));
}

base::Result<void> SessionFile::flush() {
  if (waiting_.empty()) return {};
  const auto sealed = crypto::seal(key_, waiting_, base::as_bytes(context_of(base::as_text(id_), records_++)));
  crypto::wipe(waiting_);
  waiting_.clear();
  changed_ = false;
  std::string out;
  base::ByteWriter writer(out);
  writer.number(static_cast<std::uint32_t>(sealed.size()));
  writer.raw(base::as_text(sealed));
  if (stage_ == Stage::kChanges) changes_ += out.size();
  return disk_.append(path_being_written(), out);
}

base::Result<void> SessionFile::write(const registry::FeedMessage& message) {
  if (std::holds_alternative<registry::SnapshotBegin>(message)) MH_TRY_VOID(begin());
  if (stage_ == Stage::kNone) return {};
  const auto* const beat = std::get_if<registry::Heartbeat>(&message);
  if (beat != nullptr && stage_ == Stage::kChanges && !changed_ && beat->current_to - last_beat_written_ < kBeatEvery) return {};
  registry::encode(message, waiting_);
  if (std::holds_alternative<registry::SnapshotEnd>(message)) stage_ = Stage::kEnded;
  if (beat == nullptr) {
    changed_ = true;
    return waiting_.size() >= kRecordMax ? flush() : base::Result<void>();
  }
  last_beat_written_ = beat->current_to;
  MH_TRY_VOID(flush());
  if (stage_ != Stage::kEnded) return {};
  MH_TRY_VOID(disk_.install_durably(path_being_written(), path_));
  stage_ = Stage::kChanges;
  return {};
}

base::Result<void> SessionFile::add(const registry::FeedMessage& message) {
  if (path_.empty()) return {};
  auto written = write(message);
  if (!written) stage_ = Stage::kNone;
  return written;
}

}  // namespace meterhub::ns
