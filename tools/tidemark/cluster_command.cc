#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "engine/base/status_macros.h"
#include "engine/log/node_meta.h"
#include "engine/node/forced_recovery.h"
#include "runtime/base/clock.h"
#include "runtime/io/directory_view.h"
#include "runtime/io/file_store.h"
#include "tools/tidemark/client_action.h"
#include "tools/tidemark/command_line.h"
#include "tools/tidemark/json.h"

namespace tidemark {
namespace {

struct ClusterFlags {
  ConnectionFlags connection;
  uint64_t node = 0;
  std::string topic;
  uint32_t partition = 0;
  bool catalog = false;
  bool json = false;
};

std::string StateText(v1::MemberState state) {
  switch (state) {
    case v1::MEMBER_STATE_ALIVE:
      return "alive";
    case v1::MEMBER_STATE_SUSPECT:
      return "suspect";
    case v1::MEMBER_STATE_FAILED:
      return "failed";
    case v1::MEMBER_STATE_LEFT:
      return "left";
    default:
      return "unknown";
  }
}

std::string Table(const v1::GetMembersResponse& members) {
  std::string text = absl::StrFormat("%-6s %-24s %-9s %-8s %-12s %-11s %s\n", "node", "address",
                                     "role", "state", "lag", "partitions", "");
  for (const v1::Member& member : members.members()) {
    std::string note = member.is_leader() ? "leads the catalog" : "";
    if (!member.note().empty()) absl::StrAppend(&note, note.empty() ? "" : "; ", member.note());
    absl::StrAppend(
        &text, absl::StrFormat(
                   "%-6d %-24s %-9s %-8s %-12s %-11d %s\n", member.id(),
                   member.address().empty() ? "?" : member.address(), member.role(),
                   StateText(member.state()),
                   member.has_lag_entries() ? absl::StrCat(member.lag_entries(), " entries") : "?",
                   member.partitions(), note));
  }
  if (members.leader_id() == 0) {
    absl::StrAppend(&text, "no leader of the catalog is known: nothing can be changed now\n");
  }
  return text;
}

absl::Status Members(client::Client& client, const ClusterFlags& flags) {
  TIDEMARK_ASSIGN_OR_RETURN(const v1::GetMembersResponse members, client.GetMembers());
  WriteOut(flags.json ? JsonOf(members) : Table(members));
  return absl::OkStatus();
}

absl::Status Add(client::Client& client, const ClusterFlags& flags) {
  TIDEMARK_RETURN_IF_ERROR(client.AddMember(NodeId(flags.node)));
  WriteOut(absl::StrCat("node ", flags.node,
                        " is a member; it votes once it has caught up (`tidemark cluster "
                        "members`)\n"));
  return absl::OkStatus();
}

absl::Status Remove(client::Client& client, const ClusterFlags& flags) {
  TIDEMARK_RETURN_IF_ERROR(client.RemoveMember(NodeId(flags.node)));
  WriteOut(absl::StrCat("node ", flags.node, " is no member any more; it may be stopped\n"));
  return absl::OkStatus();
}

absl::Status Transfer(client::Client& client, const ClusterFlags& flags) {
  if (flags.catalog != flags.topic.empty()) {
    return absl::InvalidArgumentError("name either a partition with --topic, or --catalog");
  }
  v1::TransferLeadershipRequest request;
  request.set_topic(flags.topic);
  request.set_partition(flags.partition);
  request.set_to(flags.node);
  TIDEMARK_ASSIGN_OR_RETURN(const NodeId leader, client.TransferLeadership(request));
  WriteOut(absl::StrCat("node ", leader.value(), " leads now\n"));
  return absl::OkStatus();
}

struct RecoverFlags {
  std::string dir;
  uint64_t node = 0;
  std::string cluster_id = "tidemark";
  std::vector<uint64_t> groups;
  bool understood = false;
};

constexpr char kWords[] = "--i-understand-that-acknowledged-records-may-be-lost";

std::string VotersText(const raft::Membership& membership) {
  const raft::NodeSet& voters = membership.voters.incoming.voters();
  if (voters.empty()) return "those it was founded with";
  return absl::StrJoin(voters, ",",
                       [](std::string* out, NodeId node) { absl::StrAppend(out, node.value()); });
}

absl::Status Recover(const RecoverFlags& flags) {
  std::error_code error;
  if (!std::filesystem::exists(std::filesystem::path(flags.dir) / "node_meta", error)) {
    return absl::NotFoundError(absl::StrCat(
        flags.dir, " is not a data directory; name what the server gets as --data-dir"));
  }
  // Also locks it: a running server refuses this.
  TIDEMARK_ASSIGN_OR_RETURN(const std::unique_ptr<FileStore> store, FileStore::Open(flags.dir, 1));
  TIDEMARK_ASSIGN_OR_RETURN(const std::unique_ptr<DirectoryView> view, store->View());
  const NodeId node(flags.node);
  TIDEMARK_RETURN_IF_ERROR(
      CheckNodeMeta(*view, {.cluster_id = flags.cluster_id, .node = node, .created = {}}).status());
  std::vector<GroupId> groups;
  for (const uint64_t group : flags.groups) groups.push_back(GroupId(group));
  if (groups.empty()) groups = view->Groups();
  std::vector<ForcedRecovery> plans;
  for (const GroupId group : groups) {
    TIDEMARK_ASSIGN_OR_RETURN(RecoveredGroup recovered, RecoverGroup(group, LogOptions(), *view));
    if (recovered.removed()) continue;
    ForcedRecovery& plan =
        plans.emplace_back(PlanForcedRecovery(group, node, std::move(recovered), WallNow()));
    WriteOut(absl::StrFormat(
        "group %d: members %s -> %d alone; it has entries up to %d (records up to offset %d), of "
        "which those behind %d may never have been acknowledged. What others acknowledged behind "
        "%d is lost.\n",
        group.value(), VotersText(plan.before), flags.node, plan.last.value(),
        plan.end_offset.value(), plan.committed.value(), plan.last.value()));
  }
  if (!flags.understood) {
    return absl::FailedPreconditionError(absl::StrCat(
        "nothing was changed. If a majority can still be brought back, do that instead. If it is "
        "gone for good, and the other nodes will never be started with their old data again, "
        "repeat this with ",
        kWords));
  }
  for (const ForcedRecovery& plan : plans) TIDEMARK_RETURN_IF_ERROR(store->ExecuteHere(plan.batch));
  WriteOut(absl::StrFormat(
      "done: node %d is the only member of %d groups. Start it, add nodes with empty data "
      "directories (`tidemark cluster add`), then move each partition (`tidemark topic move`).\n",
      flags.node, plans.size()));
  return absl::OkStatus();
}

void AddRecover(CLI::App& cluster, int& exit_code) {
  auto* command = cluster.add_subcommand(
      "recover", "UNSAFE, last resort: make a stopped node the only member of its groups");
  const auto flags = std::make_shared<RecoverFlags>();
  command->add_option("dir", flags->dir, "Data directory of the stopped node")->required();
  command->add_option("--node-id", flags->node, "Its id")->required();
  command->add_option("--cluster-id", flags->cluster_id, "Name of the cluster")
      ->capture_default_str();
  command->add_option("--group", flags->groups, "Only these groups (0 is the catalog)")
      ->delimiter(',');
  command->add_flag(kWords, flags->understood, "Without it, only says what would be lost");
  command->footer(
      R"(For when the majority of the nodes is gone for good, with their disks. Of the nodes that are left
take the one whose groups have the most entries (run it on each: without the words it changes
nothing). Records that only the lost nodes had are lost, although they were acknowledged. Never start
another node with its old data afterwards: wipe it and add it anew.)");
  command->callback([flags, &exit_code] {
    const absl::Status status = Recover(*flags);
    if (!status.ok()) exit_code = Fail(status);
  });
}

}  // namespace

void AddClusterCommand(CLI::App& root, int& exit_code) {
  auto* cluster = root.add_subcommand("cluster", "Show and change who belongs to the cluster");
  cluster->require_subcommand(1);
  cluster->footer(R"(Replacing node 3 by node 4, which runs with --join and without --voters:
  tidemark cluster add 4
  tidemark cluster members                       # until node 4 is a voter
  tidemark topic move orders --replicas 1,2,4    # each partition of node 3
  tidemark cluster remove 3)");
  {
    const auto [command, flags] = AddClientAction(
        *cluster, "members", "Who belongs to the cluster, and how they are", Members, exit_code);
    command->add_flag("--json", flags->json, "Print JSON");
  }
  {
    const auto [command, flags] = AddClientAction(
        *cluster, "add", "Let a running node in: it catches up, then votes", Add, exit_code);
    command->add_option("node", flags->node, "Its id")->required();
  }
  {
    const auto [command, flags] = AddClientAction(
        *cluster, "remove", "Remove a member that holds no partitions any more", Remove, exit_code);
    command->add_option("node", flags->node, "Its id")->required();
  }
  {
    const auto [command, flags] = AddClientAction(
        *cluster, "transfer", "Hand the leadership of a partition, or the catalog, to another node",
        Transfer, exit_code);
    command->add_option("--topic", flags->topic, "Topic of the partition");
    command->add_option("--partition", flags->partition, "Partition")->capture_default_str();
    command->add_flag("--catalog", flags->catalog, "The catalog instead of a partition");
    command->add_option("--to", flags->node, "Next leader (default: whoever is most up to date)");
  }
  AddRecover(*cluster, exit_code);
}

}  // namespace tidemark
