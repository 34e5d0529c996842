#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/acl/model.h"
#include "engine/acl/policy.h"

// The expression language of a model's matcher: parsed once, types checked, then walked.
//
//   or    := and ("||" and)*          equal := less (("==" | "!=") less)*
//   and   := equal ("&&" equal)*      less  := unary (("<" | "<=" | ">" | ">=") unary)*
//   unary := "!" unary | "(" or ")" | literal | r.field | p.field | function "(" or, ... ")"
//
// Values are text, integers and booleans; fields are text. Both sides of a comparison have one
// type.

namespace tidemark::acl {

enum class NodeKind {
  kText,
  kInteger,
  kBool,
  kRequestField,
  kPolicyField,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kAnd,
  kOr,
  kNot,
  kKeyMatch,
  kKeyMatch2,
  kKeyMatch3,
  kRole,
};

enum class ValueType { kText, kInteger, kBool };

struct MatcherNode {
  NodeKind kind;
  ValueType type;
  // kText: the literal. kRole: the relation's name.
  std::string text;
  // kInteger, kBool: the literal. kRequestField, kPolicyField: the field's index.
  int64_t number = 0;
  // Indices into Matcher::nodes(): operands or arguments, left to right.
  std::vector<uint32_t> operands;
};

class Matcher {
 public:
  // Parses and checks `model.matcher`. `name` is the model's, for messages.
  //   Errors  kInvalidArgument "name:line: ... near `...`" for a syntax error, an unknown field,
  //   function or
  //           relation, operands of different types, a result that is not a truth value.
  static absl::StatusOr<Matcher> Compile(const Model& model, const std::string& name);

  // Does the rule with these values match the request? Both have one value per field of the model.
  bool Matches(const std::vector<std::string_view>& request, const Rule& rule,
               const Policy& policy) const;
  // The same for a part of the expression: the node at `index`, a truth value.
  bool Matches(uint32_t index, const std::vector<std::string_view>& request, const Rule& rule,
               const Policy& policy) const;

  const std::vector<MatcherNode>& nodes() const { return nodes_; }
  uint32_t root() const { return root_; }

 private:
  friend class MatcherParser;
  std::vector<MatcherNode> nodes_;
  uint32_t root_ = 0;
};

}  // namespace tidemark::acl
