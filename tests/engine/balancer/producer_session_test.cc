#include "engine/balancer/producer_session.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <deque>
#include <map>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/base/coding.h"

namespace tidemark::balancer {
namespace {

const TopicPartition kWhere{"t", PartitionId(0)};

// A batch as the session's user would encode it: what the server needs to know, and a tag.
struct Header {
  uint64_t producer = 0;
  uint32_t epoch = 0;
  uint32_t sequence = 0;
  uint32_t records = 0;
  uint64_t tag = 0;
};

Bytes Encode(const Header& h) {
  std::string text;
  AppendBig<uint64_t>(text, h.producer);
  AppendBig<uint32_t>(text, h.epoch);
  AppendBig<uint32_t>(text, h.sequence);
  AppendBig<uint32_t>(text, h.records);
  AppendBig<uint64_t>(text, h.tag);
  return Bytes::From(std::move(text));
}

Header Decode(const Bytes& bytes) {
  const char* p = bytes.data();
  return {LoadBig<uint64_t>(p), LoadBig<uint32_t>(p + 8), LoadBig<uint32_t>(p + 12),
          LoadBig<uint32_t>(p + 16), LoadBig<uint64_t>(p + 20)};
}

// The partition's replicated state: a log and a producer table that knows duplicates by sequence.
struct ModelLog {
  struct Entry {
    uint64_t tag;
    uint64_t base;
    uint32_t sequence;
  };
  struct Producer {
    uint32_t epoch = 0;
    uint32_t next = 0;
    std::deque<Entry> recent;
  };
  uint64_t end = 0;
  std::vector<uint64_t> tags;
  std::map<uint64_t, Producer> producers;

  // The base offset, or nothing if the sequence does not follow.
  std::optional<uint64_t> Append(const Header& h) {
    Producer& producer = producers[h.producer];
    if (h.epoch > producer.epoch && h.sequence == 0) producer = {h.epoch, 0, {}};
    if (h.epoch != producer.epoch) return std::nullopt;
    for (const Entry& entry : producer.recent) {
      if (entry.sequence == h.sequence) return entry.base;
    }
    if (h.sequence != producer.next) return std::nullopt;
    producer.recent.push_back({h.tag, end, h.sequence});
    if (producer.recent.size() > kProducerBatchesMax) producer.recent.pop_front();
    producer.next = (h.sequence + h.records) & 0x7fffffff;
    tags.push_back(h.tag);
    const uint64_t base = end;
    end += h.records;
    return base;
  }
};

// A session, its virtual clock and what became of its batches.
struct Harness {
  explicit Harness(uint64_t seed, ProducerOptions options = {})
      : picker({}, Prng(seed)), session(kWhere, options, &view, &picker, Prng(seed + 1)) {}

  uint64_t Submit(uint32_t records = 1) {
    const uint64_t tag = next_tag++;
    const Header header{session.producer_id().value(), static_cast<uint32_t>(session.epoch()),
                        static_cast<uint32_t>(session.next_sequence()), records, tag};
    session.Submit(now, tag, Encode(header), records, fresh);
    Collect();
    return tag;
  }

  void Collect() {
    for (ProducerAction& action : fresh) {
      if (auto* open = std::get_if<OpenStream>(&action)) {
        stream = open->stream;
        target = open->target.address;
        sent.clear();
        ++opens;
      } else if (auto* send = std::get_if<SendBatch>(&action)) {
        EXPECT_EQ(send->stream, stream);
        sent.push_back(Decode(send->batch));
        EXPECT_EQ(static_cast<uint32_t>(send->sequence), sent.back().sequence);
      } else if (auto* close = std::get_if<CloseStream>(&action)) {
        EXPECT_EQ(close->stream, stream);
        sent.clear();
      } else if (auto* ok = std::get_if<Done>(&action)) {
        EXPECT_TRUE(done.emplace(ok->tag, ok->base_offset.value()).second);
      } else if (auto* failure = std::get_if<Failed>(&action)) {
        EXPECT_TRUE(failed.emplace(failure->tag, *failure).second);
      } else {
        ++refreshes;
      }
    }
    fresh.clear();
  }

