#include "engine/acl/matcher.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/acl/functions.h"
#include "engine/base/limits.h"
#include "engine/base/status_macros.h"

namespace tidemark::acl {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsNameChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || IsDigit(c) || c == '_';
}

struct Function {
  const char* name;
  NodeKind kind;
};
constexpr Function kFunctions[] = {
    {"keyMatch", NodeKind::kKeyMatch},
    {"keyMatch2", NodeKind::kKeyMatch2},
    {"keyMatch3", NodeKind::kKeyMatch3},
};

}  // namespace

// Recursive descent; depth and number of nodes are bounded.
class MatcherParser {
 public:
  MatcherParser(const Model& model, const std::string& name)
      : model_(model), name_(name), rest_(model.matcher) {}

  absl::StatusOr<Matcher> Parse() {
    TIDEMARK_ASSIGN_OR_RETURN(matcher_.root_, ParseOr());
    Skip();
    if (!rest_.empty()) return Error("unexpected text after the expression");
    if (TypeOf(matcher_.root_) != ValueType::kBool) {
      return Error("the matcher's result is not a truth value; compare it with something");
    }
    return std::move(matcher_);
  }

 private:
  using NodeOr = absl::StatusOr<uint32_t>;

  absl::Status Error(const std::string& what) const {
    const std::string near(rest_.substr(0, 24));
    return ErrorAt(name_, model_.matcher_line,
                   near.empty() ? absl::StrCat(what, " (at the end of the matcher)")
                                : absl::StrCat(what, " (near `", near, "`)"));
  }

  void Skip() { rest_ = Trim(rest_); }

  bool Take(std::string_view token) {
    Skip();
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }

  ValueType TypeOf(uint32_t index) const { return matcher_.nodes_[index].type; }

  NodeOr Add(MatcherNode node) {
    if (matcher_.nodes_.size() >= kAclMatcherNodesMax) return Error("the matcher is too long");
    matcher_.nodes_.push_back(std::move(node));
    return static_cast<uint32_t>(matcher_.nodes_.size() - 1);
  }

  NodeOr Logical(NodeKind kind, uint32_t left, uint32_t right) {
    if (TypeOf(left) != ValueType::kBool || TypeOf(right) != ValueType::kBool) {
      return Error("&& and || join truth values; compare the operand with something");
    }
    return Add({.kind = kind, .type = ValueType::kBool, .text = "", .operands = {left, right}});
  }

  NodeOr ParseOr() {
    if (++depth_ > kAclMatcherDepthMax) return Error("the matcher nests too deeply");
    TIDEMARK_ASSIGN_OR_RETURN(uint32_t left, ParseAnd());
    while (Take("||")) {
      TIDEMARK_ASSIGN_OR_RETURN(const uint32_t right, ParseAnd());
      TIDEMARK_ASSIGN_OR_RETURN(left, Logical(NodeKind::kOr, left, right));
    }
    --depth_;
    return left;
  }

  NodeOr ParseAnd() {
    TIDEMARK_ASSIGN_OR_RETURN(uint32_t left, ParseEqual());
    while (Take("&&")) {
      TIDEMARK_ASSIGN_OR_RETURN(const uint32_t right, ParseEqual());
      TIDEMARK_ASSIGN_OR_RETURN(left, Logical(NodeKind::kAnd, left, right));
    }
    return left;
  }

  NodeOr Compare(NodeKind kind, uint32_t left, uint32_t right) {
    if (TypeOf(left) != TypeOf(right)) {
      return Error("the two sides of a comparison have different types; fields are text");
    }
    const bool ordered = kind == NodeKind::kLess || kind == NodeKind::kLessEqual;
    if (ordered && TypeOf(left) == ValueType::kBool) return Error("truth values have no order");
    return Add({.kind = kind, .type = ValueType::kBool, .text = "", .operands = {left, right}});
  }

  NodeOr ParseEqual() {
    TIDEMARK_ASSIGN_OR_RETURN(uint32_t left, ParseLess());
    while (true) {
      NodeKind kind = NodeKind::kEqual;
      if (Take("!=")) {
        kind = NodeKind::kNotEqual;
      } else if (!Take("==")) {
        return left;
      }
      TIDEMARK_ASSIGN_OR_RETURN(const uint32_t right, ParseLess());
      TIDEMARK_ASSIGN_OR_RETURN(left, Compare(kind, left, right));
    }
  }

