#include "runtime/client/client.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/endpoint.h"
#include "engine/base/status_macros.h"
#include "runtime/base/clock.h"
#include "runtime/base/random.h"
#include "runtime/client/call_error.h"
#include "runtime/client/consumer.h"
#include "runtime/client/producer.h"
#include "runtime/client/shared.h"
#include "tidemark/v1/admin.grpc.pb.h"
#include "tidemark/v1/cluster.grpc.pb.h"
#include "tidemark/v1/log.grpc.pb.h"

namespace tidemark::client {
namespace {

constexpr Duration kAttemptTimeout = Duration::Seconds(5);
constexpr uint64_t kOffsetPastAll = uint64_t{1} << 62;

std::chrono::system_clock::time_point After(Duration duration) {
  return std::chrono::system_clock::now() + std::chrono::nanoseconds(duration.nanos());
}

// The topic a view must know to send admin calls to the catalog's leader: none.
const balancer::TopicPartition kCatalogPlace{"", PartitionId()};

void TakeServers(const v1::GetServersResponse& servers, balancer::ClusterView& view) {
  std::vector<balancer::ServerInfo> rows;
  for (const v1::Server& server : servers.servers()) {
    rows.push_back({.id = NodeId(server.id()),
                    .address = server.address(),
                    .role = server.role(),
                    .is_leader = server.is_leader()});
  }
  view.UpdateServers(rows);
}

void TakeTopic(const v1::Topic& topic, balancer::ClusterView& view) {
  std::vector<balancer::PartitionInfo> rows;
  for (const v1::Partition& partition : topic.partitions()) {
    balancer::PartitionInfo row{.partition = PartitionId(partition.partition()),
                                .group = GroupId(partition.group()),
                                .replicas = {},
                                .leader = NodeId(partition.leader_id()),
                                .leader_address = partition.leader_address(),
                                .leader_term = Term(partition.leader_term())};
    for (const uint64_t replica : partition.replicas()) row.replicas.push_back(NodeId(replica));
    rows.push_back(std::move(row));
  }
  view.UpdateTopic(topic.name(), rows);
}

class ClientImpl : public Client {
 public:
  explicit ClientImpl(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
  ~ClientImpl() override {
    {
      const std::lock_guard<std::mutex> hold(shared_->mutex);
      shared_->closed = true;
    }
    shared_->closing.notify_all();
  }

  absl::StatusOr<v1::Topic> CreateTopic(const v1::CreateTopicRequest& request) override {
    v1::CreateTopicResponse response;
    TIDEMARK_RETURN_IF_ERROR(Call(&kCatalogPlace, [&](auto channel, grpc::ClientContext& context) {
      return v1::Admin::NewStub(channel)->CreateTopic(&context, request, &response);
    }));
    const std::lock_guard<std::mutex> hold(shared_->mutex);
    TakeTopic(response.topic(), shared_->view);
    return response.topic();
  }

  absl::Status DeleteTopic(const std::string& name) override {
    v1::DeleteTopicRequest request;
    v1::DeleteTopicResponse response;
    request.set_name(name);
    return Call(&kCatalogPlace, [&](auto channel, grpc::ClientContext& context) {
      return v1::Admin::NewStub(channel)->DeleteTopic(&context, request, &response);
    });
  }

  absl::StatusOr<v1::ListTopicsResponse> ListTopics() override {
    v1::ListTopicsResponse response;
    TIDEMARK_RETURN_IF_ERROR(Call(nullptr, [&](auto channel, grpc::ClientContext& context) {
      return v1::Admin::NewStub(channel)->ListTopics(&context, {}, &response);
    }));
    return response;
  }

  absl::StatusOr<v1::Topic> DescribeTopic(const std::string& name) override {
    v1::DescribeTopicRequest request;
    v1::DescribeTopicResponse response;
    request.set_name(name);
    const auto ask = [&](auto channel, grpc::ClientContext& context) {
      return v1::Admin::NewStub(channel)->DescribeTopic(&context, request, &response);
    };
    absl::Status status = Call(nullptr, ask);
    // Any node may not have heard of a topic just created; the catalog's leader has.
    if (absl::IsNotFound(status)) status = Call(&kCatalogPlace, ask);
    TIDEMARK_RETURN_IF_ERROR(status);
    const std::lock_guard<std::mutex> hold(shared_->mutex);
    TakeTopic(response.topic(), shared_->view);
    return response.topic();
  }

  absl::StatusOr<v1::GetServersResponse> GetServers() override {
    v1::GetServersResponse response;
    TIDEMARK_RETURN_IF_ERROR(Call(nullptr, [&](auto channel, grpc::ClientContext& context) {
      return v1::Cluster::NewStub(channel)->GetServers(&context, {}, &response);
    }));
    const std::lock_guard<std::mutex> hold(shared_->mutex);
    TakeServers(response, shared_->view);
    return response;
  }

  absl::StatusOr<v1::GetStatusResponse> GetStatus(const std::string& address) override {
    v1::GetStatusResponse response;
    grpc::ClientContext context;
    context.set_deadline(After(kAttemptTimeout));
    const grpc::Status status = v1::Cluster::NewStub(shared_->channels->ConnectedTo(address))
                                    ->GetStatus(&context, {}, &response);
    if (!status.ok()) return ErrorOf(status).ToStatus();
    return response;
  }

  absl::StatusOr<v1::GetMembersResponse> GetMembers() override {
    v1::GetMembersResponse response;
    TIDEMARK_RETURN_IF_ERROR(Call(nullptr, [&](auto channel, grpc::ClientContext& context) {
      return v1::Cluster::NewStub(channel)->GetMembers(&context, {}, &response);
    }));
    if (response.from_leader() || response.leader_address().empty()) return response;
    // What only the leader knows is worth one more attempt, no more.
    v1::GetMembersResponse better;
    grpc::ClientContext context;
    context.set_deadline(After(kAttemptTimeout));
    const auto channel = shared_->channels->ConnectedTo(response.leader_address());
    if (v1::Cluster::NewStub(channel)->GetMembers(&context, {}, &better).ok()) return better;
    return response;
  }

  absl::Status AddMember(NodeId node) override {
    v1::AddMemberRequest request;
    v1::AddMemberResponse response;
    request.set_node_id(node.value());
    return Call(&kCatalogPlace, [&](auto channel, grpc::ClientContext& context) {
      return v1::Cluster::NewStub(channel)->AddMember(&context, request, &response);
    });
  }

  absl::Status RemoveMember(NodeId node) override {
    v1::RemoveMemberRequest request;
    v1::RemoveMemberResponse response;
    request.set_node_id(node.value());
    return Call(&kCatalogPlace, [&](auto channel, grpc::ClientContext& context) {
      return v1::Cluster::NewStub(channel)->RemoveMember(&context, request, &response);
    });
  }

  absl::StatusOr<v1::Topic> MovePartition(const v1::MovePartitionRequest& request) override {
    v1::MovePartitionResponse response;
    TIDEMARK_RETURN_IF_ERROR(Call(&kCatalogPlace, [&](auto channel, grpc::ClientContext& context) {
      return v1::Cluster::NewStub(channel)->MovePartition(&context, request, &response);
    }));
    return response.topic();
  }

  absl::StatusOr<NodeId> TransferLeadership(const v1::TransferLeadershipRequest& request) override {
    balancer::TopicPartition place{request.topic(), PartitionId(request.partition())};
    if (!request.topic().empty()) TIDEMARK_RETURN_IF_ERROR(Learn(place.topic, place.partition));
    v1::TransferLeadershipResponse response;
    TIDEMARK_RETURN_IF_ERROR(Call(request.topic().empty() ? &kCatalogPlace : &place,
                                  [&](auto channel, grpc::ClientContext& context) {
                                    return v1::Cluster::NewStub(channel)->TransferLeadership(
                                        &context, request, &response);
                                  }));
    return NodeId(response.leader_id());
  }

  // Asks for an offset that no log ever reaches: only a leader that has committed in its term says
  // that it does not exist, and with it what does. Any other replica (also one that has just come
  // back and knows of no commit yet) answers that it cannot know, which is retried elsewhere.
  absl::StatusOr<PartitionRange> Range(const std::string& topic, PartitionId partition,
                                       const ReadOptions& read) override {
    TIDEMARK_RETURN_IF_ERROR(Learn(topic, partition));
    v1::ConsumeRequest request;
    request.set_topic(topic);
    request.set_partition(partition.value());
    if (read.consistency != v1::CONSISTENCY_COMMITTED) return EndOf(std::move(request), read);
    request.set_offset(kOffsetPastAll);
    const balancer::TopicPartition where{topic, partition};
    PartitionRange range;
    TIDEMARK_RETURN_IF_ERROR(Call(&where, [&](auto channel, grpc::ClientContext& context) {
      v1::ConsumeResponse response;
      const grpc::Status status = v1::Log::NewStub(channel)->Consume(&context, request, &response);
      const balancer::CallError error = ErrorOf(status);
      if (error.reason != "OFFSET_OUT_OF_RANGE" || !error.start_offset || !error.high_watermark) {
        return status.ok() ? grpc::Status(grpc::StatusCode::INTERNAL,
                                          "the server read an offset that cannot exist")
                           : status;
      }
      range = {.start = *error.start_offset, .end = *error.high_watermark};
      return grpc::Status::OK;
    }));
    return range;
  }

  absl::StatusOr<std::unique_ptr<Producer>> NewProducer(ProducerOptions options) override {
    // A topic that does not exist is better told now than after the delivery timeout.
    TIDEMARK_RETURN_IF_ERROR(Learn(options.topic, options.partition));
    return MakeProducer(shared_, std::move(options));
  }

  absl::StatusOr<std::unique_ptr<Consumer>> NewConsumer(ConsumerOptions options) override {
    TIDEMARK_ASSIGN_OR_RETURN(const PartitionRange range,
                              Range(options.topic, options.partition, options.read));
    Offset start = options.offset;
    switch (options.from) {
      case ConsumerOptions::From::kOffset:
        break;
      case ConsumerOptions::From::kEarliest:
        start = range.start;
        break;
      case ConsumerOptions::From::kLatest:
        start = range.end;
        break;
      case ConsumerOptions::From::kTime: {
        TIDEMARK_ASSIGN_OR_RETURN(start, OffsetAt(options.topic, options.partition, options.time));
        break;
      }
    }
    return MakeConsumer(shared_, options, start);
  }

 private:
  absl::StatusOr<PartitionRange> EndOf(v1::ConsumeRequest request, const ReadOptions& read) {
    request.set_boundary(v1::BOUNDARY_LATEST);
    request.set_max_bytes(1);
    SetConsistency(read, request);
    const balancer::TopicPartition where{request.topic(), PartitionId(request.partition())};
    v1::ConsumeResponse response;
    TIDEMARK_RETURN_IF_ERROR(Call(&where, [&](auto channel, grpc::ClientContext& context) {
      return v1::Log::NewStub(channel)->Consume(&context, request, &response);
    }));
    PartitionRange range{.start = Offset(response.start_offset()),
                         .end = Offset(response.high_watermark())};
    if (response.has_staleness_us()) {
      range.staleness = Duration::Micros(static_cast<int64_t>(response.staleness_us()));
    }
    return range;
  }

  // The first offset appended at or after `time`, as the leader knows.
  absl::StatusOr<Offset> OffsetAt(const std::string& topic, PartitionId partition, WallTime time) {
    v1::ConsumeRequest request;
    v1::ConsumeResponse response;
    request.set_topic(topic);
    request.set_partition(partition.value());
    request.set_append_time_ms(time.millis());
    request.set_max_bytes(1);
    request.set_format(v1::CONSUME_FORMAT_RECORDS);
    const balancer::TopicPartition where{topic, partition};
    TIDEMARK_RETURN_IF_ERROR(Call(&where, [&](auto channel, grpc::ClientContext& context) {
      return v1::Log::NewStub(channel)->Consume(&context, request, &response);
    }));
    return Offset(response.records_size() > 0 ? response.records(0).offset()
                                              : response.next_offset());
  }

  absl::Status Learn(const std::string& topic, PartitionId partition) {
    // Who may produce or consume need not be allowed to describe: then the calls themselves find
    // their way by hints, and tell what is wrong.
    const absl::Status servers = GetServers().status();
    if (!servers.ok() && !absl::IsPermissionDenied(servers)) return servers;
    const absl::StatusOr<v1::Topic> answer = DescribeTopic(topic);
    if (absl::IsPermissionDenied(answer.status())) return absl::OkStatus();
    TIDEMARK_RETURN_IF_ERROR(answer.status());
    const v1::Topic& described = *answer;
    if (partition.value() < static_cast<uint32_t>(described.partitions_size())) {
      return absl::OkStatus();
    }
    return absl::NotFoundError(
        absl::StrCat("PARTITION_NOT_FOUND: topic \"", topic, "\" has partitions 0 to ",
                     described.partitions_size() - 1, ", not ", partition.value()));
  }

  // One call with its retries. `where`: whose leader to ask; nullptr: any server.
  template <typename Attempt>
  absl::Status Call(const balancer::TopicPartition* where, Attempt attempt) {
    std::optional<balancer::RetryPolicy> policy;
    {
      const std::lock_guard<std::mutex> hold(shared_->mutex);
      balancer::RetryOptions options{.deadline = shared_->options.timeout};
      policy.emplace(options, &shared_->budget, shared_->prng.Fork());
    }
    policy->Start(MonotonicNow());
    for (;;) {
      const balancer::Target target = Pick(where);
      grpc::ClientContext context;
      context.set_deadline(After(std::min(kAttemptTimeout, policy->deadline() - MonotonicNow())));
      const Instant begin = MonotonicNow();
      const grpc::Status status = attempt(shared_->channels->ConnectedTo(target.address), context);
      const balancer::RetryDecision decision = Judge(where, target, begin, status, *policy);
      if (status.ok()) return absl::OkStatus();
      if (decision.give_up.has_value()) return *decision.give_up;
      if (decision.refresh_view) shared_->Refresh(where == nullptr ? "" : where->topic);
      std::unique_lock<std::mutex> hold(shared_->mutex);
      const bool closed =
          shared_->closing.wait_for(hold, std::chrono::nanoseconds(decision.delay.nanos()),
                                    [this] { return shared_->closed; });
      if (closed) return absl::CancelledError("the client was closed");
    }
  }

  balancer::Target Pick(const balancer::TopicPartition* where) {
    const std::lock_guard<std::mutex> hold(shared_->mutex);
    const Instant now = MonotonicNow();
    std::optional<balancer::Target> target;
    if (where == &kCatalogPlace && !shared_->view.Leader(kCatalogPlace).has_value()) {
      target = shared_->view.CatalogLeader();
    }
    if (!target && where != nullptr) {
      target = shared_->picker.PickProduce(now, shared_->view, *where);
    }
    if (!target) target = shared_->picker.PickAny(now, shared_->view);
    shared_->picker.OnStart(target->address);
    return *target;  // there is always a seed
  }

  balancer::RetryDecision Judge(const balancer::TopicPartition* where,
                                const balancer::Target& target, Instant begin,
                                const grpc::Status& status, balancer::RetryPolicy& policy) {
    const std::lock_guard<std::mutex> hold(shared_->mutex);
    const Instant now = MonotonicNow();
    const balancer::CallError error = ErrorOf(status);
    const bool ok = status.ok() || !balancer::BlamesEndpoint(error);
    shared_->picker.OnDone(now, target.address, now - begin, ok);
    if (status.ok()) return {};
    bool new_leader = false;
    if (where != nullptr && error.reason == "NOT_LEADER") {
      new_leader = shared_->view.OnNotLeader(*where, target, error.leader);
    } else if (where != nullptr && !ok) {
      shared_->view.OnUnreachable(*where, target);
    }
    return policy.OnFailure(now, error, new_leader);
  }

  const std::shared_ptr<Shared> shared_;
};

}  // namespace

Shared::Shared(ClientOptions options_in, std::shared_ptr<Channels> channels_in)
    : options(std::move(options_in)),
      channels(std::move(channels_in)),
      prng(SecureRandom64()),
      view(options.servers),
      picker({}, prng.Fork()),
      budget({}),
      refresher_([] {}, [] { return Instant::Never(); }) {}

void Shared::Refresh(const std::string& topic) {
  std::string address;
  {
    const std::lock_guard<std::mutex> hold(mutex);
    address = picker.PickAny(MonotonicNow(), view)->address;
  }
  const std::shared_ptr<grpc::Channel> channel = channels->ConnectedTo(address);
  {
    grpc::ClientContext context;
    context.set_deadline(After(Duration::Seconds(2)));
    v1::GetServersResponse servers;
    if (!v1::Cluster::NewStub(channel)->GetServers(&context, {}, &servers).ok()) return;
    const std::lock_guard<std::mutex> hold(mutex);
    TakeServers(servers, view);
  }
  if (topic.empty()) return;
  grpc::ClientContext context;
  context.set_deadline(After(Duration::Seconds(2)));
  v1::DescribeTopicRequest request;
  v1::DescribeTopicResponse response;
  request.set_name(topic);
  if (!v1::Admin::NewStub(channel)->DescribeTopic(&context, request, &response).ok()) return;
  const std::lock_guard<std::mutex> hold(mutex);
  TakeTopic(response.topic(), view);
}

void Shared::RefreshLater(const std::string& topic) {
  {
    const std::lock_guard<std::mutex> hold(mutex);
    if (!refreshing_.insert(topic).second) return;
  }
  refresher_.Post(Pump::By::kPump, [this, topic] {
    Refresh(topic);
    const std::lock_guard<std::mutex> hold(mutex);
    refreshing_.erase(topic);
  });
}

absl::StatusOr<std::unique_ptr<Client>> Client::Create(ClientOptions options) {
  if (options.servers.empty()) {
    return absl::InvalidArgumentError(
        "no servers are given; name at least one node as host:port (--servers)");
  }
  for (const std::string& server : options.servers) {
    TIDEMARK_RETURN_IF_ERROR(Endpoint::Parse(server).status());
  }
  TIDEMARK_ASSIGN_OR_RETURN(std::shared_ptr<Channels> channels, Channels::Create(options));
  return std::make_unique<ClientImpl>(
      std::make_shared<Shared>(std::move(options), std::move(channels)));
}

}  // namespace tidemark::client
