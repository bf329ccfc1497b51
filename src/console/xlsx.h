// One sheet of rows as an XLSX file, in bounded memory: libxlsxwriter's constant-memory mode
// spools rows to a file that has no name.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <meterhub/base/result.h>
#include <meterhub/console/list.h>

namespace meterhub::console {

// One thread at a time. What is not finished leaves nothing behind.
class XlsxFile {
 public:
  // Files of its own are made under `scratch`, an existing directory.
  static base::Result<std::unique_ptr<XlsxFile>> create(const std::string& scratch,
                                                        std::shared_ptr<const ListForm> form, Language language);
  ~XlsxFile();
  XlsxFile(const XlsxFile&) = delete;
  XlsxFile& operator=(const XlsxFile&) = delete;

  // At most kSheetRowsMax in all: kTooLarge says what to do.
  base::Result<void> add(const std::vector<ListRow>& rows);
  // Compresses the file: seconds for a million rows. No add() afterwards.
  base::Result<void> finish();
  // After finish(): the next piece, empty at the end.
  base::Result<std::string> read(std::size_t most);

 private:
  struct State;
  explicit XlsxFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// The error of a list that no sheet can take.
base::Error too_long_for_a_sheet(std::string_view rows);

}  // namespace meterhub::console
