// meterhub registry policy …: shared access policies.
#pragma once

#include "commands.h"

namespace meterhub::app {

void add_policy_commands(CLI::App& registry, Exit& exit);

}  // namespace meterhub::app
