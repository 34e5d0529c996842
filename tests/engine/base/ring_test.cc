#include "engine/base/ring.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>

#include "engine/base/prng.h"

namespace tidemark {
namespace {

TEST(Ring, IsAQueueWithTwoEnds) {
  Prng prng(3);
  Ring<uint64_t> ring;
  std::deque<uint64_t> model;
  for (int step = 0; step < 10'000; ++step) {
    const uint64_t action = prng.Below(step < 5000 ? 5 : 9);
    if (action < 3 || model.empty()) {
      const uint64_t value = prng.Below(1000);
      ring.push_back(value);
      model.push_back(value);
    } else if (action % 2 == 0) {
      ring.pop_front();
      model.pop_front();
    } else {
      ring.pop_back();
      model.pop_back();
    }
    ASSERT_EQ(ring.size(), model.size());
    for (size_t i = 0; i < model.size(); i += 1 + model.size() / 7) ASSERT_EQ(ring[i], model[i]);
    if (!model.empty()) {
      ASSERT_EQ(ring.front(), model.front());
      ASSERT_EQ(ring.back(), model.back());
    }
  }
}

TEST(Ring, LetsGoOfWhatIsDropped) {
  Ring<std::shared_ptr<int>> ring;
  const auto value = std::make_shared<int>(1);
  ring.push_back(value);
  ring.push_back(value);
  ring.pop_front();
  EXPECT_EQ(value.use_count(), 2);
  ring.pop_back();
  EXPECT_EQ(value.use_count(), 1);
}

}  // namespace
}  // namespace tidemark
