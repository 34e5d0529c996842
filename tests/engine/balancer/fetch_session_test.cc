#include "engine/balancer/fetch_session.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <set>
#include <string>

namespace tidemark::balancer {
namespace {

const TopicPartition kWhere{"t", PartitionId(0)};

CallError Make(absl::StatusCode code, std::string reason = "",
               std::optional<Offset> start = std::nullopt,
               std::optional<Offset> high = std::nullopt) {
  CallError error;
  error.code = code;
  error.reason = std::move(reason);
  error.message = "m";
  error.start_offset = start;
  error.high_watermark = high;
  return error;
}

CallError OutOfRange(uint64_t start, uint64_t high) {
  return Make(absl::StatusCode::kOutOfRange, "OFFSET_OUT_OF_RANGE", Offset(start), Offset(high));
}

// n1 leads; n2 and n3 follow.
struct Harness {
  explicit Harness(uint64_t seed, FetchOptions options = {})
      : view({"n1"}),
        picker({}, Prng(seed)),
        session(kWhere, options, &view, &picker, Prng(seed + 1)) {
    view.UpdateServers(
        {{NodeId(1), "n1", "", false}, {NodeId(2), "n2", "", false}, {NodeId(3), "n3", "", false}});
    view.UpdateTopic("t", {{.partition = PartitionId(0),
                            .group = GroupId(1),
                            .replicas = {NodeId(1), NodeId(2), NodeId(3)},
                            .leader = NodeId(1),
                            .leader_term = Term(1)}});
    session.Start(now, fresh);
    Collect();
  }

  void Collect() {
    for (FetchAction& action : fresh) {
      if (auto* open = std::get_if<OpenFetch>(&action)) {
        stream = open->stream;
        target = open->target.address;
        offset = open->offset.value();
        ++opens;
      } else if (auto* failure = std::get_if<FetchFailed>(&action)) {
        failed = failure->status;
      }
    }
    fresh.clear();
  }
  Delivery Data(uint64_t begin, uint64_t end, uint64_t high) {
    const Delivery delivery =
        session.OnData(now, stream, Offset(begin), Offset(end), Offset(high), fresh);
    Collect();
    return delivery;
  }
  void Closed(const CallError& error) {
    session.OnStreamClosed(now, stream, error, fresh);
    Collect();
  }
  void FireTimer() {
    now = std::max(now, session.next_deadline());
    session.OnTimer(now, fresh);
    Collect();
  }

  Instant now = Instant::FromNanos(1);
  ClusterView view;
  Picker picker;
  FetchSession session;
  FetchActions fresh;
  StreamId stream;
  std::string target;
  uint64_t offset = 0;
  int opens = 0;
  absl::Status failed;
};

TEST(FetchSession, AGapIsPassedOverOnlyIfTheServerAnswersForIt) {
  Harness h(1);
  EXPECT_TRUE(h.Data(0, 3, 20).deliver);
  h.session.OnGap(h.now, h.stream, Offset(7), Offset(20));
  EXPECT_EQ(h.session.position(), Offset(7));
  // Nothing that was delivered is a gap, and a stream that is over has no say.
  h.session.OnGap(h.now, h.stream, Offset(5), Offset(20));
  h.session.OnGap(h.now, StreamId(99), Offset(15), Offset(20));
  EXPECT_EQ(h.session.position(), Offset(7));
  EXPECT_TRUE(h.Data(7, 9, 20).deliver);
  // It goes on behind the gap elsewhere, too.
  h.session.OnGap(h.now, h.stream, Offset(12), Offset(20));
  h.Closed(Make(absl::StatusCode::kUnavailable));
  h.FireTimer();
  EXPECT_EQ(h.offset, 12u);
  EXPECT_FALSE(h.Data(13, 14, 20).deliver);
  EXPECT_TRUE(absl::IsDataLoss(h.failed)) << h.failed;
}

// A partition that moved: whoever was no replica when it was asked may be the only one by now.
TEST(FetchSession, AsksWhoWasNoReplicaAgain) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Harness h(seed);
    std::set<std::string> refused;
    while (refused.size() < 3 && h.opens < 50) {
      refused.insert(h.target);
      h.Closed(Make(absl::StatusCode::kFailedPrecondition, "NOT_A_REPLICA"));
      h.FireTimer();
      // Others pick as well, which turns who is next.
      static_cast<void>(h.picker.PickAny(h.now, h.view));
    }
    ASSERT_EQ(refused.size(), 3u);
    h.view.UpdateTopic("t", {{.partition = PartitionId(0),
                              .group = GroupId(1),
                              .replicas = {NodeId(2)},
                              .leader = NodeId(2),
                              .leader_term = Term(2)}});
    // The one that leads it is the next one, not one in turn.
    if (h.target != "n2") {
      h.Closed(Make(absl::StatusCode::kFailedPrecondition, "NOT_A_REPLICA"));
      h.FireTimer();
    }
    EXPECT_EQ(h.target, "n2") << seed;
  }
}

