#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "engine/log/batch.h"
#include "engine/node/replica.h"

namespace tidemark {
namespace {

const NodeId kOne{1};
const NodeId kTwo{2};
const NodeId kThree{3};
const GroupId kGroup{7};

// Replica of node 3, whose flushes are done at once.
class ReplicaMembers : public ::testing::Test {
 protected:
  void Begin(Replica::Fence fence, std::vector<NodeId> origin = {kOne, kTwo, kThree},
             bool pre_vote = true) {
    RecoveredGroup recovered = EmptyGroup(kGroup, LogOptions());
    recovered.members.SetOrigin(origin);
    replica_ =
        std::make_unique<Replica>(Replica::Options{.group = kGroup,
                                                   .raft = {.self = kThree, .pre_vote = pre_vote},
                                                   .origin = std::move(origin),
                                                   .fence = fence},
                                  std::move(recovered), &shared_, Prng(1));
    replica_->Start(now_, out_);
    Settle();
  }
  void Settle() {
    replica_->Settle(now_, out_);
    for (bool again = true; std::exchange(again, false);) {
      for (Effect& effect : std::exchange(out_, {})) {
        if (auto* send = std::get_if<SendPeer>(&effect)) {
          sent_.push_back(std::move(send->message.message));
        } else if (const auto* note = std::get_if<Note>(&effect)) {
          notes_.push_back(note->event);
        } else if (std::holds_alternative<Flush>(effect)) {
          replica_->OnFlushed(now_, absl::OkStatus(), out_);
          replica_->Settle(now_, out_);
          again = true;
        }
      }
    }
  }
  void Wait(Duration time) {
    now_.instant = now_.instant + time;
    replica_->OnTimer(now_, out_);
    Settle();
  }
  template <typename Body>
  void Hear(NodeId from, uint64_t term, Body body) {
    sent_.clear();
    replica_->OnMessage(
        now_, {.from = from, .to = kThree, .term = Term(term), .body = std::move(body)}, out_);
    Settle();
  }
  template <typename Body>
  bool Said() const {
    return std::any_of(sent_.begin(), sent_.end(), [](const raft::Message& message) {
      return std::holds_alternative<Body>(message.body);
    });
  }
  static raft::AppendRequest Append(std::string_view payload, uint64_t term) {
    std::string frame = EncodeControlFrame(payload);
    PatchBatch(frame.data(), Offset(0), Term(term));
    absl::StatusOr<Entry> entry = EntryOf(LogIndex(1), Bytes::From(std::move(frame)));
    EXPECT_TRUE(entry.ok());
    return {.prev_index = LogIndex(0),
            .prev_term = Term(0),
            .commit = LogIndex(0),
            .entries = {*entry},
            .all_durable = LogIndex(0),
            .sequence = 1};
  }

  Now now_{Instant::FromNanos(1), WallTime::FromMillis(1)};
  NodeShared shared_;
  std::unique_ptr<Replica> replica_;
  Effects out_;
  std::vector<raft::Message> sent_;
  std::vector<std::string> notes_;
};

// SCENARIOS R12, R14: what an earlier replica of this node promised, this one does not know.
TEST_F(ReplicaMembers, WhoCameBackDoesNotVoteBeforeItHasItsOwnAdmission) {
  const raft::VoteRequest request{
      .last_index = LogIndex(20), .last_term = Term(5), .leadership_transfer = true};
  Begin({});
  Hear(kTwo, 6, request);
  EXPECT_TRUE(Said<raft::VoteReply>());
  Begin({.term = Term(5), .index = LogIndex(1)});
  Hear(kTwo, 6, request);
  EXPECT_FALSE(Said<raft::VoteReply>());
  Hear(kOne, 5, Append("", 5));
  EXPECT_TRUE(Said<raft::AppendReply>());
  Hear(kTwo, 6, request);
  EXPECT_TRUE(Said<raft::VoteReply>()) << "now it has";
}

TEST_F(ReplicaMembers, WhoCameBackHearsNoLeaderOfBefore) {
  Begin({.term = Term(5), .index = LogIndex(1)});
  Hear(kTwo, 4, Append("", 4));
  EXPECT_EQ(replica_->log().last_index(), LogIndex(0));
  EXPECT_EQ(replica_->raft().term(), Term(5));
}

// By its founders it is a voter still; a candidacy would raise terms that depose the leader for
// ever.
TEST_F(ReplicaMembers, R14_WhoCameBackDoesNotCampaignBeforeItHasItsOwnAdmission) {
  for (const bool pre_vote : {true, false}) {
    Begin({.term = Term(5), .index = LogIndex(1)}, {kOne, kTwo, kThree}, pre_vote);
    for (int i = 0; i < 10; ++i) Wait(Duration::Seconds(2));
    Hear(kOne, 5, raft::TimeoutNow{});
    EXPECT_FALSE(Said<raft::VoteRequest>());
    EXPECT_EQ(replica_->raft().role(), raft::Role::kFollower);
    EXPECT_EQ(replica_->raft().term(), Term(5));
    Hear(kOne, 5, Append("", 5));
    for (int i = 0; i < 3; ++i) Wait(Duration::Seconds(2));
    EXPECT_TRUE(Said<raft::VoteRequest>()) << "it is admitted, and nobody leads";
  }
}

// What moved away from its only replica and came back is led by others in between.
TEST_F(ReplicaMembers, R14_TheOnlyFounderThatCameBackDoesNotElectItself) {
  Begin({.term = Term(5), .index = LogIndex(1)}, {kThree});
  for (int i = 0; i < 3; ++i) Wait(Duration::Seconds(2));
  EXPECT_EQ(replica_->raft().role(), raft::Role::kFollower);
  EXPECT_EQ(replica_->log().last_index(), LogIndex(0));
}

TEST_F(ReplicaMembers, ControlEntriesOfTheFutureAreNotStored) {
  Begin({});
  Hear(kOne, 1, Append("\x09?", 1));
  EXPECT_EQ(replica_->log().last_index(), LogIndex(0));
  EXPECT_EQ(notes_, std::vector<std::string>{"control_entry_unreadable"});
  Hear(kOne, 1, Append("", 1));
  EXPECT_EQ(replica_->log().last_index(), LogIndex(1));
}

TEST_F(ReplicaMembers, ChangeTakesEffectOnceItIsCommitted) {
  Begin({});
  Hear(
      kOne, 1,
      Append(raft::EncodeConfChange({.changes = {{raft::Change::Kind::kAddVoter, NodeId(4)}}}), 1));
  EXPECT_FALSE(replica_->raft().membership().voters.Contains(NodeId(4)));
  raft::AppendRequest commit = Append("", 1);
  commit.entries.clear();
  commit.prev_index = LogIndex(1);
  commit.prev_term = Term(1);
  commit.commit = LogIndex(1);
  commit.sequence = 2;
  Hear(kOne, 1, commit);
  EXPECT_TRUE(replica_->raft().membership().voters.Contains(NodeId(4)));
  EXPECT_TRUE(replica_->membership_changed());
}

}  // namespace
}  // namespace tidemark
