#include "tests/conformance/raft/script.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"

namespace tidemark::conformance {
namespace {

constexpr std::string_view kSeparator = "----";
constexpr std::string_view kSpaces = " \t\n\v\f\r";

// Lines without their ends; a carriage return before the newline belongs to the end.
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}

  std::optional<std::string_view> Next() {
    if (rest_.empty()) return std::nullopt;
    const size_t end = std::min(rest_.find('\n'), rest_.size());
    std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    ++number_;
    return line;
  }
  // Of the line that Next returned last, from 1.
  size_t number() const { return number_; }

 private:
  std::string_view rest_;
  size_t number_ = 0;
};

// Takes the part of `rest` before the first of `ends`.
std::string_view Until(std::string_view& rest, std::string_view ends) {
  const std::string_view found = rest.substr(0, rest.find_first_of(ends));
  rest.remove_prefix(found.size());
  return found;
}

// The length of a value within parentheses, up to the comma or parenthesis that ends it; nullopt if
// nothing does. Pairs of parentheses in it belong to it.
std::optional<size_t> ValueLength(std::string_view rest) {
  size_t depth = 0;
  for (size_t i = 0; i < rest.size(); ++i) {
    if (depth == 0 && (rest[i] == ',' || rest[i] == ')')) return i;
    if (rest[i] == '(') ++depth;
    if (rest[i] == ')') --depth;
  }
  return std::nullopt;
}

// Takes one argument; false if it cannot be parsed.
bool TakeArgument(std::string_view& rest, Argument& argument) {
  argument.key = Until(rest, " =");
  if (argument.key.empty()) return false;
  if (!rest.starts_with('=')) return true;
  rest.remove_prefix(1);
  if (!rest.starts_with('(')) {
    argument.values.emplace_back(Until(rest, " "));
    return true;
  }
  rest.remove_prefix(1);
  for (bool last = false; !last;) {
    const std::optional<size_t> length = ValueLength(rest);
    if (!length) return false;
    argument.values.emplace_back(rest.substr(0, *length));
    last = rest[*length] == ')';
    rest = Trimmed(rest.substr(*length + 1));
  }
  return true;
}

absl::Status ParseDirective(Directive& directive) {
  std::string_view rest = directive.text;
  directive.command = Until(rest, " ");
  for (rest = Trimmed(rest); !rest.empty(); rest = Trimmed(rest)) {
    const size_t column = directive.text.size() - rest.size() + 1;
    if (!TakeArgument(rest, directive.arguments.emplace_back())) {
      return absl::InvalidArgumentError(absl::StrCat(
          "line ", directive.line, ": argument at column ", column,
          " is none; write name, name=value or name=(value, value): ", directive.text));
    }
  }
  return absl::OkStatus();
}

// Output up to the second of two lines `----` in a row.
std::string ReadFenced(Lines& lines) {
  std::string output;
  while (const std::optional<std::string_view> line = lines.Next()) {
    if (*line == kSeparator) {
      const std::optional<std::string_view> second = lines.Next();
      if (second == kSeparator) break;
      output.append(kSeparator).append("\n");
      if (second) output.append(*second).append("\n");
      continue;
    }
    output.append(*line).append("\n");
  }
  return output;
}

std::string ReadExpected(Lines& lines) {
  std::optional<std::string_view> line = lines.Next();
  if (line == kSeparator) return ReadFenced(lines);
  std::string output;
  for (; line && !Trimmed(*line).empty(); line = lines.Next()) output.append(*line).append("\n");
  return output;
}

void ReadBody(Lines& lines, Directive& directive) {
  std::string input;
  bool separated = false;
  while (const std::optional<std::string_view> line = lines.Next()) {
    separated = *line == kSeparator;
    if (separated) break;
    input.append(*line).append("\n");
  }
  directive.input = Trimmed(input);
  if (separated) directive.expected = ReadExpected(lines);
}

}  // namespace

std::string_view Trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kSpaces);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpaces) - begin + 1);
}

const Argument* Directive::Find(std::string_view key) const {
  for (const Argument& argument : arguments) {
    if (argument.key == key) return &argument;
  }
  return nullptr;
}

absl::StatusOr<std::vector<Directive>> ReadScript(std::string_view text) {
  std::vector<Directive> script;
  size_t subtests = 0;
  Lines lines(text);
  while (const std::optional<std::string_view> line = lines.Next()) {
    Directive directive{.line = lines.number(), .text = std::string(Trimmed(*line))};
    if (directive.text.empty() || directive.text.starts_with('#')) continue;
    while (directive.text.ends_with('\\')) {
      const std::optional<std::string_view> more = lines.Next();
      if (!more) break;
      directive.text.back() = ' ';
      directive.text.append(Trimmed(*more));
    }
    directive.text = Trimmed(directive.text);
    if (directive.text.empty()) continue;
    TIDEMARK_RETURN_IF_ERROR(ParseDirective(directive));
    if (directive.command == "subtest") {
      const bool end = !directive.arguments.empty() && directive.arguments.front().key == "end";
      if (end && subtests == 0) {
        return absl::InvalidArgumentError(
            absl::StrCat("line ", directive.line, ": no subtest to end; begin one before"));
      }
      subtests = end ? subtests - 1 : subtests + 1;
      continue;
    }
    ReadBody(lines, directive);
    script.push_back(std::move(directive));
  }
  return script;
}

}  // namespace tidemark::conformance
