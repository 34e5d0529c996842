#include "engine/node/standing.h"

#include <gtest/gtest.h>

namespace tidemark {
namespace {

const NodeId kOne{1};
const NodeId kTwo{2};
const NodeId kThree{3};
const Incarnation kMine{11};

// Node 1 of three founders, as it was drawn and written.
Standing Fresh() {
  Standing standing(kOne, {kOne, kTwo, kThree}, {.incarnation = kMine});
  (void)standing.BeginWrite();
  standing.OnWritten();
  return standing;
}

Introduction From(uint64_t incarnation, Incarnation known, bool founding) {
  return {.incarnation = Incarnation(incarnation), .known = known, .founding = founding};
}

void Write(Standing& standing) {
  ASSERT_TRUE(standing.dirty());
  (void)standing.BeginWrite();
  standing.OnWritten();
}

TEST(Standing, AFounderIsSettledOnceAMajorityIsNewAsWell) {
  Standing standing = Fresh();
  standing.OnIntroduction(kTwo, From(22, Incarnation(), true));
  EXPECT_FALSE(standing.record().settled) << "met by nobody yet";
  standing.OnIntroduction(kTwo, From(22, kMine, true));
  EXPECT_TRUE(standing.record().settled);
  EXPECT_FALSE(standing.settled()) << "not before it is on the disk";
  Write(standing);
  EXPECT_TRUE(standing.settled());
}

TEST(Standing, AFounderAloneIsSettledAtOnce) {
  EXPECT_TRUE(Standing(kOne, {kOne}, {.incarnation = kMine}).record().settled);
  EXPECT_FALSE(Standing(kOne, {}, {.incarnation = kMine}).record().settled) << "it joins";
}

TEST(Standing, ALateFounderNeedsAMajorityOfTheOthers) {
  Standing standing = Fresh();
  standing.OnIntroduction(kTwo, From(22, kMine, false));
  EXPECT_FALSE(standing.record().settled);
  standing.OnIntroduction(kThree, From(33, kMine, false));
  EXPECT_TRUE(standing.record().settled);
}

// formancehq/ledger#1476
TEST(Standing, R14_WhoIsKnownAsAnotherIncarnationIsNotSettledHoweverManyVouch) {
  Standing standing = Fresh();
  standing.OnIntroduction(kThree, From(33, Incarnation(10), true));
  EXPECT_TRUE(standing.refused());
  standing.OnIntroduction(kTwo, From(22, kMine, true));
  EXPECT_FALSE(standing.record().settled);
  standing.OnIntroduction(kThree, From(33, kMine, false));
  EXPECT_FALSE(standing.record().settled) << "what was refused once only the leader lets in";
}

TEST(Standing, R14_TheLeaderLetsInTheIncarnationItNamesAndNoOther) {
  Standing standing = Fresh();
  Introduction admission = From(22, Incarnation(10), false);
  admission.admitted = Incarnation(10);
  admission.fence_term = Term(4);
  admission.fence_index = LogIndex(9);
  admission.others = {{kThree, Incarnation(33)}};
  standing.OnIntroduction(kTwo, admission);
  EXPECT_FALSE(standing.record().settled);
  admission.admitted = kMine;
  standing.OnIntroduction(kTwo, admission);
  EXPECT_TRUE(standing.record().settled);
  Write(standing);
  EXPECT_EQ(standing.record().fence_term, Term(4));
  EXPECT_EQ(standing.record().fence_index, LogIndex(9));
  EXPECT_EQ(standing.KnownOf(kThree), Incarnation(33));
}

TEST(Standing, RemembersTheFirstIncarnationItMetUntilTheCatalogNamesAnother) {
  Standing standing = Fresh();
  standing.OnIntroduction(kTwo, From(22, Incarnation(), false));
  standing.OnIntroduction(kTwo, From(23, Incarnation(), false));
  EXPECT_EQ(standing.KnownOf(kTwo), Incarnation()) << "not on the disk yet";
  Write(standing);
  EXPECT_EQ(standing.KnownOf(kTwo), Incarnation(22));
  EXPECT_TRUE(standing.Introduce(kTwo, false).founding) << "met before this node was settled";
  standing.OnRecorded(kTwo, Incarnation(23));
  Write(standing);
  EXPECT_EQ(standing.KnownOf(kTwo), Incarnation(23));
  EXPECT_FALSE(standing.Introduce(kTwo, false).founding);
  EXPECT_EQ(standing.Introduce(kTwo, false).known, Incarnation()) << "and does not vouch for it";
}

}  // namespace
}  // namespace tidemark