  void Open() {
    session.OnStreamOpen(now, stream, fresh);
    Collect();
  }
  void Ack(int32_t sequence, uint64_t base, uint64_t term = 1) {
    session.OnAck(now, stream, sequence, Offset(base), Term(term), fresh);
    Collect();
  }
  void Error(int32_t sequence, const CallError& error) {
    session.OnBatchError(now, stream, sequence, error, fresh);
    Collect();
  }
  void Break(const CallError& error) {
    session.OnStreamClosed(now, stream, error, fresh);
    Collect();
  }
  void FireTimer() {
    now = std::max(now, session.next_deadline());
    session.OnTimer(now, fresh);
    Collect();
  }

  Instant now = Instant::FromNanos(1);
  ClusterView view{{"a:1", "b:1"}};
  Picker picker;
  ProducerSession session;
  ProducerActions fresh;
  StreamId stream;
  std::string target;
  std::vector<Header> sent;
  std::map<uint64_t, uint64_t> done;
  std::map<uint64_t, Failed> failed;
  uint64_t next_tag = 1;
  int opens = 0;
  int refreshes = 0;
};

CallError Make(absl::StatusCode code, std::string reason = "", LeaderHint hint = {}) {
  CallError error;
  error.code = code;
  error.reason = std::move(reason);
  error.message = "m";
  error.leader = std::move(hint);
  return error;
}

TEST(ProducerSession, CountsRecordsInItsSequences) {
  Harness h(1);
  EXPECT_EQ(h.session.next_sequence(), 0);
  EXPECT_EQ(h.session.producer_id().value() >> 63, 0u);
  h.Submit(10);
  h.Submit(5);
  EXPECT_EQ(h.session.next_sequence(), 15);
  EXPECT_TRUE(h.sent.empty()) << "nothing is sent before the stream is open";
  h.Open();
  ASSERT_EQ(h.sent.size(), 2u);
  EXPECT_EQ(h.sent[1].sequence, 10u);
}

TEST(ProducerSession, SequencesWrapToZeroAfterTheLargest) {
  Harness h(1);
  int64_t total = 0;
  while (total + kBatchRecordsMax < int64_t{INT32_MAX}) {
    h.Submit(kBatchRecordsMax);
    if (total == 0) h.Open();
    h.Ack(static_cast<int32_t>(total), static_cast<uint64_t>(total));
    total += kBatchRecordsMax;
  }
  h.Submit(static_cast<uint32_t>(INT32_MAX - total));
  EXPECT_EQ(h.session.next_sequence(), INT32_MAX);
  h.Submit(1);
  EXPECT_EQ(h.session.next_sequence(), 0);
}

TEST(ProducerSession, ResendsTheOldestToTheHintedLeaderAndTheOthersOnceItIsAcknowledged) {
  Harness h(1);
  for (int i = 0; i < 4; ++i) h.Submit();
  h.Open();
  h.Ack(0, 100);
  const int opens = h.opens;
  h.Error(1, Make(absl::StatusCode::kFailedPrecondition, "NOT_LEADER",
                  {NodeId(5), "leader:1", Term(3)}));
  EXPECT_EQ(h.opens, opens + 1) << "a hint is followed without waiting";
  EXPECT_EQ(h.target, "leader:1");
  h.Open();
  ASSERT_EQ(h.sent.size(), 1u) << "it may refuse as well";
  EXPECT_EQ(h.sent.front().sequence, 1u);
  h.Submit();
  EXPECT_EQ(h.sent.size(), 1u) << "what is new waits behind the others";
  h.Ack(1, 101);
  ASSERT_EQ(h.sent.size(), 4u);
  for (uint32_t i = 0; i < 4; ++i) EXPECT_EQ(h.sent[i].sequence, i + 1);
  h.Submit();
  EXPECT_EQ(h.sent.size(), 5u) << "from there on all is sent at once";
}

TEST(ProducerSession, WhatAServerThatRefusesWasNotSentAgainIsStillOfUnknownOutcome) {
  Harness h(1);
  h.Submit();
  h.Submit();
  h.Open();
  h.Break(Make(absl::StatusCode::kUnavailable));
  h.FireTimer();
  h.Open();
  ASSERT_EQ(h.sent.size(), 1u);
  h.Error(0, Make(absl::StatusCode::kPermissionDenied, "PERMISSION_DENIED"));
  ASSERT_EQ(h.failed.size(), 2u);
  EXPECT_TRUE(h.failed.at(2).outcome_unknown) << "the first server may have appended it";
}

TEST(ProducerSession, TwoServersThatPointAtEachOtherDoNotSpin) {
  Harness h(1);
  h.Submit();
  int hops = 0;
  while (h.session.next_deadline() > h.now + Duration::Seconds(3) && hops < 100) {
    const std::string other = h.target == "a:1" ? "b:1" : "a:1";
    h.Open();
    const int opens = h.opens;
    h.Error(0, Make(absl::StatusCode::kFailedPrecondition, "NOT_LEADER", {kNoNode, other, {}}));
    if (h.opens == opens) break;
    ++hops;
  }
  EXPECT_EQ(hops, 3);
}

TEST(ProducerSession, AFinalErrorFailsTheLaterOnesAndBeginsANewEpochAfterTheEarlier) {
  Harness h(1);
  for (int i = 0; i < 4; ++i) h.Submit();
  h.Open();
  h.Error(2, Make(absl::StatusCode::kInvalidArgument, "INVALID_BATCH"));
  ASSERT_EQ(h.failed.size(), 2u);
  EXPECT_EQ(h.failed.at(3).status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(h.failed.at(3).outcome_unknown) << "refused on its first attempt";
  EXPECT_FALSE(h.session.CanAccept()) << "two of the old epoch are still in flight";
  h.Open();
  ASSERT_EQ(h.sent.size(), 2u);
  h.Ack(0, 0);
  h.Ack(1, 1);
  EXPECT_EQ(h.done.size(), 2u);
  EXPECT_TRUE(h.session.CanAccept());
  EXPECT_EQ(h.session.epoch(), 1);
  EXPECT_EQ(h.session.next_sequence(), 0);
}

TEST(ProducerSession, ABatchRefusedForAMissingPredecessorIsSentAgainAfterIt) {
  Harness h(1);
  h.Submit();
  h.Submit();
  h.Open();
  h.Error(1, Make(absl::StatusCode::kFailedPrecondition, "OUT_OF_ORDER_SEQUENCE"));
  EXPECT_TRUE(h.failed.empty());
  h.FireTimer();
  h.Open();
  ASSERT_EQ(h.sent.size(), 1u);
  // As the oldest it cannot be helped: the server lost track of this producer.
  h.Error(0, Make(absl::StatusCode::kFailedPrecondition, "OUT_OF_ORDER_SEQUENCE"));
  EXPECT_EQ(h.failed.size(), 2u);
  EXPECT_EQ(h.session.epoch(), 1);
}

// It lacks what its successor acknowledged, and does not know that it has one.
TEST(ProducerSession, ADeposedLeaderThatMissesAPredecessorIsNotBelieved) {
  Harness h(1);
  h.Submit();
  h.Open();
  h.Ack(0, 0, /*term=*/5);
  h.Submit();
  CallError gap = Make(absl::StatusCode::kFailedPrecondition, "OUT_OF_ORDER_SEQUENCE");
  gap.leader.term = Term(4);
  h.Open();
  h.Error(1, gap);
  EXPECT_TRUE(h.failed.empty());
  EXPECT_EQ(h.refreshes, 1);
  h.FireTimer();
  h.Open();
  // The one that acknowledged it, or a later one, is.
  gap.leader.term = Term(5);
  h.Error(1, gap);
  EXPECT_EQ(h.failed.size(), 1u);
}

TEST(ProducerSession, ARefusedRetryMayHaveBeenAppendedTheFirstTime) {
  Harness h(1);
  h.Submit();
  h.Open();
  h.Break(Make(absl::StatusCode::kUnavailable));
  h.FireTimer();
  h.Open();
  h.Error(0, Make(absl::StatusCode::kPermissionDenied, "PERMISSION_DENIED"));
  ASSERT_EQ(h.failed.size(), 1u);
  EXPECT_TRUE(h.failed.at(1).outcome_unknown);
  EXPECT_EQ(h.failed.at(1).status.code(), absl::StatusCode::kPermissionDenied);
}

TEST(ProducerSession, AnAnswerAgainOrFromAnOldStreamIsIgnored) {
  Harness h(1);
  h.Submit();
  h.Open();
  const StreamId old = h.stream;
  h.Break(Make(absl::StatusCode::kUnavailable));
  h.FireTimer();
  h.Open();
  h.session.OnAck(h.now, old, 0, Offset(9), Term(1), h.fresh);
  EXPECT_TRUE(h.fresh.empty());
  h.Ack(0, 7);
  h.Ack(0, 7);
  EXPECT_EQ(h.done.at(1), 7u);
}

TEST(ProducerSession, DeliveryTimeoutSaysThatTheOutcomeIsUnknown) {
  Harness h(1, {.delivery_timeout = Duration::Seconds(1)});
  h.Submit();
  h.Open();
  h.now = h.now + Duration::Seconds(1);
  h.session.OnTimer(h.now, h.fresh);
  h.Collect();
  ASSERT_EQ(h.failed.size(), 1u);
  EXPECT_TRUE(h.failed.at(1).outcome_unknown);
  EXPECT_NE(h.failed.at(1).status.message().find("outcome unknown"), absl::string_view::npos);
  EXPECT_EQ(h.session.epoch(), 1);
  h.Submit();
  EXPECT_EQ(h.opens, 2) << "the next epoch has a stream of its own";
}

TEST(ProducerSession, DeliveryTimeoutSaysWhatStoodInTheWay) {
  Harness h(1, {.delivery_timeout = Duration::Seconds(1)});
  h.Submit();
  h.Open();
  CallError full = Make(absl::StatusCode::kResourceExhausted, "DISK_FULL");
  full.message = "1 of 9 bytes free";
  h.Error(0, full);
  h.now = h.now + Duration::Seconds(1);
  h.session.OnTimer(h.now, h.fresh);
  h.Collect();
  ASSERT_EQ(h.failed.size(), 1u);
  const std::string message(h.failed.at(1).status.message());
  EXPECT_NE(message.find("DISK_FULL"), std::string::npos) << message;
  EXPECT_NE(message.find("1 of 9 bytes free"), std::string::npos) << message;
}

TEST(ProducerSession, WhatWasNeverSentIsKnownNotToBeThere) {
  Harness h(1, {.delivery_timeout = Duration::Seconds(1)});
  h.Submit();
  h.now = h.now + Duration::Seconds(1);
  h.session.OnTimer(h.now, h.fresh);
  h.Collect();
  ASSERT_EQ(h.failed.size(), 1u);
  EXPECT_FALSE(h.failed.at(1).outcome_unknown);
}

TEST(ProducerSession, AStuckStreamIsReplaced) {
  Harness h(1);
  h.Submit();
  h.Open();
  h.FireTimer();
  EXPECT_EQ(h.opens, 1);
  EXPECT_GT(h.refreshes, 0);
  h.FireTimer();
  EXPECT_EQ(h.opens, 2);
}

TEST(ProducerSession, TheWindowIsBoundedButTakesOneBatchOfAnySize) {
  Harness h(1, {.bytes_max = 1});
  EXPECT_TRUE(h.session.CanAccept());
  h.Submit();
  EXPECT_FALSE(h.session.CanAccept());
  Harness many(2);
  while (many.session.CanAccept()) many.Submit();
  EXPECT_EQ(many.session.in_flight(), kProducerBatchesMax);
}

TEST(ProducerSession, AFencedProducerTakesANewIdentity) {
  Harness h(1);
  const ProducerId before = h.session.producer_id();
  h.Submit();
  h.Open();
  h.Error(0, Make(absl::StatusCode::kFailedPrecondition, "PRODUCER_FENCED"));
  EXPECT_NE(h.session.producer_id(), before);
  EXPECT_EQ(h.session.epoch(), 0);
  EXPECT_TRUE(h.session.CanAccept());
}

// One network of random disconnects, leader changes, duplicates, lost and refused answers.
struct Storm {
  explicit Storm(uint64_t seed, bool refuse) : h(seed), prng(seed ^ 77), refusals(refuse) {}

  void Step() {
    const uint64_t dice = prng.Below(100);
    if (dice < 35) {
      if (h.session.CanAccept() && h.next_tag <= 200) {
        h.Submit(static_cast<uint32_t>(1 + prng.Below(5)));
      }
    } else if (dice < 45) {
      h.Open();
    } else if (dice < 80) {
      Serve();
    } else if (dice < 84) {
      h.Break(Make(absl::StatusCode::kUnavailable));
    } else if (dice < 87) {
      const std::string other = leader == "a:1" ? "b:1" : "a:1";
      leader = other;
      ++term;
    } else {
      h.now = h.now + Duration::Millis(static_cast<int64_t>(prng.Below(200)));
      if (h.session.next_deadline() <= h.now) {
        h.session.OnTimer(h.now, h.fresh);
        h.Collect();
      }
    }
  }

  // The server takes the next request of the stream and perhaps answers.
  void Serve() {
    if (h.sent.empty()) return;
    const Header header = h.sent.front();
    const int32_t sequence = static_cast<int32_t>(header.sequence);
    const std::vector<Header> rest(h.sent.begin() + 1, h.sent.end());
    h.sent = rest;
    if (h.target != leader) {
      h.Error(sequence, Make(absl::StatusCode::kFailedPrecondition, "NOT_LEADER",
                             {kNoNode, leader, Term(term)}));
      return;
    }
    if (refusals && header.tag % 17 == 3) {
      h.Error(sequence, Make(absl::StatusCode::kInvalidArgument, "INVALID_BATCH"));
      return;
    }
    if (prng.Chance(1, 30)) {
      h.Error(sequence, Make(absl::StatusCode::kResourceExhausted, "BACK_PRESSURE"));
      return;
    }
    const std::optional<uint64_t> base = log.Append(header);
    if (prng.Chance(1, 20)) {
      h.Break(Make(absl::StatusCode::kUnavailable));  // Appended, the answer is lost.
    } else if (!base.has_value()) {
      h.Error(sequence, Make(absl::StatusCode::kFailedPrecondition, "OUT_OF_ORDER_SEQUENCE"));
    } else {
      h.Ack(sequence, *base);
      if (prng.Chance(1, 5)) h.Ack(sequence, *base);
    }
  }

  bool Finished() const { return h.next_tag > 200 && h.session.idle(); }

  void Run() {
    for (int i = 0; i < 200'000 && !Finished(); ++i) Step();
  }

  Harness h;
  Prng prng;
  bool refusals;
  std::string leader = "a:1";
  uint64_t term = 1;
  ModelLog log;
};

RC_GTEST_PROP(ProducerSession, EveryBatchIsInTheLogExactlyOnceAndInOrder, (uint64_t seed)) {
  Storm storm(seed, false);
  storm.Run();
  RC_ASSERT(storm.Finished());
  RC_ASSERT(storm.h.failed.empty());
  RC_ASSERT(storm.h.done.size() == 200u);
  RC_ASSERT(storm.log.tags.size() == 200u);
  for (size_t i = 0; i < storm.log.tags.size(); ++i) RC_ASSERT(storm.log.tags[i] == i + 1);
}

RC_GTEST_PROP(ProducerSession, RefusedBatchesTakeOnlyTheirFollowersWithThem, (uint64_t seed)) {
  Storm storm(seed, true);
  storm.Run();
  RC_ASSERT(storm.Finished());
  RC_ASSERT(storm.h.done.size() + storm.h.failed.size() == 200u);
  RC_ASSERT(!storm.h.failed.empty());
  std::set<uint64_t> in_log;
  uint64_t last = 0;
  for (const uint64_t tag : storm.log.tags) {
    RC_ASSERT(tag > last);
    last = tag;
    in_log.insert(tag);
  }
  for (const auto& [tag, base] : storm.h.done) RC_ASSERT(in_log.count(tag) == 1u);
  for (const auto& [tag, failure] : storm.h.failed) {
    // What is reported as certainly not appended is not there.
    if (!failure.outcome_unknown) RC_ASSERT(in_log.count(tag) == 0u);
  }
}

}  // namespace
}  // namespace tidemark::balancer
