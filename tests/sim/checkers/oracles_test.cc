#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/log/batch.h"
#include "sim/checkers/acked_durability.h"
#include "sim/checkers/canary.h"
#include "sim/checkers/catalog_state.h"
#include "sim/checkers/commit_rules.h"
#include "sim/checkers/compaction.h"
#include "sim/checkers/consumer_order.h"
#include "sim/checkers/durable_quorum.h"
#include "sim/checkers/election_safety.h"
#include "sim/checkers/leader_completeness.h"
#include "sim/checkers/log_matching.h"
#include "sim/checkers/progress.h"
#include "sim/checkers/reads.h"
#include "sim/checkers/retention.h"
#include "sim/checkers/state_machine.h"
#include "sim/checkers/vote_once.h"

// An oracle that cannot fail is worthless: each one is shown a history it must accept and one that
// it must not.

namespace tidemark::sim {
namespace {

constexpr GroupId kGroup{1};
constexpr NodeId kA{1};
constexpr NodeId kB{2};
constexpr NodeId kC{3};

std::string Frame(uint64_t offset, uint64_t term, int32_t sequence) {
  const Record record{.key = std::nullopt, .value = "v", .headers = {}, .timestamp_ms = 0};
  std::string frame = *EncodeBatch(std::span(&record, 1),
                                   {.producer_id = 9, .epoch = 0, .base_sequence = sequence});
  PatchBatch(frame.data(), Offset{offset}, Term{term});
  return frame;
}

EntryFact Fact(uint64_t index, uint64_t term, int32_t sequence, uint64_t before) {
  return FactOf(*EntryOf(LogIndex{index}, Bytes::From(Frame(index - 1, term, sequence))), before);
}

TEST(ElectionSafety, SpeaksOfTwoLeadersInOneTerm) {
  Verdict verdict;
  ElectionSafety oracle(&verdict);
  oracle.OnLeader(kGroup, Term{1}, kA);
  oracle.OnLeader(kGroup, Term{1}, kA);
  oracle.OnLeader(kGroup, Term{2}, kB);
  oracle.OnLeader(GroupId{2}, Term{1}, kB);
  EXPECT_TRUE(verdict.ok());
  oracle.OnLeader(kGroup, Term{2}, kA);
  EXPECT_EQ(verdict.oracle(), "election_safety");
}

TEST(CatalogStates, SpeaksOfACatalogThatIsNotWhatWasCommitted) {
  const CreateTopicCommand create{.name = "t", .replicas = {{kA}}};
  const Record record{
      .key = std::nullopt, .value = EncodeCatalogCommand(create), .headers = {}, .timestamp_ms = 0};
  std::string frame = *EncodeBatch(std::span(&record, 1), {});
  PatchBatch(frame.data(), Offset{0}, Term{1});
  const Bytes bytes = Bytes::From(std::move(frame));
  const EntryFact entry = FactOf(*EntryOf(LogIndex{1}, bytes), 0);
  Catalog with;
  ASSERT_TRUE(with.Apply(create).ok());
  Verdict verdict;
  CatalogStates oracle(&verdict);
  EXPECT_FALSE(oracle.OnState(kA, LogIndex{1}, with));  // not committed yet
  oracle.OnEntry(entry, bytes);
  oracle.OnCommitted(entry);
  EXPECT_TRUE(oracle.OnState(kA, LogIndex{1}, with));
  EXPECT_TRUE(oracle.OnState(kB, LogIndex{0}, Catalog()));
  EXPECT_TRUE(verdict.ok());
  EXPECT_TRUE(oracle.OnState(kB, LogIndex{1}, Catalog()));
  EXPECT_EQ(verdict.oracle(), "catalog_state");
}

TEST(CatalogStates, SpeaksOfALogThatGoesBeforeItsSnapshotIsSafe) {
  for (const auto& [commit, durable] : {std::pair(2, 1), std::pair(1, 2)}) {
    Verdict verdict;
    CatalogStates oracle(&verdict);
    oracle.OnLetsGo(kA, LogIndex{2}, LogIndex{2}, LogIndex{2});
    EXPECT_TRUE(verdict.ok());
    oracle.OnLetsGo(kA, LogIndex{2}, LogIndex(static_cast<uint64_t>(commit)),
                    LogIndex(static_cast<uint64_t>(durable)));
    EXPECT_EQ(verdict.oracle(), "catalog_state");
  }
}

TEST(Canary, SpeaksOfAnAckUnderASecondLeaderWhenItIsOn) {
  Verdict verdict;
  Canary off(&verdict);
  off.OnLeader(kGroup, kA);
  off.OnLeader(kGroup, kB);
  off.OnAcked(kGroup);
  Canary oracle(&verdict);
  oracle.Enable();
  oracle.OnLeader(kGroup, kA);
  oracle.OnLeader(kGroup, kA);
  oracle.OnLeader(GroupId{2}, kB);
  oracle.OnAcked(kGroup);
  oracle.OnLeader(kGroup, kB);
  oracle.OnAcked(GroupId{2});
  EXPECT_TRUE(verdict.ok());
  oracle.OnAcked(kGroup);
  EXPECT_EQ(verdict.oracle(), "canary");
}

TEST(LogMatching, SpeaksOfDifferentEntriesWithOneIndexAndTerm) {
  Verdict verdict;
  LogMatching oracle(&verdict);
  const EntryFact first = Fact(1, 1, 0, 0);
  oracle.OnEntry(kGroup, kA, nullptr, first);
  oracle.OnEntry(kGroup, kB, nullptr, first);
  oracle.OnEntry(kGroup, kB, nullptr, Fact(1, 2, 5, 0));
  EXPECT_TRUE(verdict.ok()) << verdict.what();
  oracle.OnEntry(kGroup, kB, nullptr, Fact(1, 1, 1, 0));
  EXPECT_EQ(verdict.oracle(), "log_matching");
}

TEST(LogMatching, SpeaksOfHolesAndFallingTerms) {
  const EntryFact first = Fact(1, 2, 0, 0);
  Verdict hole;
  LogMatching(&hole).OnEntry(kGroup, kA, &first, Fact(3, 2, 1, first.prefix));
  EXPECT_EQ(hole.oracle(), "log_matching");
  Verdict term;
  LogMatching(&term).OnEntry(kGroup, kA, &first, Fact(2, 1, 1, first.prefix));
  EXPECT_EQ(term.oracle(), "log_matching");
}

TEST(StateMachine, SpeaksOfAnotherCommittedEntry) {
  Verdict verdict;
  StateMachine oracle(&verdict);
  EXPECT_TRUE(oracle.OnCommitted(kGroup, kA, Term{1}, Fact(1, 1, 0, 0)));
  EXPECT_FALSE(oracle.OnCommitted(kGroup, kB, Term{1}, Fact(1, 1, 0, 0)));
  EXPECT_EQ(oracle.EndOffset(kGroup), Offset{1});
  EXPECT_NE(oracle.At(kGroup, Offset{0}), nullptr);
  EXPECT_EQ(oracle.At(kGroup, Offset{1}), nullptr);
  EXPECT_TRUE(verdict.ok());
  oracle.OnCommitted(kGroup, kC, Term{2}, Fact(1, 2, 0, 0));
  EXPECT_EQ(verdict.oracle(), "state_machine");
}

TEST(LeaderCompleteness, SpeaksOfALeaderWithoutACommittedEntry) {
  Verdict verdict;
  StateMachine committed(&verdict);
  LeaderCompleteness oracle(&committed, &verdict);
  const EntryFact entry = Fact(1, 1, 0, 0);
  committed.OnCommitted(kGroup, kA, Term{2}, entry);
  oracle.OnElected(kGroup, kA, Term{3}, std::vector<EntryFact>{entry});
  oracle.OnElected(kGroup, kB, Term{2}, {});  // committed in its own term: it may lack it
  EXPECT_TRUE(verdict.ok());
  oracle.OnElected(kGroup, kB, Term{4}, {});
  EXPECT_EQ(verdict.oracle(), "leader_completeness");
}

TEST(CommitRules, SpeaksOfAFallingCommitAndOfCutCommittedEntries) {
  Verdict falling;
  CommitRules falls(&falling);
  falls.OnState(kGroup, kA, LogIndex{5}, LogIndex{9});
  falls.OnRestart(kA);
  falls.OnState(kGroup, kA, LogIndex{2}, LogIndex{9});
  EXPECT_TRUE(falling.ok());
  falls.OnState(kGroup, kA, LogIndex{1}, LogIndex{9});
  EXPECT_EQ(falling.oracle(), "commit_rules");

  Verdict cutting;
  CommitRules cuts(&cutting);
  cuts.OnState(kGroup, kA, LogIndex{5}, LogIndex{9});
  cuts.OnTruncated(kGroup, kA, LogIndex{6});
  EXPECT_TRUE(cutting.ok());
  cuts.OnTruncated(kGroup, kA, LogIndex{5});
  EXPECT_EQ(cutting.oracle(), "commit_rules");

  Verdict past;
  CommitRules(&past).OnState(kGroup, kA, LogIndex{5}, LogIndex{4});
  EXPECT_EQ(past.oracle(), "commit_rules");
}

TEST(CommitRules, SpeaksOfALeaderThatCountsWhoHasWhatIsOfAnOlderTerm) {
  Verdict verdict;
  CommitRules oracle(&verdict);
  oracle.OnLeaderCommit(kGroup, kA, Term{3}, Term{3});
  EXPECT_TRUE(verdict.ok());
  oracle.OnLeaderCommit(kGroup, kA, Term{3}, Term{2});
  EXPECT_EQ(verdict.oracle(), "commit_rules");
}

raft::Message Vote(NodeId from, NodeId to, uint64_t term) {
  return {.from = from, .to = to, .term = Term{term}, .body = raft::VoteReply{.granted = true}};
}

TEST(VoteOnce, SpeaksOfASecondVoteOnTheWireAndInMemory) {
  Verdict wire;
  VoteOnce on_wire(&wire);
  on_wire.OnSent(kGroup, Vote(kA, kB, 3));
  on_wire.OnSent(kGroup, Vote(kA, kB, 3));
  on_wire.OnSent(kGroup, Vote(kA, kC, 4));
  EXPECT_TRUE(wire.ok());
  on_wire.OnSent(kGroup, Vote(kA, kB, 4));
  EXPECT_EQ(wire.oracle(), "vote_once");

  Verdict memory;
  VoteOnce in_memory(&memory);
  in_memory.OnHardState(kGroup, kA, {.term = Term{3}, .vote = kNoNode});
  in_memory.OnHardState(kGroup, kA, {.term = Term{3}, .vote = kB});
  EXPECT_TRUE(memory.ok());
  in_memory.OnHardState(kGroup, kA, {.term = Term{3}, .vote = kC});
  EXPECT_EQ(memory.oracle(), "vote_once");
}

TEST(VoteOnce, SpeaksOfAPromiseThatACrashTook) {
  Verdict verdict;
  VoteOnce oracle(&verdict);
  oracle.OnHardState(kGroup, kA, {.term = Term{3}, .vote = kB});
  oracle.OnRestart(kA);  // nothing had left: it may be forgotten
  oracle.OnHardState(kGroup, kA, {.term = Term{2}, .vote = kNoNode});
  EXPECT_TRUE(verdict.ok());
  oracle.OnSent(kGroup, Vote(kA, kB, 3));
  oracle.OnRestart(kA);
  oracle.OnHardState(kGroup, kA, {.term = Term{3}, .vote = kNoNode});
  EXPECT_EQ(verdict.oracle(), "vote_once");
}

FileBatch WriteOf(std::string frame) {
  const FileId file{.group = kGroup, .kind = FileKind::kSegment, .number = 0};
  FileBatch batch;
  batch.ops.push_back(WriteFile{file, FilePos{4096}, {Bytes::From(std::move(frame))}});
  batch.sync.push_back(file);
  return batch;
}

TEST(DurableQuorum, SpeaksOfACommitThatAMajorityHasNotSynced) {
  const std::vector<NodeId> voters = {kA, kB, kC};
  const EntryFact entry = Fact(1, 1, 0, 0);
  const FileBatch batch = WriteOf(Frame(0, 1, 0));
  Verdict verdict;
  DurableQuorum oracle(&verdict);
  for (const NodeId node : {kA, kB}) {
    oracle.OnWritten(node, batch);
    oracle.OnSynced(node, batch);
  }
  oracle.OnCommitted(kGroup, voters, entry);
  EXPECT_TRUE(verdict.ok()) << verdict.what();

  Verdict unsynced;
  DurableQuorum other(&unsynced);
  other.OnWritten(kA, batch);
  other.OnSynced(kA, batch);
  other.OnWritten(kB, batch);
  other.OnCommitted(kGroup, voters, entry);
  EXPECT_EQ(unsynced.oracle(), "durable_quorum");
}

class RetentionTest : public testing::Test {
 protected:
  void SetUp() override {
    for (uint64_t index = 1; index <= 3; ++index) {
      const int32_t sequence = static_cast<int32_t>(index) - 1;
      const EntryFact entry = Fact(index, 1, sequence, 0);
      committed_.OnCommitted(kGroup, kA, Term{1}, entry);
      for (const NodeId node : {kA, kB}) {
        const FileBatch batch = WriteOf(Frame(index - 1, 1, sequence));
        durable_.OnWritten(node, batch);
        durable_.OnSynced(node, batch);
      }
      entries_.push_back(entry);
    }
  }
  void Tell(const RetentionPolicy& policy) {
    oracle_.OnTopic(kGroup, policy);
    for (const EntryFact& entry : entries_) {
      oracle_.OnAppended(kGroup, kA, entry, WallTime::FromMillis(1000));
    }
  }
  void Decide(uint64_t from, uint64_t kept_bytes, int64_t now_ms, uint64_t commit = 3) {
    oracle_.OnDecision(kGroup, voters_,
                       {.node = kA,
                        .from = LogIndex{from},
                        .kept_bytes = kept_bytes,
                        .commit = LogIndex{commit},
                        .now = WallTime::FromMillis(now_ms)});
  }
  Verdict verdict_;
  StateMachine committed_{&verdict_};
  DurableQuorum durable_{&verdict_};
  Retention oracle_{&committed_, &durable_, &verdict_};
  std::vector<EntryFact> entries_;
  std::vector<NodeId> voters_ = {kA, kB};
};

TEST_F(RetentionTest, AcceptsWhatThePolicyLetsGo) {
  Tell({.bytes = 100, .age = Duration::Millis(500)});
  Decide(2, 100, 1000);
  EXPECT_EQ(oracle_.LetGoBefore(kGroup), Offset{1});
  Decide(3, 0, 1501);
  oracle_.OnFirstIndex(kGroup, kA, LogIndex{3});
  EXPECT_TRUE(verdict_.ok()) << verdict_.what();
}

TEST_F(RetentionTest, SpeaksOfWhatIsNeitherOldNorTooMuch) {
  Tell({.bytes = 100, .age = Duration::Millis(500)});
  Decide(2, 99, 1500);
  EXPECT_EQ(verdict_.oracle(), "retention");
}

TEST_F(RetentionTest, SpeaksOfATopicThatKeepsEverything) {
  Decide(2, 1u << 30, 1 << 30);
  EXPECT_TRUE(verdict_.ok()) << "who created it may hear of that later";
  oracle_.Finish();
  EXPECT_EQ(verdict_.oracle(), "retention");
}

TEST_F(RetentionTest, AcceptsThatAVoterLacksWhatIsTwiceTooMuch) {
  Tell({.bytes = 50});
  voters_.push_back(kC);
  Decide(2, 100, 1000);
  EXPECT_TRUE(verdict_.ok()) << verdict_.what();
}

TEST_F(RetentionTest, SpeaksOfWhatAVoterLacks) {
  Tell({.bytes = 51});
  voters_.push_back(kC);
  Decide(2, 100, 1000);
  EXPECT_NE(verdict_.what().find("not durable on node 3"), std::string::npos) << verdict_.what();
}

TEST_F(RetentionTest, SpeaksOfWhatIsNotCommitted) {
  Tell({.bytes = 1});
  Decide(3, 100, 1000, 1);
  EXPECT_NE(verdict_.what().find("not all committed"), std::string::npos) << verdict_.what();
}

TEST_F(RetentionTest, SpeaksOfALogThatBeginsFurtherOnThanWasDecided) {
  Tell({.bytes = 1});
  Decide(2, 100, 1000);
  oracle_.OnFirstIndex(kGroup, kA, LogIndex{3});
  EXPECT_EQ(verdict_.oracle(), "retention");
}

class LedgerTest : public testing::Test {
 protected:
  void SetUp() override {
    for (int32_t i = 0; i < 3; ++i) {
      entries_.push_back(Fact(static_cast<uint64_t>(i) + 1, 1, i, 0));
      ledger_.OnSubmitted(entries_.back().batch, 8, static_cast<uint64_t>(i), entries_.back().crc);
    }
  }
  Verdict verdict_;
  StateMachine committed_{&verdict_};
  AckedDurability ledger_{&committed_, &verdict_};
  std::vector<EntryFact> entries_;
};

Instant AtMillis(int64_t millis) { return Instant::FromNanos(millis * 1'000'000); }

TEST(Reads, LinearizableOnesShowWhatWasAcknowledgedOrShownBefore) {
  Verdict verdict;
  Reads oracle(&verdict);
  const Offset before = oracle.Floor(kGroup);
  oracle.OnAcked(kGroup, Offset{5}, AtMillis(10));
  oracle.OnLinearizable(kA, kGroup, before, Offset{0});
  EXPECT_TRUE(verdict.ok()) << "it began before";
  const Offset after = oracle.Floor(kGroup);
  oracle.OnLinearizable(kA, kGroup, after, Offset{7});
  EXPECT_TRUE(verdict.ok());
  EXPECT_EQ(oracle.Floor(kGroup), Offset{7});
  oracle.OnLinearizable(kB, kGroup, oracle.Floor(kGroup), Offset{6});
  EXPECT_EQ(verdict.oracle(), "linearizable_reads");
}

TEST(Reads, BoundedOnesShowWhatIsOlderThanTheAgeTheyState) {
  Verdict verdict;
  Reads oracle(&verdict);
  oracle.OnAcked(kGroup, Offset{5}, AtMillis(10));
  oracle.OnAcked(kGroup, Offset{9}, AtMillis(20));
  const auto read = [&](int64_t now, int64_t age, uint64_t end) {
    oracle.OnBounded(kA, kGroup, AtMillis(now), Duration::Millis(age), Duration::Millis(100),
                     Offset{end});
  };
  read(5, 100, 0);
  read(30, 20, 0);
  read(30, 19, 5);
  read(30, 10, 5);
  read(30, 9, 9);
  EXPECT_TRUE(verdict.ok()) << verdict.what();
  read(30, 9, 5);
  EXPECT_EQ(verdict.oracle(), "bounded_reads");
}

TEST(Reads, BoundedOnesAreWithinTheirBound) {
  Verdict verdict;
  Reads oracle(&verdict);
  oracle.OnBounded(kA, kGroup, AtMillis(500), Duration::Millis(101), Duration::Millis(100),
                   Offset{0});
  EXPECT_EQ(verdict.oracle(), "bounded_reads");
}

TEST_F(LedgerTest, AcceptsWhatIsCommittedInOrder) {
  for (const EntryFact& entry : entries_) {
    committed_.OnCommitted(kGroup, kA, Term{1}, entry);
    ledger_.OnCommitted(kGroup, entry);
    ledger_.OnAcked(entry.batch, kGroup, entry.base_offset);
  }
  ledger_.Finish();
  EXPECT_TRUE(verdict_.ok()) << verdict_.what();
  EXPECT_EQ(ledger_.acked(), 3u);
}

TEST_F(LedgerTest, SpeaksOfAnAcknowledgementBeforeTheCommit) {
  ledger_.OnAcked(entries_[0].batch, kGroup, Offset{0});
  EXPECT_EQ(verdict_.oracle(), "acked_durability");
}

TEST_F(LedgerTest, SpeaksOfABatchThatIsThereTwice) {
  ledger_.OnCommitted(kGroup, entries_[0]);
  EXPECT_TRUE(verdict_.ok());
  ledger_.OnCommitted(kGroup, entries_[0]);
  EXPECT_EQ(verdict_.oracle(), "acked_durability");
}

TEST_F(LedgerTest, SpeaksOfBatchesOutOfOrder) {
  ledger_.OnCommitted(kGroup, entries_[1]);
  ledger_.OnCommitted(kGroup, entries_[0]);
  EXPECT_EQ(verdict_.oracle(), "acked_durability");
}

TEST_F(LedgerTest, SpeaksOfABatchThatNobodySent) {
  ledger_.OnCommitted(kGroup, Fact(1, 1, 77, 0));
  EXPECT_EQ(verdict_.oracle(), "acked_durability");
}

// Committed: two values of "a", one of "b", which is then deleted, and one more of "a" and of "c".
class CompactionOracle : public ::testing::Test {
 protected:
  CompactionOracle() {
    oracle_.OnTopic(kGroup);
    Commit("a", "1");
    Commit("a", "2");
    Commit("b", "3");
    Commit("b", std::nullopt);
    Commit("a", "5");
    Commit("c", "6");
  }
  static std::string FrameOf(uint64_t offset, std::string key, std::optional<std::string> value) {
    const Record record{.key = std::move(key), .value = std::move(value), .timestamp_ms = 0};
    std::string frame = *EncodeBatch(std::span(&record, 1));
    PatchBatch(frame.data(), Offset{offset}, Term{1});
    return frame;
  }
  void Commit(std::string key, std::optional<std::string> value) {
    const uint64_t offset = frames_.size();
    frames_.push_back(Bytes::From(FrameOf(offset, std::move(key), std::move(value))));
    const EntryFact fact = FactOf(*EntryOf(LogIndex{offset + 1}, frames_.back()), prefix_);
    prefix_ = fact.prefix;
    oracle_.OnEntry(kGroup, fact, frames_.back().view());
    committed_.OnCommitted(kGroup, kA, Term{1}, fact);
    oracle_.OnCommitted(kGroup, fact);
  }
  bool Accepts(std::initializer_list<size_t> left) {
    std::vector<Bytes> frames;
    for (const size_t each : left) frames.push_back(frames_[each]);
    oracle_.OnFinalLog(kGroup, kA, {.begin = Offset{0}, .end = Offset{6}}, frames);
    return verdict_.ok();
  }
  void Deliver(size_t i) { oracle_.OnDelivered(1, kGroup, frames_[i].view(), 0); }

