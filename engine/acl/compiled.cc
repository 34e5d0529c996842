#include "engine/acl/compiled.h"

#include <algorithm>
#include <utility>

#include "engine/base/coding.h"
#include "engine/base/limits.h"

namespace tidemark::acl {
namespace {

// Values one after the other, each with its length before it: no two lists have one key.
void AppendKey(std::string& key, std::string_view value) {
  AppendBig<uint32_t>(key, static_cast<uint32_t>(value.size()));
  key.append(value);
}

}  // namespace

CompiledMatcher::CompiledMatcher(Matcher matcher, const Policy& policy)
    : matcher_(std::move(matcher)), rules_(policy.rules.size()) {
  Split(matcher_.root());
  if (keys_.empty()) return;
  index_.reserve(rules_);
  for (uint32_t i = 0; i < rules_; ++i) {
    std::string key;
    for (const KeyField& field : keys_) AppendKey(key, policy.rules[i].values[field.policy_field]);
    index_.emplace_back(std::move(key), i);
  }
  std::sort(index_.begin(), index_.end());
}

void CompiledMatcher::Split(uint32_t node) {
  const MatcherNode& here = matcher_.nodes()[node];
  if (here.kind == NodeKind::kAnd) {
    Split(here.operands[0]);
    Split(here.operands[1]);
    return;
  }
  KeyField key{};
  if (TakeEquality(node, key)) {
    keys_.push_back(std::move(key));
  } else if (wildcards_ < kAclWildcardsMax && TakeWildcard(node, key)) {
    ++wildcards_;
    keys_.push_back(std::move(key));
  } else {
    rest_.push_back(node);
  }
}

bool CompiledMatcher::TakeEquality(uint32_t node, KeyField& key) const {
  const MatcherNode& here = matcher_.nodes()[node];
  if (here.kind != NodeKind::kEqual) return false;
  const MatcherNode* request = &matcher_.nodes()[here.operands[0]];
  const MatcherNode* policy = &matcher_.nodes()[here.operands[1]];
  if (request->kind != NodeKind::kRequestField) std::swap(request, policy);
  if (request->kind != NodeKind::kRequestField || policy->kind != NodeKind::kPolicyField) {
    return false;
  }
  key.request_field = static_cast<uint32_t>(request->number);
  key.policy_field = static_cast<uint32_t>(policy->number);
  return true;
}

bool CompiledMatcher::TakeWildcard(uint32_t node, KeyField& key) const {
  const MatcherNode& here = matcher_.nodes()[node];
  if (here.kind != NodeKind::kOr) return false;
  uint32_t equality = here.operands[0];
  uint32_t other = here.operands[1];
  if (!TakeEquality(equality, key)) std::swap(equality, other);
  if (!TakeEquality(equality, key)) return false;
  const MatcherNode& literal = matcher_.nodes()[other];
  if (literal.kind != NodeKind::kEqual) return false;
  const MatcherNode* field = &matcher_.nodes()[literal.operands[0]];
  const MatcherNode* text = &matcher_.nodes()[literal.operands[1]];
  if (field->kind != NodeKind::kPolicyField) std::swap(field, text);
  if (field->kind != NodeKind::kPolicyField || text->kind != NodeKind::kText) return false;
  if (static_cast<uint32_t>(field->number) != key.policy_field) return false;
  key.has_wildcard = true;
  key.wildcard = text->text;
  return true;
}

std::vector<uint32_t> CompiledMatcher::Candidates(
    const std::vector<std::string_view>& request) const {
  std::vector<uint32_t> found;
  if (keys_.empty()) {
    found.resize(rules_);
    for (uint32_t i = 0; i < rules_; ++i) found[i] = i;
    return found;
  }
  // One look-up per choice of "the request's value" or "the wildcard" for each wildcard field.
  for (uint32_t choice = 0; choice < (1u << wildcards_); ++choice) {
    std::string key;
    uint32_t bit = 0;
    for (const KeyField& field : keys_) {
      const bool wild = field.has_wildcard && ((choice >> bit++) & 1u) != 0;
      AppendKey(key, wild ? std::string_view(field.wildcard) : request[field.request_field]);
    }
    auto it = std::lower_bound(index_.begin(), index_.end(), std::make_pair(key, uint32_t{0}));
    for (; it != index_.end() && it->first == key; ++it) found.push_back(it->second);
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

bool CompiledMatcher::Matches(const std::vector<std::string_view>& request, const Rule& rule,
                              const Policy& policy) const {
  return std::all_of(rest_.begin(), rest_.end(),
                     [&](uint32_t node) { return matcher_.Matches(node, request, rule, policy); });
}

}  // namespace tidemark::acl
