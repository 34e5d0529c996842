#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "runtime/rpc/services.h"

namespace tidemark::rpc {
namespace {

struct Counted : StreamRegistry::Stream {
  void EndForShutdown() override { ++ended; }
  int ended = 0;
};

TEST(StreamRegistry, EndsLivingStreamsOnceAndRefusesNewOnes) {
  StreamRegistry registry;
  std::vector<std::shared_ptr<Counted>> living;
  for (int i = 0; i < 100; ++i) {
    living.push_back(std::make_shared<Counted>());
    EXPECT_TRUE(registry.Add(living.back()));
    EXPECT_TRUE(registry.Add(std::make_shared<Counted>()));  // gone at once
  }
  registry.EndAll();
  registry.EndAll();
  for (const auto& stream : living) EXPECT_EQ(stream->ended, 1);
  EXPECT_FALSE(registry.Add(living.front()));
}

}  // namespace
}  // namespace tidemark::rpc
