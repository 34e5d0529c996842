#include "engine/acl/compiled.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

namespace tidemark::acl {
namespace {

Model ModelWith(const std::string& matcher) {
  Model model;
  model.request = {"sub", "obj", "act"};
  model.policy = {"sub", "obj", "act"};
  model.matcher = matcher;
  model.matcher_line = 1;
  return model;
}

const char* const kMatchers[] = {
    "r.sub == p.sub && r.obj == p.obj && r.act == p.act",
    "p.act == r.act && keyMatch(r.obj, p.obj)",
    R"((p.sub == "*" || r.sub == p.sub) && keyMatch(r.obj, p.obj) && (p.act == '*' || p.act == r.act))",
    "(r.sub == p.sub || '*' == p.sub) && r.obj == p.obj",
    "r.sub == p.sub || r.obj == p.obj",
    "(p.act == '*' || r.sub == p.sub) && r.obj == p.obj",
};

TEST(AclCompiled, EqualitiesBecomeKeysAndTheRestDoesNot) {
  const size_t expected[] = {3, 1, 2, 2, 0, 1};
  for (size_t i = 0; i < std::size(kMatchers); ++i) {
    const absl::StatusOr<Matcher> matcher = Matcher::Compile(ModelWith(kMatchers[i]), "m");
    ASSERT_TRUE(matcher.ok()) << matcher.status();
    EXPECT_EQ(CompiledMatcher(*matcher, {}).key_fields(), expected[i]) << kMatchers[i];
  }
}

TEST(AclCompiled, LooksAtTheRulesThatCanMatchOnly) {
  const absl::StatusOr<Matcher> matcher = Matcher::Compile(ModelWith(kMatchers[2]), "m");
  Policy policy;
  for (int i = 0; i < 1000; ++i) {
    policy.rules.push_back({.values = {"user" + std::to_string(i), "x", "read"}});
  }
  policy.rules.push_back({.values = {"*", "x", "read"}});
  EXPECT_EQ(CompiledMatcher(*matcher, policy).Candidates({"user7", "x", "read"}),
            (std::vector<uint32_t>{7, 1000}));
}

// A scan of every rule with the whole expression is the model.
RC_GTEST_PROP(AclCompiled, FindsExactlyWhatAScanFinds, ()) {
  const auto value = rc::gen::element<std::string>("a", "b", "*", "a*", "");
  const auto triple = rc::gen::container<std::vector<std::string>>(3, value);
  const std::string text =
      *rc::gen::elementOf(std::vector<std::string>(std::begin(kMatchers), std::end(kMatchers)));
  const absl::StatusOr<Matcher> matcher = Matcher::Compile(ModelWith(text), "m");
  RC_ASSERT(matcher.ok());
  Policy policy;
  for (auto& values : *rc::gen::container<std::vector<std::vector<std::string>>>(triple)) {
    policy.rules.push_back({.values = values});
  }
  const CompiledMatcher compiled(*matcher, policy);
  const std::vector<std::string> values = *triple;
  const std::vector<std::string_view> request(values.begin(), values.end());
  std::vector<uint32_t> scanned;
  for (uint32_t i = 0; i < policy.rules.size(); ++i) {
    if (matcher->Matches(request, policy.rules[i], policy)) scanned.push_back(i);
  }
  std::vector<uint32_t> found;
  for (const uint32_t i : compiled.Candidates(request)) {
    if (compiled.Matches(request, policy.rules[i], policy)) found.push_back(i);
  }
  RC_ASSERT(found == scanned);
}

}  // namespace
}  // namespace tidemark::acl
