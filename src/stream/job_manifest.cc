#include "job_manifest.h"

#include <meterhub/base/byte_io.h>

namespace meterhub::stream {
namespace {

constexpr std::uint8_t kVersion = 1;

// Version, what is written, checksum.
template <class Write>
std::string sealed(Write&& write) {
  std::string out;
  base::ByteWriter writer(out);
  writer.number(kVersion);
  write(writer);
  writer.number(base::crc32c(out));
  return out;
}

template <class T, class Read>
base::Result<T> opened(std::string_view bytes, Read&& read) {
  const auto corrupt = [] { return base::fail(base::Errc::kCorrupt, "a job's checkpoint record is damaged or of another version"); };
  if (bytes.size() < 5) return corrupt();
  const auto content = bytes.substr(0, bytes.size() - 4);
  base::ByteReader tail(bytes.substr(content.size()));
  base::ByteReader reader(content);
  if (tail.number<std::uint32_t>() != base::crc32c(content) || reader.number<std::uint8_t>() != kVersion) return corrupt();
  T out;
  read(reader, out);
  if (!reader.ok() || reader.remaining() != 0) return corrupt();
  return out;
}

void write_partition(base::ByteWriter& writer, const log::TopicPartition& partition) {
  writer.number(partition.topic.value);
  writer.number(partition.partition.value);
}

log::TopicPartition read_partition(base::ByteReader& reader) {
  const auto topic = reader.number<decltype(base::TopicId::value)>();
  const auto partition = reader.number<decltype(base::PartitionId::value)>();
  return {base::TopicId(topic), base::PartitionId(partition)};
}

void write_offsets(base::ByteWriter& writer, const std::map<log::TopicPartition, base::Offset>& offsets) {
  writer.number(static_cast<std::uint32_t>(offsets.size()));
  for (const auto& [partition, offset] : offsets) {
    write_partition(writer, partition);
    writer.number(offset.value);
  }
}

void read_offsets(base::ByteReader& reader, std::map<log::TopicPartition, base::Offset>& offsets) {
  for (auto count = reader.number<std::uint32_t>(); count > 0 && reader.ok(); --count) {
    const auto partition = read_partition(reader);
    offsets[partition] = base::Offset(reader.number<std::uint64_t>());
  }
}

void write_numbers(base::ByteWriter& writer, const std::map<std::string, std::uint64_t>& numbers) {
  writer.number(static_cast<std::uint32_t>(numbers.size()));
  for (const auto& [name, number] : numbers) {
    writer.text(name);
    writer.number(number);
  }
}

void read_numbers(base::ByteReader& reader, std::map<std::string, std::uint64_t>& numbers) {
  for (auto count = reader.number<std::uint32_t>(); count > 0 && reader.ok(); --count) {
    const std::string name(reader.text());
    numbers[name] = reader.number<std::uint64_t>();
  }
}

void write_time(base::ByteWriter& writer, std::optional<engine::Ticks> time) {
  writer.number(static_cast<std::uint8_t>(time.has_value()));
  writer.number(time.value_or(0));
}

std::optional<engine::Ticks> read_time(base::ByteReader& reader) {
  const bool known = reader.number<std::uint8_t>() != 0;
  const auto time = reader.number<engine::Ticks>();
  return known ? std::optional(time) : std::nullopt;
}

}  // namespace

std::string encode(const JobManifest& manifest) {
  return sealed([&](base::ByteWriter& writer) {
    writer.number(manifest.number);
    writer.number(static_cast<std::uint8_t>(manifest.fresh));
    write_offsets(writer, manifest.offsets);
    write_numbers(writer, manifest.sequences);
    writer.number(manifest.letters);
    write_time(writer, manifest.taken_over_at);
    write_time(writer, manifest.watermark);
    writer.number(manifest.plan);
  });
}

base::Result<JobManifest> decode_manifest(std::string_view bytes) {
  return opened<JobManifest>(bytes, [](base::ByteReader& reader, JobManifest& out) {
    out.number = reader.number<std::uint64_t>();
    out.fresh = reader.number<std::uint8_t>() != 0;
    read_offsets(reader, out.offsets);
    read_numbers(reader, out.sequences);
    out.letters = reader.number<std::uint64_t>();
    out.taken_over_at = read_time(reader);
    out.watermark = read_time(reader);
    out.plan = reader.number<std::uint64_t>();
  });
}

std::string encode(const std::vector<IdleNote>& notes) {
  return sealed([&](base::ByteWriter& writer) {
    writer.number(static_cast<std::uint32_t>(notes.size()));
    for (const auto& note : notes) {
      write_partition(writer, note.partition);
      writer.number(note.before.value);
      writer.number(note.watermark);
    }
  });
}

base::Result<std::vector<IdleNote>> decode_idle(std::string_view bytes) {
  return opened<std::vector<IdleNote>>(bytes, [](base::ByteReader& reader, std::vector<IdleNote>& out) {
    for (auto count = reader.number<std::uint32_t>(); count > 0 && reader.ok(); --count) {
      IdleNote note;
      note.partition = read_partition(reader);
      note.before = base::Offset(reader.number<std::uint64_t>());
      note.watermark = reader.number<engine::Ticks>();
      out.push_back(note);
    }
  });
}

std::string encode(const StoredNote& note) {
  return sealed([&](base::ByteWriter& writer) {
    write_numbers(writer, note.sequences);
    write_offsets(writer, note.offsets);
    writer.number(note.letters);
  });
}

base::Result<StoredNote> decode_stored(std::string_view bytes) {
  return opened<StoredNote>(bytes, [](base::ByteReader& reader, StoredNote& out) {
    read_numbers(reader, out.sequences);
    read_offsets(reader, out.offsets);
    out.letters = reader.number<std::uint64_t>();
  });
}

}  // namespace meterhub::stream
