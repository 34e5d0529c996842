#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace tidemark::conformance {

enum class Verdict { kPass, kDiffer, kUnsupported };

struct Difference {
  size_t line = 0;
  std::string directive;
  std::string expected;
  std::string got;
  // Where the first one is, if the family says.
  std::string first;
};

struct Report {
  Verdict verdict = Verdict::kUnsupported;
  size_t directives = 0;
  // kDiffer, at least one.
  std::vector<Difference> differences;
  // Names of DIFFERENCES.md that made no difference.
  std::set<std::string> tolerated;
  // kUnsupported: why.
  std::string reason;
};

// Runs the script `text` that was read from `path`. Its first directive tells which family it is
// of; one that belongs to no family is taken for what the folder is called.
Report RunScript(std::string_view path, std::string_view text);

// `report` in words: a line, and for each difference a block below it.
std::string ReportText(std::string_view path, const Report& report);

}  // namespace tidemark::conformance
