#include <meterhub/registry/master_key.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include <meterhub/base/encoding.h>
#include <meterhub/crypto/secret.h>

namespace meterhub::registry {
namespace {

using base::Errc;

// A descriptor closed at the end of its scope.
struct File {
  explicit File(int d) : descriptor(d) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (descriptor >= 0) ::close(descriptor);
  }
  int descriptor;
};

bool write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const auto count = ::write(descriptor, text.data(), text.size());
    if (count <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

bool sync_directory(const std::filesystem::path& file) {
  const auto parent = file.parent_path().empty() ? std::filesystem::path(".") : file.parent_path();
  const File directory(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return directory.descriptor >= 0 && ::fsync(directory.descriptor) == 0;
}

base::Result<crypto::Key256> read_key(const std::filesystem::path& path, int descriptor) {
  struct stat facts {};
  if (::fstat(descriptor, &facts) != 0) return base::fail(Errc::kIo, "cannot read " + path.string());
  if ((facts.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return base::fail(Errc::kForbidden, path.string() + " may be read by others: chmod 600 it, and think about who has read it");
  }
  std::string text(256, '\0');
  const auto size = ::read(descriptor, text.data(), text.size());
  text.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  auto key = parse_master_key(text);
  crypto::wipe(text);
  if (!key) return base::fail(Errc::kCorrupt, path.string() + " is not a master key (64 hex digits)");
  return key;
}

// Written beside and linked into place: two processes that start at once agree on one key,
// and nobody ever reads half of one.
base::Result<void> make_key(const std::filesystem::path& path) {
  const auto beside = path.string() + "." + std::to_string(::getpid()) + ".tmp";
  const File file(::open(beside.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600));
  if (file.descriptor < 0) return base::fail(Errc::kIo, "cannot make " + beside);
  auto key = crypto::random_array<32>();
  auto text = base::hex_encode(key) + "\n";
  const bool written = write_all(file.descriptor, text) && ::fsync(file.descriptor) == 0;
  crypto::wipe(key);
  crypto::wipe(text);
  const bool linked = written && (::link(beside.c_str(), path.c_str()) == 0 || errno == EEXIST);
  ::unlink(beside.c_str());
  if (!linked || !sync_directory(path)) return base::fail(Errc::kIo, "cannot make " + path.string());
  return {};
}

}  // namespace

base::Result<crypto::Key256> parse_master_key(std::string_view hex) { return base::hex_decode_array<32>(hex); }

base::Result<crypto::Key256> load_master_key(const std::filesystem::path& path) {
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.descriptor < 0 && errno == ENOENT) return base::fail(Errc::kNotFound, path.string() + ": there is no master key here");
  if (file.descriptor < 0) return base::fail(Errc::kForbidden, "cannot open " + path.string());
  return read_key(path, file.descriptor);
}

base::Result<crypto::Key256> load_or_make_master_key(const std::filesystem::path& path) {
  if (::access(path.c_str(), F_OK) != 0) MH_TRY_VOID(make_key(path));
  return load_master_key(path);
}

base::Result<crypto::Key256> master_key_of(const std::filesystem::path& registry, const std::filesystem::path& path) {
  if (::access(path.c_str(), F_OK) == 0 || ::access(registry.c_str(), F_OK) != 0) return load_or_make_master_key(path);
  return base::fail(Errc::kNotFound, path.string() + ": the master key of " + registry.string() +
                                         " is missing; put it back (mode 0600), or name its file in registry.master_key_file");
}

}  // namespace meterhub::registry
