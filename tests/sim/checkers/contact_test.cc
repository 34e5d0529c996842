#include "sim/checkers/contact.h"

#include <gtest/gtest.h>

namespace tidemark::sim {
namespace {

constexpr GroupId kGroup{1};
constexpr NodeId kA{1};
constexpr NodeId kB{2};
constexpr NodeId kC{3};

Instant At(int64_t millis) { return Instant() + Duration::Millis(millis); }

class ContactTest : public testing::Test {
 protected:
  ContactTest() : contact_(&verdict_) { contact_.Demand(Duration::Millis(100)); }
  void Leads(int64_t millis, int64_t ran_since = 0) {
    contact_.OnLeads(kGroup, kA, Term{1}, {.incoming = raft::MajorityConfig({kA, kB, kC})},
                     At(millis), At(ran_since));
  }

  Verdict verdict_;
  Contact contact_;
};

TEST_F(ContactTest, AcceptsALeaderThatHearsOneOfTwoOthers) {
  for (int64_t millis = 0; millis < 1000; millis += 50) {
    contact_.OnHeard(kA, kC, At(millis));
    Leads(millis);
  }
  EXPECT_TRUE(verdict_.ok());
}

TEST_F(ContactTest, SpeaksOfALeaderThatHearsNobody) {
  Leads(0);
  contact_.OnHeard(kA, kC, At(50));
  Leads(150);
  EXPECT_TRUE(verdict_.ok());
  Leads(151);
  EXPECT_EQ(verdict_.oracle(), "contact");
}

TEST_F(ContactTest, WhatItDidNotRunForDoesNotCount) {
  Leads(0);
  Leads(500, 450);
  EXPECT_TRUE(verdict_.ok());
}

TEST_F(ContactTest, DuringAChangeOfVotersBothMajoritiesMustBeHeard) {
  const raft::JointConfig joint{.incoming = raft::MajorityConfig({kA, kB}),
                                .outgoing = raft::MajorityConfig({kA, kC})};
  contact_.OnLeads(kGroup, kA, Term{1}, joint, At(0), At(0));
  contact_.OnHeard(kA, kB, At(200));
  contact_.OnLeads(kGroup, kA, Term{1}, joint, At(200), At(0));
  EXPECT_EQ(verdict_.oracle(), "contact");
}

TEST_F(ContactTest, ALeaderOfAnotherTermHasItsOwnTime) {
  Leads(0);
  contact_.OnLeads(kGroup, kA, Term{2}, {.incoming = raft::MajorityConfig({kA, kB, kC})}, At(500),
                   At(0));
  EXPECT_TRUE(verdict_.ok());
}

}  // namespace
}  // namespace tidemark::sim
