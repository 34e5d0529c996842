#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "tools/tidemark/command_line.h"

namespace tidemark {
namespace {

struct ProduceFlags {
  ConnectionFlags connection;
  std::string topic;
  uint32_t partition = 0;
  std::string key_separator;
  size_t batch_bytes = 64u << 10;
  std::string summary;
};

// Rewrites one line on the terminal, four times a second, until it is destroyed.
class Progress {
 public:
  explicit Progress(const client::Producer* producer)
      : producer_(producer), begun_(std::chrono::steady_clock::now()) {
    if (isatty(STDERR_FILENO) != 0) thread_ = std::thread([this] { Run(); });
  }
  ~Progress() {
    if (!thread_.joinable()) return;
    {
      const std::lock_guard<std::mutex> hold(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
    Show();
    std::fputc('\n', stderr);
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

 private:
  void Run() {
    std::unique_lock<std::mutex> hold(mutex_);
    while (!wake_.wait_for(hold, std::chrono::milliseconds(250), [this] { return stopping_; })) {
      Show();
    }
  }
  void Show() const {
    const client::ProducerStats stats = producer_->stats();
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count();
    std::fprintf(stderr, "\r%llu records acknowledged, %.1f MB/s, %llu in flight   ",
                 static_cast<unsigned long long>(stats.records_acked),
                 static_cast<double>(stats.bytes_acked) / 1e6 / std::max(seconds, 1e-3),
                 static_cast<unsigned long long>(stats.records_in_flight));
  }

  const client::Producer* const producer_;
  const std::chrono::steady_clock::time_point begun_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

struct FreeLine {
  void operator()(char* line) const { std::free(line); }
};

// Appends every line of stdin; `read` counts them.
absl::Status AppendLines(const ProduceFlags& flags, client::Producer& producer, uint64_t& read) {
  char* buffer = nullptr;
  size_t capacity = 0;
  absl::Status status;
  ssize_t length = 0;
  while (status.ok() && (length = getline(&buffer, &capacity, stdin)) >= 0) {
    std::string_view line(buffer, static_cast<size_t>(length));
    if (!line.empty() && line.back() == '\n') line.remove_suffix(1);
    std::optional<std::string_view> key;
    if (!flags.key_separator.empty()) {
      const size_t at = line.find(flags.key_separator);
      if (at != line.npos) {
        key = line.substr(0, at);
        line.remove_prefix(at + flags.key_separator.size());
      }
    }
    ++read;
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    status = producer.Append(key, line,
                             std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
  }
  const std::unique_ptr<char, FreeLine> owner(buffer);
  if (status.ok() && std::ferror(stdin) != 0) {
    return absl::DataLossError("stdin could not be read to its end");
  }
  return status;
}

absl::Status WriteSummary(const std::string& path, const client::ProducerStats& stats) {
  std::ofstream file(path);
  file << "records_acked=" << stats.records_acked << "\nbytes_acked=" << stats.bytes_acked
       << "\nlongest_ack_gap_ms=" << stats.longest_ack_gap.millis() << "\n";
  file.close();
  if (file.fail()) {
    return absl::InvalidArgumentError(absl::StrCat("cannot write the file of --summary: ", path));
  }
  return absl::OkStatus();
}

absl::Status Produce(const ProduceFlags& flags) {
  TIDEMARK_ASSIGN_OR_RETURN(const std::unique_ptr<client::Client> client,
                            Connect(flags.connection));
  // Fails early and clearly where the producer would go on hoping for the topic.
  TIDEMARK_ASSIGN_OR_RETURN(
      const std::unique_ptr<client::Producer> producer,
      client->NewProducer(client::ProducerOptions{.topic = flags.topic,
                                                  .partition = PartitionId(flags.partition),
                                                  .batch_bytes = flags.batch_bytes}));
  uint64_t read = 0;
  absl::Status status;
  {
    const Progress progress(producer.get());
    status = AppendLines(flags, *producer, read);
    const absl::Status flushed = producer->Flush();
    if (status.ok()) status = flushed;
  }
  const client::ProducerStats stats = producer->stats();
  if (!flags.summary.empty()) TIDEMARK_RETURN_IF_ERROR(WriteSummary(flags.summary, stats));
  if (status.ok() && stats.records_acked == read) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat(read - std::min(read, stats.records_acked), " of ", read,
                   " records read were not acknowledged (and may or may not be in the log): ",
                   std::string(status.message())));
}

}  // namespace

void AddProduceCommand(CLI::App& root, int& exit_code) {
  auto* command = root.add_subcommand("produce", "Append the lines of stdin to a topic");
  command->footer(R"(Each line is a record. Returns when all are on disk on a quorum of replicas;
exits 1 and says how many were not acknowledged if that fails.

Examples:
  echo hello | tidemark produce --topic greetings
  tidemark produce --topic orders --key-separator : <orders.txt    # KEY:VALUE lines)");
  const auto flags = std::make_shared<ProduceFlags>();
  AddConnectionFlags(*command, flags->connection);
  command->add_option("--topic", flags->topic, "Topic to append to; it must exist")->required();
  command->add_option("--partition", flags->partition, "Partition")->capture_default_str();
  command->add_option("--key-separator", flags->key_separator,
                      "What parts a line's key from its value; lines without it have no key");
  command->add_option("--batch-bytes", flags->batch_bytes, "A batch is sent at this size")
      ->check(CLI::Range(size_t{1}, size_t{4} << 20))
      ->capture_default_str();
  command->add_option("--summary", flags->summary, "Write totals as key=value lines to this file");
  command->callback([flags, &exit_code] {
    const absl::Status status = Produce(*flags);
    if (!status.ok()) exit_code = Fail(status);
  });
}

}  // namespace tidemark
