// Rows of a list as JSON and CSV. Pure.
#pragma once

#include <string>

#include <meterhub/console/list.h>

namespace meterhub::console {

// {"name":value,…}
void append_json_row(std::string& out, const ListForm& form, const ListRow& row);

// A byte order mark, so that Excel reads UTF-8, and the line of headers.
std::string csv_head(const ListForm& form, Language language);
// A line with CRLF. A text that a spreadsheet would take for a formula gets an apostrophe in front.
void append_csv_row(std::string& out, const ListForm& form, const ListRow& row);

const std::string& header_of(const ListColumn& column, Language language);
// Cells that spreadsheets would run: they begin with = + - @ (also full-width) or a tab or
// line end, and are no numbers.
bool is_formula(std::string_view text);

}  // namespace meterhub::console
