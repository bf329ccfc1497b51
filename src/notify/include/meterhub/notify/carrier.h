// Takes parcels to their servers.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include <meterhub/base/result.h>
#include <meterhub/http/courier.h>
#include <meterhub/notify/parcel.h>

namespace meterhub::notify {

// Any thread. The answer comes once, on any thread, as http::Courier gives it.
class Carrier {
 public:
  using Done = http::Courier::Done;
  virtual ~Carrier() = default;
  virtual void carry(Parcel parcel, Done done) = 0;
};

struct CarrierOptions {
  std::chrono::milliseconds timeout{20'000};  // of one attempt, from the name to the answer
  std::string ca_file;                        // PEM of the authorities to trust; empty: the system's
};

// By libcurl. kInternal: no memory. What is under way when it goes ends as kCancelled.
base::Result<std::unique_ptr<Carrier>> make_carrier(const CarrierOptions& options);

// Sends one and waits for the answer; never on an event loop's thread.
base::Result<http::Response> carry_and_wait(Carrier& carrier, Parcel parcel);

}  // namespace meterhub::notify
