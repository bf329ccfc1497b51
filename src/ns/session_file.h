// The encrypted copy of the session feed on disk (docs/formats/session-file.md). Private; one thread.
#pragma once

#include <array>
#include <functional>
#include <string>

#include <meterhub/base/disk.h>
#include <meterhub/base/result.h>
#include <meterhub/crypto/aead.h>
#include <meterhub/registry/session_feed.h>

namespace meterhub::ns {

class SessionFile {
 public:
  // `disk` outlives this. An empty path: nothing is kept.
  SessionFile(base::Disk& disk, std::string path, crypto::Key256 key);
  ~SessionFile();
  SessionFile(const SessionFile&) = delete;
  SessionFile& operator=(const SessionFile&) = delete;

  // Hands over every message in order. A torn end is left out. kNotFound without a file, kCorrupt when it is no
  // copy, damaged, or sealed under another key.
  base::Result<void> replay(const std::function<void(const registry::FeedMessage&)>& take) const;

  // Messages as they come. A snapshot is written beside the old copy, which it replaces with the
  // first heartbeat after its end. After a failed write nothing more is kept until the next snapshot.
  base::Result<void> add(const registry::FeedMessage& message);
  // Bytes of changes since the snapshot.
  std::size_t changes() const { return changes_; }

 private:
  enum class Stage : std::uint8_t { kNone, kSnapshot, kEnded, kChanges };

  base::Result<void> begin();
  base::Result<void> flush();
  base::Result<void> write(const registry::FeedMessage& message);
  std::string path_being_written() const;

  base::Disk& disk_;
  const std::string path_;
  crypto::Key256 key_;
  Stage stage_ = Stage::kNone;
  std::array<std::uint8_t, 16> id_{};
  std::uint64_t records_ = 0;
  std::size_t changes_ = 0;
  bool changed_ = false;              // something but heartbeats waits
  base::Timestamp last_beat_written_{};
  base::Bytes waiting_;               // encoded messages, wiped after use
};

}  // namespace meterhub::ns
