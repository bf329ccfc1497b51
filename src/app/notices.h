// What episodes' changes say to people: from module alarm to module notify. Pure but for the directory.
#pragma once

#include <cstdint>
#include <vector>

#include <meterhub/alarm/episode.h>
#include <meterhub/notify/notice.h>
#include <meterhub/registry/directory.h>

namespace meterhub::app {

// Those that people are told, with where their subjects are.
std::vector<notify::Notice> notices_of(const alarm::Changes& changes, const registry::Directory& directory);
// Episodes that somebody took note of or put aside: they are not escalated.
std::vector<std::uint64_t> taken_note_of(const alarm::Changes& changes);

}  // namespace meterhub::app
