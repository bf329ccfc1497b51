// Reads the named paths of an event, once, and nothing else (stream-sql 11.4).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/result.h>
#include <meterhub/engine/value.h>
#include <meterhub/sql/plan.h>

namespace meterhub::engine {

// The paths as a tree; names compare without case.
class PathTree {
 public:
  // Paths of metadata are left out: they are not in the payload.
  explicit PathTree(std::span<const sql::NeededPath> paths);

  struct Node {
    std::string name;  // as the script spells it first
    std::vector<Node> children;
    std::vector<std::uint32_t> slots;  // where the value goes

    // `hint`: the child to try first, then the one behind what was found, as documents keep the
    // order of their members.
    const Node* child(std::string_view key, std::size_t& hint) const;
  };
  const Node& root() const { return root_; }

 private:
  Node root_;
};

// One thread. What it returns points into the JSON or its own buffers, good until its next call.
class JsonReader {
 public:
  JsonReader();
  ~JsonReader();
  JsonReader(const JsonReader&) = delete;
  JsonReader& operator=(const JsonReader&) = delete;

  // Fills values[slot] for each path found, NULL for the others. kInvalidArgument: not JSON,
  // not an object, or a whole number that does not fit 64 bits (4.2).
  base::Result<void> read(std::string_view json, const PathTree& tree, std::vector<Value>& values);

  // Top-level fields of an object in their order, each value as it stands.
  struct Field {
    std::string name;
    Value value;
  };
  base::Result<std::vector<Field>> fields(std::string_view json);
  // Elements of an array, in order.
  base::Result<std::vector<Value>> elements(std::string_view json);

 private:
  std::string_view padded(std::string_view json);

  struct Parser;  // simdjson's, which is dear to include
  std::unique_ptr<Parser> parser_;
  std::string buffer_;
};

// The value at `path` inside `record`, copied into `arena`; NULL when there is none (3.2).
Value field_of(const Value& record, std::span<const std::string> path, JsonReader& reader, Arena& arena);

// The same value, with its characters moved into `arena`.
Value keep(const Value& value, Arena& arena);

std::string lower_case(std::string_view text);
bool equal_without_case(std::string_view a, std::string_view b);

}  // namespace meterhub::engine
