// How far a reader of a log has come with what it writes into database.sqlite: set in the transaction that holds the
// effects, so that neither is there without the other.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <meterhub/base/ids.h>
#include <meterhub/base/result.h>
#include <meterhub/db/connection.h>

namespace meterhub::tables {

struct Position {
  std::string_view reader;  // "office"
  std::string_view log;     // "readings"
  base::PartitionId partition{};
};

// The offset of the first record whose effects are not in the database; nothing when there never was one.
base::Result<std::optional<base::Offset>> position(db::Connection& connection, const Position& of);
// Inside the caller's transaction.
base::Result<void> set_position(db::Connection& connection, const Position& of, base::Offset next);

}  // namespace meterhub::tables
