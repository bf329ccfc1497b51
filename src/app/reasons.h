// Why packets are put aside, in words.
#pragma once

#include <string_view>

namespace meterhub::app {

// What a dead letter's or noise's reason means and what to do about it; empty for none that we give.
std::string_view explain_reason(std::string_view reason);

}  // namespace meterhub::app
