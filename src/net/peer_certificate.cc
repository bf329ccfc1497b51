#include "peer_certificate.h"

#include <openssl/evp.h>

#include <ctime>
#include <memory>

#include "tls_state.h"

namespace meterhub::net {
namespace {

void free_text(unsigned char* text) { OPENSSL_free(text); }

template <std::size_t N>
bool digest(const X509* certificate, const EVP_MD* kind, std::array<std::uint8_t, N>& out) {
  unsigned size = 0;
  return X509_digest(certificate, kind, out.data(), &size) == 1 && size == N;
}

bool read_time(const ASN1_TIME* time, base::Timestamp& out) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return false;
  const std::chrono::year_month_day date{std::chrono::year(parts.tm_year + 1900),
                                         std::chrono::month(static_cast<unsigned>(parts.tm_mon + 1)),
                                         std::chrono::day(static_cast<unsigned>(parts.tm_mday))};
  out = std::chrono::sys_days(date) + std::chrono::hours(parts.tm_hour) + std::chrono::minutes(parts.tm_min) +
        std::chrono::seconds(parts.tm_sec);
  return true;
}

}  // namespace

std::string common_name(const X509* certificate) {
  const X509_NAME* const subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0) return {};
  unsigned char* text = nullptr;
  const int length = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
  const std::unique_ptr<unsigned char, CFree<&free_text>> owner(text);
  return length > 0 ? std::string(reinterpret_cast<const char*>(text), static_cast<std::size_t>(length))
                    : std::string();
}

std::optional<PeerCertificate> describe(const X509* certificate) {
  PeerCertificate out;
  const bool good = digest(certificate, EVP_sha1(), out.sha1) && digest(certificate, EVP_sha256(), out.sha256) &&
                    read_time(X509_get0_notBefore(certificate), out.from) &&
                    read_time(X509_get0_notAfter(certificate), out.until);
  if (!good) return std::nullopt;
  out.common_name = common_name(certificate);
  return out;
}

}  // namespace meterhub::net
