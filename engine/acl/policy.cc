#include "engine/acl/policy.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "engine/base/limits.h"
#include "engine/base/status_macros.h"

namespace tidemark::acl {
namespace {

// Splits one line; false and `error` if its quotes do not pair up.
bool SplitCsv(std::string_view line, std::vector<std::string>& values, std::string& error) {
  values.clear();
  while (true) {
    line = Trim(line);
    std::string value;
    if (!line.empty() && line.front() == '"') {
      line.remove_prefix(1);
      while (true) {
        const size_t quote = line.find('"');
        if (quote == std::string_view::npos) {
          error = "a quoted value lacks its closing quote";
          return false;
        }
        value.append(line.substr(0, quote));
        line.remove_prefix(quote + 1);
        if (line.empty() || line.front() != '"') break;
        value.push_back('"');
        line.remove_prefix(1);
      }
      line = Trim(line);
      if (!line.empty() && line.front() != ',') {
        error = "text follows a closing quote; put a comma between values";
        return false;
      }
    } else {
      const std::string_view bare = Trim(line.substr(0, line.find(',')));
      if (bare.find('"') != std::string_view::npos) {
        error = "a quote inside an unquoted value; quote the whole value and double the quote";
        return false;
      }
      value = std::string(bare);
      line.remove_prefix(std::min(line.find(','), line.size()));
    }
    values.push_back(std::move(value));
    if (line.empty()) return true;
    line.remove_prefix(1);
  }
}

size_t FieldIndex(const Model& model, std::string_view field) {
  return static_cast<size_t>(std::find(model.policy.begin(), model.policy.end(), field) -
                             model.policy.begin());
}

struct Ordered {
  int64_t priority;
  Rule rule;
};

absl::StatusOr<Ordered> MakeRule(std::vector<std::string> values, const Model& model,
                                 const std::string& name, int line) {
  if (values.size() != model.policy.size()) {
    return ErrorAt(name, line,
                   absl::StrCat("this rule has ", values.size(),
                                " values after `p`; the model's p has ", model.policy.size()));
  }
  Ordered made{.priority = 0, .rule = {.values = std::move(values), .line = line}};
  const size_t eft = FieldIndex(model, "eft");
  if (eft < model.policy.size()) {
    const std::string& effect = made.rule.values[eft];
    made.rule.effect = effect == "allow"  ? Effect::kAllow
                       : effect == "deny" ? Effect::kDeny
                                          : Effect::kIndeterminate;
  }
  const size_t field = FieldIndex(model, "priority");
  if (field < model.policy.size() && model.effect == EffectRule::kPriority) {
    const std::string& text = made.rule.values[field];
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), made.priority);
    if (error != std::errc() || end != text.data() + text.size()) {
      return ErrorAt(name, line, absl::StrCat("priority \"", text, "\" is not an integer"));
    }
  }
  return made;
}

}  // namespace

void RoleGraph::Add(std::string_view member, std::string_view role, std::string_view domain) {
  links_.push_back({{std::string(domain), std::string(member)}, std::string(role)});
}

void RoleGraph::Sort() {
  std::sort(links_.begin(), links_.end());
  links_.erase(std::unique(links_.begin(), links_.end()), links_.end());
}

bool RoleGraph::Has(std::string_view member, std::string_view role, std::string_view domain) const {
  if (member == role) return true;
  // Breadth first: everything reached so far, the last level at the end.
  std::vector<std::string_view> reached{member};
  size_t level_begin = 0;
  for (size_t level = 0; level < kAclRoleLevelsMax && level_begin < reached.size(); ++level) {
    const size_t level_end = reached.size();
    for (size_t i = level_begin; i < level_end; ++i) {
      const auto wanted = std::make_pair(domain, reached[i]);
      auto it = std::lower_bound(
          links_.begin(), links_.end(), wanted, [](const auto& link, const auto& key) {
            return std::tie(link.first.first, link.first.second) < std::tie(key.first, key.second);
          });
      for (; it != links_.end() && it->first.first == domain && it->first.second == reached[i];
           ++it) {
        if (it->second == role) return true;
        if (reached.size() >= kAclRolesReachedMax) continue;
        if (std::find(reached.begin(), reached.end(), it->second) == reached.end()) {
          reached.push_back(it->second);
        }
      }
    }
    level_begin = level_end;
  }
  return false;
}

absl::StatusOr<Policy> ParsePolicy(std::string_view text, const Model& model,
                                   const std::string& name) {
  if (text.size() > kAclTextBytesMax) {
    return ErrorAt(name, 1, absl::StrCat("larger than ", kAclTextBytesMax, " bytes"));
  }
  Policy policy;
  for (const auto& [relation, arity] : model.roles) policy.roles[relation];
  std::vector<Ordered> rules;
  std::vector<std::string> values;
  int number = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = Trim(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    if (line.empty() || line.front() == '#') continue;
    std::string error;
    if (!SplitCsv(line, values, error)) return ErrorAt(name, number, error);
    const std::string kind = std::move(values.front());
    values.erase(values.begin());
    if (kind == "p") {
      if (rules.size() >= kAclRulesMax) {
        return ErrorAt(name, number, absl::StrCat("more than ", kAclRulesMax, " rules"));
      }
      TIDEMARK_ASSIGN_OR_RETURN(Ordered rule, MakeRule(std::move(values), model, name, number));
      values.clear();
      rules.push_back(std::move(rule));
      continue;
    }
    const auto relation = model.roles.find(kind);
    if (relation == model.roles.end()) {
      return ErrorAt(
          name, number,
          absl::StrCat("\"", kind, "\" is not defined by the model; a line begins with p",
                       model.roles.empty() ? "" : " or a role relation"));
    }
    if (values.size() != relation->second) {
      return ErrorAt(
          name, number,
          absl::StrCat("`", kind, "` takes ", relation->second, " values, not ", values.size()));
    }
    policy.roles[kind].Add(values[0], values[1], values.size() > 2 ? values[2] : "");
  }
  for (auto& [relation, graph] : policy.roles) graph.Sort();
  std::stable_sort(rules.begin(), rules.end(),
                   [](const Ordered& a, const Ordered& b) { return a.priority < b.priority; });
  for (Ordered& ordered : rules) policy.rules.push_back(std::move(ordered.rule));
  return policy;
}

}  // namespace tidemark::acl
