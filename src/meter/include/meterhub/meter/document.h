// Reads the body of logs `decoded` and `readings`, as append_document() wrote it: for the roles that
// keep what it says. Unknown members are skipped, members of a wrong type count as absent.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include <meterhub/base/result.h>

namespace meterhub::meter {

struct Document {
  struct Reception {
    std::string_view gateway;    // EUI
    std::optional<double> rssi;  // dBm
    std::optional<double> snr;   // dB
  };

  // originData.app
  std::optional<std::int64_t> port;
  std::optional<std::string_view> payload;  // base64
  std::vector<Reception> receptions;
  // userData; not decoded: it is null and the rest is absent.
  bool decoded = false;
  std::optional<std::int64_t> type;
  std::optional<std::int64_t> code;
  std::optional<std::int64_t> bought;  // litres
  std::optional<std::int64_t> left;
  std::optional<std::int64_t> used;
  std::optional<std::int64_t> status;
  std::optional<std::string_view> version;
  std::optional<std::string_view> time;

  std::optional<double> best_rssi() const;
  std::optional<double> best_snr() const;
};

// One thread; keeps its buffers.
class DocumentReader {
 public:
  DocumentReader();
  ~DocumentReader();
  DocumentReader(DocumentReader&&) noexcept;
  DocumentReader& operator=(DocumentReader&&) noexcept;

  // Null: no whole document. Good until the next call, and as long as `body` is there.
  const Document* read(std::string_view body);

 private:
  struct Parser;  // for documents that are not plain
  std::unique_ptr<Parser> parser_;
  Document document_;
};

// "979.171" -> 979171: exact for at most three digits after the point, rounded half away
// from zero beyond; kInvalidArgument for what is no number or outside DECIMAL(12,3).
base::Result<std::int64_t> thousandths(std::string_view number);

}  // namespace meterhub::meter
