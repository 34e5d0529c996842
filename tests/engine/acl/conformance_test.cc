#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "engine/acl/enforcer.h"

// Decisions of another implementation of the same model language, row by row.

namespace tidemark::acl {
namespace {

namespace fs = std::filesystem;

// Model and policy pairs that load, and the ones that must be refused, with the words that tell
// why.
const std::set<std::string>& Supported() {
  static const auto* const names = new std::set<std::string>{
      "basic_model__basic_inverse_policy",
      "basic_model__basic_policy",
      "basic_with_root_model__basic_policy",
      "basic_without_resources_model__basic_without_resources_policy",
      "basic_without_users_model__basic_without_users_policy",
      "priority_model__priority_indeterminate_policy",
      "priority_model__priority_policy",
      "priority_model_explicit__priority_policy_explicit",
      "rbac_g2_model__rbac_g2_policy",
      "rbac_model__rbac_policy",
      "rbac_model__rbac_with_hierarchy_policy",
      "rbac_with_deny_model__rbac_with_deny_policy",
      "rbac_with_domain_pattern_model__rbac_with_domain_pattern_policy",
      "rbac_with_domains_model__rbac_with_domains_policy",
      "rbac_with_domains_model__rbac_with_domains_policy2",
      "rbac_with_domains_model__rbac_with_hierarchy_with_domains_policy",
      "rbac_with_resource_roles_model__rbac_with_resource_roles_policy",
  };
  return *names;
}

const std::map<std::string, std::string>& Refused() {
  static const auto* const reasons = new std::map<std::string, std::string>{
      {"basic_keyget2_model__basic_keyget2_policy", "unsupported function `keyGet2`"},
      {"glob_model__glob_policy", "unsupported function `globMatch`"},
      {"ipmatch_model__ipmatch_policy", "unsupported function `ipMatch`"},
      {"keymatch_model__keymatch_policy", "unsupported function `regexMatch`"},
      {"rbac_with_multiple_policy_model__rbac_with_multiple_policy_policy",
       "`p2` is not supported"},
      {"rbac_with_pattern_model__rbac_with_pattern_policy", "unsupported function `regexMatch`"},
      {"subject_priority_model__subject_priority_policy", "is not supported; use some(where"},
  };
  return *reasons;
}

fs::path Folder() {
  const char* given = std::getenv("TIDEMARK_CONFORMANCE_DIR");
  if (given != nullptr) return fs::path(given) / "casbin";
  const char* source = std::getenv("TIDEMARK_SOURCE_DIR");
  return fs::path(source == nullptr ? "." : source) / ".." / "shared" / "conformance" / "casbin";
}

std::string ReadAll(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

absl::StatusOr<Enforcer> LoadPair(const std::string& pair) {
  const size_t middle = pair.find("__");
  const std::string model = pair.substr(0, middle) + ".conf";
  const std::string policy = pair.substr(middle + 2) + ".csv";
  return Enforcer::Load(ReadAll(Folder() / "examples" / model),
                        ReadAll(Folder() / "examples" / policy), {model, policy});
}

TEST(AclConformance, EveryVectorOfEverySupportedModelDecidesTheSame) {
  if (!fs::exists(Folder())) GTEST_SKIP() << Folder() << " is absent: nothing was compared";
  size_t rows = 0;
  for (const std::string& pair : Supported()) {
    const absl::StatusOr<Enforcer> enforcer = LoadPair(pair);
    ASSERT_TRUE(enforcer.ok()) << pair << ": " << enforcer.status();
    std::ifstream vectors(Folder() / "vectors" / (pair + ".csv"));
    ASSERT_TRUE(vectors.good()) << pair;
    std::string line;
    while (std::getline(vectors, line)) {
      if (line.empty()) continue;
      std::vector<std::string> values(1);
      for (const char c : line) {
        if (c == ',') {
          values.emplace_back();
        } else if (c != '\r') {
          values.back().push_back(c);
        }
      }
      const std::string expected = values.back();
      values.pop_back();
      const std::vector<std::string_view> request(values.begin(), values.end());
      const Decision decision = enforcer->EnforceValues(request);
      EXPECT_EQ(decision.allowed ? "allow" : "deny", expected)
          << pair << ": " << line << " decided by " << decision.reason;
      ++rows;
    }
  }
  EXPECT_GT(rows, 5000u);
}

TEST(AclConformance, UnsupportedModelsAreRefusedAtLoadWithAReason) {
  if (!fs::exists(Folder())) GTEST_SKIP() << Folder() << " is absent: nothing was compared";
  for (const auto& [pair, why] : Refused()) {
    const absl::StatusOr<Enforcer> enforcer = LoadPair(pair);
    ASSERT_FALSE(enforcer.ok()) << pair << " loads now: move it to Supported()";
    EXPECT_NE(enforcer.status().message().find(why), std::string::npos)
        << pair << ": " << enforcer.status();
    EXPECT_NE(enforcer.status().message().find(".conf:"), std::string::npos)
        << "no file and line in " << enforcer.status();
  }
}

TEST(AclConformance, EveryVectorFileIsListedAsSupportedOrRefused) {
  if (!fs::exists(Folder())) GTEST_SKIP() << Folder() << " is absent: nothing was compared";
  size_t files = 0;
  for (const auto& entry : fs::directory_iterator(Folder() / "vectors")) {
    const std::string pair = entry.path().stem().string();
    EXPECT_EQ(Supported().count(pair) + Refused().count(pair), 1u) << pair;
    ++files;
  }
  EXPECT_EQ(files, Supported().size() + Refused().size());
}

}  // namespace
}  // namespace tidemark::acl
