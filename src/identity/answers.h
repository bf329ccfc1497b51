// Answers in the form that IoT Hub's clients read (spec/azure-amqp.md 12). Pure.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include <meterhub/base/result.h>
#include <meterhub/http/message.h>
#include <meterhub/identity/device_registry.h>

namespace meterhub::identity {

// Code of a class of errors, as it stands in bodies: "DeviceNotFound".
std::string_view error_code(base::Errc code);
unsigned http_status(base::Errc code);

// {"Message":"ErrorCode:CODE;text","ExceptionMessage":"text"}: clients split Message at ';'.
http::Response refusal(unsigned status, std::string_view code, std::string text);

http::Response json_answer(unsigned status, const nlohmann::json& body);

}  // namespace meterhub::identity
