#include "ns_options.h"

namespace meterhub::app {
namespace {

// Null on loopback and where plain answers are wanted.
base::Result<std::shared_ptr<net::TlsContext>> answer_tls(const base::Settings& settings, const net::Address& listen,
                                                          const TlsFiles& tls) {
  if (listen.is_loopback() || settings.flag("ns.plaintext")) return std::shared_ptr<net::TlsContext>();
  return net::TlsContext::server({tls.server, tls.authority_pem});
}

}  // namespace

base::Result<std::vector<net::Address>> addresses_of(const base::Settings& settings, std::string_view name) {
  std::vector<net::Address> out;
  for (const auto& text : settings.list(name)) {
    const auto address = net::Address::parse(text);
    if (!address) return base::fail(base::Errc::kInvalidArgument, std::string(name) + ": " + address.error().text);
    out.push_back(*address);
  }
  return out;
}

base::Result<std::vector<net::Network>> networks_of(const base::Settings& settings, std::string_view name) {
  std::vector<net::Network> out;
  for (const auto& text : settings.list(name)) {
    const auto network = net::Network::parse(text);
    if (!network) return base::fail(base::Errc::kInvalidArgument, std::string(name) + ": " + network.error().text);
    out.push_back(*network);
  }
  return out;
}

base::Result<connector::UdpTransportOptions> udp_options(const base::Settings& settings, const TlsFiles& tls) {
  connector::UdpTransportOptions out;
  out.servers = MH_TRY(addresses_of(settings, "ns.servers"));
  out.bind = MH_TRY(net::Address::parse(settings.text("ns.bind")));
  out.listen = MH_TRY(net::Address::parse(settings.text("ns.answer_listen")));
  out.answer_to = settings.text("ns.answer_to");
  out.networks = MH_TRY(networks_of(settings, "ns.networks"));
  out.tls = MH_TRY(answer_tls(settings, out.listen, tls));
  out.plaintext = settings.flag("ns.plaintext");
  out.resend_after = settings.duration("ns.resend_after");
  return out;
}

base::Result<connector::ForeignTransportOptions> foreign_options(const base::Settings& settings, const TlsFiles& tls) {
  connector::ForeignTransportOptions out;
  out.servers = MH_TRY(addresses_of(settings, "ns.servers"));
  out.bind = MH_TRY(net::Address::parse(settings.text("ns.bind")));
  out.listen = MH_TRY(net::Address::parse(settings.text("ns.answer_listen")));
  out.networks = MH_TRY(networks_of(settings, "ns.networks"));
  out.tls = MH_TRY(answer_tls(settings, out.listen, tls));
  out.plaintext = settings.flag("ns.plaintext");
  out.answer_wait = settings.duration("ns.answer_wait");
  return out;
}

base::Result<std::shared_ptr<net::TlsContext>> ns_client_tls(const base::Settings& settings, const base::Disk& disk) {
  const auto& ca = settings.text("ns.ca_file");
  if (ca.empty()) return std::shared_ptr<net::TlsContext>();
  net::TlsClientOptions options;
  options.ca_pem = MH_TRY(disk.read(ca));
  options.identity = MH_TRY(read_identity(disk, settings.text("ns.certificate_file"), settings.text("ns.key_file")));
  options.expected_name = settings.text("ns.feed_name");
  return net::TlsContext::client(options);
}

}  // namespace meterhub::app
