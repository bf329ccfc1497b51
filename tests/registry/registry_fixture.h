// A registry in a directory of its own, with one tenant.
#pragma once

#include <gtest/gtest.h>

#include <meterhub/base/clock.h>
#include <meterhub/registry/store.h>

#include "temporary_directory.h"

namespace meterhub::registry {

inline crypto::Key256 test_master_key(std::uint8_t fill = 7) {
  crypto::Key256 key;
  key.fill(fill);
  return key;
}

class RegistryTest : public testing::Test {
 protected:
  RegistryTest() { EXPECT_TRUE(store_->add_tenant("test", "Chongqing Gas")); }

  // A second Store on the same file, as another process has.
  std::unique_ptr<Store> open() {
    auto store = Store::open({directory_ / "registry.sqlite", test_master_key(), std::chrono::milliseconds(50)}, clock_);
    EXPECT_TRUE(store) << store.error().text;
    return store ? std::move(*store) : nullptr;
  }

  static MeterSpec abp(std::uint64_t eui, std::uint32_t dev_addr = 0x01a2b3c4, std::uint8_t key = 1) {
    MeterSpec spec;
    spec.eui = base::Eui64(eui);
    AbpKeys keys{base::DevAddr(dev_addr), {}, {}};
    keys.nwk_skey.fill(key);
    keys.app_skey.fill(static_cast<std::uint8_t>(key + 100));
    spec.keys = keys;
    return spec;
  }

  db::TemporaryDirectory directory_;
  base::ManualClock clock_;
  std::unique_ptr<Store> store_ = open();
};

}  // namespace meterhub::registry