// Nor is a server that is gone for ever the only one that is left to ask.
TEST(FetchSession, AsksAReplicaThatLackedSomethingAgainWhenNobodyElseIsThere) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Harness h(seed);
    h.view.UpdateServers({{NodeId(1), "n1", "", false}, {NodeId(2), "gone", "", false}});
    h.view.UpdateTopic("t", {{.partition = PartitionId(0),
                              .group = GroupId(1),
                              .replicas = {NodeId(1)},
                              .leader = NodeId(1),
                              .leader_term = Term(2)}});
    for (int i = 0; i < 5 && h.target != "n1"; ++i) {
      h.Closed(Make(absl::StatusCode::kUnavailable));
      h.FireTimer();
    }
    ASSERT_EQ(h.target, "n1");
    h.Closed(Make(absl::StatusCode::kUnavailable, "OFFSET_NOT_AVAILABLE"));
    ASSERT_EQ(h.target, "gone");
    h.Closed(Make(absl::StatusCode::kUnavailable));
    // Whoever else picks meanwhile, and turns who is next.
    for (uint64_t i = 0; i < seed % 3; ++i) static_cast<void>(h.picker.PickAny(h.now, h.view));
    h.FireTimer();
    EXPECT_EQ(h.target, "n1") << seed;
  }
}

TEST(FetchSession, StreamsFromAFollowerAndReopensAtTheNextOffset) {
  Harness h(1, {.start = Offset(5)});
  EXPECT_NE(h.target, "n1");
  EXPECT_EQ(h.offset, 5u);
  const Delivery first = h.Data(0, 10, 100);
  EXPECT_TRUE(first.deliver);
  EXPECT_EQ(first.skip, 5u) << "a batch may begin before the offset asked for";
  EXPECT_EQ(h.Data(10, 20, 100).skip, 0u);
  h.Closed(Make(absl::StatusCode::kUnavailable));
  h.FireTimer();
  EXPECT_EQ(h.opens, 2);
  EXPECT_EQ(h.offset, 20u);
}

TEST(FetchSession, FromTheEarliestPassesOverWhatIsRemovedBeforeTheFirstRecordOnly) {
  CallError removed = Make(absl::StatusCode::kOutOfRange);
  removed.start_offset = Offset(20);
  Harness told(1, {.start = Offset(5)});
  told.Closed(removed);
  EXPECT_EQ(told.failed.code(), absl::StatusCode::kOutOfRange);

  Harness h(1, {.start = Offset(5), .from_earliest = true});
  h.Closed(removed);
  EXPECT_TRUE(h.failed.ok()) << h.failed;
  EXPECT_EQ(h.offset, 20u);
  EXPECT_TRUE(h.Data(20, 30, 100).deliver);
  removed.start_offset = Offset(40);
  h.Closed(removed);
  EXPECT_EQ(h.failed.code(), absl::StatusCode::kOutOfRange) << "records were missed";
}

