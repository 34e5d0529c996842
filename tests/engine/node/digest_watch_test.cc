#include "engine/node/digest_watch.h"

#include <gtest/gtest.h>

#include "engine/base/limits.h"

namespace tidemark {
namespace {

using Verdict = DigestWatch::Verdict;
constexpr LogIndex kFirst{kDigestSampleEntries};
constexpr LogIndex kSecond{2 * kDigestSampleEntries};
const raft::NodeSet kVoters({NodeId(1), NodeId(2), NodeId(3)});

class Digests : public testing::Test {
 protected:
  void SetUp() override {
    for (uint64_t i = 1; i <= kSecond.value(); ++i) watch.OnAppended(LogIndex(i), 100 + i);
  }
  Verdict On(uint64_t node, LogIndex index, uint64_t digest, LogIndex verified = kSecond) {
    return watch.OnReport(NodeId(node), {.index = index, .digest = digest}, verified, kVoters);
  }
  DigestWatch watch;
};

TEST_F(Digests, AreToldOfTheNewestCommittedSampleOnceAnInterval) {
  const Duration interval = Duration::Seconds(1);
  const auto at = [](int64_t seconds) { return Instant() + Duration::Seconds(seconds); };
  EXPECT_EQ(watch.Report(at(1), interval, kFirst - 1), std::nullopt);
  EXPECT_EQ(watch.Report(at(1), interval, kFirst + 1),
            (DigestReport{.index = kFirst, .digest = 100 + kFirst.value()}));
  EXPECT_EQ(watch.Report(at(1), interval, kSecond), std::nullopt) << "not so soon";
  EXPECT_EQ(watch.Report(at(2), interval, kFirst + 1), std::nullopt) << "no news";
  EXPECT_EQ(watch.Report(at(2), interval, kSecond),
            (DigestReport{.index = kSecond, .digest = 100 + kSecond.value()}));
}

TEST_F(Digests, R19AReplicaThatDriftedIsOutvotedByTheOthersAndByNobodyElse) {
  EXPECT_EQ(On(2, kFirst, 100 + kFirst.value()), Verdict::kSame);
  EXPECT_EQ(watch.agreed(), kFirst);
  EXPECT_EQ(On(2, kSecond, 7), Verdict::kDiffers);
  EXPECT_EQ(On(2, kSecond, 7), Verdict::kDiffers) << "one voter, however often";
  EXPECT_EQ(On(9, kSecond, 7), Verdict::kDiffers) << "no voter";
  EXPECT_EQ(On(3, kSecond, 8), Verdict::kDiffers) << "yet another log";
  EXPECT_EQ(On(3, kSecond, 7), Verdict::kOutvoted);
}

TEST_F(Digests, WhatIsNotHereOrNotCommittedHereIsNotCompared) {
  EXPECT_EQ(On(2, kFirst + 1, 7), Verdict::kUnknown);
  EXPECT_EQ(On(2, kSecond, 7, kSecond - 1), Verdict::kUnknown);
  watch.OnTruncated(kSecond);
  EXPECT_EQ(On(2, kSecond, 7), Verdict::kUnknown);
  EXPECT_EQ(watch.At(kFirst), 100 + kFirst.value());
  watch.Clear();
  EXPECT_EQ(On(2, kFirst, 7), Verdict::kUnknown);
}

TEST_F(Digests, TheOldestSamplesAreForgotten) {
  for (uint64_t i = kSecond.value() + 1; i <= 2 * kDigestSampleEntries * kDigestSamplesMax; ++i) {
    watch.OnAppended(LogIndex(i), i);
  }
  EXPECT_EQ(watch.At(kFirst), std::nullopt);
  EXPECT_TRUE(watch.At(LogIndex(2 * kDigestSampleEntries * kDigestSamplesMax)).has_value());
}

}  // namespace
}  // namespace tidemark