  NodeOr ParseLess() {
    TIDEMARK_ASSIGN_OR_RETURN(uint32_t left, ParseUnary());
    while (true) {
      NodeKind kind = NodeKind::kLess;
      bool swap = false;
      if (Take("<=")) {
        kind = NodeKind::kLessEqual;
      } else if (Take(">=")) {
        kind = NodeKind::kLessEqual;
        swap = true;
      } else if (Take(">")) {
        swap = true;
      } else if (!Take("<")) {
        return left;
      }
      TIDEMARK_ASSIGN_OR_RETURN(uint32_t right, ParseUnary());
      if (swap) std::swap(left, right);
      TIDEMARK_ASSIGN_OR_RETURN(left, Compare(kind, left, right));
    }
  }

  NodeOr ParseUnary() {
    Skip();
    if (rest_.empty()) return Error("an operand is missing");
    if (Take("!")) {
      if (++depth_ > kAclMatcherDepthMax) return Error("the matcher nests too deeply");
      TIDEMARK_ASSIGN_OR_RETURN(const uint32_t operand, ParseUnary());
      --depth_;
      if (TypeOf(operand) != ValueType::kBool) return Error("! negates truth values only");
      return Add(
          {.kind = NodeKind::kNot, .type = ValueType::kBool, .text = "", .operands = {operand}});
    }
    if (Take("(")) {
      TIDEMARK_ASSIGN_OR_RETURN(const uint32_t inner, ParseOr());
      if (!Take(")")) return Error("a closing parenthesis is missing");
      return inner;
    }
    const char c = rest_.front();
    if (c == '"' || c == '\'') return ParseText(c);
    if (IsDigit(c) || c == '-') return ParseInteger();
    if (IsNameChar(c)) return ParseName();
    return Error("expected a field, a literal, a function or a parenthesis");
  }

  NodeOr ParseText(char quote) {
    const size_t end = rest_.find(quote, 1);
    if (end == std::string_view::npos) return Error("a text lacks its closing quote");
    const std::string_view text = rest_.substr(1, end - 1);
    if (text.find('\\') != std::string_view::npos) {
      return Error("backslashes in texts are not supported");
    }
    rest_.remove_prefix(end + 1);
    return Add({.kind = NodeKind::kText, .type = ValueType::kText, .text = std::string(text)});
  }

  NodeOr ParseInteger() {
    int64_t number = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), number);
    const bool more = error == std::errc() && end != rest_.data() + rest_.size() &&
                      (*end == '.' || IsNameChar(*end));
    if (error != std::errc() || more) return Error("only 64-bit integers are supported as numbers");
    rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
    return Add(
        {.kind = NodeKind::kInteger, .type = ValueType::kInteger, .text = "", .number = number});
  }

  std::string_view TakeName() {
    size_t end = 0;
    while (end < rest_.size() && IsNameChar(rest_[end])) ++end;
    const std::string_view name = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return name;
  }

  NodeOr ParseName() {
    const std::string_view before = rest_;
    const std::string name(TakeName());
    if (name == "true" || name == "false") {
      return Add({.kind = NodeKind::kBool,
                  .type = ValueType::kBool,
                  .text = "",
                  .number = name == "true" ? 1 : 0});
    }
    if (Take("(")) return ParseCall(name);
    if ((name == "r" || name == "p") && rest_.starts_with('.')) {
      rest_.remove_prefix(1);
      const std::string field(TakeName());
      const bool is_request = name == "r";
      const std::vector<std::string>& fields = is_request ? model_.request : model_.policy;
      const auto it = std::find(fields.begin(), fields.end(), field);
      if (it == fields.end()) {
        return Error(absl::StrCat("`", name, "` has no field \"", field, "\""));
      }
      if (rest_.starts_with('.')) {
        return Error("attributes of a field are not supported; fields are text");
      }
      return Add({.kind = is_request ? NodeKind::kRequestField : NodeKind::kPolicyField,
                  .type = ValueType::kText,
                  .text = "",
                  .number = it - fields.begin()});
    }
    rest_ = before;
    return Error(
        absl::StrCat("\"", name, "\" is not known here; use r.field, p.field or a literal"));
  }

  NodeOr ParseCall(const std::string& name) {
    MatcherNode node{.kind = NodeKind::kRole, .type = ValueType::kBool, .text = name};
    size_t arity = 2;
    const auto* function =
        std::find_if(std::begin(kFunctions), std::end(kFunctions),
                     [&](const Function& candidate) { return name == candidate.name; });
    if (function != std::end(kFunctions)) {
      node.kind = function->kind;
    } else if (const auto role = model_.roles.find(name); role != model_.roles.end()) {
      arity = role->second;
    } else {
      return Error(absl::StrCat("unsupported function `", name,
                                "`; supported are keyMatch, keyMatch2, keyMatch3 and the relations "
                                "of [role_definition]"));
    }
    do {
      TIDEMARK_ASSIGN_OR_RETURN(const uint32_t argument, ParseOr());
      if (TypeOf(argument) != ValueType::kText) {
        return Error(absl::StrCat("`", name, "` takes texts"));
      }
      node.operands.push_back(argument);
    } while (node.operands.size() <= arity && Take(","));
    if (node.operands.size() != arity) {
      return Error(absl::StrCat("`", name, "` takes ", arity, " arguments"));
    }
    if (!Take(")")) return Error("a closing parenthesis is missing");
    return Add(std::move(node));
  }

  const Model& model_;
  const std::string& name_;
  std::string_view rest_;
  size_t depth_ = 0;
  Matcher matcher_;
};