  Verdict verdict_;
  Coverage coverage_;
  StateMachine committed_{&verdict_};
  Compaction oracle_{&committed_, &verdict_, &coverage_};
  std::vector<Bytes> frames_;
  uint64_t prefix_ = 0;
};

TEST_F(CompactionOracle, AcceptsEverythingAndTheLeastThereMayBe) {
  EXPECT_TRUE(Accepts({0, 1, 2, 3, 4, 5}));
  EXPECT_TRUE(Accepts({1, 3, 4, 5}));
  EXPECT_TRUE(Accepts({4, 5}));
  Deliver(1);
  Deliver(4);
  Deliver(5);
  EXPECT_TRUE(verdict_.ok()) << verdict_.what();
  EXPECT_EQ(coverage_[Probe::kConsumerAcrossGap], 2u);
}

TEST_F(CompactionOracle, SpeaksOfALostLastValue) {
  EXPECT_FALSE(Accepts({4}));
  EXPECT_EQ(verdict_.oracle(), "compaction");
}

TEST_F(CompactionOracle, SpeaksOfAKeyThatOutlivesItsTombstone) { EXPECT_FALSE(Accepts({2, 4, 5})); }

TEST_F(CompactionOracle, SpeaksOfAnotherRecordThanTheCommittedOne) {
  frames_[4] = Bytes::From(FrameOf(4, "a", "other"));
  EXPECT_FALSE(Accepts({4, 5}));
}

TEST_F(CompactionOracle, SpeaksOfAConsumerThatIsNotGivenALastValue) {
  Deliver(0);
  Deliver(5);
  EXPECT_EQ(verdict_.oracle(), "compaction");
}

TEST_F(CompactionOracle, SpeaksOfRecordsThatComeTwice) {
  Deliver(1);
  Deliver(1);
  EXPECT_EQ(verdict_.oracle(), "compaction");
}

TEST(ConsumerOrder, SpeaksOfGapsRepetitionsAndUncommittedRecords) {
  const auto given = [](std::vector<std::string> frames) {
    Verdict verdict;
    StateMachine committed(&verdict);
    uint64_t before = 0;
    for (int32_t i = 0; i < 3; ++i) {
      const EntryFact entry = Fact(static_cast<uint64_t>(i) + 1, 1, i, before);
      committed.OnCommitted(kGroup, kA, Term{1}, entry);
      before = entry.prefix;
    }
    ConsumerOrder oracle(&committed, &verdict);
    for (const std::string& frame : frames) oracle.OnDelivered(16, kGroup, frame, 0);
    return verdict.oracle();
  };
  EXPECT_EQ(given({Frame(0, 1, 0), Frame(1, 1, 1), Frame(2, 1, 2)}), "");
  EXPECT_EQ(given({Frame(1, 1, 1)}), "consumer_order");
  EXPECT_EQ(given({Frame(0, 1, 0), Frame(0, 1, 0)}), "consumer_order");
  EXPECT_EQ(given({Frame(0, 1, 9)}), "consumer_order");
  EXPECT_EQ(given({Frame(0, 1, 0), Frame(1, 1, 1), Frame(2, 1, 2), Frame(3, 1, 3)}),
            "consumer_order");
  EXPECT_EQ(given({"not a batch"}), "consumer_order");
}

ClusterFacts WellCluster() {
  ClusterFacts facts;
  for (const NodeId node : {kA, kB}) {
    ClusterFacts::Member member{.id = node, .up = true, .groups = {}, .alive = {kA, kB}};
    member.groups[kGroup] = {.leads = node == kA,
                             .serving = node == kA,
                             .leader = kA,
                             .term = Term{2},
                             .last = LogIndex{4},
                             .commit = LogIndex{4},
                             .durable = LogIndex{4},
                             .last_prefix = 11,
                             .voters = {kA, kB},
                             .failure = ""};
    facts.members.push_back(std::move(member));
  }
  facts.placement[kGroup] = {kA, kB};
  facts.clients.push_back({"producer 0", ""});
  return facts;
}

TEST(Progress, NamesWhatIsUnwell) {
  EXPECT_EQ(WhatIsUnwell(WellCluster()), "");
  const auto after = [](auto change) {
    ClusterFacts facts = WellCluster();
    change(facts, facts.members[1].groups[kGroup]);
    return WhatIsUnwell(facts) != "";
  };
  using Group = ClusterFacts::Group;
  EXPECT_TRUE(after([](ClusterFacts& f, Group&) { f.members[1].up = false; }));
  EXPECT_TRUE(after([](ClusterFacts& f, Group&) { f.members.pop_back(); }));
  EXPECT_TRUE(after([](ClusterFacts&, Group& g) { g.leads = true; }));
  EXPECT_TRUE(after([](ClusterFacts& f, Group&) { f.members[0].groups[kGroup].leads = false; }));
  EXPECT_TRUE(after([](ClusterFacts& f, Group&) { f.members[0].groups[kGroup].serving = false; }));
  EXPECT_TRUE(after([](ClusterFacts&, Group& g) { g.leader = kB; }));
  EXPECT_TRUE(after([](ClusterFacts&, Group& g) { g.last_prefix = 12; }));
  EXPECT_TRUE(after([](ClusterFacts&, Group& g) { g.last = LogIndex{5}; }));
  EXPECT_TRUE(after([](ClusterFacts&, Group& g) { g.commit = LogIndex{3}; }));
  EXPECT_TRUE(after([](ClusterFacts&, Group& g) { g.durable = LogIndex{3}; }));
  EXPECT_TRUE(after([](ClusterFacts&, Group& g) { g.failure = "sync failed"; }));
  EXPECT_TRUE(after([](ClusterFacts& f, Group&) { f.members[0].groups[kGroup].voters = {kA}; }));
  EXPECT_TRUE(after([](ClusterFacts& f, Group&) { f.members[1].alive = {kB}; }));
  EXPECT_TRUE(after([](ClusterFacts& f, Group&) { f.members[1].groups.clear(); }));
  EXPECT_TRUE(after([](ClusterFacts& f, Group& g) { f.members[1].groups[GroupId{7}] = g; }));
  EXPECT_TRUE(after([](ClusterFacts& f, Group&) { f.clients[0].waits_for = "an answer"; }));
}

TEST(Progress, WhoIsAwayIsDoneWithoutAndNobodyElse) {
  ClusterFacts facts = WellCluster();
  const NodeId away = facts.members.back().id;
  facts.members.pop_back();
  EXPECT_NE(WhatIsUnwell(facts), "");
  facts.away = {away};
  EXPECT_EQ(WhatIsUnwell(facts), "");
  for (auto& [group, state] : facts.members[0].groups) state.leads = false;
  EXPECT_NE(WhatIsUnwell(facts), "") << "the others need a leader all the same";
}

}  // namespace
}  // namespace tidemark::sim
