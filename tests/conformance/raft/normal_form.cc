#include "tests/conformance/raft/normal_form.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/conformance/raft/script.h"

namespace tidemark::conformance {
namespace {

bool IsLogLine(std::string_view line) {
  line = Trimmed(line);
  for (const std::string_view level : {"DEBUG ", "INFO ", "WARN ", "ERROR ", "FATAL "}) {
    if (line.starts_with(level)) {
      return line.find(" switched to configuration ") == std::string_view::npos;
    }
  }
  return false;
}

std::vector<std::string> LinesOf(const std::string& text) { return absl::StrSplit(text, '\n'); }

std::string FirstDifference(const std::string& expected, const std::string& got) {
  const std::vector<std::string> left = LinesOf(expected);
  const std::vector<std::string> right = LinesOf(got);
  size_t i = 0;
  while (i < left.size() && i < right.size() && left[i] == right[i]) ++i;
  const auto line = [i](const std::vector<std::string>& lines) {
    return i < lines.size() ? absl::StrCat("|", lines[i], "|") : "nothing";
  };
  return absl::StrCat("without log lines, line ", i + 1, " is ", line(right), " instead of ",
                      line(left));
}

}  // namespace

std::string WithoutLog(std::string_view output) {
  std::string kept;
  while (!output.empty()) {
    const std::string_view line = output.substr(0, output.find('\n'));
    if (!IsLogLine(line)) kept.append(line).append("\n");
    output.remove_prefix(std::min(line.size() + 1, output.size()));
  }
  return kept.empty() ? "ok\n" : kept;
}

Comparison CompareInNormalForm(std::string_view expected, std::string_view got) {
  const std::string left = WithoutLog(expected);
  const std::string right = WithoutLog(got);
  if (left == right) return {.same = true};
  return {.same = false, .first_difference = FirstDifference(left, right)};
}

}  // namespace tidemark::conformance
