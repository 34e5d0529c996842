#include "engine/node/snapshot_install.h"

#include <gtest/gtest.h>

namespace tidemark {
namespace {

Instant At(int64_t seconds) { return Instant::FromNanos(1) + Duration::Seconds(seconds); }

TEST(SnapshotPin, FollowsTheReceiverAndEndsWhenItAsksNoMore) {
  SnapshotPin pin;
  EXPECT_EQ(pin.From(At(0)), std::nullopt);
  pin.Ask(At(0), LogIndex(10));
  EXPECT_EQ(pin.From(At(29)), LogIndex(10));
  EXPECT_EQ(pin.From(At(30)), std::nullopt);
  for (int64_t i = 0; i < 100; ++i) pin.Ask(At(40 + i), LogIndex(20 + static_cast<uint64_t>(i)));
  // Half a minute behind it: another one might be.
  EXPECT_GT(pin.From(At(139)), LogIndex(20 + 60));
  EXPECT_LE(pin.From(At(139)), LogIndex(20 + 99));
}

TEST(SnapshotPin, HoldsForTheSlowerOfTwoReceivers) {
  SnapshotPin pin;
  for (int64_t i = 0; i < 100; ++i) {
    pin.Ask(At(i), LogIndex(1000));
    pin.Ask(At(i), LogIndex(5));
    EXPECT_EQ(pin.From(At(i)), LogIndex(5));
  }
}

TEST(SnapshotPin, DoesNotHoldForEver) {
  SnapshotPin pin;
  for (int64_t i = 0; i < kSnapshotPinSecondsMax + 100; ++i) {
    pin.Ask(At(i), LogIndex(5));
    EXPECT_EQ(pin.From(At(i)).has_value(), i < kSnapshotPinSecondsMax);
  }
}

}  // namespace
}  // namespace tidemark
