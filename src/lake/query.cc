#include <meterhub/lake/query.h>

#include <algorithm>

#include <meterhub/lake/plan.h>

#include "job_views.h"
#include "root.h"

namespace meterhub::lake {
namespace {

using base::Errc;

constexpr int kAttempts = 4;

base::Result<std::string> where_now(const base::Disk& disk, const std::string& directory, const PlacedFile& file) {
  std::string staged = base::join_path(directory, file.staged);
  if (!file.staged.empty() && MH_TRY(disk.exists(staged))) return staged;
  return base::join_path(directory, file.path);
}

struct Paths {
  std::vector<std::string> placed;
  std::vector<std::string> fresh;
  std::vector<std::string> by_identity;
  std::vector<std::string> changes;
};

base::Result<Paths> paths_of(const base::Disk& disk, const std::string& directory, const State& state) {
  Paths paths;
  for (const auto& [hour, files] : state.hours) {
    for (const auto& [shard, file] : files.base) paths.placed.push_back(MH_TRY(where_now(disk, directory, file)));
    for (const auto& file : files.late) paths.placed.push_back(MH_TRY(where_now(disk, directory, file)));
  }
  for (const auto& [path, file] : state.fresh) {
    (file.by_identity ? paths.by_identity : paths.fresh).push_back(base::join_path(directory, path));
  }
  for (const auto& [path, file] : state.changes) paths.changes.push_back(base::join_path(directory, path));
  return paths;
}

// "SELECT …;" -> "SELECT …", so that it can stand in parentheses.
std::string without_semicolon(std::string_view sql) {
  const auto end = sql.find_last_not_of("; \t\r\n");
  return std::string(sql.substr(0, end == std::string_view::npos ? 0 : end + 1));
}

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos && !text.empty()) return std::string(text);
  std::string field = "\"";
  for (const char c : text) field.append(c == '"' ? 2 : 1, c);
  return field += '"';
}

struct TextTable {
  std::vector<std::string> names;
  std::vector<std::vector<std::optional<std::string>>> rows;
};

std::string as_csv(const TextTable& table) {
  std::string out;
  for (std::size_t c = 0; c < table.names.size(); ++c) out += (c > 0 ? "," : "") + csv_field(table.names[c]);
  out += '\n';
  for (const auto& row : table.rows) {
    for (std::size_t c = 0; c < row.size(); ++c)
      out += (c > 0 ? "," : "") + (row[c] ? csv_field(*row[c]) : std::string());
    out += '\n';
  }
  return out;
}

// Columns of a terminal: a Chinese character counts two.
std::size_t width_of(std::string_view text) {
  std::size_t width = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xC0) != 0x80) width += byte >= 0xE3 && byte <= 0xED ? 2 : 1;
  }
  return width;
}

std::string as_table(const TextTable& table) {
  std::vector<std::size_t> widths;
  for (const auto& name : table.names) widths.push_back(width_of(name));
  for (const auto& row : table.rows) {
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c] ? width_of(*row[c]) : 0);
  }
  std::string out;
  const auto line = [&](const auto& cell_at) {
    for (std::size_t c = 0; c < widths.size(); ++c) {
      const std::string cell = cell_at(c);
      out += cell;
      if (c + 1 < widths.size()) out.append(widths[c] - width_of(cell) + 2, ' ');
    }
    out += '\n';
  };
  line([&](std::size_t c) { return table.names[c]; });
  line([&](std::size_t c) { return std::string(widths[c], '-'); });
  for (const auto& row : table.rows) line([&](std::size_t c) { return row[c].value_or(""); });
  return out;
}

base::Result<TextTable> read_texts(duck::Rows rows) {
  TextTable table;
  for (const auto& column : rows.columns()) table.names.push_back(column.name);
  while (const auto chunk = rows.next()) {
    for (std::size_t r = 0; r < chunk->rows(); ++r) {
      auto& row = table.rows.emplace_back(table.names.size());
      for (std::size_t c = 0; c < row.size(); ++c) {
        if (!chunk->is_null(c, r)) row[c] = std::string(chunk->text(c, r));
      }
    }
  }
  return table;
}

