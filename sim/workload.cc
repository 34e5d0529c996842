#include "sim/workload.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tidemark::sim {
namespace {

constexpr uint32_t kAdminActor = 0;
constexpr uint32_t kChurnActor = 1;
constexpr uint32_t kWatchActor = 2;
constexpr uint32_t kMoveActor = 3;
constexpr uint32_t kIntruderActor = 4;
// 5 is the operator's who changes members (operator.cc).
constexpr uint32_t kFirstProducer = 8;
constexpr uint32_t kFirstConsumer = 16;
// Behind as many consumers as there may be.
constexpr uint32_t kFirstReader = 80;

constexpr Duration kAskAgain = Duration::Millis(60);
// Who only looks whether all is where it should be.
constexpr Duration kLookAgain = Duration::Millis(240);
// Between the end of a fleeting topic and the next one.
constexpr Duration kNextTopic = Duration::Millis(1000);
// Where the catalog's log is cut short every few entries they are so many that a node which is down
// for a while misses some.
constexpr uint64_t kFewEntries = 4;
constexpr Duration kNextTopicSoon = Duration::Millis(1);

}  // namespace

Admin::Admin(World* world, uint32_t actor) : Client(world, actor, "") {
  timeline().AddClient(actor, "operator");
}

void Admin::Insist(Request request, std::function<bool(const Response&)> accept) {
  Insist(std::move(request), std::move(accept), kAskAgain);
}

void Admin::Insist(Request request, std::function<bool(const Response&)> accept,
                   Duration wait_max) {
  const std::optional<balancer::Target> target = picker_.PickAny(now(), view_);
  TIDEMARK_CHECK(target.has_value());
  Request again = request;
  Call(*target, std::move(request),
       [this, wait_max, request = std::move(again),
        accept = std::move(accept)](Response response) mutable {
         if (accept(response)) return;
         const Duration wait =
             world_->decisions().Between(Site::kAdmin, actor_, Duration::Millis(1), wait_max);
         world_->scheduler().After(wait, [this, wait_max, request = std::move(request),
                                          accept = std::move(accept)]() mutable {
           Insist(std::move(request), std::move(accept), wait_max);
         });
       });
}

void Admin::CreateTopic(CreateTopicRequest create, std::function<void(TopicInfo)> done) {
  Insist(create, [this, name = create.name, done = std::move(done)](const Response& response) {
    if (const auto* created = std::get_if<CreateTopicResponse>(&response)) {
      world_->coverage().Hit(Probe::kTopicCreated);
      done(created->topic);
      return true;
    }
    const auto* error = std::get_if<RpcError>(&response);
    if (error == nullptr || error->reason != "TOPIC_ALREADY_EXISTS") return false;
    // An earlier attempt did it.
    world_->coverage().Hit(Probe::kTopicCreated);
    Insist(DescribeTopicRequest{name}, [done](const Response& described) {
      const auto* topic = std::get_if<DescribeTopicResponse>(&described);
      if (topic == nullptr) return false;
      done(topic->topic);
      return true;
    });
    return true;
  });
}

void Admin::DeleteTopic(std::string name, std::function<void()> done) {
  Insist(DeleteTopicRequest{std::move(name)},
         [this, done = std::move(done)](const Response& response) {
           const auto* error = std::get_if<RpcError>(&response);
           if (error != nullptr && error->reason != "TOPIC_NOT_FOUND") return false;
           world_->coverage().Hit(Probe::kTopicDeleted);
           done();
           return true;
         });
}

void Admin::MovePartition(MovePartitionRequest move, std::function<void()> done) {
  Insist(std::move(move), [done = std::move(done)](const Response& response) {
    if (!std::holds_alternative<MovePartitionResponse>(response)) return false;
    done();
    return true;
  });
}

void Admin::TryTransfer(TransferLeadershipRequest transfer, std::optional<size_t> at,
                        Callback done) {
  std::optional<balancer::Target> target;
  if (at.has_value()) {
    target = {.node = world_->id(*at), .address = world_->address(*at)};
  } else {
    target = picker_.PickAny(now(), view_);
  }
  TIDEMARK_CHECK(target.has_value());
  Call(*target, std::move(transfer), std::move(done));
}

