// The published test vectors (tests/data/vectors/README.md).
#pragma once

#include <fstream>
#include <string>

#include <meterhub/base/encoding.h>
#include <meterhub/base/ids.h>
#include <meterhub/lorawan/session.h>
#include <nlohmann/json.hpp>

namespace meterhub::lorawan {

inline nlohmann::json vectors(const std::string& name) {
  return nlohmann::json::parse(std::ifstream(METERHUB_TEST_DATA "/vectors/" + name));
}
inline base::Bytes bytes_of(const nlohmann::json& hex) { return base::hex_decode(hex.get<std::string>()).value(); }
inline AesKey key_of(const nlohmann::json& hex) { return base::hex_decode_array<16>(hex.get<std::string>()).value(); }
inline std::uint64_t number_of(const nlohmann::json& hex) { return std::stoull(hex.get<std::string>(), nullptr, 16); }
inline base::DevAddr address_of(const nlohmann::json& hex) { return base::DevAddr(static_cast<std::uint32_t>(number_of(hex))); }

}  // namespace meterhub::lorawan
