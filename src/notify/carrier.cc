#include <meterhub/notify/carrier.h>

#include <future>

namespace meterhub::notify {
namespace {

class CurlCarrier final : public Carrier {
 public:
  CurlCarrier(std::unique_ptr<http::Courier> courier, const CarrierOptions& options)
      : options_{options.timeout, options.ca_file}, courier_(std::move(courier)) {}

  void carry(Parcel parcel, Done done) override {
    if (auto* mail = std::get_if<http::Mail>(&parcel))
      return courier_->mail(std::move(*mail), options_, std::move(done));
    auto& post = std::get<Post>(parcel);
    courier_->post(std::move(post.url), std::move(post.body), post.headers, options_, std::move(done));
  }

 private:
  const http::PostOptions options_;
  std::unique_ptr<http::Courier> courier_;
};

}  // namespace

base::Result<std::unique_ptr<Carrier>> make_carrier(const CarrierOptions& options) {
  return std::make_unique<CurlCarrier>(MH_TRY(http::Courier::create()), options);
}

base::Result<http::Response> carry_and_wait(Carrier& carrier, Parcel parcel) {
  // Shared: the one who waits may be gone before set_value() has returned.
  const auto answer = std::make_shared<std::promise<base::Result<http::Response>>>();
  auto given = answer->get_future();
  carrier.carry(std::move(parcel),
                [answer](base::Result<http::Response> response) { answer->set_value(std::move(response)); });
  return given.get();
}

}  // namespace meterhub::notify
