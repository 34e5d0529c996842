#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "engine/base/status_macros.h"
#include "tools/tidemark/command_line.h"
#include "tools/tidemark/json.h"

namespace tidemark {
namespace {

struct StatusFlags {
  ConnectionFlags connection;
  bool json = false;
};

// "MEMBER_STATE_ALIVE" -> "alive".
template <typename Names>
std::string Short(const Names& name, size_t prefix) {
  std::string text(name);
  text = text.size() > prefix ? text.substr(prefix) : text;
  for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return text;
}

std::string Table(const v1::GetStatusResponse& status) {
  std::string text =
      absl::StrFormat("cluster %s, as node %d (%s, %s) sees it%s%s%s\n\n", status.cluster_id(),
                      status.node_id(), status.address(), status.version(),
                      status.disk_full() ? "; its DISK IS FULL, produce is refused" : "",
                      status.disk_stalled() ? "; its DISK HANGS, it leads nothing" : "",
                      status.shutting_down() ? "; it is shutting down" : "");
  absl::StrAppend(&text,
                  absl::StrFormat("%-6s %-24s %-9s %s\n", "node", "address", "state", "catalog"));
  for (const v1::Server& member : status.members()) {
    absl::StrAppend(&text, absl::StrFormat("%-6d %-24s %-9s %s\n", member.id(), member.address(),
                                           Short(v1::MemberState_Name(member.state()), 13),
                                           member.is_leader() ? "leader" : member.role()));
  }
  absl::StrAppend(&text,
                  absl::StrFormat("\n%-24s %-10s %-6s %-8s %-12s %-12s %s\n", "partition", "role",
                                  "term", "leader", "records", "replicas", "lag (entries)"));
  for (const v1::GroupStatus& group : status.groups()) {
    const std::string name =
        group.topic().empty() ? "(catalog)" : absl::StrCat(group.topic(), "/", group.partition());
    std::string lag;
    for (const auto& [node, entries] : group.lag_entries()) {
      absl::StrAppend(&lag, lag.empty() ? "" : " ", node, ":", entries);
    }
    absl::StrAppend(
        &text,
        absl::StrFormat("%-24s %-10s %-6d %-8d %-12s %-12s %s%s%s\n", name,
                        Short(v1::Role_Name(group.role()), 5), group.term(), group.leader_id(),
                        absl::StrCat(group.start_offset(), "..", group.high_watermark()),
                        absl::StrJoin(group.replicas(), ","), lag,
                        group.failure().empty() ? "" : " FAILED: " + group.failure(),
                        group.repair().empty() ? "" : " " + group.repair()));
  }
  for (const v1::GroupStatus& group : status.groups()) {
    // 0: not of the catalog, or none yet; at 1 it stands for nothing.
    if (group.snapshot_index() <= 1) continue;
    absl::StrAppend(&text,
                    absl::StrFormat("\ncatalog: log from index %d to %d, snapshot of what is "
                                    "before index %d (%d bytes)\n",
                                    group.first_index(), group.last_index(), group.snapshot_index(),
                                    group.snapshot_bytes()));
  }
  return text;
}

absl::Status Status(const StatusFlags& flags) {
  TIDEMARK_ASSIGN_OR_RETURN(const std::unique_ptr<client::Client> client,
                            Connect(flags.connection));
  absl::Status last = absl::InvalidArgumentError("--servers names no server");
  // The first that answers: a status is one node's view.
  for (const std::string& address : flags.connection.servers) {
    absl::StatusOr<v1::GetStatusResponse> status = client->GetStatus(address);
    if (status.ok()) {
      WriteOut(flags.json ? JsonOf(*status) : Table(*status));
      return absl::OkStatus();
    }
    last = absl::Status(status.status().code(),
                        absl::StrCat(address, ": ", std::string(status.status().message())));
  }
  return last;
}

}  // namespace

void AddStatusCommand(CLI::App& root, int& exit_code) {
  auto* command = root.add_subcommand("status", "Show servers, roles and partitions");
  command->footer(R"(Asks the first of --servers that answers, and shows what that one knows.

Examples:
  tidemark status
  tidemark status --servers 127.0.0.1:7602 --json)");
  const auto flags = std::make_shared<StatusFlags>();
  AddConnectionFlags(*command, flags->connection);
  command->add_flag("--json", flags->json, "Print JSON");
  command->callback([flags, &exit_code] {
    const absl::Status status = Status(*flags);
    if (!status.ok()) exit_code = Fail(status);
  });
}

}  // namespace tidemark