// One statement only, so that nothing can follow a closed parenthesis.
base::Result<TextTable> run(duck::Connection& connection, const std::string& sql) {
  auto statement = MH_TRY(connection.prepare(sql));
  return read_texts(MH_TRY(statement.execute()));
}

// An error of the user's own words, not of the statement that they stand in.
base::Result<TextTable> run_inside(duck::Connection& connection, const std::string& sql, const std::string& before) {
  auto table = run(connection, before + " FROM (" + sql + "\n) AS answer");
  if (table) return table;
  if (sql.empty())
    return base::fail(Errc::kInvalidArgument, "an empty query; for example: SELECT count(*) FROM readings");
  auto alone = connection.prepare(sql);
  if (!alone) return std::unexpected(std::move(alone).error());
  return table;
}

base::Result<std::string> run_as(duck::Connection& connection, const std::string& sql, Format format) {
  const auto inner = without_semicolon(sql);
  if (format == Format::kJson) {
    const auto table = MH_TRY(run_inside(connection, inner, "SELECT to_json(answer)::VARCHAR"));
    std::string out;
    for (const auto& row : table.rows) out += row[0].value_or("null") + "\n";
    return out;
  }
  const auto table = MH_TRY(run_inside(connection, inner, "SELECT COLUMNS(*)::VARCHAR"));
  return format == Format::kCsv ? as_csv(table) : as_table(table);
}

}  // namespace

base::Result<duck::Connection> open_readonly(const base::Disk& disk, const std::string& directory,
                                             const QueryOptions& options) {
  if (!MH_TRY(disk.exists(directory))) return base::fail(Errc::kNotFound, directory + ": there is no lake here");
  const std::string root = absolute_path(directory);
  const State state = MH_TRY(Manifest::load(disk, root));
  const Paths paths = MH_TRY(paths_of(disk, root, state));
  auto database = MH_TRY(duck::Database::open({.path = {},
                                               .memory_limit = options.memory_limit,
                                               .threads = options.threads,
                                               .temp_directory = {},
                                               .external_access = false,
                                               .allowed_directories = {root},
                                               .lock_configuration = true}));
  auto connection = MH_TRY(database.connect());
  MH_TRY_VOID(
      connection.query("CREATE VIEW readings AS " + readings_sql(paths.placed, paths.fresh, paths.by_identity, {})));
  MH_TRY_VOID(connection.query("CREATE VIEW changes AS " + changes_sql(paths.changes)));
  return connection;
}

base::Result<std::vector<std::string>> placed_paths(const base::Disk& disk, const std::string& directory,
                                                    const State& state, Hour hour, base::Shard shard) {
  const std::string root = absolute_path(directory);
  std::vector<std::string> out;
  const auto files = state.hours.find(hour);
  if (files == state.hours.end()) return out;
  if (const auto object = files->second.base.find(shard); object != files->second.base.end())
    out.push_back(MH_TRY(where_now(disk, root, object->second)));
  for (const auto& late : files->second.late) {
    if (late.shard == shard) out.push_back(MH_TRY(where_now(disk, root, late)));
  }
  return out;
}

namespace {

base::Result<std::string> ask_once(const base::Disk& disk, const std::string& directory, const std::string& sql,
                                   Format format, const QueryOptions& options) {
  auto connection = MH_TRY(open_readonly(disk, directory, options));
  MH_TRY_VOID(add_job_views(disk, connection, absolute_path(directory), sql));
  return run_as(connection, sql, format);
}

}  // namespace

base::Result<std::string> query_text(const base::Disk& disk, const std::string& directory, const std::string& sql,
                                     Format format, const QueryOptions& options) {
  for (int attempt = 1;; ++attempt) {
    auto text = ask_once(disk, directory, sql, format, options);
    // A file that was just moved or removed: the manifest has a newer answer.
    if (text || text.error().code != Errc::kIo || attempt == kAttempts) return text;
  }
}

}  // namespace meterhub::lake
