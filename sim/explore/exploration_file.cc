#include "sim/explore/exploration_file.h"

#include <fstream>
#include <optional>
#include <sstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "sim/json.h"

namespace tidemark::sim::explore {
namespace {

constexpr std::string_view kFormat = "tidemark-exploration-1";
// Steps that are shown when one cannot be taken.
constexpr size_t kShownMax = 40;

absl::Status ReadOptions(const Json& json, Options& options) {
  absl::Status status;
  size_t known = 0;
  VisitOptions(
      options,
      [&](std::string_view name, uint64_t& value) {
        const Json* member = json.Find(name);
        if (member == nullptr) return;
        ++known;
        if (member->kind != Json::Kind::kNumber || !absl::SimpleAtoi(member->text, &value)) {
          status.Update(JsonError(*member, "wants a whole number"));
        }
      },
      [&](std::string_view name, bool& value) {
        const Json* member = json.Find(name);
        if (member == nullptr) return;
        ++known;
        value = member->boolean;
        if (member->kind != Json::Kind::kBool) {
          status.Update(JsonError(*member, "wants true or false"));
        }
      });
  if (status.ok() && known != json.members.size()) {
    return JsonError(json, "an option has a name that is not known; see EXPLORE.md");
  }
  if (status.ok()) status = options.Validate();
  return status;
}

absl::Status ReadText(const Json& json, std::string& text) {
  if (json.kind != Json::Kind::kString) return JsonError(json, "wants a text");
  text = json.text;
  return absl::OkStatus();
}

absl::StatusOr<std::string> TextOf(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) return absl::NotFoundError(absl::StrCat("cannot read ", path));
  return text.str();
}

std::string Texts(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) absl::StrAppend(&all, "\n  ", text);
  return all;
}

}  // namespace

ExplorationFile FileOf(const Options& options, const Space& space,
                       const std::vector<Event>& events) {
  ExplorationFile file{.options = options, .oracle = {}, .what = {}, .steps = {}};
  for (const Event& event : events) file.steps.push_back(space.Text(event));
  return file;
}

bool IsExplorationFile(const std::string& path) {
  const absl::StatusOr<std::string> text = TextOf(path);
  const absl::StatusOr<Json> json = ParseJson(text.ok() ? *text : std::string());
  const Json* format = json.ok() ? json->Find("format") : nullptr;
  return format != nullptr && format->text == kFormat;
}

absl::StatusOr<ExplorationFile> ReadExploration(const std::string& path) {
  const absl::StatusOr<std::string> text = TextOf(path);
  if (!text.ok()) return text.status();
  absl::StatusOr<ExplorationFile> file = DecodeExploration(*text);
  if (file.ok()) return file;
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", std::string(file.status().message())));
}

std::string Encode(const ExplorationFile& file) {
  std::string text = absl::StrCat("{\n  \"format\": ", JsonString(kFormat), ",\n  \"options\": {");
  Options options = file.options;
  std::string_view comma;
  VisitOptions(
      options,
      [&](std::string_view name, uint64_t value) {
        absl::StrAppend(&text, std::string(comma), "\n    ", JsonString(name), ": ", value);
        comma = ",";
      },
      [&](std::string_view name, bool value) {
        absl::StrAppend(&text, ",\n    ", JsonString(name), ": ", value ? "true" : "false");
      });
  absl::StrAppend(&text, "\n  },\n  \"outcome\": {\n    \"oracle\": ", JsonString(file.oracle),
                  ",\n    \"what\": ", JsonString(file.what), "\n  },\n  \"steps\": [");
  comma = "";
  for (const std::string& step : file.steps) {
    absl::StrAppend(&text, std::string(comma), "\n    ", JsonString(step));
    comma = ",";
  }
  return absl::StrCat(text, "\n  ]\n}\n");
}

absl::StatusOr<ExplorationFile> DecodeExploration(std::string_view text) {
  const absl::StatusOr<Json> json = ParseJson(text);
  if (!json.ok()) return json.status();
  ExplorationFile file;
  for (const Json::Member& member : json->members) {
    const Json& value = member.value;
    if (member.name == "format") {
      if (value.text != kFormat) {
        return JsonError(value, absl::StrCat("wants \"", std::string(kFormat), "\""));
      }
    } else if (member.name == "options") {
      TIDEMARK_RETURN_IF_ERROR(ReadOptions(value, file.options));
    } else if (member.name == "outcome") {
      const Json* oracle = value.Find("oracle");
      const Json* what = value.Find("what");
      if (oracle != nullptr) TIDEMARK_RETURN_IF_ERROR(ReadText(*oracle, file.oracle));
      if (what != nullptr) TIDEMARK_RETURN_IF_ERROR(ReadText(*what, file.what));
    } else if (member.name == "steps") {
      for (const Json& step : value.items) {
        TIDEMARK_RETURN_IF_ERROR(ReadText(step, file.steps.emplace_back()));
      }
    } else {
      return JsonError(value, absl::StrCat(JsonString(member.name), " is not known"));
    }
  }
  if (json->Find("format") == nullptr) return JsonError(*json, "there is no \"format\"");
  return file;
}

absl::StatusOr<Verdict> Replay(const ExplorationFile& file,
                               const std::function<void(const std::string&)>& tell) {
  Space space(file.options);
  State state = space.Initial();
  // How much of what there may be is the explorer's affair.
  state.budgets = ~uint64_t{0};
  Verdict verdict;
  for (size_t i = 0; i < file.steps.size() && verdict.ok(); ++i) {
    std::optional<Event> found;
    std::vector<std::string> possible;
    space.ForEachEvent(state, [&](const Event& event) {
      possible.push_back(space.Text(event));
      if (possible.back() == file.steps[i]) found = event;
    });
    if (!found.has_value()) {
      if (possible.size() > kShownMax) possible.resize(kShownMax);
      return absl::InvalidArgumentError(absl::StrCat("step ", i + 1, ", \"", file.steps[i],
                                                     "\", cannot be taken; what can happen is",
                                                     Texts(possible)));
    }
    tell(absl::StrCat(i + 1, ". ", file.steps[i]));
    State to;
    state.budgets = ~uint64_t{0};
    if (space.Step(state, *found, to, verdict) != Space::Result::kStep) {
      return absl::InvalidArgumentError(
          absl::StrCat("step ", i + 1, ", \"", file.steps[i], "\", changes nothing; leave it out"));
    }
    state = to;
    tell(absl::StrCat("     ", space.LocalText(state, found->node)));
  }
  return verdict;
}

}  // namespace tidemark::sim::explore
