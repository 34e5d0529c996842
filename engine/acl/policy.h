#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/acl/model.h"

// A Casbin policy file: the rules and the role assignments, checked against a model.

namespace tidemark::acl {

enum class Effect { kAllow, kDeny, kIndeterminate };

struct Rule {
  // One value per field of the model's `p`.
  std::vector<std::string> values;
  Effect effect = Effect::kAllow;
  // In the policy's text, 1-based.
  int line = 0;
};

// "Is `member` a `role`?", for one relation: reflexive and transitive.
//   Bounds  at most kAclRoleLevelsMax steps from member to role (Casbin's own bound is 10);
//           cycles are harmless.
class RoleGraph {
 public:
  // `domain` is empty in relations without domains.
  void Add(std::string_view member, std::string_view role, std::string_view domain);
  // Call once after the last Add.
  void Sort();
  bool Has(std::string_view member, std::string_view role, std::string_view domain) const;

 private:
  // (domain, member) -> roles; sorted.
  std::vector<std::pair<std::pair<std::string, std::string>, std::string>> links_;
};

struct Policy {
  // In the order of evaluation: as written, or by the `priority` field (lower first) if there is
  // one.
  std::vector<Rule> rules;
  // One per relation of the model, assignments or not.
  std::map<std::string, RoleGraph> roles;
};

// Reads a policy: CSV, one rule or role assignment a line ("p, alice, data1, read"; "g, alice,
// admin"). White space around values is dropped; values may be quoted ("" for a quote inside); a
// line that begins with '#' is a comment.
//   Errors  kInvalidArgument "name:line: ...": bad quotes, an unknown kind, a wrong number of
//   values,
//           a priority that is not an integer.
absl::StatusOr<Policy> ParsePolicy(std::string_view text, const Model& model,
                                   const std::string& name);

}  // namespace tidemark::acl
