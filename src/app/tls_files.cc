#include "tls_files.h"

#include <algorithm>
#include <array>

#include <unistd.h>

#include <meterhub/crypto/certificates.h>
#include <meterhub/net/address.h>

#include "data_directory.h"

namespace meterhub::app {
namespace {

constexpr std::chrono::days kAuthorityLife{7300};
constexpr std::chrono::days kServerLife{730};
constexpr std::chrono::days kRenewBefore{30};
// Machines whose clock is a little behind ours must not refuse a fresh certificate.
constexpr std::chrono::hours kClockSkew{24};

struct Subject {
  std::vector<std::string> names;
  std::vector<std::string> addresses;
};

Subject subject_of(const std::vector<std::string>& wanted) {
  Subject out{{"localhost"}, {"127.0.0.1", "::1"}};
  std::array<char, 256> machine{};
  if (::gethostname(machine.data(), machine.size() - 1) == 0 && machine[0] != '\0')
    out.names.emplace_back(machine.data());
  for (const auto& name : wanted) (net::Address::parse(name) ? out.addresses : out.names).push_back(name);
  for (auto* list : {&out.names, &out.addresses}) {
    std::ranges::sort(*list);
    list->erase(std::ranges::unique(*list).begin(), list->end());
  }
  return out;
}

// Certificate and key of one purpose: NAME.pem and NAME.key.
base::Result<void> save(base::Disk& disk, const std::string& stem, const crypto::CertificateAndKey& pair) {
  MH_TRY_VOID(write_private(disk, stem + ".key", pair.private_key));
  return disk.replace_durably(stem + ".pem", pair.certificate);
}

base::Result<crypto::CertificateAndKey> load(const base::Disk& disk, const std::string& stem) {
  return crypto::CertificateAndKey{MH_TRY(disk.read(stem + ".pem")), MH_TRY(disk.read(stem + ".key"))};
}

base::Result<crypto::CertificateAndKey> authority(base::Disk& disk, const base::Clock& clock, const std::string& stem) {
  if (MH_TRY(disk.exists(stem + ".pem"))) return load(disk, stem);
  const auto now = clock.now();
  auto made = MH_TRY(crypto::make_authority("Meterhub CA", now - kClockSkew, now + kAuthorityLife));
  MH_TRY_VOID(save(disk, stem, made));
  return made;
}

bool still_good(const std::string& pem, const Subject& subject, base::Timestamp now) {
  const auto facts = crypto::read_certificate(pem);
  if (!facts || facts->until < now + kRenewBefore) return false;
  const auto holds = [&](const std::string& name) {
    return std::ranges::find(facts->names, name) != facts->names.end();
  };
  return std::ranges::all_of(subject.names, holds);
}

base::Result<crypto::CertificateAndKey> server(base::Disk& disk, const base::Clock& clock, const std::string& stem,
                                               const crypto::CertificateAndKey& ca, const Subject& subject) {
  if (MH_TRY(disk.exists(stem + ".pem"))) {
    auto stored = MH_TRY(load(disk, stem));
    if (still_good(stored.certificate, subject, clock.now())) return stored;
  }
  crypto::CertificateRequest request;
  request.common_name = subject.names.front();
  request.dns_names = subject.names;
  request.addresses = subject.addresses;
  request.from = clock.now() - kClockSkew;
  request.until = clock.now() + kServerLife;
  auto made = MH_TRY(crypto::make_certificate(ca, request));
  MH_TRY_VOID(save(disk, stem, made));
  return made;
}

}  // namespace

base::Result<TlsFiles> load_or_make_tls(base::Disk& disk, const base::Clock& clock, const std::string& directory,
                                        const std::vector<std::string>& names) {
  MH_TRY_VOID(disk.make_directories(directory));
  const auto ca_stem = base::join_path(directory, "ca");
  const auto ca = MH_TRY(authority(disk, clock, ca_stem));
  const auto own = MH_TRY(server(disk, clock, base::join_path(directory, "server"), ca, subject_of(names)));
  return TlsFiles{ca_stem + ".pem", ca.certificate, {own.certificate + ca.certificate, own.private_key}};
}

base::Result<std::string> issue_certificate(base::Disk& disk, const base::Clock& clock, const std::string& directory,
                                            const std::string& name, const std::vector<std::string>& names,
                                            const std::string& to) {
  if (name.empty() || name.find('/') != std::string::npos)
    return base::fail(base::Errc::kInvalidArgument, "--name is a file's name");
  const auto ca = MH_TRY(load(disk, base::join_path(directory, "ca")));
  crypto::CertificateRequest request;
  request.common_name = name;
  request.dns_names = {name};
  for (const auto& one : names) (net::Address::parse(one) ? request.addresses : request.dns_names).push_back(one);
  request.client = true;
  request.from = clock.now() - kClockSkew;
  request.until = clock.now() + kServerLife;
  auto made = MH_TRY(crypto::make_certificate(ca, request));
  MH_TRY_VOID(disk.make_directories(to));
  const auto stem = base::join_path(to, name);
  MH_TRY_VOID(save(disk, stem, made));
  MH_TRY_VOID(disk.replace_durably(base::join_path(to, "ca.pem"), ca.certificate));
  return stem + ".pem, " + stem + ".key, " + base::join_path(to, "ca.pem");
}

base::Result<net::Identity> read_identity(const base::Disk& disk, const std::string& certificate_file,
                                          const std::string& key_file) {
  return net::Identity{MH_TRY(disk.read(certificate_file)), MH_TRY(disk.read(key_file))};
}

}  // namespace meterhub::app
