#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// A Casbin model file: what a request and a rule consist of, when a rule matches, and how matching
// rules make a decision.
//   Source  casbin.org, "Syntax for Models"; the PERM metamodel (Luo et al., arXiv:1903.09756).

namespace tidemark::acl {

// How the effects of the matching rules combine.
enum class EffectRule {
  // some(where (p.eft == allow)): one allow is enough.
  kAllowOverride,
  // !some(where (p.eft == deny)): everything that no rule denies.
  kDenyOverride,
  // some(where (p.eft == allow)) && !some(where (p.eft == deny)): an allow and no deny.
  kAllowAndDeny,
  // priority(p.eft) || deny: the first matching rule that says allow or deny.
  kPriority,
};

struct Model {
  // Field names of r and p, in order.
  std::vector<std::string> request;
  std::vector<std::string> policy;
  // Role relations: g, g2, ... -> number of arguments (2, or 3 with a domain).
  std::map<std::string, size_t> roles;
  EffectRule effect = EffectRule::kAllowOverride;
  std::string matcher;
  // Line of the matcher in the model's text, 1-based.
  int matcher_line = 0;
};

// "name:line: what" as kInvalidArgument: the one form of every error of this folder.
absl::Status ErrorAt(const std::string& name, int line, const std::string& what);

// Without the white space around it.
std::string_view Trim(std::string_view text);

// Reads a model. INI-like: [section], key = value, '#' and ';' begin a comment line, a trailing
// backslash continues a line.
//   Errors  kInvalidArgument "name:line: ..." for malformed text and for every feature that is
//           not enforced (second definitions such as p2 or m2, unknown sections and effects):
//           a model that loads means what it says.
absl::StatusOr<Model> ParseModel(std::string_view text, const std::string& name);

}  // namespace tidemark::acl
