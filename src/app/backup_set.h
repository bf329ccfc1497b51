// What a backup is on disk (docs/formats/backup.md): `backup.json`, `SHA256SUMS` and the files
// that the latter names. A directory with `backup.json` is whole: it is written last.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/result.h>
#include <meterhub/crypto/aead.h>
#include <meterhub/crypto/hash.h>

namespace meterhub::app {

inline constexpr std::string_view kBackupFacts = "backup.json";
inline constexpr std::string_view kBackupSums = "SHA256SUMS";
// Ends the name of a file that is sealed under the master key.
inline constexpr std::string_view kSealedSuffix = ".sealed";
// Beside the target while a backup is made; in a data directory while one is restored into it.
inline constexpr std::string_view kUnfinishedSuffix = ".tmp";
inline constexpr std::string_view kRestoreFolder = "restore.tmp";

struct BackupFacts {
  std::string program;      // version that made it
  base::Timestamp taken{};  // the moment that it shows
  std::uint64_t files = 0;  // that SHA256SUMS names
  std::uint64_t bytes = 0;  // of them all
  std::string sums_sha256;  // of SHA256SUMS, hex
};
std::string facts_json(const BackupFacts& facts);
// kPrecondition: a later format.
base::Result<BackupFacts> parse_facts(std::string_view json);

struct SummedFile {
  std::string path;  // below the backup's directory
  std::string sha256;  // hex
};
// As sha256sum writes and reads it.
std::string sums_text(const std::vector<SummedFile>& files);
// kCorrupt: no such text, or a path that leads out of the directory.
base::Result<std::vector<SummedFile>> parse_sums(std::string_view text);

std::string hex(const crypto::Digest256& digest);

// Secrets of the platform itself, bound to their place.
std::string seal_secret(const crypto::Key256& key, std::string_view path, std::string_view plain);
// kForbidden: another master key, or altered.
base::Result<std::string> open_secret(const crypto::Key256& key, std::string_view path, std::string_view sealed);

}  // namespace meterhub::app
