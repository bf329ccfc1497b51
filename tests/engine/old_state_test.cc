// A checkpoint of the version before: values in it have their longer forms only.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include <meterhub/engine/bounded.h>
#include <meterhub/engine/pipeline.h>
#include <meterhub/sql/compile.h>

#include "packed.h"
#include "tight.h"

namespace meterhub::engine {
namespace {

constexpr std::string_view kQuery = R"SQL(
SELECT id, used - LAG(used) OVER (PARTITION BY id LIMIT DURATION(hour, 1)) AS Step,
    LAG(t) OVER (PARTITION BY id LIMIT DURATION(hour, 1)) AS Before,
    AVG(used - 1.5) OVER (PARTITION BY id LIMIT DURATION(minute, 2)) AS Mean
INTO out FROM input TIMESTAMP BY t
)SQL";

class Rows final : public RowSink {
 public:
  void row(const OutputRow& row) override {
    append_json(text, row);
    text += '\n';
  }
  void dropped(const Dropped& one) override { ADD_FAILURE() << one.text; }
  std::string text;
};

std::unique_ptr<Pipeline> pipeline() {
  sql::CompileOptions options;
  options.infer_inputs = true;
  PipelineOptions run;
  run.policies = false;
  run.sorted = true;
  return Pipeline::create(sql::compile(kQuery, options).plan, run).value();
}

void feed(Pipeline& to, int from, int end, RowSink& rows) {
  for (int i = from; i < end; ++i) {
    const auto body = R"({"id":"8c4f1e00d2a3b5c)" + std::to_string(i % 3) + R"(","used":)" + std::to_string(100 + i) + ".125,\"t\":\"2026-11-26T08:" +
                      std::to_string(10 + i / 6) + ':' + std::to_string(10 + i % 6 * 8) + "Z\"}";
    Event event;
    event.body = body;
    event.offset = base::Offset(static_cast<std::uint64_t>(i));
    ASSERT_TRUE(to.run("input", std::vector<Event>{event}, rows));
  }
}

// Values until the end, as pack() has them.
void pack_again(std::string& out, Unpacker& from) {
  Arena arena;
  while (from.ok() && !from.done()) pack(out, take_tight(from, arena));
}

std::string old_lag(std::string_view part) {
  std::string out;
  Unpacker from(part);
  while (from.ok() && !from.done()) {
    pack_bytes(out, from.bytes());
    Unpacker entries(from.bytes());
    std::string history;
    while (entries.ok() && !entries.done()) {
      Unpacker entry(entries.bytes());
      std::string old;
      pack_signed(old, entry.signed_number());
      pack_again(old, entry);
      pack_bytes(history, old);
    }
    pack_bytes(out, history);
  }
  EXPECT_TRUE(from.ok());
  return out;
}

std::string old_running(std::string_view part) {
  std::string out;
  Arena arena;
  Unpacker from(part);
  while (from.ok() && !from.done()) {
    pack_bytes(out, from.bytes());
    for (int i = 0; i < 2; ++i) pack_signed(out, from.signed_number());
    Unpacker rows(from.bytes());
    std::string old;
    Ticks step = 0;
    while (rows.ok() && !rows.done()) {
      const auto tag = tag_of_same_step(static_cast<std::uint8_t>(rows.rest().front()));
      if (tag) rows.skip(1);
      else step = take_step(rows);
      pack_step(old, step);
      pack(old, tag ? take_tight_behind(*tag, rows, arena) : take_tight(rows, arena));
    }
    pack_bytes(out, old);
  }
  EXPECT_TRUE(from.ok());
  return out;
}

std::vector<CheckpointPiece> checkpoint(Pipeline& of) {
  std::vector<CheckpointPiece> out;
  of.begin_checkpoint();
  while (auto piece = of.next_piece()) out.push_back(std::move(*piece));
  return out;
}

TEST(OldState, IsReadAndGoesOn) {
  Rows whole;
  const auto one = pipeline();
  feed(*one, 0, 40, whole);
  ASSERT_TRUE(one->finish(whole));

  Rows rows;
  const auto before = pipeline();
  feed(*before, 0, 25, rows);
  auto pieces = checkpoint(*before);
  const auto after = pipeline();
  std::size_t shorter = 0;
  for (auto& piece : pieces) {
    const auto now = piece.bytes;
    if (piece.name == "head") piece.bytes[0] = 2;
    else piece.bytes = piece.name.starts_with("0/") ? old_lag(now) : old_running(now);
    if (now.size() < piece.bytes.size()) ++shorter;
    ASSERT_TRUE(after->restore_piece(piece)) << piece.name;
  }
  EXPECT_GE(shorter, 2U);
  ASSERT_TRUE(after->restored());
  feed(*after, 25, 40, rows);
  ASSERT_TRUE(after->finish(rows));
  EXPECT_EQ(rows.text, whole.text);
}

TEST(OldState, OfAnUnknownVersionIsRefused) {
  Rows rows;
  const auto before = pipeline();
  feed(*before, 0, 5, rows);
  auto head = checkpoint(*before).front();
  ASSERT_EQ(head.name, "head");
  EXPECT_EQ(head.bytes[0], 3);
  for (const char version : {'\0', '\1', '\4'}) {
    head.bytes[0] = version;
    EXPECT_FALSE(pipeline()->restore_piece(head)) << static_cast<int>(version);
  }
}

}  // namespace
}  // namespace meterhub::engine
