#include "sim/checkers/emptied_voter.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "engine/log/batch.h"
#include "engine/log/segment.h"
#include "sim/checkers/durable_quorum.h"
#include "sim/checkers/vote_once.h"

// Of a disk that was lost: what this oracle says of it, and what others do.

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

raft::Message Vote(NodeId from, NodeId to, uint64_t term) {
  return {.from = from, .to = to, .term = Term{term}, .body = raft::VoteReply{.granted = true}};
}

FileBatch WriteOf(std::string frame) {
  const FileId file{.group = kGroup, .kind = FileKind::kSegment, .number = 0};
  FileBatch batch;
  batch.ops.push_back(WriteFile{file, FilePos{4096}, {Bytes::From(std::move(frame))}});
  batch.sync.push_back(file);
  return batch;
}

raft::Message From(NodeId from, decltype(raft::Message::body) body) {
  return {.from = from, .to = kB, .term = Term{4}, .body = std::move(body)};
}

TEST(EmptiedVoter, SpeaksOfWhatAMemberSaysWhoseDiskCameBackEmpty) {
  const raft::AppendReply ack{.success = true, .match = LogIndex{3}, .sequence = 1};
  const std::vector<raft::Message> promises = {Vote(kC, kB, 4), From(kC, raft::VoteRequest{}),
                                               From(kC, ack), From(kC, raft::HeartbeatReply{})};
  for (const raft::Message& promise : promises) {
    Verdict verdict;
    EmptiedVoter oracle(&verdict);
    oracle.OnSent(kGroup, promise);
    oracle.OnWiped(kGroup, kC, LogIndex{5});
    oracle.OnSent(GroupId{2}, promise);
    oracle.OnSent(kGroup, Vote(kA, kB, 4));
    oracle.OnSent(kGroup, From(kC, raft::AppendReply{}));
    EXPECT_TRUE(verdict.ok());
    // Whoever lags knows of a time before it was a member.
    EXPECT_TRUE(oracle.OnMembers(kGroup, LogIndex{4}, raft::NodeSet({kA, kB})).empty());
    EXPECT_TRUE(oracle.OnMembers(kGroup, LogIndex{6}, raft::NodeSet({kA, kB, kC})).empty());
    oracle.OnSent(kGroup, promise);
    EXPECT_EQ(verdict.oracle(), "emptied_voter");
  }
}

TEST(EmptiedVoter, SpeaksOfACandidacyBeforeTheRemovalIsOnTheDisk) {
  const raft::AppendReply ack{.success = true, .match = LogIndex{6}, .sequence = 1};
  const auto let_in = [](EmptiedVoter& oracle) {
    oracle.OnWiped(kGroup, kC, LogIndex{5});
    EXPECT_EQ(oracle.OnMembers(kGroup, LogIndex{7}, raft::NodeSet({kA, kB})),
              std::vector<NodeId>({kC}));
  };
  Verdict verdict;
  EmptiedVoter oracle(&verdict);
  let_in(oracle);
  oracle.OnSent(kGroup, From(kC, ack));
  oracle.OnState(kGroup, kC, raft::Role::kFollower, LogIndex{6});
  EXPECT_TRUE(verdict.ok());
  Verdict voted;
  EmptiedVoter other(&voted);
  let_in(other);
  other.OnSent(kGroup, Vote(kC, kB, 4));
  EXPECT_EQ(voted.oracle(), "emptied_voter");
  oracle.OnState(kGroup, kC, raft::Role::kCandidate, LogIndex{6});
  EXPECT_EQ(verdict.oracle(), "emptied_voter");
  Verdict caught_up;
  EmptiedVoter last(&caught_up);
  let_in(last);
  last.OnState(kGroup, kC, raft::Role::kFollower, LogIndex{7});
  last.OnState(kGroup, kC, raft::Role::kCandidate, LogIndex{7});
  last.OnSent(kGroup, Vote(kC, kB, 4));
  EXPECT_TRUE(caught_up.ok());
}

TEST(VoteOnce, SpeaksOfASecondVoteInTheTermInWhichTheDiskWasLost) {
  Verdict verdict;
  VoteOnce oracle(&verdict);
  oracle.OnSent(kGroup, Vote(kA, kB, 3));
  oracle.OnWiped(kA);
  oracle.OnHardState(kGroup, kA, {});
  oracle.OnSent(kGroup, Vote(kA, kB, 3));
  EXPECT_TRUE(verdict.ok());
  oracle.OnSent(kGroup, Vote(kA, kC, 3));
  EXPECT_EQ(verdict.oracle(), "vote_once");
}

// Seed 22209 of profile disk: it had campaigned in a term of which nobody heard.
TEST(VoteOnce, SaysNothingOnceItsFormerSelfIsNoMember) {
  Verdict verdict;
  VoteOnce oracle(&verdict);
  oracle.OnSent(kGroup, Vote(kA, kB, 3));
  oracle.OnWiped(kA);
  oracle.OnLetIn(kGroup, kA);
  oracle.OnSent(kGroup, Vote(kA, kC, 3));
  EXPECT_TRUE(verdict.ok());
  oracle.OnSent(kGroup, Vote(kA, kB, 3));
  EXPECT_EQ(verdict.oracle(), "vote_once") << "twice since";
}

TEST(DurableQuorum, DoesNotCountAVoterThatCameBackEmptyBeforeItIsLetIn) {
  const std::vector<NodeId> voters = {kA, kB, kC};
  const std::vector<GroupId> groups = {kGroup};
  const EntryFact entry = Fact(1, 1, 0, 0);
  const FileBatch batch = WriteOf(Frame(0, 1, 0));
  for (const bool let_in : {true, false}) {
    Verdict verdict;
    DurableQuorum oracle(&verdict);
    const auto write = [&](NodeId node) {
      oracle.OnWritten(node, batch);
      oracle.OnSynced(node, batch);
    };
    write(kA);
    oracle.OnWiped(kB, groups);
    EXPECT_TRUE(oracle.WasWiped(kGroup, kB));
    EXPECT_FALSE(oracle.WasWiped(kGroup, kC));
    if (let_in) oracle.OnLetIn(kGroup, kB);
    write(kB);
    EXPECT_TRUE(oracle.Holds(kGroup, kB, entry));
    oracle.OnCommitted(kGroup, voters, entry);
    EXPECT_EQ(verdict.oracle(), let_in ? "" : "durable_quorum");
  }
}

TEST(DurableQuorum, CountsWhatWasOnTheDiskThatIsLostWhileItsFormerSelfIsAMember) {
  const std::vector<NodeId> voters = {kA, kB, kC};
  const std::vector<GroupId> groups = {kGroup};
  const FileBatch batch = WriteOf(Frame(0, 1, 0));
  Verdict verdict;
  DurableQuorum oracle(&verdict);
  for (const NodeId node : {kA, kB}) {
    oracle.OnWritten(node, batch);
    oracle.OnSynced(node, batch);
  }
  oracle.OnWiped(kB, groups);
  EXPECT_FALSE(oracle.Holds(kGroup, kB, Fact(1, 1, 0, 0)));
  oracle.OnCommitted(kGroup, voters, Fact(1, 1, 0, 0));
  EXPECT_TRUE(verdict.ok()) << "its acknowledgement was under way";
  oracle.OnLetIn(kGroup, kB);
  oracle.OnCommitted(kGroup, voters, Fact(1, 1, 0, 0));
  EXPECT_EQ(verdict.oracle(), "durable_quorum");
}

}  // namespace
}  // namespace tidemark::sim
