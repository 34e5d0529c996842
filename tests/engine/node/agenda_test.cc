#include "engine/node/agenda.h"

#include <gtest/gtest.h>

#include <vector>

namespace tidemark {
namespace {

using Groups = std::vector<GroupId>;

Instant At(int64_t millis) { return Instant() + Duration::Millis(millis); }

TEST(Agenda, HasEachTouchedGroupOnceInOrder) {
  Agenda agenda;
  for (const uint64_t group : {3, 1, 3, 2, 1}) agenda.Touch(GroupId(group));
  EXPECT_EQ(agenda.Touched(), (Groups{GroupId(1), GroupId(2), GroupId(3)}));
  agenda.EndStep({});
  EXPECT_TRUE(agenda.Touched().empty());
}

TEST(Agenda, WhatAStepLeavesIsInTheNextOne) {
  Agenda agenda;
  agenda.Touch(GroupId(1));
  agenda.EndStep({GroupId(7)});
  agenda.Touch(GroupId(5));
  EXPECT_EQ(agenda.Touched(), (Groups{GroupId(5), GroupId(7)}));
}

TEST(Agenda, TouchesGroupsWhoseDeadlineHasCome) {
  Agenda agenda;
  agenda.File(GroupId(1), At(30));
  agenda.File(GroupId(2), At(10));
  agenda.File(GroupId(3), At(20));
  agenda.TouchDue(At(9));
  EXPECT_TRUE(agenda.Touched().empty());
  agenda.TouchDue(At(20));
  EXPECT_EQ(agenda.Touched(), (Groups{GroupId(2), GroupId(3)}));
}

TEST(Agenda, ADeadlineReplacesTheOneBefore) {
  Agenda agenda;
  agenda.File(GroupId(1), At(30));
  agenda.File(GroupId(2), At(20));
  EXPECT_EQ(agenda.next_deadline(), At(20));
  agenda.File(GroupId(2), At(40));
  EXPECT_EQ(agenda.next_deadline(), At(30));
  agenda.File(GroupId(1), At(50));
  EXPECT_EQ(agenda.next_deadline(), At(40));
  agenda.TouchDue(At(45));
  EXPECT_EQ(agenda.Touched(), (Groups{GroupId(2)}));
}

TEST(Agenda, WithoutDeadlinesThereIsNone) {
  Agenda agenda;
  EXPECT_EQ(agenda.next_deadline(), Instant::Never());
  agenda.File(GroupId(1), Instant::Never());
  EXPECT_EQ(agenda.next_deadline(), Instant::Never());
  agenda.File(GroupId(1), At(10));
  agenda.Forget(GroupId(1));
  EXPECT_EQ(agenda.next_deadline(), Instant::Never());
  agenda.TouchDue(At(1000));
  EXPECT_TRUE(agenda.Touched().empty());
}

}  // namespace
}  // namespace tidemark
