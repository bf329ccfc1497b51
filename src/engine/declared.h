// CREATE TABLE: which events fit the declared columns (stream-sql 6.8).
#pragma once

#include <meterhub/engine/value.h>
#include <meterhub/sql/types.h>

namespace meterhub::engine {

// Makes the value one of the declared type where that loses nothing (4.3): ISO text to
// datetime, numeric text to numbers, bigint to float, bit to numbers. False: it is of
// another type. NULL fits every type.
bool fit(Value& value, sql::Type declared);

}  // namespace meterhub::engine
