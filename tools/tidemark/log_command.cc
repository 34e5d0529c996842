#include <CLI/CLI.hpp>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/base/status_macros.h"
#include "engine/log/index.h"
#include "engine/log/repair.h"
#include "engine/log/verify.h"
#include "engine/node/recovered_group.h"
#include "runtime/io/directory_view.h"
#include "runtime/io/file_store.h"
#include "tools/tidemark/command_line.h"
#include "tools/tidemark/inspect.h"
#include "tools/tidemark/json.h"

// `tidemark log`: looks at the files of a data directory while no server has it.

namespace tidemark {
namespace {

constexpr int kExitFindings = 1;
constexpr int kExitCannot = 2;

struct LogFlags {
  std::string path;
  std::optional<uint64_t> group;
  std::vector<std::string> accept;
  bool json = false;
};

// Locks the directory, so that no server starts meanwhile.
//   Errors  kNotFound, kFailedPrecondition: no data directory, or a server has it.
absl::StatusOr<std::unique_ptr<FileStore>> OpenDirectory(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(std::filesystem::path(path) / "node_meta", error)) {
    return absl::NotFoundError(
        absl::StrCat(path,
                     " is not a data directory: it has no node_meta; name what the server "
                     "gets as --data-dir"));
  }
  return FileStore::Open(path, 1);
}

std::vector<GroupId> GroupsOf(const DirectoryView& view, const LogFlags& flags) {
  if (flags.group.has_value()) return {GroupId(*flags.group)};
  return view.Groups();
}

std::string RepairCommand(const LogFlags& flags, const GroupVerification& result) {
  std::string text =
      absl::StrCat("tidemark log repair ", flags.path, " --group ", result.group.value());
  if (!result.cut.has_value()) return text;
  for (const LostRange& range : result.cut->ranges) {
    absl::StrAppend(&text, " --accept-loss ", PathOf(range.file), ":", range.begin.value(), "-",
                    range.end.value());
  }
  return text;
}

std::string Text(const LogFlags& flags, const GroupVerification& result) {
  std::string text = absl::StrFormat(
      "group %d: %d segments, %d files, %d bytes; %d intact frames, indexes %d..%d, offsets "
      "%d..%d; "
      "%s\n",
      result.group.value(), result.segments, result.files, result.bytes, result.frames,
      result.first_index.value(), result.end_index.value(), result.first_offset.value(),
      result.end_offset.value(),
      result.findings.empty() ? "nothing is damaged"
                              : absl::StrCat(result.findings.size(), " findings"));
  for (const Finding& finding : result.findings) {
    absl::StrAppend(&text, "  ", std::string(NameOf(finding.kind)), ": ", PathOf(finding.file), ":",
                    finding.begin.value(), "-", finding.end.value(),
                    finding.durable ? " (was durable)" : "", "\n    ", finding.what, "\n    ",
                    finding.remedy, "\n");
  }
  if (result.cut.has_value()) {
    const LogCut& cut = *result.cut;
    absl::StrAppend(&text, "  without other replicas: end the log before index ", cut.index.value(),
                    ", which loses ", cut.end_index - cut.index, " entries with ",
                    cut.end_offset - cut.offset, " records, offsets ", cut.offset.value(), "..",
                    cut.end_offset.value(), ":\n    ", RepairCommand(flags, result), "\n");
  } else if (!result.findings.empty() && !result.refuses()) {
    absl::StrAppend(&text, "  nothing is lost; to make it good now: ", RepairCommand(flags, result),
                    "\n");
  }
  return text;
}

std::string JsonRange(const FileId& file, FilePos begin, FilePos end) {
  return absl::StrCat("\"file\": ", JsonString(PathOf(file)), ", \"begin\": ", begin.value(),
                      ", \"end\": ", end.value());
}

std::string Json(const LogFlags& flags, const GroupVerification& result) {
  std::string text = absl::StrCat(
      "{\"group\": ", result.group.value(), ", \"segments\": ", result.segments,
      ", \"files\": ", result.files, ", \"leftover_files\": ", result.leftover_files,
      ", \"bytes\": ", result.bytes, ", \"frames\": ", result.frames,
      ", \"records\": ", result.records, ", \"first_index\": ", result.first_index.value(),
      ", \"end_index\": ", result.end_index.value(),
      ", \"first_offset\": ", result.first_offset.value(),
      ", \"end_offset\": ", result.end_offset.value(),
      ", \"known_durable\": ", result.known_durable.value(),
      ", \"refuses_start\": ", result.refuses() ? "true" : "false", ", \"findings\": [");
  const char* comma = "";
  for (const Finding& finding : result.findings) {
    absl::StrAppend(&text, std::exchange(comma, ","), "\n    {\"kind\": \"",
                    std::string(NameOf(finding.kind)), "\", ",
                    JsonRange(finding.file, finding.begin, finding.end),
                    ", \"first_index\": ", finding.first_index.value(),
                    ", \"end_index\": ", finding.end_index.value());
    absl::StrAppend(&text, ", \"first_offset\": ", finding.first_offset.value(),
                    ", \"end_offset\": ", finding.end_offset.value(),
                    ", \"durable\": ", finding.durable ? "true" : "false",
                    ", \"what\": ", JsonString(finding.what),
                    ", \"remedy\": ", JsonString(finding.remedy), "}");
  }
  absl::StrAppend(&text, "]");
  if (result.cut.has_value()) {
    const LogCut& cut = *result.cut;
    absl::StrAppend(&text, ", \"cut\": {\"index\": ", cut.index.value(),
                    ", \"end_index\": ", cut.end_index.value(),
                    ", \"offset\": ", cut.offset.value(),
                    ", \"end_offset\": ", cut.end_offset.value(),
                    ", \"command\": ", JsonString(RepairCommand(flags, result)), "}");
  }
  return absl::StrCat(text, "}");
}

// The newest state of the catalog that can be read; nullopt: there is none.
std::optional<CatalogSnapshot> NewestCatalogSnapshot(const DirectoryView& view) {
  std::optional<CatalogSnapshot> newest;
  for (const FileId& file : view.List(kCatalogGroup)) {
    if (file.kind != FileKind::kIndex) continue;
    const absl::StatusOr<std::string_view> sidecar = view.Contents(file);
    if (!sidecar.ok()) continue;
    for (const DecodedIndexEntry& each : DecodeIndex(*sidecar)) {
      std::optional<CatalogSnapshot> snapshot = CatalogSnapshotIn(each.state);
      if (!snapshot.has_value()) continue;
      if (!newest.has_value() || snapshot->at > newest->at) newest = std::move(snapshot);
    }
  }
  return newest;
}

// What is found of a log, with what is found of the catalog where it is the catalog's. Sets
// `complete` to whether what is gone of that is in a state that can be read.
std::string Report(const LogFlags& flags, const DirectoryView& view,
                   const GroupVerification& result, bool& complete) {
  std::string text = flags.json ? Json(flags, result) : Text(flags, result);
  if (result.group != kCatalogGroup) return text;
  const std::optional<CatalogSnapshot> newest = NewestCatalogSnapshot(view);
  complete = result.first_index <= LogIndex(1) || newest.has_value();
  if (flags.json) {
    text.pop_back();
    return absl::StrCat(
        text, ", \"catalog_snapshot_index\": ", newest.has_value() ? newest->at.value() : 0,
        ", \"catalog_complete\": ", complete ? "true" : "false", "}");
  }
  if (newest.has_value()) {
    return absl::StrCat(text,
                        "  the newest snapshot of the catalog stands for what is before index ",
                        newest->at.value(), ": ", newest->catalog.topics().size(), " topics, ",
                        newest->bytes, " bytes\n");
  }
  if (complete) return text;
  return absl::StrCat(
      text,
      "  no snapshot of the catalog can be read, and its log begins behind the first "
      "entry: the node refuses to start\n    ",
      std::string(kFromPeers), "\n");
}

absl::StatusOr<int> Verify(const LogFlags& flags) {
  TIDEMARK_ASSIGN_OR_RETURN(const std::unique_ptr<FileStore> store, OpenDirectory(flags.path));
  TIDEMARK_ASSIGN_OR_RETURN(const std::unique_ptr<DirectoryView> view,
                            store->View(Unreadable::kZeros));
  bool clean = true;
  const char* comma = "";
  if (flags.json) WriteOut("[");
  for (const GroupId group : GroupsOf(*view, flags)) {
    TIDEMARK_ASSIGN_OR_RETURN(const GroupVerification result, VerifyGroup(group, *view));
    clean = clean && result.findings.empty();
    bool complete = true;
    const std::string report = Report(flags, *view, result, complete);
    clean = clean && complete;
    WriteOut(flags.json ? absl::StrCat(std::exchange(comma, ","), "\n  ", report) : report);
  }
  if (flags.json) WriteOut("\n]\n");
  return clean ? 0 : kExitFindings;
}

absl::StatusOr<int> Inspect(const LogFlags& flags) {
  std::error_code error;
  if (std::filesystem::is_directory(flags.path, error)) {
    TIDEMARK_ASSIGN_OR_RETURN(const std::unique_ptr<FileStore> store, OpenDirectory(flags.path));
    TIDEMARK_ASSIGN_OR_RETURN(const std::unique_ptr<DirectoryView> view,
                              store->View(Unreadable::kZeros));
    for (const GroupId group : GroupsOf(*view, flags)) {
      for (const FileId& file : view->List(group)) {
        TIDEMARK_ASSIGN_OR_RETURN(const std::string_view bytes, view->Contents(file));
        InspectFile(PathOf(file), file.kind, bytes, [](std::string_view text) { WriteOut(text); });
      }
    }
    return 0;
  }
  std::ifstream file(flags.path, std::ios::binary);
  if (!file.good()) return absl::NotFoundError(absl::StrCat("cannot read ", flags.path));
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const std::string name = std::filesystem::path(flags.path).filename();
  const absl::StatusOr<FileId> id =
      ParsePath(name == "node_meta" ? name : absl::StrCat("g0000000000000000/", name));
  if (!id.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(flags.path,
                     ": name a file as a data directory has it: <number>.log, "
                     "<number>.idx or hard_state"));
  }
  InspectFile(flags.path, id->kind, bytes, [](std::string_view text) { WriteOut(text); });
  return 0;
}

