#include "engine/acl/policy.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>

namespace tidemark::acl {
namespace {

Model TestModel() {
  Model model;
  model.request = {"sub", "obj", "act"};
  model.policy = {"sub", "obj", "act"};
  model.roles = {{"g", 2}};
  return model;
}

std::string ErrorOf(std::string_view text) {
  const absl::StatusOr<Policy> policy = ParsePolicy(text, TestModel(), "p.csv");
  return policy.ok() ? "" : std::string(policy.status().message());
}

TEST(AclPolicy, DropsWhiteSpaceCommentsAndEmptyLines) {
  const absl::StatusOr<Policy> policy =
      ParsePolicy("# rules\n\n  p ,alice,  data 1 , read\t\r\n", TestModel(), "p.csv");
  ASSERT_TRUE(policy.ok()) << policy.status();
  ASSERT_EQ(policy->rules.size(), 1u);
  EXPECT_EQ(policy->rules[0].values, (std::vector<std::string>{"alice", "data 1", "read"}));
  EXPECT_EQ(policy->rules[0].line, 3);
}

RC_GTEST_PROP(AclPolicy, QuotedValuesComeBackWhatTheyWere, (std::string value)) {
  std::erase_if(value, [](char c) { return c == '\n'; });
  std::string quoted = "\"";
  for (const char c : value) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  const absl::StatusOr<Policy> policy =
      ParsePolicy("p, " + quoted + "\" , x," + quoted + "\"", TestModel(), "p.csv");
  RC_ASSERT(policy.ok());
  RC_ASSERT(policy->rules[0].values == (std::vector<std::string>{value, "x", value}));
}

TEST(AclPolicy, MistakesAreNamedWithFileAndLine) {
  EXPECT_EQ(ErrorOf("p, a, b, c\np, a, b\n"),
            "p.csv:2: this rule has 2 values after `p`; the model's p has 3");
  EXPECT_EQ(ErrorOf("q, a, b, c"),
            "p.csv:1: \"q\" is not defined by the model; a line begins with p or a role relation");
  EXPECT_EQ(ErrorOf("g, a"), "p.csv:1: `g` takes 2 values, not 1");
  EXPECT_EQ(ErrorOf("p, \"a, b, c"), "p.csv:1: a quoted value lacks its closing quote");
  EXPECT_EQ(ErrorOf("p, \"a\"b, c, d"),
            "p.csv:1: text follows a closing quote; put a comma between values");
}

TEST(AclPolicy, PrioritiesOrderTheRulesAndMustBeIntegers) {
  Model model = TestModel();
  model.policy = {"priority", "sub", "eft"};
  model.effect = EffectRule::kPriority;
  const absl::StatusOr<Policy> policy =
      ParsePolicy("p, 10, a, allow\np, -1, b, deny\np, 10, c, what\n", model, "p.csv");
  ASSERT_TRUE(policy.ok()) << policy.status();
  EXPECT_EQ(policy->rules[0].line, 2);
  EXPECT_EQ(policy->rules[0].effect, Effect::kDeny);
  EXPECT_EQ(policy->rules[1].line, 1);
  EXPECT_EQ(policy->rules[2].effect, Effect::kIndeterminate);
  EXPECT_FALSE(ParsePolicy("p, high, a, allow", model, "p.csv").ok());
}

TEST(AclRoles, AreReflexiveTransitiveAndSurviveCycles) {
  RoleGraph graph;
  graph.Add("alice", "admin", "");
  graph.Add("admin", "root", "");
  graph.Add("root", "alice", "");
  graph.Sort();
  EXPECT_TRUE(graph.Has("nobody", "nobody", ""));
  EXPECT_TRUE(graph.Has("alice", "root", ""));
  EXPECT_FALSE(graph.Has("alice", "other", ""));
  EXPECT_FALSE(graph.Has("nobody", "root", ""));
}

TEST(AclRoles, CountOnlyInTheirDomainAndWithinTenLevels) {
  RoleGraph graph;
  graph.Add("alice", "admin", "d1");
  for (int i = 0; i < 12; ++i) graph.Add("r" + std::to_string(i), "r" + std::to_string(i + 1), "");
  graph.Sort();
  EXPECT_TRUE(graph.Has("alice", "admin", "d1"));
  EXPECT_FALSE(graph.Has("alice", "admin", "d2"));
  EXPECT_TRUE(graph.Has("r0", "r10", ""));
  EXPECT_FALSE(graph.Has("r0", "r11", ""));
}

}  // namespace
}  // namespace tidemark::acl
