// What the embedded log reads from its store: blocks, records, keys and catalog values.
#include <meterhub/base/byte_io.h>
#include <meterhub/log/record_format.h>

#include "input.h"
#include "log/embedded/layout.h"

namespace meterhub::log {
namespace {

using fuzz::require;

bool same(const RecordView& a, const RecordView& b) {
  return a.enqueued == b.enqueued && a.key == b.key && a.properties == b.properties && a.sections == b.sections && a.body == b.body;
}

void write_again(const RecordView& view, base::Timestamp base) {
  std::string bytes;
  encode_record(bytes, {view.key, view.properties, view.sections, view.body}, view.enqueued - base);
  std::string_view rest = bytes;
  RecordView again;
  require(decode_record(rest, base, again).has_value() && rest.empty() && same(view, again));
}

void read_record(std::string_view bytes) {
  const base::Timestamp base{std::chrono::hours(400'000)};
  RecordView view;
  if (!decode_record(bytes, base, view)) return;
  require(view.enqueued >= base);
  write_again(view, base);
}

// All records of a block, as a reader walks them.
std::vector<RecordView> records_of(const Block& block) {
  std::vector<RecordView> out;
  BlockReader reader(block);
  RecordView view;
  while (!reader.at_end() && reader.next(view)) out.push_back(view);
  return out;
}

void check_block(std::string_view stored) {
  const auto block = decode_block(base::Offset(7), stored);
  if (!block) return require(block.error().code == base::Errc::kCorrupt);
  require(block_base_time(stored).value() == block->base && block->newest >= block->base);
  const auto records = records_of(*block);
  for (const auto& record : records) write_again(record, block->base);
  std::string written;
  encode_block(*block, written);
  const auto again = decode_block(block->first, written);
  require(again && again->count == block->count && again->base == block->base && again->newest == block->newest && again->records == block->records);
}

// As stored, and with the checksum put right: what reaches the readers behind it.
void read_block(std::string_view bytes) {
  check_block(bytes);
  std::string sealed;
  base::ByteWriter(sealed).number(base::crc32c(bytes));
  sealed.append(bytes);
  check_block(sealed);
}

void read_catalog(std::string_view bytes) {
  using namespace layout;
  if (const auto topic = parse_topic(bytes)) require(topic_value(parse_topic(topic_value(*topic)).value()) == topic_value(*topic));
  if (const auto segment = parse_segment(bytes)) require(segment_value(parse_segment(segment_value(*segment)).value()) == segment_value(*segment));
  if (const auto number = parse_number(bytes)) require(parse_number(number_value(*number)).value() == *number);
  if (const auto key = parse_block_key(bytes)) require(block_key(key->first, key->second) == bytes);
  if (const auto key = parse_group_key(bytes)) {
    const auto again = parse_group_key(group_key(key->first, key->second));
    require(again && again->first == key->first && again->second == key->second);
  }
}

}  // namespace
}  // namespace meterhub::log

MH_FUZZER(log_record, input) {
  using namespace meterhub::log;
  switch (input.byte() % 3) {
    case 0: return read_record(input.text());
    case 1: return read_block(input.text());
    default: return read_catalog(input.text());
  }
}
