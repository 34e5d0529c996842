#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "engine/base/limits.h"
#include "engine/base/status_macros.h"
#include "tools/tidemark/client_action.h"
#include "tools/tidemark/command_line.h"
#include "tools/tidemark/json.h"

namespace tidemark {
namespace {

struct TopicFlags {
  ConnectionFlags connection;
  v1::CreateTopicRequest create;
  std::string name;
  uint32_t partitions = 1;
  uint32_t partition = 0;
  std::vector<uint64_t> replicas;
  uint32_t replication_factor = 0;
  uint64_t segment_bytes = 0;
  uint64_t retention_bytes = 0;
  std::string retention_time;
  std::string cleanup_policy = "delete";
  std::string min_compaction_lag;
  std::string tombstone_retention;
  std::string consistency = "committed";
  bool json = false;
};

// "90s", "12h" or "7d", the value of `flag`, in milliseconds; 0 if there is none.
absl::StatusOr<uint64_t> ParseTime(absl::string_view flag, absl::string_view text) {
  if (text.empty()) return 0;
  static constexpr std::pair<absl::string_view, uint64_t> kUnits[] = {
      {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
  for (const auto& [unit, millis] : kUnits) {
    absl::string_view digits = text;
    uint64_t count = 0;
    if (!absl::ConsumeSuffix(&digits, unit) || !absl::SimpleAtoi(digits, &count)) continue;
    if (count > 0 && count <= kRetentionMillisMax / millis) return count * millis;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      flag, " \"", text, "\" is not a time such as 90s, 12h or 7d, from 1ms to 36500d"));
}

std::string TimeText(uint64_t millis) {
  if (millis % 86'400'000 == 0) return absl::StrCat(millis / 86'400'000, "d");
  if (millis % 3'600'000 == 0) return absl::StrCat(millis / 3'600'000, "h");
  if (millis % 1000 == 0) return absl::StrCat(millis / 1000, "s");
  return absl::StrCat(millis, "ms");
}

std::string RetentionText(const v1::Topic& topic) {
  std::vector<std::string> bounds;
  if (topic.retention_bytes() != 0) {
    bounds.push_back(absl::StrCat(topic.retention_bytes(), " bytes a partition"));
  }
  if (topic.retention_ms() != 0) bounds.push_back(TimeText(topic.retention_ms()));
  const std::string kept =
      bounds.empty() ? "kept for ever" : absl::StrCat("kept: ", absl::StrJoin(bounds, " or "));
  if (topic.cleanup_policy() == v1::CLEANUP_POLICY_DELETE) return kept;
  const uint64_t tombstones = topic.tombstone_retention_ms();
  std::string compacted =
      absl::StrCat("compacted by key, tombstones stay ",
                   TimeText(tombstones == 0 ? kTombstoneMillisDefault : tombstones));
  if (topic.min_compaction_lag_ms() != 0) {
    absl::StrAppend(&compacted, ", not before ", TimeText(topic.min_compaction_lag_ms()));
  }
  return absl::StrCat(compacted, ", ", kept);
}

std::string Describe(const v1::Topic& topic) {
  std::string text =
      absl::StrFormat("%s: %d partitions, segments of %d bytes, %s\n", topic.name(),
                      topic.partitions_size(), topic.segment_bytes(), RetentionText(topic));
  absl::StrAppend(&text, absl::StrFormat("%-10s %-8s %-12s %-6s %s\n", "partition", "leader",
                                         "replicas", "term", "records"));
  for (const v1::Partition& partition : topic.partitions()) {
    const std::string moving =
        partition.target().empty()
            ? ""
            : absl::StrCat(
                  "  moving to ", absl::StrJoin(partition.target(), ","), " (voters ",
                  absl::StrJoin(partition.voters(), ","), "; catching up ",
                  partition.learners().empty() ? "none" : absl::StrJoin(partition.learners(), ","),
                  ")");
    absl::StrAppend(
        &text,
        absl::StrFormat("%-10d %-8s %-12s %-6d %d..%d%s\n", partition.partition(),
                        partition.leader_id() == 0 ? "none" : absl::StrCat(partition.leader_id()),
                        absl::StrJoin(partition.replicas(), ","), partition.leader_term(),
                        partition.start_offset(), partition.high_watermark(), moving));
  }
  return text;
}

absl::Status Create(client::Client& client, const TopicFlags& flags) {
  v1::CreateTopicRequest request;
  request.set_name(flags.name);
  request.set_partitions(flags.partitions);
  request.set_replication_factor(flags.replication_factor);
  request.set_segment_bytes(flags.segment_bytes);
  request.set_retention_bytes(flags.retention_bytes);
  TIDEMARK_ASSIGN_OR_RETURN(const uint64_t retention,
                            ParseTime("--retention-time", flags.retention_time));
  request.set_retention_ms(retention);
  if (flags.cleanup_policy == "compact") {
    request.set_cleanup_policy(v1::CLEANUP_POLICY_COMPACT);
  } else if (flags.cleanup_policy == "compact,delete") {
    request.set_cleanup_policy(v1::CLEANUP_POLICY_COMPACT_DELETE);
  } else if (flags.cleanup_policy != "delete") {
    return absl::InvalidArgumentError(
        absl::StrCat("--cleanup-policy \"", flags.cleanup_policy,
                     "\" is not one of delete, compact and compact,delete"));
  }
  TIDEMARK_ASSIGN_OR_RETURN(const uint64_t lag,
                            ParseTime("--min-compaction-lag", flags.min_compaction_lag));
  request.set_min_compaction_lag_ms(lag);
  TIDEMARK_ASSIGN_OR_RETURN(const uint64_t tombstones,
                            ParseTime("--tombstone-retention", flags.tombstone_retention));
  request.set_tombstone_retention_ms(tombstones);
  TIDEMARK_ASSIGN_OR_RETURN(const v1::Topic topic, client.CreateTopic(request));
  WriteOut(flags.json ? JsonOf(topic) : absl::StrCat("created topic ", topic.name(), "\n"));
  return absl::OkStatus();
}

absl::Status List(client::Client& client, const TopicFlags& flags) {
  TIDEMARK_ASSIGN_OR_RETURN(const v1::ListTopicsResponse topics, client.ListTopics());
  if (flags.json) {
    WriteOut(JsonOf(topics));
    return absl::OkStatus();
  }
  for (const v1::Topic& topic : topics.topics()) {
    WriteOut(absl::StrFormat("%-32s %d partitions\n", topic.name(), topic.partitions_size()));
  }
  return absl::OkStatus();
}

absl::Status DescribeOne(client::Client& client, const TopicFlags& flags) {
  TIDEMARK_ASSIGN_OR_RETURN(const client::ReadOptions read, ParseConsistency(flags.consistency));
  TIDEMARK_ASSIGN_OR_RETURN(v1::Topic topic, client.DescribeTopic(flags.name));
  if (read.consistency != v1::CONSISTENCY_COMMITTED) {
    // What DescribeTopic tells of offsets is what one node knows.
    for (v1::Partition& partition : *topic.mutable_partitions()) {
      TIDEMARK_ASSIGN_OR_RETURN(const client::PartitionRange range,
                                client.Range(flags.name, PartitionId(partition.partition()), read));
      partition.set_start_offset(range.start.value());
      partition.set_high_watermark(range.end.value());
    }
  }
  WriteOut(flags.json ? JsonOf(topic) : Describe(topic));
  return absl::OkStatus();
}

absl::Status Delete(client::Client& client, const TopicFlags& flags) {
  TIDEMARK_RETURN_IF_ERROR(client.DeleteTopic(flags.name));
  WriteOut(absl::StrCat("deleted topic ", flags.name, "\n"));
  return absl::OkStatus();
}

absl::Status Move(client::Client& client, const TopicFlags& flags) {
  v1::MovePartitionRequest request;
  request.set_topic(flags.name);
  request.set_partition(flags.partition);
  for (const uint64_t replica : flags.replicas) request.add_replicas(replica);
  TIDEMARK_ASSIGN_OR_RETURN(const v1::Topic topic, client.MovePartition(request));
  if (flags.json) {
    WriteOut(JsonOf(topic));
    return absl::OkStatus();
  }
  const bool moves = topic.partitions(static_cast<int>(flags.partition)).target_size() > 0;
  WriteOut(
      moves
          ? absl::StrCat("partition ", flags.partition, " of ", flags.name,
                         " moves; `tidemark topic describe ", flags.name, "` shows how far it is\n")
          : absl::StrCat("partition ", flags.partition, " of ", flags.name, " is there already\n"));
  return absl::OkStatus();
}

void AddName(CLI::App& command, TopicFlags& flags) {
  command.add_option("name", flags.name, "Name of the topic")->required();
}

}  // namespace

void AddTopicCommand(CLI::App& root, int& exit_code) {
  auto* topic = root.add_subcommand("topic", "Create, list, describe, move and delete topics");
  topic->require_subcommand(1);
  topic->footer(R"(Examples:
  tidemark topic create orders --partitions 3 --replication-factor 3
  tidemark topic create clicks --retention-bytes 10000000000 --retention-time 7d
  tidemark topic create profiles --cleanup-policy compact
  tidemark topic describe orders --json
  tidemark topic move orders --partition 2 --replicas 1,2,4)");
  {
    const auto [command, flags] =
        AddClientAction(*topic, "create", "Create a topic", Create, exit_code);
    AddName(*command, *flags);
    command->add_option("--partitions", flags->partitions, "Partitions")->capture_default_str();
    command->add_option("--replication-factor", flags->replication_factor,
                        "Copies of each partition (default: 3, or all servers if fewer)");
    command->add_option("--segment-bytes", flags->segment_bytes,
                        "Size of a log file (default: the server's)");
    command
        ->add_option("--retention-bytes", flags->retention_bytes,
                     "Remove the oldest log files of a partition while at least so many bytes of "
                     "it are left (default: keep all)")
        ->check(CLI::PositiveNumber);
    command->add_option("--retention-time", flags->retention_time,
                        "Remove log files this long after their last record: 90s, 12h, 7d "
                        "(default: keep for ever)");
    command
        ->add_option("--cleanup-policy", flags->cleanup_policy,
                     "How old records go: `delete` by retention; `compact` those that have a newer "
                     "one of the same key; `compact,delete` both")
        ->capture_default_str();
    command->add_option("--min-compaction-lag", flags->min_compaction_lag,
                        "Compacted topics: leave records alone for so long (default: not at all)");
    command->add_option("--tombstone-retention", flags->tombstone_retention,
                        "Compacted topics: how long a record without a value, which deletes its "
                        "key, stays the only one of the key (default: 24h)");
    command->add_flag("--json", flags->json, "Print the topic as JSON");
  }
  {
    const auto [command, flags] =
        AddClientAction(*topic, "list", "List the topics", List, exit_code);
    command->add_flag("--json", flags->json, "Print JSON");
  }
  {
    const auto [command, flags] = AddClientAction(
        *topic, "describe", "Show partitions, leaders and replicas", DescribeOne, exit_code);
    AddName(*command, *flags);
    command
        ->add_option("--consistency", flags->consistency,
                     absl::StrCat("Of the offsets shown. ", kConsistencyHelp))
        ->capture_default_str();
    command->add_flag("--json", flags->json, "Print JSON");
  }
  {
    const auto [command, flags] = AddClientAction(
        *topic, "delete", "Delete a topic and its records on every replica", Delete, exit_code);
    AddName(*command, *flags);
  }
  {
    const auto [command, flags] = AddClientAction(
        *topic, "move", "Move a partition to other nodes; goes on by itself once asked", Move,
        exit_code);
    AddName(*command, *flags);
    command->add_option("--partition", flags->partition, "Partition")->capture_default_str();
    command
        ->add_option("--replicas", flags->replicas,
                     "All nodes it shall be on; those it is on now undo a move under way")
        ->delimiter(',')
        ->required();
    command->add_flag("--json", flags->json, "Print the topic as JSON");
  }
}

}  // namespace tidemark
