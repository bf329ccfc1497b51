// SASL PLAIN, the first that anybody says. Input: user, a newline, password; also the whole as the response of a SASL init.
#include <meterhub/amqp/engine.h>

#include "hub/access.h"
#include "input.h"

namespace meterhub::hub {
namespace {

using fuzz::require;

constexpr std::string_view kKey = "MDEyMzQ1Njc4OWFiY2RlZg==";

struct OneGateway final : GatewayDirectory {
  GatewayPtr known = std::make_shared<const Gateway>(Gateway{"gw-1", true, std::string(kKey), "", {}, {}});
  GatewayPtr find(std::string_view id) const override { return id == known->id ? known : nullptr; }
  GatewayPtr find(base::Eui64) const override { return nullptr; }
  std::unique_ptr<GatewayWatch> watch(base::Executor&, std::function<void(std::string)>) override { return nullptr; }
};

struct OnePolicy final : PolicyDirectory {
  PolicyPtr known = std::make_shared<const Policy>(
      Policy{"reader", "telemetry", static_cast<std::uint8_t>(Right::kListen), std::string(kKey), ""});
  PolicyPtr find(std::string_view scope, std::string_view name) const override {
    return scope == known->scope && name == known->name ? known : nullptr;
  }
  std::unique_ptr<PolicyWatch> watch(base::Executor&, std::function<void()>) override { return nullptr; }
};

struct Server final : amqp::Listener {
  const Access& access;
  bool asked = false;
  bool passed = false;
  explicit Server(const Access& a) : access(a) {}
  bool on_sasl(const amqp::SaslLogin& login) override {
    asked = true;
    passed = login.mechanism == amqp::SaslMechanism::kPlain && access.check_plain(login.user, login.password, base::Timestamp{});
    return passed;
  }
};

void check_login(const Access& access, std::string_view user, std::string_view password) {
  const auto claims = access.check_plain(user, password, base::Timestamp{});
  if (!claims) return require(!claims.error().text.empty() && !claims.error().reason.empty());
  // Whoever is let in has said the policy's name and key, or shown a token.
  require(!claims->empty());
  if (!password.starts_with("SharedAccessSignature ")) require(user == "reader" && password == kKey);
  for (const auto& claim : *claims) require(claim.key == kKey);
}

// The response in a frame, as it comes over the wire.
void check_frame(const Access& access, base::BytesView response) {
  Server server(access);
  amqp::Connection connection({}, server, base::MonotonicTime{});
  base::Bytes bytes{'A', 'M', 'Q', 'P', 3, 1, 0, 0};
  const auto at = bytes.size();
  bytes.resize(at + 8);
  amqp::encode(bytes, amqp::SaslInit{.mechanism = {"PLAIN"}, .initial_response = response, .hostname = {}});
  const auto size = static_cast<std::uint32_t>(bytes.size() - at);
  for (int i = 0; i < 4; ++i) bytes[at + static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(size >> (24 - 8 * i));
  bytes[at + 4] = 2;
  bytes[at + 5] = 1;
  connection.feed(bytes, base::MonotonicTime{});
  if (server.asked && !server.passed) require(connection.finished());
}

}  // namespace
}  // namespace meterhub::hub

MH_FUZZER(plain_login, input) {
  using namespace meterhub::hub;
  static OneGateway gateways;
  static OnePolicy policies;
  static const Access access(gateways, policies, {}, {"telemetry"});
  const auto whole = input.rest();
  const auto user = meterhub::base::as_text(input.take_until('\n'));
  check_login(access, user, input.text());
  if (whole.size() < 400) check_frame(access, whole);
}