absl::StatusOr<LostRange> ParseRange(const std::string& text) {
  const size_t colon = text.rfind(':');
  const size_t dash = text.rfind('-');
  uint64_t begin = 0;
  uint64_t end = 0;
  const auto number = [&](size_t from, size_t to, uint64_t& value) {
    const auto result = std::from_chars(text.data() + from, text.data() + to, value);
    return result.ec == std::errc() && result.ptr == text.data() + to;
  };
  if (colon == std::string::npos || dash == std::string::npos || dash < colon ||
      !number(colon + 1, dash, begin) || !number(dash + 1, text.size(), end)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--accept-loss ", text, ": expected FILE:BEGIN-END, as `tidemark log verify` prints it"));
  }
  TIDEMARK_ASSIGN_OR_RETURN(const FileId file, ParsePath(text.substr(0, colon)));
  return LostRange{.file = file, .begin = FilePos(begin), .end = FilePos(end)};
}

// A copy beside it under a name the engine does not know.
// As far as the disk can read it.
absl::Status KeepCopy(const std::string& root, const FileId& file, const DirectoryView& view) {
  const std::filesystem::path from = std::filesystem::path(root) / PathOf(file);
  std::error_code error;
  std::filesystem::path to;
  for (int n = 1;; ++n) {
    to = absl::StrCat(from.string(), ".before-repair-", n);
    if (!std::filesystem::exists(to, error)) break;
  }
  TIDEMARK_ASSIGN_OR_RETURN(const std::string_view bytes, view.Contents(file));
  std::ofstream copy(to, std::ios::binary);
  copy.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  copy.close();
  if (!copy.good()) {
    return absl::UnavailableError(absl::StrCat("nothing was changed: cannot copy ", from.string(),
                                               " to ", to.string(), ": ", std::strerror(errno)));
  }
  WriteOut(absl::StrCat("keeps ", to.string(), "\n"));
  return absl::OkStatus();
}

