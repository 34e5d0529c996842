#include "engine/acl/enforcer.h"

#include <gtest/gtest.h>

#include <string>

#include "engine/acl/default_model.h"

namespace tidemark::acl {
namespace {

Enforcer Make(const std::string& effect, const std::string& policy) {
  const absl::StatusOr<Enforcer> made = Enforcer::Load(
      "[request_definition]\nr = sub, obj, act\n[policy_definition]\np = sub, obj, act, eft\n"
      "[policy_effect]\ne = " +
          effect +
          "\n[matchers]\n"
          "m = r.sub == p.sub && keyMatch(r.obj, p.obj) && r.act == p.act\n",
      policy);
  EXPECT_TRUE(made.ok()) << made.status();
  return *made;
}

TEST(Enforcer, DefaultModelAllowsWhatARuleNamesAndNothingElse) {
  const absl::StatusOr<Enforcer> enforcer = Enforcer::Load(
      kDefaultModel, "p, alice, topic:logs*, produce\np, *, topic:news, consume\np, ops, *, *\n");
  ASSERT_TRUE(enforcer.ok()) << enforcer.status();
  EXPECT_TRUE(enforcer->Enforce("alice", "topic:logs.a", "produce").allowed);
  EXPECT_FALSE(enforcer->Enforce("alice", "topic:logs.a", "consume").allowed);
  EXPECT_FALSE(enforcer->Enforce("alicex", "topic:logs.a", "produce").allowed);
  EXPECT_TRUE(enforcer->Enforce("anyone", "topic:news", "consume").allowed);
  EXPECT_FALSE(enforcer->Enforce("anyone", "topic:newsletter", "consume").allowed);
  EXPECT_TRUE(enforcer->Enforce("ops", "cluster", "status").allowed);
}

TEST(Enforcer, DecisionsCiteTheirRule) {
  const absl::StatusOr<Enforcer> enforcer =
      Enforcer::Load(kDefaultModel, "# who\np, alice, topic:a, produce\n", {"m", "acl.csv"});
  ASSERT_TRUE(enforcer.ok()) << enforcer.status();
  const Decision yes = enforcer->Enforce("alice", "topic:a", "produce");
  EXPECT_EQ(yes.reason, "acl.csv:2: p, alice, topic:a, produce");
  EXPECT_EQ(yes.line, 2);
  const Decision no = enforcer->Enforce("bob", "topic:a", "produce");
  EXPECT_EQ(no.reason, "no rule allows");
  EXPECT_EQ(no.line, 0);
}

TEST(Enforcer, NothingIsAllowedWithoutRules) {
  for (const char* effect : {"some(where (p.eft == allow))", "!some(where (p.eft == deny))"}) {
    EXPECT_FALSE(Make(effect, "").Enforce("a", "b", "c").allowed) << effect;
  }
}

TEST(Enforcer, EachEffectCombinesRulesInItsWay) {
  const std::string rules =
      "p, a, x*, read, allow\np, a, x1, read, deny\np, a, x2, read, unclear\n"
      "p, a, x3, read, deny\np, a, x3, read, allow\n";
  const Enforcer allow = Make("some(where (p.eft == allow))", rules);
  EXPECT_TRUE(allow.Enforce("a", "x1", "read").allowed);
  EXPECT_FALSE(allow.Enforce("a", "y", "read").allowed);
  const Enforcer deny = Make("!some(where (p.eft == deny))", rules);
  EXPECT_FALSE(deny.Enforce("a", "x1", "read").allowed);
  EXPECT_TRUE(deny.Enforce("a", "y", "read").allowed);
  const Enforcer both = Make("some(where (p.eft == allow)) && !some(where (p.eft == deny))", rules);
  EXPECT_FALSE(both.Enforce("a", "x1", "read").allowed);
  EXPECT_EQ(both.Enforce("a", "x1", "read").line, 2);
  EXPECT_TRUE(both.Enforce("a", "x2", "read").allowed);
  EXPECT_FALSE(both.Enforce("a", "y", "read").allowed);
  const Enforcer priority = Make("priority(p.eft) || deny", rules);
  EXPECT_TRUE(priority.Enforce("a", "x1", "read").allowed);
  EXPECT_FALSE(priority.Enforce("a", "y", "read").allowed);
}

TEST(Enforcer, RequestsOfAnotherShapeAreDenied) {
  const Enforcer enforcer = Make("!some(where (p.eft == deny))", "p, a, b, c, deny\n");
  EXPECT_FALSE(enforcer.EnforceValues({"x", "y"}).allowed);
  EXPECT_FALSE(enforcer.Enforce(std::string(5000, 'x'), "y", "z").allowed);
  EXPECT_TRUE(enforcer.Enforce("x", "y", "z").allowed);
}

}  // namespace
}  // namespace tidemark::acl
