#include "sim/checkers/configuration.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/log/batch.h"
#include "engine/node/membership_log.h"

namespace tidemark::sim {
namespace {

using raft::Change;
using raft::ConfChange;
using raft::Membership;

constexpr GroupId kGroup{1};
constexpr NodeId kA{1};
constexpr NodeId kB{2};
constexpr NodeId kC{3};
constexpr NodeId kD{4};

raft::JointConfig Voters(std::vector<NodeId> incoming, std::vector<NodeId> outgoing = {}) {
  return {.incoming = raft::MajorityConfig(std::move(incoming)),
          .outgoing = raft::MajorityConfig(std::move(outgoing))};
}

Membership Members(std::vector<NodeId> voters, std::vector<NodeId> learners = {}) {
  Membership membership;
  membership.voters = Voters(std::move(voters));
  membership.learners = raft::NodeSet(std::move(learners));
  return membership;
}

ConfChange Simply(Change::Kind kind, NodeId node) { return {.changes = {{kind, node}}}; }

// One group of the nodes 1 to 3, its log by and by.
class Story {
 public:
  Story() : committed_(&verdict_), oracle_(&committed_, &verdict_) {
    oracle_.OnFound(kGroup, Members({kA, kB, kC}));
  }

  // The next entry of everybody's log.
  void Append(Term term, const std::string& payload, NodeId node = kA) {
    std::string frame = EncodeControlFrame(payload);
    PatchBatch(frame.data(), Offset(), term);
    const Bytes bytes = Bytes::From(std::move(frame));
    const EntryFact fact =
        FactOf(*EntryOf(LogIndex{log_.size() + 1}, bytes), log_.empty() ? 0 : log_.back().prefix);
    oracle_.OnEntry(kGroup, node, fact, bytes.view());
    log_.push_back(fact);
  }
  void Append(Term term, const ConfChange& change) { Append(term, EncodeConfChange(change)); }
  void Commit(uint64_t to) {
    while (commit_ < to) {
      committed_.OnCommitted(kGroup, kA, Term{1}, log_[commit_]);
      oracle_.OnCommitted(kGroup, log_[commit_++]);
    }
  }
  // `node`, which leads `term`, has applied all that it has committed, and has these members.
  void Has(const Membership& membership, Term term = Term{1}, NodeId node = kA) {
    oracle_.OnState(kGroup,
                    {.node = node,
                     .role = raft::Role::kLeader,
                     .term = term,
                     .commit = LogIndex{commit_},
                     .applied = LogIndex{commit_},
                     .log = log_},
                    membership);
  }
  bool Well() const { return verdict_.ok(); }
  bool Spoke() const { return verdict_.oracle() == "configuration"; }
  const std::string& what() const { return verdict_.what(); }
  Configuration& oracle() { return oracle_; }

