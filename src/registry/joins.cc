#include <meterhub/registry/joins.h>

#include <algorithm>
#include <array>

#include <meterhub/base/assert.h>
#include <meterhub/crypto/secret.h>
#include <meterhub/lorawan/frame.h>
#include <meterhub/lorawan/join.h>

namespace meterhub::registry {
namespace {

using base::Errc;

constexpr std::uint32_t kLargestAppNonce = 0xFF'FFFF;
constexpr std::uint32_t kDevAddrHostBits = 25;

// Two owners of one duty never overlap for long, so a second look settles a lost race.
constexpr int kAttempts = 3;

}  // namespace

std::string_view join_code(JoinVerdict verdict) {
  switch (verdict) {
    case JoinVerdict::kAccepted: return "accepted";
    case JoinVerdict::kRepeated: return "repeated";
    case JoinVerdict::kBadLength: return "bad_length";
    case JoinVerdict::kUnknownDevEui: return "join_unknown_deveui";
    case JoinVerdict::kMic: return "join_mic";
    case JoinVerdict::kNonce: return "join_nonce";
  }
  return "bad_length";
}

JoinServer::JoinServer(Store& store, const JoinOptions& options, RandomSource random)
    : store_(store), options_(options), random_(std::move(random)) {
  MH_ASSERT(options.net_id <= 0xFF'FFFF);
}

base::DevAddr JoinServer::new_dev_addr() {
  // Top 7 bits: the low 7 of NetID (spec section 5). Addresses need not be unique.
  std::array<std::uint8_t, 4> bytes{};
  random_(bytes);
  std::uint32_t host = 0;
  for (const auto byte : bytes) host = host << 8 | byte;
  return base::DevAddr((options_.net_id & 0x7F) << kDevAddrHostBits | (host & ((1U << kDevAddrHostBits) - 1)));
}

base::Result<JoinResult> JoinServer::handle(base::BytesView phy, const Owner& owner) {
  const auto frame = lorawan::parse_frame(phy);
  const auto* request = frame ? std::get_if<lorawan::JoinRequestFrame>(&*frame) : nullptr;
  if (request == nullptr) return JoinResult{.verdict = JoinVerdict::kBadLength};
  for (int attempt = 1;; ++attempt) {
    auto state = store_.join_state(request->dev_eui, request->dev_nonce);
    if (!state && state.error().code == Errc::kNotFound) return JoinResult{.verdict = JoinVerdict::kUnknownDevEui};
    if (!state) return std::unexpected(std::move(state).error());
    const bool genuine = lorawan::join_request_matches(*request, state->app_key);
    auto result = genuine ? accept(phy, *state, request->dev_eui, request->dev_nonce, owner)
                          : base::Result<JoinResult>(JoinResult{.verdict = JoinVerdict::kMic});
    crypto::wipe(state->app_key);
    if (result || result.error().code != Errc::kPrecondition || attempt == kAttempts) return result;
  }
}

base::Result<JoinResult> JoinServer::accept(base::BytesView phy, const JoinState& state, base::Eui64 dev_eui,
                                            std::uint16_t dev_nonce, const Owner& owner) {
  if (state.same_nonce_frame) {
    if (!std::ranges::equal(*state.same_nonce_frame, phy)) return JoinResult{.verdict = JoinVerdict::kNonce};
    return JoinResult{.verdict = JoinVerdict::kRepeated, .accept = *state.same_nonce_accept};
  }
  if (state.app_nonce >= kLargestAppNonce) return base::fail(Errc::kResourceExhausted, "meter " + dev_eui.text() + " has used all its join nonces");
  const lorawan::JoinAccept answer{.app_nonce = state.app_nonce + 1, .net_id = options_.net_id, .dev_addr = new_dev_addr(),
                                   .dl_settings = options_.dl_settings, .rx_delay = options_.rx_delay_s, .cf_list = std::nullopt};
  const auto keys = lorawan::derive_session_keys(state.app_key, answer.app_nonce, answer.net_id, dev_nonce);
  JoinRecord record{.dev_eui = dev_eui, .dev_nonce = dev_nonce, .app_nonce = answer.app_nonce};
  record.frame.assign(phy.begin(), phy.end());
  record.accept = lorawan::build_join_accept(state.app_key, answer);
  record.session = {answer.dev_addr, dev_eui, state.meter, base::SessionNumber(state.session.value + 1), keys.nwk_skey, keys.app_skey};
  MH_TRY_VOID(store_.record_join(owner, record));
  return JoinResult{.verdict = JoinVerdict::kAccepted, .accept = record.accept, .session = record.session};
}

}  // namespace meterhub::registry
