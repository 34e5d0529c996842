#include "engine/acl/model.h"

#include <gtest/gtest.h>

#include <string>

#include "engine/acl/default_model.h"

namespace tidemark::acl {
namespace {

std::string ErrorOf(std::string_view text) {
  const absl::StatusOr<Model> model = ParseModel(text, "m.conf");
  return model.ok() ? "" : std::string(model.status().message());
}

// The default model with `from` replaced by `to`.
std::string With(const std::string& from, const std::string& to) {
  std::string text = kDefaultModel;
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(AclModel, ReadsTheDefaultModel) {
  const absl::StatusOr<Model> model = ParseModel(kDefaultModel, "m.conf");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->request, (std::vector<std::string>{"sub", "obj", "act"}));
  EXPECT_EQ(model->policy, (std::vector<std::string>{"sub", "obj", "act"}));
  EXPECT_EQ(model->effect, EffectRule::kAllowOverride);
  EXPECT_EQ(model->matcher_line, 11);
}

TEST(AclModel, CommentsContinuationsAndRolesAreUnderstood) {
  const absl::StatusOr<Model> model = ParseModel(
      "# a comment\n; another\n[request_definition]\r\nr = sub, \\\n  obj\n[policy_definition]\n"
      "p=sub,obj\n[role_definition]\ng = _, _\ng2 = _, _, _\n[policy_effect]\n"
      "e = !some(where(p.eft==deny))\n[matchers]\nm = g(r.sub, p.sub)",
      "m.conf");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->request, (std::vector<std::string>{"sub", "obj"}));
  EXPECT_EQ(model->roles.at("g"), 2u);
  EXPECT_EQ(model->roles.at("g2"), 3u);
  EXPECT_EQ(model->effect, EffectRule::kDenyOverride);
}

TEST(AclModel, MistakesAreNamedWithFileAndLine) {
  EXPECT_EQ(ErrorOf(With("r = sub, obj, act", "r2 = sub")),
            "m.conf:2: `r2` is not supported: [request_definition] takes one `r`; remove it, with "
            "the rules that use it");
  EXPECT_EQ(ErrorOf(With("p = sub, obj, act", "p = sub, sub")),
            "m.conf:5: field \"sub\" appears twice");
  EXPECT_EQ(ErrorOf(With("[matchers]", "[matcher]")).substr(0, 36),
            "m.conf:10: unknown section [matcher]");
  EXPECT_EQ(ErrorOf(With("p.eft == allow", "p.eft == maybe")).substr(0, 17), "m.conf:8: effect ");
  EXPECT_EQ(ErrorOf(With("[policy_effect]", "[policy_effect")),
            "m.conf:7: a section header lacks its closing ']'");
  EXPECT_EQ(ErrorOf(""), "m.conf:1: no `r` in [request_definition]");
  EXPECT_EQ(ErrorOf("r = sub\n"), "m.conf:1: a definition stands before the first [section]");
}

}  // namespace
}  // namespace tidemark::acl