namespace {

// One decision's walk over the tree.
class Walk {
 public:
  Walk(const std::vector<MatcherNode>& nodes, const std::vector<std::string_view>& request,
       const Rule& rule, const Policy& policy)
      : nodes_(nodes), request_(request), rule_(rule), policy_(policy) {}

  bool Truth(uint32_t index) const {
    const MatcherNode& node = nodes_[index];
    const auto& on = node.operands;
    switch (node.kind) {
      case NodeKind::kAnd:
        return Truth(on[0]) && Truth(on[1]);
      case NodeKind::kOr:
        return Truth(on[0]) || Truth(on[1]);
      case NodeKind::kNot:
        return !Truth(on[0]);
      case NodeKind::kEqual:
        return Order(on[0], on[1]) == 0;
      case NodeKind::kNotEqual:
        return Order(on[0], on[1]) != 0;
      case NodeKind::kLess:
        return Order(on[0], on[1]) < 0;
      case NodeKind::kLessEqual:
        return Order(on[0], on[1]) <= 0;
      case NodeKind::kKeyMatch:
        return KeyMatch(Text(on[0]), Text(on[1]));
      case NodeKind::kKeyMatch2:
        return KeyMatch2(Text(on[0]), Text(on[1]));
      case NodeKind::kKeyMatch3:
        return KeyMatch3(Text(on[0]), Text(on[1]));
      case NodeKind::kRole:
        return policy_.roles.at(node.text).Has(Text(on[0]), Text(on[1]),
                                               on.size() > 2 ? Text(on[2]) : "");
      default:
        return node.number != 0;
    }
  }

 private:
  std::string_view Text(uint32_t index) const {
    const MatcherNode& node = nodes_[index];
    const size_t field = static_cast<size_t>(node.number);
    if (node.kind == NodeKind::kRequestField) return request_[field];
    if (node.kind == NodeKind::kPolicyField) return rule_.values[field];
    return node.text;
  }

  int Order(uint32_t left, uint32_t right) const {
    switch (nodes_[left].type) {
      case ValueType::kText:
        return Text(left).compare(Text(right));
      case ValueType::kInteger:
        return nodes_[left].number < nodes_[right].number
                   ? -1
                   : static_cast<int>(nodes_[left].number > nodes_[right].number);
      case ValueType::kBool:
        return static_cast<int>(Truth(left)) - static_cast<int>(Truth(right));
    }
    return 1;
  }

  const std::vector<MatcherNode>& nodes_;
  const std::vector<std::string_view>& request_;
  const Rule& rule_;
  const Policy& policy_;
};

}  // namespace

absl::StatusOr<Matcher> Matcher::Compile(const Model& model, const std::string& name) {
  return MatcherParser(model, name).Parse();
}

bool Matcher::Matches(const std::vector<std::string_view>& request, const Rule& rule,
                      const Policy& policy) const {
  return Matches(root_, request, rule, policy);
}

bool Matcher::Matches(uint32_t index, const std::vector<std::string_view>& request,
                      const Rule& rule, const Policy& policy) const {
  return Walk(nodes_, request, rule, policy).Truth(index);
}

}  // namespace tidemark::acl
