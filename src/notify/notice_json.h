// JSON of notices for the files that put them into larger documents.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include <meterhub/notify/notice.h>

namespace meterhub::notify {

nlohmann::json json_of(const Notice& notice);
std::string dump(const nlohmann::json& value);

}  // namespace meterhub::notify