TEST(FetchSession, AGapIsDataLossAndNotSkipped) {
  Harness h(1);
  EXPECT_TRUE(h.Data(0, 10, 100).deliver);
  EXPECT_FALSE(h.Data(11, 20, 100).deliver);
  EXPECT_EQ(h.failed.code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(h.failed.message().find("skipped offsets [10, 11)"), absl::string_view::npos);
  EXPECT_TRUE(h.session.finished());
  EXPECT_EQ(h.session.position(), Offset(10));
}

TEST(FetchSession, GoingBackIsDataLoss) {
  Harness h(1);
  EXPECT_TRUE(h.Data(0, 10, 100).deliver);
  EXPECT_FALSE(h.Data(5, 15, 100).deliver);
  EXPECT_EQ(h.failed.code(), absl::StatusCode::kDataLoss);
}

TEST(FetchSession, AFollowerThatIsBehindIsReplacedNotBelieved) {
  Harness h(1);
  EXPECT_TRUE(h.Data(0, 50, 100).deliver);
  const std::string behind = h.target;
  h.Closed(OutOfRange(0, 40));
  EXPECT_EQ(h.opens, 2);
  EXPECT_NE(h.target, behind);
  EXPECT_EQ(h.offset, 50u);
  EXPECT_TRUE(h.failed.ok());
  EXPECT_TRUE(h.Data(50, 60, 100).deliver);
}

TEST(FetchSession, WhenEveryReplicaLostWhatWasSeenItIsDataLoss) {
  Harness h(1);
  EXPECT_TRUE(h.Data(0, 50, 100).deliver);
  for (int i = 0; i < 100 && !h.session.finished(); ++i) {
    h.Closed(OutOfRange(0, 40));
    if (h.session.next_deadline() != Instant::Never()) h.FireTimer();
  }
  EXPECT_EQ(h.failed.code(), absl::StatusCode::kDataLoss);
  EXPECT_GE(h.opens, 9) << "every replica is asked in every round";
}

TEST(FetchSession, TheLeaderDecidesThatAnOffsetIsBeyondTheEnd) {
  Harness h(1, {.start = Offset(1000)});
  int asked = 0;
  while (!h.session.finished() && asked < 10) {
    EXPECT_EQ(h.failed.ok(), true);
    ++asked;
    h.Closed(OutOfRange(0, 40));
  }
  EXPECT_EQ(asked, 3) << "two followers, then the leader";
  EXPECT_EQ(h.failed.code(), absl::StatusCode::kOutOfRange);
}

TEST(FetchSession, WhatRetentionRemovedIsOutOfRangeAtOnce) {
  Harness h(1, {.start = Offset(5)});
  h.Closed(OutOfRange(20, 40));
  EXPECT_EQ(h.failed.code(), absl::StatusCode::kOutOfRange);
}

TEST(FetchSession, ReadsARottenRangeFromAnotherReplica) {
  Harness h(1);
  const std::string rotten = h.target;
  h.Closed(Make(absl::StatusCode::kDataLoss));
  EXPECT_NE(h.target, rotten);
  EXPECT_TRUE(h.Data(0, 10, 10).deliver);
}

TEST(FetchSession, FinalErrorsEndItAndSilenceReplacesTheServer) {
  Harness h(1);
  h.Closed(Make(absl::StatusCode::kPermissionDenied, "PERMISSION_DENIED"));
  EXPECT_EQ(h.failed.code(), absl::StatusCode::kPermissionDenied);
  Harness quiet(2, {.silence_timeout = Duration::Seconds(1)});
  quiet.FireTimer();
  quiet.FireTimer();
  EXPECT_EQ(quiet.opens, 2);
  EXPECT_TRUE(quiet.failed.ok());
}

TEST(FetchSession, GivesUpAfterFailingForTooLong) {
  Harness h(1, {.give_up_after = Duration::Seconds(10)});
  for (int i = 0; i < 1000 && !h.session.finished(); ++i) {
    h.Closed(Make(absl::StatusCode::kUnavailable));
    if (h.session.next_deadline() != Instant::Never()) h.FireTimer();
  }
  EXPECT_EQ(h.failed.code(), absl::StatusCode::kUnavailable);
  EXPECT_GE(h.now, Instant::FromNanos(1) + Duration::Seconds(10));
}

// Replicas at different ends, batches of random sizes, random failures: the consumer sees every
// offset once, in order.
RC_GTEST_PROP(FetchSession, DeliversEveryOffsetOnceWhateverFails, (uint64_t seed)) {
  constexpr uint64_t kEnd = 500;
  Harness h(seed);
  Prng prng(seed ^ 5);
  std::map<std::string, uint64_t> ends{{"n1", 20}, {"n2", 10}, {"n3", 0}};
  uint64_t seen = 0;
  for (int i = 0; i < 100'000 && seen < kEnd; ++i) {
    RC_ASSERT(!h.session.finished());
    ends["n1"] = std::min(ends["n1"] + prng.Below(5), kEnd);
    ends["n2"] = std::min(ends["n2"] + prng.Below(5), ends["n1"]);
    ends["n3"] = std::min(ends["n3"] + prng.Below(5), ends["n1"]);
    const uint64_t end = ends[h.target];
    if (h.session.next_deadline() < Instant::Never()) {
      h.FireTimer();
    } else if (prng.Chance(1, 10)) {
      h.Closed(Make(absl::StatusCode::kUnavailable));
    } else if (h.offset > end) {
      h.Closed(OutOfRange(0, end));
    } else if (h.session.position().value() < end) {
      const uint64_t position = h.session.position().value();
      const bool first = position == h.offset;
      const uint64_t begin =
          first ? position - prng.Below(std::min<uint64_t>(position, 3) + 1) : position;
      const uint64_t stop = std::min(end, position + 1 + prng.Below(20));
      const Delivery delivery = h.Data(begin, stop, end);
      RC_ASSERT(delivery.deliver);
      RC_ASSERT(begin + delivery.skip == seen);
      seen = stop;
    }
  }
  RC_ASSERT(seen == kEnd);
}

}  // namespace
}  // namespace tidemark::balancer
