#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/acl/compiled.h"
#include "engine/acl/model.h"
#include "engine/acl/policy.h"

namespace tidemark::acl {

struct Decision {
  bool allowed = false;
  // For people and the audit: "policy.csv:3: p, alice, data1, read" or why no rule decided.
  std::string reason;
  // Line of the rule that decided; 0 if none did.
  int line = 0;
};

// What the texts are called in messages.
struct TextNames {
  std::string model = "model.conf";
  std::string policy = "policy.csv";
};

// Decides who may do what. Immutable: a new policy is a new Enforcer, swapped in whole.
//   Default deny: without a rule that says otherwise, and without any rule at all (even where the
//           model alone would allow), nothing is allowed.
//   Copies  are deep and independent.
class Enforcer {
 public:
  // Parses and compiles. Nothing is accepted that is not enforced.
  //   Errors  kInvalidArgument "<name>:<line>: what is wrong and what to do".
  static absl::StatusOr<Enforcer> Load(std::string_view model_text, std::string_view policy_text,
                                       const TextNames& names = {});

  // May `sub` do `act` to `obj`? The model's request must have three fields; with another number
  // everything is denied, and the reason says so.
  Decision Enforce(std::string_view sub, std::string_view obj, std::string_view act) const;

  // The same for a request of any model. A wrong number of values, or one longer than
  // kAclValueBytesMax, is denied.
  Decision EnforceValues(const std::vector<std::string_view>& request) const;

  size_t rule_count() const { return policy_.rules.size(); }

 private:
  Enforcer(Model model, Policy policy, Matcher matcher, TextNames names);
  std::string Cite(const Rule& rule) const;

  Model model_;
  Policy policy_;
  CompiledMatcher matcher_;
  TextNames names_;
};

}  // namespace tidemark::acl
