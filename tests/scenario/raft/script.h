#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tidemark::scenario {

// One line of a scenario that is not output, and the output below it.
struct Step {
  size_t line = 0;   // 1-based
  std::string text;  // as it is in the file
  // Without blanks at its ends and without a comment; empty if there is nothing to do.
  std::string statement;
  // Lines of output, without the indentation.
  std::vector<std::string> output;
};

// A scenario is lines: what begins with two blanks is output of the statement above it; everything
// else is a statement, a comment (# to the end) or empty. See LANGUAGE.md.
std::vector<Step> ParseScript(std::string_view text);

// The file that `steps` are read from.
std::string RenderScript(const std::vector<Step>& steps);

}  // namespace tidemark::scenario
