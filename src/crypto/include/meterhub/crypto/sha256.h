// SHA-256 of what comes in pieces.
#pragma once

#include <memory>

#include <meterhub/crypto/hash.h>

namespace meterhub::crypto {

// One thread; finish() is called once, last.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void add(base::BytesView bytes);
  Digest256 finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace meterhub::crypto
