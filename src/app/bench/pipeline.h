// One run of `meterhub bench pipeline`: the real platform in a process of its own, the generator in
// another, and this one, which watches both from outside.
#pragma once

#include <meterhub/base/result.h>

#include "../signals.h"
#include "options.h"
#include "report.h"

namespace meterhub::app::bench {

// kCancelled: a signal came; both processes have ended and the directory is gone.
base::Result<Report> run_pipeline(const PipelineOptions& options, StopSignals& signals);

}  // namespace meterhub::app::bench
