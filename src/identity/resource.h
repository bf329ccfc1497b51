// What a request asks for: its path and query taken apart. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <meterhub/base/result.h>
#include <meterhub/http/message.h>

namespace meterhub::identity {

enum class Operation : std::uint8_t {
  kGet,
  kList,
  kPut,
  kDelete,
  kBulk,
  kQuery,
  kDeviceCounts,     // /statistics/devices
  kConnectionCount,  // /statistics/service
};

struct Asked {
  Operation operation = Operation::kList;
  std::string device_id{};  // decoded; kGet, kPut, kDelete
};

// From method and target, whose api-version may be any text. kNotImplemented: what IoT Hub has and we do not offer
// (twins, methods, modules, jobs, configurations); kInvalidArgument: no such thing, or not with this method.
base::Result<Asked> asked_of(const http::Request& request);
bool writes(Operation operation);

}  // namespace meterhub::identity