absl::StatusOr<int> Repair(const LogFlags& flags) {
  std::vector<LostRange> accepted;
  for (const std::string& text : flags.accept) {
    TIDEMARK_ASSIGN_OR_RETURN(const LostRange range, ParseRange(text));
    accepted.push_back(range);
  }
  TIDEMARK_ASSIGN_OR_RETURN(const std::unique_ptr<FileStore> store, OpenDirectory(flags.path));
  TIDEMARK_ASSIGN_OR_RETURN(const std::unique_ptr<DirectoryView> view,
                            store->View(Unreadable::kZeros));
  const GroupId group(*flags.group);
  TIDEMARK_ASSIGN_OR_RETURN(const GroupVerification before, VerifyGroup(group, *view));
  TIDEMARK_ASSIGN_OR_RETURN(const RepairPlan plan, PlanRepair(before, *view, accepted));
  if (plan.batches.empty()) {
    WriteOut("there is nothing to repair\n");
    return 0;
  }
  for (const FileId& file : plan.changed) {
    TIDEMARK_RETURN_IF_ERROR(KeepCopy(flags.path, file, *view));
  }
  // The copies are durable before anything changes.
  TIDEMARK_RETURN_IF_ERROR(MapDirectory(flags.path).status());
  for (const std::string& step : plan.steps) WriteOut(absl::StrCat(step, "\n"));
  for (const FileBatch& batch : plan.batches) {
    TIDEMARK_RETURN_IF_ERROR(store->ExecuteHere(batch));
  }
  TIDEMARK_ASSIGN_OR_RETURN(const std::unique_ptr<DirectoryView> now,
                            store->View(Unreadable::kZeros));
  TIDEMARK_ASSIGN_OR_RETURN(const GroupVerification after, VerifyGroup(group, *now));
  WriteOut(Text(flags, after));
  return after.refuses() ? kExitFindings : 0;
}

