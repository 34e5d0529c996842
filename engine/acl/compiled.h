#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/acl/matcher.h"
#include "engine/acl/policy.h"

namespace tidemark::acl {

// A matcher prepared for many rules: what the expression demands by equality becomes a key, so a
// decision looks at the few rules that can match instead of all of them.
//   Indexed `r.x == p.y` as a conjunct of the whole expression, and `(p.y == "*" || r.x == p.y)`
//   with
//           any literal: two keys to look up. At most kAclWildcardsMax of the latter.
//   Rest    the other conjuncts are evaluated for each candidate. An expression without indexable
//           conjuncts has every rule as a candidate.
class CompiledMatcher {
 public:
  CompiledMatcher(Matcher matcher, const Policy& policy);

  // Indices into `policy.rules` of the rules that may match, ascending, each once.
  std::vector<uint32_t> Candidates(const std::vector<std::string_view>& request) const;
  // Whether a candidate does match. Asked only about candidates of the same request.
  bool Matches(const std::vector<std::string_view>& request, const Rule& rule,
               const Policy& policy) const;

  size_t key_fields() const { return keys_.size(); }

 private:
  struct KeyField {
    uint32_t request_field;
    uint32_t policy_field;
    bool has_wildcard;
    std::string wildcard;
  };
  void Split(uint32_t node);
  bool TakeEquality(uint32_t node, KeyField& key) const;
  bool TakeWildcard(uint32_t node, KeyField& key) const;

  Matcher matcher_;
  std::vector<KeyField> keys_;
  std::vector<uint32_t> rest_;
  size_t wildcards_ = 0;
  size_t rules_ = 0;
  // Sorted by key, then rule.
  std::vector<std::pair<std::string, uint32_t>> index_;
};

}  // namespace tidemark::acl
