// The command `meterhub bench`; see ../commands.h.
#pragma once

#include "../commands.h"

namespace meterhub::app {

void add_bench(CLI::App& program, Exit& exit);

}  // namespace meterhub::app