using Action = absl::StatusOr<int> (*)(const LogFlags&);

std::pair<CLI::App*, std::shared_ptr<LogFlags>> AddAction(CLI::App& log, const char* name,
                                                          const char* help, Action action,
                                                          int& exit_code) {
  auto* command = log.add_subcommand(name, help);
  const auto flags = std::make_shared<LogFlags>();
  command->callback([flags, action, &exit_code] {
    const absl::StatusOr<int> code = action(*flags);
    if (!code.ok()) Fail(code.status());
    exit_code = code.ok() ? *code : kExitCannot;
  });
  return {command, flags};
}

}  // namespace

void AddLogCommand(CLI::App& root, int& exit_code) {
  auto* log = root.add_subcommand("log", "Look at and repair the files of a stopped server");
  log->require_subcommand(1);
  log->footer(R"(Examples:
  tidemark log verify /var/lib/tidemark                 # all damage, what it means, what to do
  tidemark log inspect /var/lib/tidemark --group 3      # segments, frames, sidecars, hard state
  tidemark log inspect /var/lib/tidemark/g0000000000000003/00000000000000000001.log
  tidemark log repair /var/lib/tidemark --group 3       # changes nothing, says what would be lost

verify exits with 0 (clean), 1 (findings) or 2 (it could not look). The server must be stopped. With
healthy replicas elsewhere do not repair: move the data directory away and start the node empty.)");
  {
    const auto [command, flags] = AddAction(
        *log, "verify", "Read everything and report all that is damaged", Verify, exit_code);
    command->add_option("dir", flags->path, "Data directory")->required();
    command->add_option("--group", flags->group, "Only this group (0 is the catalog)");
    command->add_flag("--json", flags->json, "Print JSON");
  }
  {
    const auto [command, flags] =
        AddAction(*log, "inspect", "Show what the files hold", Inspect, exit_code);
    command->add_option("path", flags->path, "Data directory, or one file of it")->required();
    command->add_option("--group", flags->group, "Only this group (0 is the catalog)");
  }
  {
    const auto [command, flags] =
        AddAction(*log, "repair", "Make a group's files good again", Repair, exit_code);
    command->add_option("dir", flags->path, "Data directory")->required();
    command->add_option("--group", flags->group, "The group (0 is the catalog)")->required();
    command->add_option("--accept-loss", flags->accept,
                        "FILE:BEGIN-END that is given up, as verify prints it; repeat for each");
    command->footer(
        R"(Sidecars are made anew without loss. Damaged frames end the log before the first one, because
offsets have no gaps: what follows is lost, and every range of it must be named. On a node with
replicas that breaks promises made to them: only for a lone node. A damaged hard state is refused.
Copies of all files that change stay beside them, named *.before-repair-N.)");
  }
}

}  // namespace tidemark
