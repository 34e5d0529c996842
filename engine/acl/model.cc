#include "engine/acl/model.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "engine/base/limits.h"
#include "engine/base/status_macros.h"

namespace tidemark::acl {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r'; }

bool IsName(std::string_view text) {
  if (text.empty() || (text[0] >= '0' && text[0] <= '9')) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

std::vector<std::string> SplitList(std::string_view text) {
  std::vector<std::string> parts;
  while (true) {
    const size_t comma = text.find(',');
    parts.emplace_back(Trim(text.substr(0, comma)));
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

// One reader per text; `line_` is where the current definition began.
class Reader {
 public:
  explicit Reader(const std::string& name) : name_(name) {}

  absl::StatusOr<Model> Read(std::string_view text) {
    std::string joined;
    int number = 0;
    while (!text.empty()) {
      const size_t end = text.find('\n');
      std::string_view line = Trim(text.substr(0, end));
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
      ++number;
      if (joined.empty()) {
        if (line.empty() || line[0] == '#' || line[0] == ';') continue;
        line_ = number;
      }
      if (!line.empty() && line.back() == '\\') {
        line.remove_suffix(1);
        joined.append(line).append(" ");
        continue;
      }
      joined.append(line);
      TIDEMARK_RETURN_IF_ERROR(TakeLine(joined));
      joined.clear();
    }
    if (!joined.empty()) return Error("the last line ends in a backslash; nothing follows it");
    return Finish();
  }

 private:
  absl::Status Error(const std::string& what) const { return ErrorAt(name_, line_, what); }

  absl::Status TakeLine(std::string_view line) {
    if (line.front() == '[') {
      if (line.back() != ']') return Error("a section header lacks its closing ']'");
      section_ = std::string(Trim(line.substr(1, line.size() - 2)));
      static constexpr const char* kSections[] = {"request_definition", "policy_definition",
                                                  "role_definition", "policy_effect", "matchers"};
      for (const char* known : kSections) {
        if (section_ == known) return absl::OkStatus();
      }
      return Error(absl::StrCat("unknown section [", section_,
                                "]; use request_definition, policy_definition, role_definition, "
                                "policy_effect, matchers"));
    }
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos) return Error("expected `key = value`");
    const std::string key(Trim(line.substr(0, equals)));
    const std::string_view value = Trim(line.substr(equals + 1));
    if (value.empty()) return Error(absl::StrCat("`", key, "` has no value"));
    if (section_.empty()) return Error("a definition stands before the first [section]");
    if (section_ == "role_definition") return TakeRole(key, value);
    const char* wanted = section_ == "request_definition"  ? "r"
                         : section_ == "policy_definition" ? "p"
                         : section_ == "policy_effect"     ? "e"
                                                           : "m";
    if (key != wanted) {
      return Error(absl::StrCat("`", key, "` is not supported: [", section_, "] takes one `",
                                wanted, "`; remove it, with the rules that use it"));
    }
    if (key == "r") return TakeFields(value, "r", model_.request);
    if (key == "p") return TakeFields(value, "p", model_.policy);
    if (key == "e") return TakeEffect(value);
    if (model_.matcher_line != 0) return Error("`m` is defined twice");
    model_.matcher = std::string(value);
    model_.matcher_line = line_;
    return absl::OkStatus();
  }

  absl::Status TakeFields(std::string_view value, const char* key,
                          std::vector<std::string>& fields) {
    if (!fields.empty()) return Error(absl::StrCat("`", key, "` is defined twice"));
    fields = SplitList(value);
    if (fields.size() > kAclFieldsMax) {
      return Error(absl::StrCat("`", key, "` has more than ", kAclFieldsMax, " fields"));
    }
    for (size_t i = 0; i < fields.size(); ++i) {
      if (!IsName(fields[i])) return Error(absl::StrCat("\"", fields[i], "\" is not a field name"));
      if (std::count(fields.begin(), fields.end(), fields[i]) > 1) {
        return Error(absl::StrCat("field \"", fields[i], "\" appears twice"));
      }
    }
    return absl::OkStatus();
  }

  absl::Status TakeRole(const std::string& key, std::string_view value) {
    const bool is_g = key[0] == 'g' && std::all_of(key.begin() + 1, key.end(),
                                                   [](char c) { return c >= '0' && c <= '9'; });
    if (key.empty() || !is_g) return Error("a role relation is named g, g2, g3, ...");
    const std::vector<std::string> parts = SplitList(value);
    for (const std::string& part : parts) {
      if (part != "_") {
        return Error(absl::StrCat("\"", part, "\" is not supported in a role relation; use `_`"));
      }
    }
    if (parts.size() < 2 || parts.size() > 3) {
      return Error("a role relation takes `_, _` or, with a domain, `_, _, _`");
    }
    if (model_.roles.size() >= kAclRoleRelationsMax) return Error("too many role relations");
    if (!model_.roles.emplace(key, parts.size()).second) {
      return Error(absl::StrCat("`", key, "` is defined twice"));
    }
    return absl::OkStatus();
  }

  absl::Status TakeEffect(std::string_view value) {
    if (has_effect_) return Error("`e` is defined twice");
    has_effect_ = true;
    std::string bare;
    for (const char c : value) {
      if (!IsSpace(c)) bare.push_back(c);
    }
    static constexpr const char* kAllow = "some(where(p.eft==allow))";
    static constexpr const char* kNoDeny = "!some(where(p.eft==deny))";
    if (bare == kAllow) {
      model_.effect = EffectRule::kAllowOverride;
    } else if (bare == kNoDeny) {
      model_.effect = EffectRule::kDenyOverride;
    } else if (bare == absl::StrCat(kAllow, "&&", kNoDeny)) {
      model_.effect = EffectRule::kAllowAndDeny;
    } else if (bare == "priority(p.eft)||deny") {
      model_.effect = EffectRule::kPriority;
    } else {
      return Error(absl::StrCat(
          "effect `", std::string(value),
          "` is not supported; use some(where (p.eft == allow)), !some(where (p.eft == deny)), "
          "both joined by &&, or priority(p.eft) || deny"));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Model> Finish() {
    line_ = std::max(line_, 1);
    if (model_.request.empty()) return Error("no `r` in [request_definition]");
    if (model_.policy.empty()) return Error("no `p` in [policy_definition]");
    if (!has_effect_) return Error("no `e` in [policy_effect]");
    if (model_.matcher_line == 0) return Error("no `m` in [matchers]");
    return std::move(model_);
  }

  const std::string& name_;
  int line_ = 0;
  std::string section_;
  bool has_effect_ = false;
  Model model_;
};

}  // namespace

absl::Status ErrorAt(const std::string& name, int line, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat(name, ":", line, ": ", what));
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

absl::StatusOr<Model> ParseModel(std::string_view text, const std::string& name) {
  if (text.size() > kAclTextBytesMax) {
    return ErrorAt(name, 1, absl::StrCat("larger than ", kAclTextBytesMax, " bytes"));
  }
  return Reader(name).Read(text);
}

}  // namespace tidemark::acl
