#include "engine/acl/enforcer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/limits.h"
#include "engine/base/status_macros.h"

namespace tidemark::acl {

Enforcer::Enforcer(Model model, Policy policy, Matcher matcher, TextNames names)
    : model_(std::move(model)),
      policy_(std::move(policy)),
      matcher_(std::move(matcher), policy_),
      names_(std::move(names)) {}

absl::StatusOr<Enforcer> Enforcer::Load(std::string_view model_text, std::string_view policy_text,
                                        const TextNames& names) {
  TIDEMARK_ASSIGN_OR_RETURN(Model model, ParseModel(model_text, names.model));
  TIDEMARK_ASSIGN_OR_RETURN(Matcher matcher, Matcher::Compile(model, names.model));
  TIDEMARK_ASSIGN_OR_RETURN(Policy policy, ParsePolicy(policy_text, model, names.policy));
  return Enforcer(std::move(model), std::move(policy), std::move(matcher), names);
}

std::string Enforcer::Cite(const Rule& rule) const {
  std::string text = absl::StrCat(names_.policy, ":", rule.line, ": p");
  for (const std::string& value : rule.values) absl::StrAppend(&text, ", ", value);
  return text;
}

Decision Enforcer::Enforce(std::string_view sub, std::string_view obj, std::string_view act) const {
  return EnforceValues({sub, obj, act});
}

Decision Enforcer::EnforceValues(const std::vector<std::string_view>& request) const {
  if (request.size() != model_.request.size()) {
    return {.reason = absl::StrCat("the model ", names_.model, " wants ", model_.request.size(),
                                   " values in a request, this one has ", request.size())};
  }
  for (const std::string_view value : request) {
    if (value.size() > kAclValueBytesMax) {
      return {.reason = absl::StrCat("a value is longer than ", kAclValueBytesMax, " bytes")};
    }
  }
  if (policy_.rules.empty()) return {.reason = "no policy is loaded: everything is denied"};
  const Rule* allow = nullptr;
  for (const uint32_t index : matcher_.Candidates(request)) {
    const Rule& rule = policy_.rules[index];
    if (rule.effect == Effect::kIndeterminate) continue;
    if (!matcher_.Matches(request, rule, policy_)) continue;
    const bool allows = rule.effect == Effect::kAllow;
    const bool decides = model_.effect == EffectRule::kPriority ||
                         (model_.effect == EffectRule::kAllowOverride ? allows : !allows);
    if (decides) return {.allowed = allows, .reason = Cite(rule), .line = rule.line};
    if (allows && allow == nullptr) allow = &rule;
  }
  if (model_.effect == EffectRule::kAllowAndDeny && allow != nullptr) {
    return {.allowed = true, .reason = Cite(*allow), .line = allow->line};
  }
  if (model_.effect == EffectRule::kDenyOverride) {
    return {.allowed = true, .reason = "no rule denies", .line = 0};
  }
  return {.reason = "no rule allows"};
}

}  // namespace tidemark::acl
