#include "engine/acl/matcher.h"

#include <gtest/gtest.h>

#include <string>

namespace tidemark::acl {
namespace {

Model ModelWith(const std::string& matcher) {
  Model model;
  model.request = {"sub", "obj"};
  model.policy = {"sub", "obj"};
  model.roles = {{"g", 2}};
  model.matcher = matcher;
  model.matcher_line = 7;
  return model;
}

std::string ErrorOf(const std::string& matcher) {
  const absl::StatusOr<Matcher> made = Matcher::Compile(ModelWith(matcher), "m.conf");
  return made.ok() ? "" : std::string(made.status().message());
}

// Of the request (alice, data1) and the rule (bob, data1), where alice is a bob.
bool Eval(const std::string& matcher) {
  const absl::StatusOr<Matcher> made = Matcher::Compile(ModelWith(matcher), "m.conf");
  EXPECT_TRUE(made.ok()) << made.status();
  Policy policy;
  policy.roles["g"].Add("alice", "bob", "");
  policy.roles["g"].Sort();
  return made.ok() && made->Matches({"alice", "data1"}, {.values = {"bob", "data1"}}, policy);
}

TEST(AclMatcher, OperatorsBindAsUsual) {
  EXPECT_TRUE(Eval("true || false && false"));
  EXPECT_FALSE(Eval("(true || false) && false"));
  EXPECT_TRUE(Eval("!false && true"));
  EXPECT_FALSE(Eval("!(false || true)"));
  EXPECT_TRUE(Eval("1 < 2 == true"));
  EXPECT_TRUE(Eval("false == false != false"));
}

TEST(AclMatcher, ComparesTextsAndIntegers) {
  EXPECT_TRUE(Eval("r.obj == p.obj && r.sub != p.sub"));
  EXPECT_TRUE(Eval("r.sub < p.sub && p.sub > r.sub && r.sub <= 'alice' && r.sub >= \"alice\""));
  EXPECT_FALSE(Eval("r.sub > p.sub"));
  EXPECT_TRUE(Eval("-3 < 2 && 2 >= 2 && !(10 < 9)"));
}

TEST(AclMatcher, CallsFunctionsAndRoles) {
  EXPECT_TRUE(Eval("g(r.sub, p.sub)"));
  EXPECT_FALSE(Eval("g(p.sub, r.sub)"));
  EXPECT_TRUE(Eval("keyMatch(r.obj, 'data*')"));
  EXPECT_TRUE(Eval("keyMatch2('/a/7', '/a/:id') && keyMatch3('/a/7/b', '/a/{id}/b')"));
}

TEST(AclMatcher, WhatIsNotUnderstoodIsRefusedWithItsPlace) {
  EXPECT_EQ(ErrorOf("r.sub == p.sub &&"),
            "m.conf:7: an operand is missing (at the end of the matcher)");
  EXPECT_EQ(ErrorOf("regexMatch(r.sub, p.sub)").substr(0, 44),
            "m.conf:7: unsupported function `regexMatch`;");
  EXPECT_NE(ErrorOf("r.age == p.sub").find("`r` has no field \"age\""), std::string::npos);
  EXPECT_NE(ErrorOf("r.sub.name == p.sub").find("attributes of a field"), std::string::npos);
  EXPECT_NE(ErrorOf("r.sub == 3").find("different types"), std::string::npos);
  EXPECT_NE(ErrorOf("1.5 < 2").find("integers"), std::string::npos);
  EXPECT_NE(ErrorOf("r.sub").find("not a truth value"), std::string::npos);
  EXPECT_NE(ErrorOf("true && r.sub").find("truth values"), std::string::npos);
  EXPECT_NE(ErrorOf("g(r.sub)").find("takes 2 arguments"), std::string::npos);
  EXPECT_NE(ErrorOf("g(r.sub, p.sub, p.obj)").find("takes 2 arguments"), std::string::npos);
  EXPECT_NE(ErrorOf("(true").find("parenthesis"), std::string::npos);
  EXPECT_NE(ErrorOf("true true").find("unexpected text"), std::string::npos);
  EXPECT_NE(ErrorOf("'open").find("closing quote"), std::string::npos);
  EXPECT_NE(ErrorOf("r.sub in p.sub").find("unexpected text"), std::string::npos);
}

TEST(AclMatcher, DepthAndLengthAreBounded) {
  EXPECT_NE(ErrorOf(std::string(100'000, '(')).find("too deeply"), std::string::npos);
  EXPECT_NE(ErrorOf(std::string(100'000, '!')).find("too deeply"), std::string::npos);
  std::string chain = "true";
  for (int i = 0; i < 2000; ++i) chain += "&&true";
  EXPECT_NE(ErrorOf(chain).find("too long"), std::string::npos);
}

}  // namespace
}  // namespace tidemark::acl
