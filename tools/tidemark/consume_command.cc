#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "engine/base/status_macros.h"
#include "tools/tidemark/command_line.h"
#include "tools/tidemark/json.h"

namespace tidemark {
namespace {

struct ConsumeFlags {
  ConnectionFlags connection;
  std::string topic;
  uint32_t partition = 0;
  std::string from = "earliest";
  bool follow = false;
  bool until_end = false;
  uint64_t count = UINT64_MAX;
  std::string format = "value";
  std::string consistency = "committed";
};

// Reads --from into `options`.
absl::Status ParseFrom(const std::string& from, client::ConsumerOptions& options) {
  using From = client::ConsumerOptions::From;
  uint64_t offset = 0;
  int64_t millis = 0;
  absl::Time time;
  std::string why;
  if (from == "earliest") {
    options.from = From::kEarliest;
  } else if (from == "latest") {
    options.from = From::kLatest;
  } else if (absl::SimpleAtoi(from, &offset)) {
    options.from = From::kOffset;
    options.offset = Offset(offset);
  } else if (from.front() == '@' && absl::SimpleAtoi(from.substr(1), &millis)) {
    options.from = From::kTime;
    options.time = WallTime::FromMillis(millis);
  } else if (absl::ParseTime(absl::RFC3339_full, from, &time, &why)) {
    options.from = From::kTime;
    options.time = WallTime::FromMillis(absl::ToUnixMillis(time));
  } else {
    return absl::InvalidArgumentError(absl::StrCat(
        "--from \"", from,
        "\" is not `earliest`, `latest`, an offset, a time such as 2026-01-31T12:00:00Z or "
        "@MILLISECONDS"));
  }
  return absl::OkStatus();
}

std::string Render(const DecodedRecord& decoded, bool json) {
  const Record& record = decoded.record;
  if (!json) return record.value.value_or("") + "\n";
  std::string line = absl::StrCat("{\"offset\": ", decoded.offset.value(),
                                  ", \"timestamp_ms\": ", record.timestamp_ms);
  absl::StrAppend(&line, ", \"key\": ", record.key ? JsonString(*record.key) : "null");
  absl::StrAppend(&line, ", \"value\": ", record.value ? JsonString(*record.value) : "null");
  if (!record.headers.empty()) {
    line.append(", \"headers\": [");
    for (const RecordHeader& header : record.headers) {
      absl::StrAppend(&line, &header == &record.headers.front() ? "[" : ", [",
                      JsonString(header.key), ", ",
                      header.value ? JsonString(*header.value) : "null", "]");
    }
    line.push_back(']');
  }
  return line + "}\n";
}

// Copies records to stdout until `end` (nullopt: for ever), --count or a closed pipe.
absl::Status Copy(const ConsumeFlags& flags, client::Consumer& consumer,
                  std::optional<Offset> end) {
  const bool json = flags.format == "json";
  uint64_t left = flags.count;
  while (left > 0 && (!end.has_value() || consumer.position() < *end)) {
    TIDEMARK_ASSIGN_OR_RETURN(const std::vector<DecodedRecord> records,
                              consumer.Poll(Duration::Seconds(1)));
    for (const DecodedRecord& record : records) {
      if (left == 0 || (end.has_value() && record.offset >= *end)) break;
      // A reader that has seen enough (`| head`) is no error.
      if (!WriteOut(Render(record, json))) return absl::OkStatus();
      --left;
    }
    if (!records.empty() && std::fflush(stdout) != 0) return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status Consume(const ConsumeFlags& flags) {
  client::ConsumerOptions options;
  options.topic = flags.topic;
  options.partition = PartitionId(flags.partition);
  TIDEMARK_RETURN_IF_ERROR(ParseFrom(flags.from, options));
  TIDEMARK_ASSIGN_OR_RETURN(options.read, ParseConsistency(flags.consistency));
  if (options.read.consistency != v1::CONSISTENCY_COMMITTED) {
    // Who wants to know how recent it is does not want to wait for ever instead.
    options.give_up_after = Duration::Seconds(flags.connection.timeout_s);
  }
  TIDEMARK_ASSIGN_OR_RETURN(const std::unique_ptr<client::Client> client,
                            Connect(flags.connection));
  TIDEMARK_ASSIGN_OR_RETURN(const client::PartitionRange range,
                            client->Range(flags.topic, options.partition, options.read));
  if (options.from == client::ConsumerOptions::From::kOffset &&
      (options.offset < range.start || options.offset > range.end)) {
    return absl::OutOfRangeError(absl::StrCat(
        "offset ", options.offset.value(), " is out of range; ", flags.topic, "/", flags.partition,
        " has records from ", range.start.value(), " up to (not including) ", range.end.value()));
  }
  std::optional<Offset> end;
  if (!flags.follow || flags.until_end) {
    end = range.end;
    // Nothing to read: a consumer would only wait.
    if (range.start == range.end || options.from == client::ConsumerOptions::From::kLatest) {
      return absl::OkStatus();
    }
  }
  TIDEMARK_ASSIGN_OR_RETURN(const std::unique_ptr<client::Consumer> consumer,
                            client->NewConsumer(options));
  return Copy(flags, *consumer, end);
}

}  // namespace

void AddConsumeCommand(CLI::App& root, int& exit_code) {
  auto* command = root.add_subcommand("consume", "Write the records of a topic to stdout");
  command->footer(
      R"(Without --follow it ends at the end of the log as it is when the command starts.

Examples:
  tidemark consume --topic greetings --from earliest
  tidemark consume --topic greetings --from latest --follow
  tidemark consume --topic orders --consistency linearizable
  tidemark consume --topic orders --from 2026-01-31T12:00:00Z --format json | head -n 3)");
  const auto flags = std::make_shared<ConsumeFlags>();
  AddConnectionFlags(*command, flags->connection);
  command->add_option("--topic", flags->topic, "Topic to read")->required();
  command->add_option("--partition", flags->partition, "Partition")->capture_default_str();
  command
      ->add_option("--from", flags->from,
                   "earliest, latest, an offset, a time (RFC 3339) or @MILLISECONDS since 1970")
      ->capture_default_str();
  auto* follow = command->add_flag("--follow", flags->follow, "Go on with new records for ever");
  command->add_flag("--until-end", flags->until_end, "End at the end of the log (the default)")
      ->excludes(follow);
  command->add_option("--count", flags->count, "End after so many records");
  command->add_option("--consistency", flags->consistency, kConsistencyHelp)->capture_default_str();
  command->add_option("--format", flags->format, "value: the values, a line each; json")
      ->check(CLI::IsMember({"value", "json"}))
      ->capture_default_str();
  command->callback([flags, &exit_code] {
    const absl::Status status = Consume(*flags);
    if (!status.ok()) exit_code = Fail(status);
  });
}

}  // namespace tidemark
