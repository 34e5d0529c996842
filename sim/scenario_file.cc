#include "sim/scenario_file.h"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <map>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "engine/base/status_macros.h"
#include "sim/json.h"
#include "sim/scenario_fields.h"

namespace tidemark::sim {
namespace {

constexpr std::string_view kFormat = "tidemark-scenario-1";
constexpr size_t kLineWidth = 90;

struct Unit {
  std::string_view name;
  int64_t nanos;
};
constexpr Unit kUnits[] = {{"s", 1'000'000'000}, {"ms", 1'000'000}, {"us", 1000}, {"ns", 1}};

// Writes the fields of a scenario, one a line.
class Writer {
 public:
  void Group(std::string_view name) {
    if (!text_.empty()) absl::StrAppend(&text_, "\n  },\n");
    absl::StrAppend(&text_, "  ", JsonString(name), ": {");
    first_ = true;
  }
  template <typename T>
  void Field(std::string_view name, const T& field) {
    absl::StrAppend(&text_, first_ ? "\n" : ",\n", "    ", JsonString(name), ": ", Text(field));
    first_ = false;
  }
  std::string End() { return absl::StrCat(text_, "\n  }"); }

 private:
  static std::string Text(bool value) { return value ? "true" : "false"; }
  static std::string Text(const std::string& value) { return JsonString(value); }
  static std::string Text(Duration value) { return JsonString(DurationText(value)); }
  static std::string Text(const std::vector<NodeId>& ids) {
    std::string text = "[";
    for (const NodeId id : ids) absl::StrAppend(&text, text.size() > 1 ? ", " : "", id.value());
    return absl::StrCat(text, "]");
  }
  template <typename T>
    requires std::is_integral_v<T>
  static std::string Text(T value) {
    return absl::StrCat(value);
  }

  std::string text_;
  bool first_ = true;
};

template <typename T>
absl::Status ReadNumber(const Json& json, std::string_view name, T& field) {
  T value = 0;
  if (json.kind != Json::Kind::kNumber || !absl::SimpleAtoi(json.text, &value)) {
    return JsonError(json, absl::StrCat(std::string(name), " wants a whole number",
                                        std::is_unsigned_v<T> ? " that is not negative" : ""));
  }
  field = value;
  return absl::OkStatus();
}

absl::Status ReadText(const Json& json, std::string_view name, std::string& field) {
  if (json.kind != Json::Kind::kString) {
    return JsonError(json, absl::StrCat(std::string(name), " wants a text in quotes"));
  }
  field = json.text;
  return absl::OkStatus();
}

// Reads the fields of a scenario; remembers which groups and fields there are.
class Reader {
 public:
  explicit Reader(const Json& root) : root_(root) {}

  void Group(std::string_view name) {
    group_ = root_.Find(name);
    group_name_ = name;
    known_.emplace(name, std::vector<std::string_view>());
    if (group_ != nullptr && group_->kind != Json::Kind::kObject) {
      Refuse(JsonError(*group_, absl::StrCat(std::string(name), " wants {...}")));
    }
  }
  template <typename T>
  void Field(std::string_view name, T& field) {
    known_[group_name_].push_back(name);
    const Json* json = group_ == nullptr ? nullptr : group_->Find(name);
    if (json != nullptr) Refuse(Read(*json, name, field));
  }
  // Names that nobody knows.
  void Unknown(const std::vector<std::string_view>& others) {
    for (const auto& [name, value] : root_.members) {
      const auto group = known_.find(name);
      if (group == known_.end()) {
        if (std::find(others.begin(), others.end(), name) == others.end()) {
          Refuse(JsonError(value, absl::StrCat("does not know ", name)));
        }
        continue;
      }
      for (const auto& [field, at] : value.members) {
        const std::vector<std::string_view>& fields = group->second;
        if (std::find(fields.begin(), fields.end(), field) == fields.end()) {
          Refuse(JsonError(at, absl::StrCat("does not know ", name, ".", field)));
        }
      }
    }
  }
  const absl::Status& status() const { return status_; }

 private:
  void Refuse(absl::Status status) {
    if (status_.ok()) status_ = std::move(status);
  }
  static absl::Status Read(const Json& json, std::string_view name, bool& field) {
    if (json.kind != Json::Kind::kBool) {
      return JsonError(json, absl::StrCat(std::string(name), " wants true or false"));
    }
    field = json.boolean;
    return absl::OkStatus();
  }
  static absl::Status Read(const Json& json, std::string_view name, std::string& field) {
    return ReadText(json, name, field);
  }
  static absl::Status Read(const Json& json, std::string_view name, Duration& field) {
    const std::optional<Duration> duration =
        json.kind == Json::Kind::kString ? ParseDuration(json.text) : std::nullopt;
    if (!duration.has_value()) {
      return JsonError(json, absl::StrCat(std::string(name), " wants a time like \"150ms\""));
    }
    field = *duration;
    return absl::OkStatus();
  }
  static absl::Status Read(const Json& json, std::string_view name, std::vector<NodeId>& field) {
    if (json.kind != Json::Kind::kArray) {
      return JsonError(json, absl::StrCat(std::string(name), " wants a list of ids"));
    }
    field.clear();
    for (const Json& item : json.items) {
      uint64_t id = 0;
      TIDEMARK_RETURN_IF_ERROR(ReadNumber(item, name, id));
      field.push_back(NodeId{id});
    }
    return absl::OkStatus();
  }
  template <typename T>
    requires std::is_integral_v<T>
  static absl::Status Read(const Json& json, std::string_view name, T& field) {
    return ReadNumber(json, name, field);
  }

  const Json& root_;
  const Json* group_ = nullptr;
  std::string_view group_name_;
  std::map<std::string_view, std::vector<std::string_view>> known_;
  absl::Status status_;
};

// "17" happens, "17=250000" has that value.
std::string TokenOf(const Decision& decision) {
  if (decision.value == 1 && ValueNames(decision.site).empty() && !IsBits(decision.site)) {
    return absl::StrCat(decision.count);
  }
  return absl::StrCat(decision.count, "=", ValueText(decision.site, decision.value));
}

absl::Status ReadToken(const Json& at, Decision decision, std::string_view token,
                       std::vector<Decision>& script) {
  const size_t equals = token.find('=');
  const std::string count(token.substr(0, equals));
  const std::string value(equals == token.npos ? "" : token.substr(equals + 1));
  std::optional<int64_t> parsed = 1;
  if (equals != token.npos) parsed = ParseValue(decision.site, value);
  const bool bare_is_fine = equals != token.npos || ValueNames(decision.site).empty();
  if (!absl::SimpleAtoi(count, &decision.count) || !parsed.has_value() || !bare_is_fine) {
    return JsonError(
        at, absl::StrCat("does not understand \"", std::string(token), "\" of ",
                         std::string(NameOf(decision.site)), "; wants COUNT or COUNT=VALUE"));
  }
  decision.value = *parsed;
  script.push_back(decision);
  return absl::OkStatus();
}

absl::Status ReadLine(const Json& line, const Decision& decision, std::vector<Decision>& script) {
  std::string text;
  TIDEMARK_RETURN_IF_ERROR(ReadText(line, NameOf(decision.site), text));
  for (const std::string& token : std::vector<std::string>(
           absl::StrSplit(text, absl::ByAnyChar(" \t\n"), absl::SkipEmpty()))) {
    TIDEMARK_RETURN_IF_ERROR(ReadToken(line, decision, token, script));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Decision>> ReadDecisions(const Json& json) {
  if (json.kind != Json::Kind::kObject) return JsonError(json, "decisions wants {...}");
  std::vector<Decision> script;
  for (const auto& [name, actors] : json.members) {
    const std::optional<Site> site = SiteOf(name);
    if (!site.has_value()) {
      return JsonError(actors, absl::StrCat("nothing is decided at a site named ", name));
    }
    if (actors.kind != Json::Kind::kObject) return JsonError(actors, name + " wants {...}");
    for (const auto& [actor, lines] : actors.members) {
      Decision decision{.site = *site};
      if (!absl::SimpleAtoi(actor, &decision.actor) || decision.actor >= kActorsMax) {
        return JsonError(lines, absl::StrCat("actor \"", actor, "\" of ", name,
                                             " is not a number below ", kActorsMax));
      }
      if (lines.kind != Json::Kind::kArray) {
        TIDEMARK_RETURN_IF_ERROR(ReadLine(lines, decision, script));
        continue;
      }
      for (const Json& line : lines.items) {
        TIDEMARK_RETURN_IF_ERROR(ReadLine(line, decision, script));
      }
    }
  }
  return script;
}

// The tokens of one actor as one text, or as a list of them when it is long.
std::string LinesOf(const std::vector<std::string>& tokens) {
  std::vector<std::string> lines(1);
  for (const std::string& token : tokens) {
    if (!lines.back().empty() && lines.back().size() + token.size() >= kLineWidth) {
      lines.emplace_back();
    }
    absl::StrAppend(&lines.back(), lines.back().empty() ? "" : " ", token);
  }
  for (std::string& line : lines) line = JsonString(line);
  if (lines.size() == 1) return lines.front();
  return absl::StrCat("[\n        ", absl::StrJoin(lines, ",\n        "), "]");
}

std::string FormatDecisions(const std::vector<Decision>& script) {
  std::map<std::string_view, std::map<uint32_t, std::vector<std::string>>> tokens;
  for (const Decision& decision : script) {
    tokens[NameOf(decision.site)][decision.actor].push_back(TokenOf(decision));
  }
  std::string text = "{";
  for (const auto& [site, actors] : tokens) {
    absl::StrAppend(&text, text.size() > 1 ? ",\n" : "\n", "    ", JsonString(site), ": {");
    bool first = true;
    for (const auto& [actor, list] : actors) {
      absl::StrAppend(&text, first ? "\n" : ",\n", "      ", JsonString(absl::StrCat(actor)), ": ",
                      LinesOf(list));
      first = false;
    }
    absl::StrAppend(&text, "\n    }");
  }
  return absl::StrCat(text, text.size() > 1 ? "\n  }" : "}");
}

absl::Status ReadOutcome(const Json& json, ScenarioFile& file) {
  for (const auto& [name, value] : json.members) {
    if (name == "oracle") {
      TIDEMARK_RETURN_IF_ERROR(ReadText(value, name, file.oracle));
    } else if (name == "what") {
      TIDEMARK_RETURN_IF_ERROR(ReadText(value, name, file.what));
    } else if (name == "version") {
      TIDEMARK_RETURN_IF_ERROR(ReadText(value, name, file.version));
    } else if (name == "hash") {
      std::string text;
      TIDEMARK_RETURN_IF_ERROR(ReadText(value, name, text));
      uint64_t hash = 0;
      if (text.size() != 16 || !absl::SimpleHexAtoi(text, &hash)) {
        return JsonError(value, "hash wants 16 hex digits");
      }
      file.hash = hash;
    } else {
      return JsonError(value, absl::StrCat("does not know outcome.", name));
    }
  }
  return absl::OkStatus();
}

absl::Status ReadHead(const Json& root, ScenarioFile& file) {
  const Json* format = root.Find("format");
  if (format == nullptr || format->text != kFormat) {
    return JsonError(format == nullptr ? root : *format,
                     absl::StrCat("format must be \"", std::string(kFormat), "\""));
  }
  if (const Json* seed = root.Find("seed")) {
    TIDEMARK_RETURN_IF_ERROR(ReadNumber(*seed, "seed", file.plan.seed));
  }
  if (const Json* profile = root.Find("profile")) {
    const absl::StatusOr<Profile> found = ProfileOf(profile->text);
    if (!found.ok()) return JsonError(*profile, std::string(found.status().message()));
    file.plan.profile = *found;
  }
  const Json* outcome = root.Find("outcome");
  return outcome == nullptr ? absl::OkStatus() : ReadOutcome(*outcome, file);
}

}  // namespace

std::string DurationText(Duration duration) {
  for (const Unit& unit : kUnits) {
    if (duration.nanos() % unit.nanos == 0) {
      return absl::StrCat(duration.nanos() / unit.nanos, std::string(unit.name));
    }
  }
  return "";
}

std::optional<Duration> ParseDuration(std::string_view text) {
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  int64_t number = 0;
  if (!absl::SimpleAtoi(std::string(text.substr(0, digits)), &number)) return std::nullopt;
  for (const Unit& unit : kUnits) {
    if (text.substr(digits) != unit.name) continue;
    if (number > std::numeric_limits<int64_t>::max() / unit.nanos) return std::nullopt;
    return Duration::Nanos(number * unit.nanos);
  }
  return std::nullopt;
}

absl::StatusOr<ScenarioFile> ParseScenario(std::string_view text) {
  TIDEMARK_ASSIGN_OR_RETURN(const Json root, ParseJson(text));
  if (root.kind != Json::Kind::kObject) return JsonError(root, "a scenario is {...}");
  ScenarioFile file;
  TIDEMARK_RETURN_IF_ERROR(ReadHead(root, file));
  Reader reader(root);
  VisitFields(reader, file.plan.scenario);
  reader.Unknown({"format", "seed", "profile", "outcome", "decisions"});
  TIDEMARK_RETURN_IF_ERROR(reader.status());
  TIDEMARK_RETURN_IF_ERROR(file.plan.scenario.Validate());
  if (const Json* decisions = root.Find("decisions")) {
    TIDEMARK_ASSIGN_OR_RETURN(file.plan.script, ReadDecisions(*decisions));
  }
  return file;
}

std::string FormatScenario(const ScenarioFile& file) {
  std::string text =
      absl::StrCat("{\n  \"format\": ", JsonString(kFormat), ",\n  \"seed\": ", file.plan.seed,
                   ",\n  \"profile\": ", JsonString(NameOf(file.plan.profile)), ",\n");
  std::vector<std::string> outcome;
  if (!file.oracle.empty()) {
    outcome.push_back(absl::StrCat("\"oracle\": ", JsonString(file.oracle)));
    outcome.push_back(absl::StrCat("\"what\": ", JsonString(file.what)));
  }
  if (file.hash.has_value()) {
    outcome.push_back(absl::StrFormat("\"hash\": \"%016x\"", *file.hash));
  }
  if (!file.version.empty()) {
    outcome.push_back(absl::StrCat("\"version\": ", JsonString(file.version)));
  }
  if (!outcome.empty()) {
    absl::StrAppend(&text, "  \"outcome\": {\n    ", absl::StrJoin(outcome, ",\n    "), "\n  },\n");
  }
  Writer writer;
  VisitFields(writer, file.plan.scenario);
  absl::StrAppend(&text, writer.End());
  if (file.plan.script.has_value()) {
    absl::StrAppend(&text, ",\n  \"decisions\": ", FormatDecisions(*file.plan.script));
  }
  return absl::StrCat(text, "\n}\n");
}

absl::StatusOr<ScenarioFile> ReadScenario(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             &std::fclose);
  if (file == nullptr) return absl::NotFoundError(absl::StrCat("cannot read ", path));
  std::string text;
  std::vector<char> buffer(1u << 16);
  while (const size_t got = std::fread(buffer.data(), 1, buffer.size(), file.get())) {
    text.append(buffer.data(), got);
    if (text.size() > kScenarioBytesMax) {
      return absl::InvalidArgumentError(absl::StrCat(path, " is too large for a scenario"));
    }
  }
  absl::StatusOr<ScenarioFile> parsed = ParseScenario(text);
  if (!parsed.ok()) {
    return absl::Status(parsed.status().code(),
                        absl::StrCat(path, ": ", parsed.status().message()));
  }
  return parsed;
}

absl::Status WriteScenario(const std::string& path, const ScenarioFile& file) {
  const std::string text = FormatScenario(file);
  std::FILE* const out = std::fopen(path.c_str(), "wb");
  if (out == nullptr) return absl::UnavailableError(absl::StrCat("cannot write ", path));
  const bool wrote = std::fwrite(text.data(), 1, text.size(), out) == text.size();
  if (std::fclose(out) != 0 || !wrote) {
    return absl::UnavailableError(absl::StrCat("cannot write all of ", path));
  }
  return absl::OkStatus();
}

}  // namespace tidemark::sim
