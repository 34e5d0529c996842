#include "tests/scenario/raft/script.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace tidemark::scenario {
namespace {

constexpr std::string_view kIndentation = "  ";

std::string StatementOf(std::string_view line) {
  line = line.substr(0, line.find('#'));
  return std::string(absl::StripAsciiWhitespace({line.data(), line.size()}));
}

}  // namespace

std::vector<Step> ParseScript(std::string_view text) {
  std::vector<Step> steps;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.starts_with(kIndentation) && !steps.empty()) {
      steps.back().output.emplace_back(line.substr(kIndentation.size()));
    } else {
      steps.push_back({.line = number,
                       .text = std::string(line),
                       .statement = StatementOf(line),
                       .output = {}});
    }
  }
  return steps;
}

std::string RenderScript(const std::vector<Step>& steps) {
  std::string text;
  for (const Step& step : steps) {
    absl::StrAppend(&text, step.text, "\n");
    for (const std::string& line : step.output) {
      text.append(kIndentation).append(line).append("\n");
    }
  }
  return text;
}

}  // namespace tidemark::scenario
