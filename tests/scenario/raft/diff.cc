#include "tests/scenario/raft/diff.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "absl/strings/str_cat.h"

namespace tidemark::scenario {
namespace {

constexpr size_t kContext = 3;

struct Edit {
  char sign;  // ' ', '-' or '+'
  std::string_view line;
};

std::vector<std::string_view> Lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// By the longest common subsequence; removals go before additions.
std::vector<Edit> Edits(const std::vector<std::string_view>& a,
                        const std::vector<std::string_view>& b) {
  // common[i][j]: length of the longest one of a[i..] and b[j..].
  std::vector<std::vector<size_t>> common(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = a.size(); i-- > 0;) {
    for (size_t j = b.size(); j-- > 0;) {
      common[i][j] =
          a[i] == b[j] ? common[i + 1][j + 1] + 1 : std::max(common[i + 1][j], common[i][j + 1]);
    }
  }
  std::vector<Edit> edits;
  size_t i = 0;
  size_t j = 0;
  while (i < a.size() || j < b.size()) {
    if (i < a.size() && j < b.size() && a[i] == b[j]) {
      edits.push_back({' ', a[i++]});
      ++j;
    } else if (j == b.size() || (i < a.size() && common[i + 1][j] >= common[i][j + 1])) {
      edits.push_back({'-', a[i++]});
    } else {
      edits.push_back({'+', b[j++]});
    }
  }
  return edits;
}

}  // namespace

std::string UnifiedDiff(std::string_view name, std::string_view before, std::string_view after) {
  if (before == after) return "";
  const std::vector<Edit> edits = Edits(Lines(before), Lines(after));
  const std::string file(name);
  std::string out = absl::StrCat("--- ", file, "\n+++ ", file, " (as it ran)\n");
  size_t line_before = 1;
  size_t line_after = 1;
  size_t at = 0;
  while (at < edits.size()) {
    // The next hunk: changes that are no further apart than their contexts.
    size_t first = at;
    while (first < edits.size() && edits[first].sign == ' ') ++first;
    if (first == edits.size()) break;
    size_t last = first;
    for (size_t i = first; i < edits.size() && i <= last + 2 * kContext; ++i) {
      if (edits[i].sign != ' ') last = i;
    }
    const size_t begin = first - std::min(kContext, first - at);
    const size_t end = std::min(last + 1 + kContext, edits.size());
    line_before += begin - at;
    line_after += begin - at;
    std::string body;
    size_t removed = 0;
    size_t added = 0;
    for (size_t i = begin; i < end; ++i) {
      removed += edits[i].sign != '+' ? 1 : 0;
      added += edits[i].sign != '-' ? 1 : 0;
      body.append(1, edits[i].sign).append(edits[i].line).append("\n");
    }
    absl::StrAppend(&out, "@@ -", line_before, ",", removed, " +", line_after, ",", added, " @@\n",
                    body);
    line_before += removed;
    line_after += added;
    at = end;
  }
  return out;
}

}  // namespace tidemark::scenario