void Admin::WatchPlacement() {
  const auto look = [this](const Response& response) {
    const auto* list = std::get_if<ListTopicsResponse>(&response);
    if (list == nullptr) return false;
    placement_.clear();
    moving_ = false;
    placement_[kCatalogGroup] = world_->scenario().nodes;
    for (const TopicInfo& topic : list->topics) {
      for (const PartitionInfo& partition : topic.partitions) {
        placement_[partition.group] = partition.replicas;
        moving_ = moving_ || !partition.target.empty();
      }
    }
    return false;  // for ever
  };
  Insist(ListTopicsRequest{}, look, kLookAgain);
}

Workload::Workload(World* world)
    : world_(world),
      admin_(world, kAdminActor),
      churner_(world, kChurnActor),
      watcher_(world, kWatchActor),
      mover_(world, kMoveActor) {}

void Workload::Start() {
  world_->on_node_down = [this](size_t node) {
    for (const auto& producer : producers_) producer->OnNodeDown(node);
    for (const auto& consumer : consumers_) {
      if (consumer != nullptr) consumer->OnNodeDown(node);
    }
    for (const auto& reader : readers_) reader->OnNodeDown(node);
  };
  const Scenario& scenario = world_->scenario();
  if (scenario.intruder) intruder_.emplace(world_, kIntruderActor, kTopic).Start();
  admin_.CreateTopic({.name = kTopic,
                      .partitions = scenario.partitions,
                      .replication_factor = scenario.replication_factor,
                      .retention_bytes = scenario.retention_bytes,
                      .retention_ms = scenario.retention_ms,
                      .cleanup = {.policy = scenario.compact ? Cleanup::kCompact : Cleanup::kDelete,
                                  .min_compaction_lag_ms = scenario.min_compaction_lag_ms,
                                  .tombstone_retention_ms = scenario.tombstone_retention_ms}},
                     [this](const TopicInfo& topic) { Begin(topic); });
  if (scenario.topic_churn) Churn(0);
}

void Workload::Begin(const TopicInfo& topic) {
  const Scenario& scenario = world_->scenario();
  world_->story().timeline().NameGroups(topic);
  RetentionPolicy policy;
  if (scenario.retention_bytes != 0) policy.bytes = scenario.retention_bytes;
  if (scenario.retention_ms != 0) {
    policy.age = Duration::Millis(static_cast<int64_t>(scenario.retention_ms));
  }
  for (const PartitionInfo& partition : topic.partitions) {
    world_->observer().ProducedTo(partition.group);
    if (scenario.compact) world_->observer().compaction().OnTopic(partition.group);
    if (policy.bytes.has_value() || policy.age.has_value()) {
      world_->observer().retention().OnTopic(partition.group, policy);
    }
  }
  const auto partition = [&](uint32_t i) -> const PartitionInfo& {
    return topic.partitions[i % topic.partitions.size()];
  };
  for (uint32_t i = 0; i < scenario.producers; ++i) {
    producers_.push_back(std::make_unique<Producer>(world_, kFirstProducer + i, topic.name,
                                                    partition(i).partition, partition(i).group));
    producers_.back()->Start();
    if (stopped_) producers_.back()->Stop();
  }
  topic_ = topic;
  for (uint32_t i = 0; i < scenario.readers; ++i) {
    readers_.push_back(std::make_unique<Reader>(world_, kFirstReader + i, topic.name,
                                                partition(i).partition, partition(i).group));
    readers_.back()->Start();
    if (stopped_) readers_.back()->Stop();
  }
  if (scenario.moves) Move();
  if (scenario.moves || scenario.transfer_gap > Duration()) HandAround();
  consumers_.resize(scenario.consumers);
  for (size_t i = 0; i < consumers_.size(); ++i) {
    world_->scheduler().After(scenario.consumers_late, [this, i] { Consume(i, Offset()); });
  }
}

void Workload::Consume(size_t i, Offset from) {
  const PartitionInfo& partition = topic_.partitions[i % topic_.partitions.size()];
  const uint32_t actor = kFirstConsumer + static_cast<uint32_t>(i);
  if (consumers_[i] != nullptr) retired_.push_back(std::move(consumers_[i]));
  consumers_[i] = std::make_unique<Consumer>(world_, actor, topic_.name, partition.partition,
                                             partition.group, from);
  consumers_[i]->on_left_behind = [this, i](Offset start) { Consume(i, start); };
  consumers_[i]->Start();
}