 private:
  Verdict verdict_;
  StateMachine committed_;
  Configuration oracle_;
  std::vector<EntryFact> log_;
  uint64_t commit_ = 0;
};

TEST(QuorumsMeet, TellsWhichConfigurationsMayFollowEachOther) {
  EXPECT_TRUE(QuorumsMeet(Voters({kA, kB, kC}), Voters({kA, kB, kC, kD})));
  EXPECT_TRUE(QuorumsMeet(Voters({kA, kB}), Voters({kA})));
  EXPECT_FALSE(QuorumsMeet(Voters({kA, kB}), Voters({kC})));
  EXPECT_FALSE(QuorumsMeet(Voters({kA, kB, kC}), Voters({kA, kD, NodeId{5}})));
  EXPECT_TRUE(QuorumsMeet(Voters({kA, kB, kC}), Voters({kA, kD, NodeId{5}}, {kA, kB, kC})));
  EXPECT_TRUE(QuorumsMeet(Voters({kC}), Voters({kC}, {kA, kB})));
}

TEST(Changed, ComesToWhatTheEngineComesTo) {
  // Every change of one or two steps, in every way, from what a short life leads to.
  std::vector<Membership> from = {Members({kA, kB, kC}), Members({kA}, {kB})};
  std::vector<ConfChange> changes = {{}};
  for (const NodeId node : {kA, kB, kD}) {
    for (const auto kind : {Change::Kind::kAddVoter, Change::Kind::kAddLearner,
                            Change::Kind::kRemove, Change::Kind::kUpdate}) {
      for (const auto way : {ConfChange::Transition::kAuto, ConfChange::Transition::kJointImplicit,
                             ConfChange::Transition::kJointExplicit}) {
        changes.push_back({.transition = way, .changes = {{kind, node}}});
        changes.push_back(
            {.transition = way, .changes = {{kind, node}, {Change::Kind::kRemove, kA}}});
      }
    }
  }
  size_t taken = 0;
  for (size_t i = 0; i < from.size() && i < 200; ++i) {
    for (const ConfChange& change : changes) {
      const Membership before = from[i];
      const std::optional<Membership> ours = Changed(before, change);
      EXPECT_EQ(ours.value_or(before), raft::AppliedTo(before, change));
      if (!ours.has_value()) continue;
      ++taken;
      EXPECT_TRUE(QuorumsMeet(before.voters, ours->voters));
      if (std::find(from.begin(), from.end(), *ours) == from.end()) from.push_back(*ours);
    }
  }
  EXPECT_GT(taken, 100u);
}

TEST(Configuration, FollowsTheLog) {
  Story story;
  story.Append(Term{1}, "");
  story.Has(Members({kA, kB, kC}));
  story.Commit(1);
  story.Append(Term{1}, EncodeRoster({.voters = {kA, kB, kC}}));
  story.Append(Term{1}, Simply(Change::Kind::kAddLearner, kD));
  story.Has(Members({kA, kB, kC}));
  story.Commit(3);
  story.Has(Members({kA, kB, kC}, {kD}));
  story.Append(Term{1}, Simply(Change::Kind::kAddVoter, kD));
  story.Has(Members({kA, kB, kC}, {kD}));
  story.Commit(4);
  story.Has(Members({kA, kB, kC, kD}));
  EXPECT_TRUE(story.Well()) << story.what();
}

TEST(Configuration, SpeaksOfMembersThatTheLogDoesNotName) {
  for (const Membership& wrong :
       {Members({kA, kB, kC}), Members({kA, kB, kC, kD}), Members({kA, kB}, {kD}), Membership()}) {
    Story story;
    story.Append(Term{1}, "");
    story.Commit(1);
    story.Append(Term{1}, Simply(Change::Kind::kAddLearner, kD));
    story.Commit(2);
    story.Has(wrong);
    EXPECT_TRUE(story.Spoke());
  }
}

TEST(Configuration, SpeaksOfAChangeThatIsAppliedBeforeAnybodyHasCommittedIt) {
  Story story;
  story.Append(Term{1}, "");
  story.Commit(1);
  story.Append(Term{1}, Simply(Change::Kind::kRemove, kC));
  std::vector<EntryFact> log(2);
  log[0].term = log[1].term = Term{1};
  story.oracle().OnState(kGroup, {.node = kB, .applied = LogIndex{2}, .log = log},
                         Members({kA, kB}));
  EXPECT_TRUE(story.Spoke());
}

TEST(Configuration, SpeaksOfAChangeInATermOfWhichNothingIsCommitted) {
  Story story;
  story.Append(Term{1}, "");
  story.Commit(1);
  story.Append(Term{2}, "");
  story.Append(Term{2}, Simply(Change::Kind::kRemove, kC));
  story.Has(Members({kA, kB, kC}), Term{2});
  EXPECT_TRUE(story.Spoke()) << story.what();
}

TEST(Configuration, SpeaksOfAChangeBeforeTheOneBeforeIsCommitted) {
  Story story;
  story.Append(Term{1}, "");
  story.Commit(1);
  story.Append(Term{1}, Simply(Change::Kind::kAddLearner, kD));
  story.Has(Members({kA, kB, kC}));
  EXPECT_TRUE(story.Well());
  story.Append(Term{1}, Simply(Change::Kind::kRemove, kC));
  story.Has(Members({kA, kB, kC}));
  EXPECT_TRUE(story.Spoke());
}

TEST(Configuration, SpeaksOfARosterBehindAChangeThatIsUnderWay) {
  for (const bool committed : {true, false}) {
    Story story;
    story.Append(Term{1}, "");
    story.Commit(1);
    story.Append(Term{1}, Simply(Change::Kind::kRemove, kC));
    if (committed) story.Commit(2);
    story.Has(committed ? Members({kA, kB}) : Members({kA, kB, kC}));
    story.Append(Term{1}, EncodeRoster({.voters = {kA, kB}}));
    story.Has(committed ? Members({kA, kB}) : Members({kA, kB, kC}));
    EXPECT_EQ(story.Spoke(), !committed);
  }
}

TEST(Configuration, LeavesAJointConfigurationInATermOfWhichNothingIsCommitted) {
  Story story;
  const ConfChange joint{.transition = ConfChange::Transition::kJointImplicit,
                         .changes = {{Change::Kind::kRemove, kC}}};
  story.Append(Term{1}, "");
  story.Commit(1);
  story.Append(Term{1}, joint);
  story.Commit(2);
  Membership now;
  now.voters = Voters({kA, kB}, {kA, kB, kC});
  now.auto_leave = true;
  story.Append(Term{2}, "");
  story.Append(Term{2}, ConfChange{});
  story.Has(now, Term{2});
  story.Commit(4);
  story.Has(Members({kA, kB}), Term{2});
  EXPECT_TRUE(story.Well()) << story.what();
}

TEST(Configuration, SpeaksOfALeaderWithoutTheVotesOfItsQuorum) {
  const auto spoke = [](const std::vector<NodeId>& granted, const raft::JointConfig& voters,
                        NodeId leader) {
    Story story;
    for (const NodeId from : granted) {
      story.oracle().OnSent(
          kGroup,
          {.from = from, .to = leader, .term = Term{3}, .body = raft::VoteReply{.granted = true}});
    }
    story.oracle().OnLeader(kGroup, leader, Term{3}, voters, voters);
    return story.Spoke();
  };
  EXPECT_FALSE(spoke({kB}, Voters({kA, kB, kC}), kA));
  EXPECT_FALSE(spoke({}, Voters({kA}), kA));
  EXPECT_TRUE(spoke({}, Voters({kA, kB, kC}), kA));
  EXPECT_TRUE(spoke({kD}, Voters({kA, kB, kC}), kA));            // a learner
  EXPECT_TRUE(spoke({kA, kB}, Voters({kA, kB, kC}), kD));        // no voter
  EXPECT_TRUE(spoke({kD}, Voters({kA, kD}, {kA, kB, kC}), kA));  // one half of two
  EXPECT_FALSE(spoke({kB, kD}, Voters({kA, kD}, {kA, kB, kC}), kA));
}

TEST(Configuration, SpeaksOfACommitThatNoQuorumHolds) {
  const auto spoke = [](const std::map<NodeId, uint64_t>& held, const raft::JointConfig& voters) {
    Story story;
    story.oracle().OnLeaderCommits(kGroup, kA, LogIndex{5}, voters, [&](NodeId node) {
      const auto at = held.find(node);
      return LogIndex{at == held.end() ? 0 : at->second};
    });
    return story.Spoke();
  };
  EXPECT_FALSE(spoke({{kA, 5}, {kB, 6}}, Voters({kA, kB, kC})));
  EXPECT_TRUE(spoke({{kA, 5}, {kB, 4}}, Voters({kA, kB, kC})));
  EXPECT_TRUE(spoke({{kA, 5}, {kD, 5}}, Voters({kA, kB, kC})));
  EXPECT_TRUE(spoke({{kA, 5}, {kD, 5}}, Voters({kA, kD}, {kA, kB, kC})));
}

TEST(Configuration, SpeaksOfAVoterThatRemovesItsFiles) {
  Story story;
  story.Append(Term{1}, "");
  story.Commit(1);
  story.oracle().OnDropped(kGroup, kD);
  story.Append(Term{1}, Simply(Change::Kind::kRemove, kC));
  story.Commit(2);
  story.oracle().OnDropped(kGroup, kC);
  EXPECT_TRUE(story.Well());
  story.oracle().OnDropped(kGroup, kB);
  EXPECT_TRUE(story.Spoke());
}

}  // namespace
}  // namespace tidemark::sim
