#include <meterhub/crypto/sha256.h>

#include <meterhub/base/assert.h>

#include "handles.h"

namespace meterhub::crypto {

struct Sha256::State {
  std::unique_ptr<EVP_MD_CTX, CFree<&EVP_MD_CTX_free>> context{EVP_MD_CTX_new()};
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  MH_ASSERT(EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr) == 1);
}
Sha256::~Sha256() = default;

void Sha256::add(base::BytesView bytes) {
  MH_ASSERT(EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) == 1);
}

Digest256 Sha256::finish() {
  Digest256 out;
  unsigned size = 0;
  MH_ASSERT(EVP_DigestFinal_ex(state_->context.get(), out.data(), &size) == 1);
  return out;
}

}  // namespace meterhub::crypto
