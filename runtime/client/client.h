#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "engine/log/batch.h"
#include "tidemark/v1/admin.pb.h"
#include "tidemark/v1/cluster.pb.h"
#include "tidemark/v1/log.pb.h"

// The C++ client of Tidemark. Finds the cluster from any address, sends produce to leaders, reads
// from followers, follows leadership, retries with back-off. What to do is decided by
// engine/balancer (and so is simulated); this library moves the bytes.

namespace tidemark::client {

struct TlsFiles {
  std::string ca;
  std::string cert;
  std::string key;
};

struct ClientOptions {
  // "host:port" of any nodes.
  std::vector<std::string> servers;
  // nullopt: no TLS.
  std::optional<TlsFiles> tls;
  // How long a call that may be retried is retried.
  Duration timeout = Duration::Seconds(30);
};

struct ProducerOptions {
  std::string topic;
  PartitionId partition;
  // A batch is sent when it has this many bytes, or at once when nothing is in flight.
  size_t batch_bytes = 64u << 10;
  // From Append to giving up.
  Duration delivery_timeout = Duration::Seconds(120);
};

// Totals of a producer so far.
struct ProducerStats {
  uint64_t records_acked = 0;
  uint64_t records_failed = 0;
  uint64_t bytes_acked = 0;
  uint64_t records_in_flight = 0;
  // Longest time without any acknowledgement while something was waiting for one.
  Duration longest_ack_gap;
};

// One acknowledged batch: records at [base_offset, base_offset + record_count).
struct Ack {
  Offset base_offset;
  uint32_t record_count = 0;
  // From handing the batch to the network to its acknowledgement.
  Duration latency;
};

// An idempotent, pipelined producer of one partition. One thread may append; the rest is internal.
class Producer {
 public:
  virtual ~Producer() = default;
  // Adds a record. Blocks while too much is in flight (back pressure).
  //   Errors  the first failure of the producer, for ever after.
  virtual absl::Status Append(std::optional<std::string_view> key, std::string_view value,
                              int64_t timestamp_ms) = 0;
  // Sends what is pending and waits until everything is acknowledged or failed.
  virtual absl::Status Flush() = 0;
  virtual ProducerStats stats() const = 0;
  // Called for each acknowledged batch, one at a time, on threads of this library or of gRPC, whose
  // other work waits meanwhile: it must not block, nor end the producer. Never on a thread that is
  // in Append or Flush. Set before the first Append.
  virtual void OnAck(std::function<void(const Ack&)> callback) = 0;
};

// What must be shown: Consistency in proto/tidemark/v1/log.proto.
struct ReadOptions {
  v1::Consistency consistency = v1::CONSISTENCY_COMMITTED;
  Duration max_staleness = {};  // CONSISTENCY_BOUNDED; 1 ms or more
};

struct ConsumerOptions {
  std::string topic;
  PartitionId partition;
  enum class From : uint8_t { kEarliest, kLatest, kOffset, kTime };
  From from = From::kEarliest;
  Offset offset;
  WallTime time;
  ReadOptions read = {};
  // Failing for so long without any progress ends it.
  Duration give_up_after = Duration::Seconds(120);
};

// Reads one partition in order, without gaps, from whichever replica serves best.
class Consumer {
 public:
  virtual ~Consumer() = default;
  // Waits up to `timeout` for records and gives them; empty if none came.
  //   Errors  final ones: the topic is gone, the offset is out of range (the topic's retention was
  //           faster than this consumer: kOutOfRange, with the first offset kept), data is damaged.
  virtual absl::StatusOr<std::vector<DecodedRecord>> Poll(Duration timeout) = 0;
  // The offset the next record will have, if it was not compacted away; at least.
  virtual Offset position() const = 0;
};

// Where a partition begins and ends, as its leader knows; with a consistency, as it was no longer
// ago than `staleness`.
struct PartitionRange {
  Offset start;
  Offset end;
  std::optional<Duration> staleness = std::nullopt;
};

// Safe from any thread. Producers and consumers may outlive it.
class Client {
 public:
  // Does not connect yet. Errors: kInvalidArgument (an address is malformed), kNotFound (a TLS file
  // cannot be read).
  static absl::StatusOr<std::unique_ptr<Client>> Create(ClientOptions options);
  virtual ~Client() = default;

  // Each follows NOT_LEADER hints and retries what may succeed later, up to the timeout.
  virtual absl::StatusOr<v1::Topic> CreateTopic(const v1::CreateTopicRequest& request) = 0;
  virtual absl::Status DeleteTopic(const std::string& name) = 0;
  virtual absl::StatusOr<v1::ListTopicsResponse> ListTopics() = 0;
  virtual absl::StatusOr<v1::Topic> DescribeTopic(const std::string& name) = 0;
  virtual absl::StatusOr<v1::GetServersResponse> GetServers() = 0;
  // Of the node at `address`, of that one only.
  virtual absl::StatusOr<v1::GetStatusResponse> GetStatus(const std::string& address) = 0;
  // Of the catalog's leader if it can be reached, else of any node.
  virtual absl::StatusOr<v1::GetMembersResponse> GetMembers() = 0;
  virtual absl::Status AddMember(NodeId node) = 0;
  virtual absl::Status RemoveMember(NodeId node) = 0;
  // Begins the move.
  virtual absl::StatusOr<v1::Topic> MovePartition(const v1::MovePartitionRequest& request) = 0;
  // Gives the new leader.
  virtual absl::StatusOr<NodeId> TransferLeadership(
      const v1::TransferLeadershipRequest& request) = 0;
  //   Errors  kUnavailable, with `read`: nobody could say in time what has been acknowledged.
  virtual absl::StatusOr<PartitionRange> Range(const std::string& topic, PartitionId partition,
                                               const ReadOptions& read) = 0;

  virtual absl::StatusOr<std::unique_ptr<Producer>> NewProducer(ProducerOptions options) = 0;
  virtual absl::StatusOr<std::unique_ptr<Consumer>> NewConsumer(ConsumerOptions options) = 0;
};

}  // namespace tidemark::client