void Workload::Churn(uint64_t round) {
  if (stopped_) return;
  churning_ = true;
  const std::string name = absl::StrCat("fleeting-", round);
  churner_.CreateTopic({.name = name,
                        .partitions = static_cast<uint32_t>(1 + round % 2),
                        .replication_factor = world_->scenario().replication_factor},
                       [this, name, round](const TopicInfo& topic) {
                         world_->story().timeline().NameGroups(topic);
                         churner_.DeleteTopic(name, [this, round] {
                           churning_ = false;
                           const bool soon =
                               world_->scenario().catalog_snapshot_entries <= kFewEntries;
                           world_->scheduler().After(soon ? kNextTopicSoon : kNextTopic,
                                                     [this, round] { Churn(round + 1); });
                         });
                       });
}

void Workload::Move() {
  for (const PartitionInfo& partition : topic_.partitions) {
    ++moves_to_begin_;
    const Duration wait = world_->decisions().Between(
        Site::kMoveWait, kMoveActor, Duration::Millis(1), world_->scenario().fault_phase / 2);
    world_->scheduler().After(wait, [this, number = partition.partition] {
      mover_.MovePartition({topic_.name, number, world_->scenario().nodes},
                           [this] { --moves_to_begin_; });
    });
  }
}

void Workload::HandAround() {
  const Duration gap = world_->scenario().transfer_gap;
  const bool knows = gap > Duration();
  const Duration wait = world_->decisions().Between(
      Site::kTransferWait, kMoveActor, knows ? Duration::Millis(1) : Duration::Millis(100),
      knows ? gap * 2 : Duration::Seconds(2));
  world_->scheduler().After(wait, [this, knows] {
    if (stopped_) return;
    const std::vector<NodeId>& nodes = world_->scenario().nodes;
    const uint64_t to = world_->decisions().Below(Site::kTransferTo, kMoveActor, nodes.size());
    const uint64_t group =
        world_->decisions().Below(Site::kTransferGroup, kMoveActor, 1 + topic_.partitions.size());
    TransferLeadershipRequest transfer{.to = nodes[to]};
    std::optional<size_t> leader;
    if (knows) {
      const GroupId of = group > 0 ? topic_.partitions[group - 1].group : kCatalogGroup;
      const std::vector<size_t> leaders = world_->LeadersOf(of);
      if (!leaders.empty()) leader = leaders.back();
    }
    if (group > 0) {
      transfer.topic = topic_.name;
      transfer.partition = topic_.partitions[group - 1].partition;
    }
    mover_.TryTransfer(std::move(transfer), leader, [this](const Response& response) {
      if (std::holds_alternative<TransferLeadershipResponse>(response)) {
        world_->coverage().Hit(Probe::kLeadershipHandedOver);
      }
    });
    HandAround();
  });
}

void Workload::AskForMore() {
  for (const auto& producer : producers_) producer->SubmitMore();
}

void Workload::Stop() {
  stopped_ = true;
  for (const auto& producer : producers_) producer->Stop();
  for (const auto& reader : readers_) reader->Stop();
  watcher_.WatchPlacement();
}

void Workload::AddTo(ClusterFacts& facts) const {
  facts.placement = watcher_.placement();
  if (facts.placement.empty()) facts.clients.push_back({"the operator", "a list of topics"});
  if (!running()) facts.clients.push_back({"the operator", "its topic to be created"});
  if (moves_to_begin_ > 0) facts.clients.push_back({"the operator", "a move to begin"});
  if (watcher_.moving()) facts.clients.push_back({"the operator", "a move to end"});
  if (churning_) facts.clients.push_back({"the operator", "a topic to come or go"});
  for (size_t i = 0; i < producers_.size(); ++i) {
    if (producers_[i]->drained()) continue;
    facts.clients.push_back({absl::StrCat("producer ", i),
                             absl::StrCat(producers_[i]->in_flight(), " acknowledgements")});
  }
  for (const auto& reader : readers_) {
    const std::string what = reader->WaitsFor();
    if (!what.empty()) facts.clients.push_back({absl::StrCat("reader ", reader->actor()), what});
  }
  const StateMachine& committed = world_->observer().committed();
  for (const auto& consumer : consumers_) {
    if (consumer == nullptr) {
      facts.clients.push_back({"a consumer", "its time to start"});
      continue;
    }
    const Offset end = committed.EndOffset(consumer->group());
    if (consumer->position() == end) continue;
    facts.clients.push_back({absl::StrCat("consumer ", consumer->actor()),
                             absl::StrCat("offset ", consumer->position().value(), " of ",
                                          end.value(), " of group ", consumer->group().value())});
  }
}

}  // namespace tidemark::sim
