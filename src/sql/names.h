// Names compare without case (stream-sql 2). Only ASCII letters fold: names in other
// scripts compare as they are written.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace meterhub::sql {

bool same_name(std::string_view a, std::string_view b);
std::string folded(std::string_view name);

// The candidate nearest to `name` by edit distance, when it is near enough to be a
// typing mistake; else empty.
std::string nearest(std::string_view name, std::span<const std::string> candidates);

}  // namespace meterhub::sql
