#include "backup_set.h"

#include <nlohmann/json.hpp>

#include <meterhub/base/bytes.h>
#include <meterhub/base/encoding.h>
#include <meterhub/base/time_text.h>

namespace meterhub::app {
namespace {

using base::Errc;
using nlohmann::json;

constexpr int kFormat = 1;
constexpr std::size_t kHexDigits = 64;
constexpr std::string_view kBetween = "  ";  // sum, this, path

bool stays_inside(std::string_view path) {
  if (path.empty() || path.front() == '/') return false;
  while (!path.empty()) {
    const auto end = path.find('/');
    if (path.substr(0, end) == "..") return false;
    path = end == std::string_view::npos ? std::string_view() : path.substr(end + 1);
  }
  return true;
}

}  // namespace

std::string facts_json(const BackupFacts& facts) {
  const json out{{"format", kFormat}, {"program", facts.program}, {"taken", base::rfc3339(facts.taken)},
                 {"files", facts.files}, {"bytes", facts.bytes}, {"sums_sha256", facts.sums_sha256}};
  return out.dump(2) + "\n";
}

base::Result<BackupFacts> parse_facts(std::string_view text) {
  const auto parsed = json::parse(text, nullptr, false);
  if (!parsed.is_object()) return base::fail(Errc::kCorrupt, "not the facts of a backup");
  if (const auto format = parsed.value("format", json()); format != kFormat) {
    return base::fail(Errc::kPrecondition, "a backup of format " + format.dump() + "; this program reads format 1");
  }
  const auto number = [&](const char* name) { return parsed.contains(name) && parsed[name].is_number_unsigned(); };
  const auto word = [&](const char* name) { return parsed.contains(name) && parsed[name].is_string(); };
  if (!number("files") || !number("bytes") || !word("program") || !word("taken") || !word("sums_sha256")) {
    return base::fail(Errc::kCorrupt, "facts of the backup are missing");
  }
  BackupFacts out;
  out.program = parsed["program"];
  out.taken = MH_TRY(base::parse_rfc3339(parsed["taken"].get<std::string>())).at;
  out.files = parsed["files"];
  out.bytes = parsed["bytes"];
  out.sums_sha256 = parsed["sums_sha256"];
  return out;
}

std::string sums_text(const std::vector<SummedFile>& files) {
  std::string out;
  for (const auto& file : files) out.append(file.sha256).append(kBetween).append(file.path).append("\n");
  return out;
}

base::Result<std::vector<SummedFile>> parse_sums(std::string_view text) {
  std::vector<SummedFile> out;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const auto line = text.substr(0, end);
    const bool whole = end != std::string_view::npos && line.size() > kHexDigits + kBetween.size() &&
                       line.substr(kHexDigits, kBetween.size()) == kBetween;
    if (!whole || !stays_inside(line.substr(kHexDigits + kBetween.size()))) {
      return base::fail(Errc::kCorrupt, std::string(kBackupSums) + ": line " + std::to_string(out.size() + 1) + " is none of ours");
    }
    out.push_back({std::string(line.substr(kHexDigits + kBetween.size())), std::string(line.substr(0, kHexDigits))});
    text.remove_prefix(end + 1);
  }
  return out;
}

std::string hex(const crypto::Digest256& digest) { return base::hex_encode(digest); }

std::string seal_secret(const crypto::Key256& key, std::string_view path, std::string_view plain) {
  const auto context = "backup " + std::string(path);
  return std::string(base::as_text(crypto::seal(key, base::as_bytes(plain), base::as_bytes(context))));
}

base::Result<std::string> open_secret(const crypto::Key256& key, std::string_view path, std::string_view sealed) {
  const auto context = "backup " + std::string(path);
  const auto opened = crypto::open(key, base::as_bytes(sealed), base::as_bytes(context));
  if (!opened) return base::fail(Errc::kForbidden, "this is not the master key of the backup");
  return std::string(base::as_text(*opened));
}

}  // namespace meterhub::app
