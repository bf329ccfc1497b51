#include <meterhub/lorawan/gwmp.h>

#include <algorithm>

namespace meterhub::lorawan {
namespace {

constexpr std::size_t kShortHeader = 4;
constexpr std::size_t kHeader = 12;

base::Eui64 gateway_at(base::BytesView bytes) {
  std::uint64_t value = 0;
  for (const std::uint8_t byte : bytes.subspan(kShortHeader, 8)) value = value << 8 | byte;
  return base::Eui64(value);
}

std::string header(std::uint8_t version, std::array<std::uint8_t, 2> token, GwmpType type) {
  return {static_cast<char>(version), static_cast<char>(token[0]), static_cast<char>(token[1]), static_cast<char>(type)};
}

bool starts_as_object(base::BytesView body) {
  const auto first = std::ranges::find_if(body, [](std::uint8_t c) { return c != ' ' && c != '\t' && c != '\r' && c != '\n'; });
  return first != body.end() && *first == '{';
}

}  // namespace

std::expected<Datagram, PacketError> parse_datagram(base::BytesView bytes) {
  if (bytes.empty()) return std::unexpected(PacketError::kGwmpShort);
  if (bytes[0] != 1 && bytes[0] != 2) return std::unexpected(PacketError::kGwmpVersion);
  if (bytes.size() < kShortHeader) return std::unexpected(PacketError::kGwmpShort);
  const auto type = static_cast<GwmpType>(bytes[3]);
  const bool to_server = type == GwmpType::kPushData || type == GwmpType::kPullData || type == GwmpType::kTxAck;
  if (!to_server) return std::unexpected(PacketError::kGwmpType);
  if (bytes.size() < kHeader) return std::unexpected(PacketError::kGwmpShort);
  return Datagram{.version = bytes[0],
                  .token = {bytes[1], bytes[2]},
                  .type = type,
                  .gateway = gateway_at(bytes),
                  .body = bytes.subspan(kHeader)};
}

std::optional<std::array<std::uint8_t, 4>> acknowledgement(const Datagram& datagram) {
  if (datagram.type == GwmpType::kTxAck) return std::nullopt;
  const GwmpType type = datagram.type == GwmpType::kPushData ? GwmpType::kPushAck : GwmpType::kPullAck;
  return std::array{datagram.version, datagram.token[0], datagram.token[1], static_cast<std::uint8_t>(type)};
}

std::string build_push_data(std::array<std::uint8_t, 2> token, base::Eui64 gateway, std::string_view json, std::uint8_t version) {
  std::string out = header(version, token, GwmpType::kPushData);
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(gateway.value >> shift & 0xFF);
  out += json;
  return out;
}

std::string build_pull_resp(std::array<std::uint8_t, 2> token, std::string_view json, std::uint8_t version) {
  return header(version, token, GwmpType::kPullResp).append(json);
}

std::expected<GatewayBody, PacketError> parse_gateway_body(base::BytesView body, base::Eui64 sender) {
  if (body.size() > kBodySizeMax) return std::unexpected(PacketError::kBodySize);
  if (starts_as_object(body)) return GatewayBody{std::nullopt, body};
  const auto datagram = parse_datagram(body);
  if (!datagram) return std::unexpected(datagram.error());
  if (datagram->type != GwmpType::kPushData) return std::unexpected(PacketError::kGwmpType);
  if (datagram->gateway != sender) return std::unexpected(PacketError::kGwMismatch);
  return GatewayBody{*datagram, datagram->body};
}

}  // namespace meterhub::lorawan
