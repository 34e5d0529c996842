#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
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

struct TopicFlags {
  ConnectionFlags connection;
  v1::CreateTopicRequest create;
  std::string name;
  uint32_t partitions = 1;
  uint32_t replication_factor = 0;
  uint64_t segment_bytes = 0;
  bool json = false;
};

std::string Describe(const v1::Topic& topic) {
  std::string text = absl::StrFormat("%s: %d partitions, segments of %d bytes\n", topic.name(),
                                     topic.partitions_size(), topic.segment_bytes());
  absl::StrAppend(&text, absl::StrFormat("%-10s %-8s %-12s %-6s %s\n", "partition", "leader",
                                         "replicas", "term", "records"));
  for (const v1::Partition& partition : topic.partitions()) {
    absl::StrAppend(
        &text,
        absl::StrFormat("%-10d %-8s %-12s %-6d %d..%d\n", partition.partition(),
                        partition.leader_id() == 0 ? "none" : absl::StrCat(partition.leader_id()),
                        absl::StrJoin(partition.replicas(), ","), partition.leader_term(),
                        partition.start_offset(), partition.high_watermark()));
  }
  return text;
}

absl::Status Create(client::Client& client, const TopicFlags& flags) {
  v1::CreateTopicRequest request;
  request.set_name(flags.name);
  request.set_partitions(flags.partitions);
  request.set_replication_factor(flags.replication_factor);
  request.set_segment_bytes(flags.segment_bytes);
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
  TIDEMARK_ASSIGN_OR_RETURN(const v1::Topic topic, client.DescribeTopic(flags.name));
  WriteOut(flags.json ? JsonOf(topic) : Describe(topic));
  return absl::OkStatus();
}

absl::Status Delete(client::Client& client, const TopicFlags& flags) {
  TIDEMARK_RETURN_IF_ERROR(client.DeleteTopic(flags.name));
  WriteOut(absl::StrCat("deleted topic ", flags.name, "\n"));
  return absl::OkStatus();
}

using Action = absl::Status (*)(client::Client&, const TopicFlags&);

// A subcommand with the connection flags that runs `action`; gives it and its flags.
std::pair<CLI::App*, std::shared_ptr<TopicFlags>> AddAction(CLI::App& topic, const char* name,
                                                            const char* help, Action action,
                                                            int& exit_code) {
  auto* command = topic.add_subcommand(name, help);
  const auto flags = std::make_shared<TopicFlags>();
  AddConnectionFlags(*command, flags->connection);
  command->callback([flags, action, &exit_code] {
    auto client = Connect(flags->connection);
    const absl::Status status = client.ok() ? action(**client, *flags) : client.status();
    if (!status.ok()) exit_code = Fail(status);
  });
  return {command, flags};
}

void AddName(CLI::App& command, TopicFlags& flags) {
  command.add_option("name", flags.name, "Name of the topic")->required();
}

}  // namespace

void AddTopicCommand(CLI::App& root, int& exit_code) {
  auto* topic = root.add_subcommand("topic", "Create, list, describe and delete topics");
  topic->require_subcommand(1);
  topic->footer(R"(Examples:
  tidemark topic create orders --partitions 3 --replication-factor 3
  tidemark topic describe orders --json)");
  {
    const auto [command, flags] = AddAction(*topic, "create", "Create a topic", Create, exit_code);
    AddName(*command, *flags);
    command->add_option("--partitions", flags->partitions, "Partitions")->capture_default_str();
    command->add_option("--replication-factor", flags->replication_factor,
                        "Copies of each partition (default: 3, or all servers if fewer)");
    command->add_option("--segment-bytes", flags->segment_bytes,
                        "Size of a log file (default: the server's)");
    command->add_flag("--json", flags->json, "Print the topic as JSON");
  }
  {
    const auto [command, flags] = AddAction(*topic, "list", "List the topics", List, exit_code);
    command->add_flag("--json", flags->json, "Print JSON");
  }
  {
    const auto [command, flags] = AddAction(
        *topic, "describe", "Show partitions, leaders and replicas", DescribeOne, exit_code);
    AddName(*command, *flags);
    command->add_flag("--json", flags->json, "Print JSON");
  }
  {
    const auto [command, flags] = AddAction(
        *topic, "delete", "Delete a topic and its records on every replica", Delete, exit_code);
    AddName(*command, *flags);
  }
}

}  // namespace tidemark
