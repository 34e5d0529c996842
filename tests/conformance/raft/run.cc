#include "tests/conformance/raft/run.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/conformance/raft/adapters.h"
#include "tests/conformance/raft/script.h"

namespace tidemark::conformance {
namespace {

std::unique_ptr<Adapter> AdapterFor(std::string_view path, const std::string& command) {
  static const std::set<std::string> quorum = {"committed", "vote"};
  static const std::set<std::string> conf_change = {"simple", "enter-joint", "leave-joint"};
  static const std::set<std::string> interaction = {"add-nodes", "log-level"};
  const std::string folder = std::filesystem::path(path).parent_path().filename();
  if (quorum.contains(command)) return MakeQuorumAdapter();
  if (conf_change.contains(command)) return MakeConfChangeAdapter();
  if (interaction.contains(command)) return MakeInteractionAdapter();
  if (folder == "quorum") return MakeQuorumAdapter();
  if (folder == "confchange") return MakeConfChangeAdapter();
  if (folder == "interaction") return MakeInteractionAdapter();
  return nullptr;
}

// Each line behind a mark, so that blank lines and spaces at their ends can be seen.
std::string Block(std::string_view title, std::string_view text) {
  std::string block = absl::StrCat("  ", std::string(title), ":\n");
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    block.append("    |").append(text.substr(0, end)).append("|\n");
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return block;
}

}  // namespace

Report RunScript(std::string_view path, std::string_view text) {
  Report report;
  const absl::StatusOr<std::vector<Directive>> script = ReadScript(text);
  if (!script.ok()) {
    report.reason = std::string(script.status().message());
    return report;
  }
  report.directives = script->size();
  if (script->empty()) {
    report.reason = "there is no directive in it";
    return report;
  }
  const std::unique_ptr<Adapter> adapter = AdapterFor(path, script->front().command);
  if (adapter == nullptr) {
    report.reason = absl::StrCat("line ", script->front().line, ": no adapter for directive `",
                                 script->front().command, "`");
    return report;
  }
  for (const Directive& directive : *script) {
    absl::StatusOr<std::string> output = adapter->Run(directive);
    std::string got =
        output.ok() ? *std::move(output) : absl::StrCat("FATAL: ", output.status().message());
    if (!got.empty() && !got.ends_with('\n')) got += '\n';
    const Comparison comparison = adapter->Compare(directive.expected, got);
    if (!comparison.tolerated.empty()) report.tolerated.insert(comparison.tolerated);
    if (!comparison.same) {
      report.differences.push_back({.line = directive.line,
                                    .directive = directive.text,
                                    .expected = directive.expected,
                                    .got = std::move(got),
                                    .first = comparison.first_difference});
    }
    if (!output.ok() || (!comparison.same && adapter->ends_at_difference())) break;
  }
  report.verdict = report.differences.empty() ? Verdict::kPass : Verdict::kDiffer;
  return report;
}

std::string ReportText(std::string_view path, const Report& report) {
  const std::string name(path);
  switch (report.verdict) {
    case Verdict::kPass:
      return absl::StrCat("pass ", name, " (", report.directives, " directives",
                          report.tolerated.empty() ? "" : "; differs: ",
                          absl::StrJoin(report.tolerated, ", "), ")\n");
    case Verdict::kUnsupported:
      return absl::StrCat("unsupported ", name, ": ", report.reason, "\n");
    case Verdict::kDiffer:
      break;
  }
  std::string text =
      absl::StrCat("differ ", name, ":", report.differences.front().line, " (",
                   report.differences.size(), " of ", report.directives, " directives)\n");
  for (const Difference& difference : report.differences) {
    absl::StrAppend(&text, "  ", name, ":", difference.line, ": ", difference.directive, "\n",
                    difference.first.empty() ? "" : "  " + difference.first + "\n",
                    Block("expected", difference.expected), Block("got", difference.got));
  }
  return text;
}

}  // namespace tidemark::conformance
