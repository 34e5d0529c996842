#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

// Reader of data-driven scripts: directives, each with its input and the output it must have.
//
//   # a comment
//   command argument key=value key=(value, value)
//   input lines
//   ----
//   expected output, up to a blank line
//
// Between two lines `----` `----` and two more the output may have blank lines. A directive that
// ends in a backslash goes on in the next line. `subtest` lines have neither input nor output.
//   Source  the package documentation of cockroachdb/datadriven, which etcd-io/raft uses.

namespace tidemark::conformance {

struct Argument {
  std::string key;
  // Empty without `=`. Spaces before a value are no part of it.
  std::vector<std::string> values;
};

struct Directive {
  size_t line = 0;   // of the directive in the file, from 1
  std::string text;  // the directive as written, its lines joined
  std::string command;
  std::vector<Argument> arguments;
  std::string input;  // without white space around it
  // Every line ends in a newline. Empty also where there is no `----`.
  std::string expected;

  // nullptr if there is none.
  const Argument* Find(std::string_view key) const;
};

// The directives of `text`, without its subtest lines.
//   Errors  kInvalidArgument `line N: ...`: a directive that cannot be parsed, a subtest that ends
//           without having begun.
absl::StatusOr<std::vector<Directive>> ReadScript(std::string_view text);

// `text` without the white space around it.
std::string_view Trimmed(std::string_view text);

}  // namespace tidemark::conformance
