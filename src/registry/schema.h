// The schema of registry.sqlite, step by step.
#pragma once

#include <span>

#include <meterhub/db/migrations.h>

namespace meterhub::registry {

std::span<const db::Migration> schema();

}  // namespace meterhub::registry
