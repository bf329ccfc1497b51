#include <algorithm>
#include <utility>

#include <meterhub/base/encoding.h>
#include <meterhub/base/logging.h>
#include <meterhub/crypto/hash.h>
#include <meterhub/engine/bounded.h>
#include <meterhub/http/outgoing.h>

#include "job_outputs.h"

namespace meterhub::stream {
namespace {

constexpr std::size_t kRowsMax = 500;
constexpr std::size_t kBytesMax = 1 << 20;
constexpr std::chrono::milliseconds kFirstPause{500};
constexpr std::chrono::milliseconds kLongestPause{60'000};

// Worth another attempt however often: the receiver's own trouble, or too much at once.
bool may_pass(unsigned status) { return status >= 500 || status == 408 || status == 425 || status == 429; }

// Rows leave in the order of their batch, before its offset is committed: an attempt that failed comes again
// with the batch, which the log keeps. What waits here is bounded by one body.
class WebhookWriter final : public JobOutputWriter {
 public:
  WebhookWriter(std::string job, std::string output, WebhookOutput sink, std::string secret, const base::Clock& clock)
      : job_(std::move(job)),
        output_(std::move(output)),
        sink_(std::move(sink)),
        secret_(std::move(secret)),
        clock_(clock) {}

  base::Result<void> begin(const log::Assignment&, const std::optional<std::string>&) override { return {}; }

  base::Result<void> add(const engine::OutputRow& row, const log::RecordView& record) override {
    rows_ += rows_.empty() ? "" : ",";
    rows_ += "{\"id\":";
    engine::append_json_string(rows_, job_ + "/" + output_ + "/" + std::to_string(row.partition.value) + "/" +
                                          std::to_string(row.offset.value) + "/" + std::to_string(row.place));
    rows_ += ",\"time\":";
    engine::append_json_string(rows_, engine::datetime_text(row.time));
    rows_ += ",\"tenant\":" + std::to_string(record.properties.tenant.value) + ",\"event\":";
    engine::append_json(rows_, row);
    rows_ += '}';
    if (++count_ < kRowsMax && rows_.size() < kBytesMax) return {};
    return send();
  }

  base::Result<std::optional<std::string>> store(const log::Assignment&, base::Offset, base::Offset) override {
    if (count_ > 0) MH_TRY_VOID(send());
    return std::nullopt;
  }

  void committed(const log::Assignment&) override {}

  void discard() override {
    rows_.clear();
    count_ = 0;
  }

 private:
  base::Result<void> send() {
    if (clock_.monotonic() < next_) return base::fail(base::Errc::kUnavailable, trouble_);
    const auto body = body_of(std::exchange(rows_, {}));
    count_ = 0;
    const auto answer = http::post(sink_.url, body, headers(body), {sink_.timeout, sink_.ca_file});
    if (answer && answer->status >= 200 && answer->status < 300) {
      pause_ = {};
      return {};
    }
    if (answer && !may_pass(answer->status) && sink_.refused == OnRefused::kDrop) return drop(answer->status);
    return wait("webhook " + output_ + ": " +
                (answer ? "status " + std::to_string(answer->status) : answer.error().text));
  }

  base::Result<void> drop(unsigned status) {
    pause_ = {};
    base::logging::warn("webhook_rows_dropped", {{"job", job_}, {"output", output_}, {"status", status}});
    return {};
  }

  std::unexpected<base::Error> wait(std::string what) {
    pause_ = pause_ == std::chrono::milliseconds{} ? kFirstPause : std::min(2 * pause_, kLongestPause);
    next_ = clock_.monotonic() + pause_;
    trouble_ = std::move(what);
    return base::fail(base::Errc::kUnavailable, trouble_);
  }

  std::string body_of(const std::string& rows) const {
    std::string out = "{\"job\":";
    engine::append_json_string(out, job_);
    out += ",\"output\":";
    engine::append_json_string(out, output_);
    return out + ",\"rows\":[" + rows + "]}";
  }

  // The time is part of what is signed, so that a receiver can refuse old ones.
  http::Fields headers(const std::string& body) const {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(clock_.now().time_since_epoch()).count();
    const auto time = std::to_string(seconds);
    http::Fields out{{"Content-Type", "application/json"}, {"User-Agent", "meterhub"}};
    if (secret_.empty()) return out;
    const auto signature = crypto::hmac_sha256(base::as_bytes(secret_), base::as_bytes(time + "." + body));
    out.emplace_back("Meterhub-Signature", "t=" + time + ",v1=" + base::hex_encode(signature));
    return out;
  }

  const std::string job_;
  const std::string output_;
  const WebhookOutput sink_;
  const std::string secret_;
  const base::Clock& clock_;
  std::string rows_;  // of the body under way, with commas between
  std::size_t count_ = 0;
  std::chrono::milliseconds pause_{};
  base::MonotonicTime next_{};  // no attempt before
  std::string trouble_;
};

}  // namespace

base::Result<std::unique_ptr<JobOutputWriter>> make_webhook_output(const base::Disk& disk, const std::string& job,
                                                                   const std::string& output, const WebhookOutput& sink,
                                                                   const base::Clock& clock) {
  MH_TRY_VOID(http::check_post_url(sink.url));
  std::string secret;
  if (!sink.secret_file.empty()) {
    secret = MH_TRY(disk.read(sink.secret_file));
    while (secret.ends_with('\n') || secret.ends_with('\r')) secret.pop_back();
    if (secret.size() < kSecretBytesMin) {
      return base::fail(base::Errc::kInvalidArgument,
                        sink.secret_file + ": a secret has " + std::to_string(kSecretBytesMin) + " bytes or more");
    }
  }
  return std::make_unique<WebhookWriter>(job, output, sink, std::move(secret), clock);
}

}  // namespace meterhub::stream
