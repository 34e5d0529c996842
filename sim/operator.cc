#include "sim/operator.h"

#include <algorithm>
#include <array>
#include <variant>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"

namespace tidemark::sim {
namespace {

constexpr uint32_t kOperatorActor = 5;
constexpr uint32_t kStream = 0;
// How long a node that was removed may still run.
constexpr Duration kLingers = Duration::Millis(400);
// A node that is asked to shut down has done so by then.
constexpr Duration kShutsDown = Duration::Seconds(4);
constexpr Duration kNever = Duration::Seconds(1'000'000);
// Of a group so small a majority survives the loss of one member for good.
constexpr size_t kReplacedMin = 3;
// How often a server is asked to hand leadership over before that is given up.
constexpr int kTransferAsks = 10;

// Nobody has answered: the client's own words.
bool Unanswered(const RpcError& error) {
  return error.reason.empty() && error.code == absl::StatusCode::kUnavailable;
}

bool IsIn(const std::vector<NodeId>& nodes, NodeId node) {
  return std::find(nodes.begin(), nodes.end(), node) != nodes.end();
}

// Whether each member but `dead` has all that the leader has: so it is settled (a founder that has
// not met the others yet needs all of them), and no copy is missing besides that of `dead`.
bool OthersHaveAll(const Response& response, NodeId dead) {
  const auto* answer = std::get_if<GetMembersResponse>(&response);
  return answer != nullptr && answer->from_leader &&
         std::all_of(answer->members.begin(), answer->members.end(), [&](const MemberInfo& member) {
           return member.id == dead || member.role == "observer" || member.lag_entries == 0u;
         });
}

std::vector<NodeId> Sorted(std::vector<NodeId> nodes) {
  std::sort(nodes.begin(), nodes.end());
  return nodes;
}

}  // namespace

Operator::Operator(World* world) : world_(world), lived_(world->nodes(), false) {
  if (!on()) return;
  admin_.emplace(world, kOperatorActor);
  for (size_t node = 0; node < world->nodes(); ++node) {
    if (!world->present(node)) continue;
    members_.push_back(node);
    lived_[node] = true;
  }
}

bool Operator::on() const { return !world_->scenario().newcomers.empty(); }

Place Operator::At(Site site) const { return Place(site, ordinal_, kStream); }

uint64_t Operator::Pick(Site site, uint64_t bound) {
  return world_->decisions().Below(At(site), bound);
}

size_t Operator::PickOf(Site site, const Nodes& nodes) { return nodes[Pick(site, nodes.size())]; }

std::vector<NodeId> Operator::MemberIds() const {
  std::vector<NodeId> ids;
  for (const size_t node : members_) ids.push_back(id(node));
  return ids;
}

Operator::Nodes Operator::Absent() const {
  Nodes absent;
  for (size_t node = 0; node < world_->nodes(); ++node) {
    if (!world_->present(node)) absent.push_back(node);
  }
  return absent;
}

bool Operator::CanShrink() const { return members_.size() > world_->scenario().replication_factor; }

void Operator::Tell(const std::string& what) {
  world_->story().SetTime(world_->now());
  world_->story().Tell("the operator ", what);
}

void Operator::Start() {
  if (on()) Tick();
}

void Operator::Stop() {
  stopped_ = true;
  if (!on()) return;
  if (at_.empty()) AwaitVoters([this] { settled_ = true; });
}

void Operator::AddTo(ClusterFacts& facts) const {
  if (!on()) return;
  facts.placement[kCatalogGroup] = MemberIds();
  if (!at_.empty()) {
    facts.clients.push_back({"the operator", at_});
  } else if (!settled_) {
    facts.clients.push_back({"the operator", "all members to vote"});
  }
  if (departing_ > 0) facts.clients.push_back({"the operator", "a node to stop"});
}

void Operator::Tick() {
  const Duration wait = world_->decisions().Between(At(Site::kMemberGap), Duration::Millis(1),
                                                    world_->scenario().member_gap * 2);
  world_->scheduler().After(wait, [this] {
    if (!stopped_) Act();
  });
}

void Operator::Begin(std::string what) {
  at_ = std::move(what);
  Tell(absl::StrCat("begins: ", at_));
}

void Operator::End() {
  Tell(absl::StrCat("is done: ", at_));
  at_.clear();
  ++ordinal_;
  if (stopped_) {
    AwaitVoters([this] { settled_ = true; });
  } else {
    Tick();
  }
}

void Operator::Act() {
  const bool absent = !Absent().empty();
  const uint32_t joins = absent ? 3 : 0;
  const uint32_t leaves = CanShrink() ? 2 : 0;
  const bool three = world_->scenario().replication_factor >= kReplacedMin;
  // In the order of ValueNames(Site::kMemberAction).
  const std::array<uint32_t, 7> kinds = {0, joins, leaves, leaves, absent && three ? 2u : 0u, 2, 1};
  const size_t kind = world_->decisions().Weighted(At(Site::kMemberAction), kinds);
  // What a record says may not be possible any more.
  if (kinds[kind] == 0) return End();
  switch (kind) {
    case 1:
      return Join();
    case 2:
      return Leave(/*graceful=*/true);
    case 3:
      return Leave(/*graceful=*/false);
    case 4:
      return Replace();
    case 5:
      return Move();
    default:
      return Transfer();
  }
}

void Operator::Ask(Request request, std::function<bool(const Response&)> accept) {
  admin_->Insist(std::move(request), [this, accept = std::move(accept)](const Response& response) {
    const auto* error = std::get_if<RpcError>(&response);
    if (error != nullptr && !Unanswered(*error) &&
        (error->reason.empty() || error->message.empty())) {
      world_->verdict().Fail(
          "configuration",
          absl::StrCat("the operator is refused \"", at_, "\" without a reason: ", error->message));
    }
    return accept(response);
  });
}

void Operator::Arrive(size_t node) {
  // What has never lived has nothing to keep.
  const bool keeps = Pick(Site::kMemberDisk, 2) == 1 && lived_[node];
  if (keeps) world_->coverage().Hit(Probe::kNodeCameBack);
  lived_[node] = true;
  world_->Arrive(node, !keeps);
}

void Operator::Add(size_t node, Then then) {
  Ask(AddMemberRequest{id(node)}, [this, node, then = std::move(then)](const Response& response) {
    if (!std::holds_alternative<AddMemberResponse>(response)) return false;
    members_.insert(std::upper_bound(members_.begin(), members_.end(), node), node);
    then();
    return true;
  });
}

void Operator::AwaitVoters(Then then) {
  Ask(GetMembersRequest{}, [this, then = std::move(then)](const Response& response) {
    const auto* answer = std::get_if<GetMembersResponse>(&response);
    if (answer == nullptr || !answer->from_leader) return false;
    std::vector<NodeId> voters;
    for (const MemberInfo& member : answer->members) {
      if (member.role == "voter") voters.push_back(member.id);
    }
    if (Sorted(std::move(voters)) != Sorted(MemberIds())) return false;
    then();
    return true;
  });
}

void Operator::Join() {
  const size_t node = PickOf(Site::kMemberNode, Absent());
  Begin(absl::StrCat("node ", id(node).value(), " joins"));
  Arrive(node);
  // Whether it waits for the newcomer to vote before it goes on.
  const bool waits = Pick(Site::kMemberWait, 2) == 1;
  Add(node, [this, waits] {
    world_->coverage().Hit(Probe::kNodeJoined);
    if (!waits) return End();
    AwaitVoters([this] { End(); });
  });
}

void Operator::Leave(bool graceful) {
  const size_t node = PickOf(Site::kMemberNode, members_);
  Begin(absl::StrCat("node ", id(node).value(), graceful ? " leaves" : " is removed"));
  const Duration lingers = world_->decisions().Between(At(Site::kMemberWait), Duration(), kLingers);
  AwaitVoters([this, node, graceful, lingers] {
    Remove(node, [this, node, graceful, lingers] {
      world_->coverage().Hit(graceful ? Probe::kNodeLeft : Probe::kNodeRemoved);
      if (graceful) world_->ShutDown(node, kNever);
      ++departing_;
      world_->scheduler().After(graceful ? kShutsDown : lingers, [this, node] {
        world_->story().SetTime(world_->now());
        world_->Depart(node);
        --departing_;
      });
      End();
    });
  });
}

void Operator::Replace() {
  const size_t dead = PickOf(Site::kMemberNode, members_);
  const size_t fresh = PickOf(Site::kMemberReplica, Absent());
  Begin(absl::StrCat("node ", id(dead).value(), " is replaced by node ", id(fresh).value()));
  const auto begins = [this, dead, fresh](const Response& response) {
    if (!OthersHaveAll(response, id(dead)) || !world_->CanDoWithout(dead)) return false;
    world_->story().SetTime(world_->now());
    world_->Depart(dead);
    Arrive(fresh);
    Add(fresh, [this, dead] {
      AwaitVoters([this, dead] {
        Remove(dead, [this] {
          world_->coverage().Hit(Probe::kNodeReplaced);
          End();
        });
      });
    });
    return true;
  };
  AwaitVoters([this, begins] { Ask(GetMembersRequest{}, begins); });
}

void Operator::Remove(size_t node, Then then) {
  Drain(node, [this, node, then = std::move(then)] {
    Ask(RemoveMemberRequest{id(node)}, [this, node, then](const Response& response) {
      const auto* error = std::get_if<RpcError>(&response);
      if (error != nullptr && error->reason == "HAS_PARTITIONS") {
        // A topic that has come meanwhile.
        Remove(node, then);
        return true;
      }
      // An earlier attempt may have done it.
      if (error != nullptr && error->reason != "NOT_A_MEMBER") return false;
      std::erase(members_, node);
      then();
      return true;
    });
  });
}

void Operator::Drain(size_t node, Then then) {
  Ask(ListTopicsRequest{}, [this, node, then = std::move(then)](const Response& response) {
    const auto* list = std::get_if<ListTopicsResponse>(&response);
    if (list == nullptr) return false;
    const NodeId leaving = id(node);
    for (const TopicInfo& topic : list->topics) {
      for (const PartitionInfo& partition : topic.partitions) {
        if (!IsIn(partition.replicas, leaving) && !IsIn(partition.target, leaving)) continue;
        std::vector<NodeId> to = partition.target.empty() ? partition.replicas : partition.target;
        std::erase(to, leaving);
        std::vector<NodeId> others = MemberIds();
        std::erase_if(others, [&](NodeId other) { return other == leaving || IsIn(to, other); });
        if (!others.empty() && to.size() < world_->scenario().replication_factor) {
          to.push_back(others[Pick(Site::kMemberReplica, others.size())]);
        }
        MoveTo(topic.name, partition.partition, std::move(to),
               [this, node, then] { Drain(node, then); });
        return true;
      }
    }
    then();
    return true;
  });
}

void Operator::MoveTo(const std::string& topic, PartitionId partition, std::vector<NodeId> replicas,
                      Then then) {
  const auto gone = [](const Response& response) {
    const auto* error = std::get_if<RpcError>(&response);
    return error != nullptr && error->reason == "TOPIC_NOT_FOUND";
  };
  const auto arrived = [this, gone, partition, replicas, then](const Response& response) {
    const auto* described = std::get_if<DescribeTopicResponse>(&response);
    if (described == nullptr && !gone(response)) return false;
    if (described != nullptr) {
      const PartitionInfo& now = described->topic.partitions[partition.value()];
      if (!now.target.empty() || Sorted(now.replicas) != Sorted(replicas)) return false;
      world_->coverage().Hit(Probe::kReplicaMoved);
    }
    then();
    return true;
  };
  Ask(MovePartitionRequest{topic, partition, replicas},
      [this, gone, topic, arrived, then](const Response& response) {
        // Whoever was asked where the partition is knew an old place: it is asked again.
        const auto* error = std::get_if<RpcError>(&response);
        if (gone(response) || (error != nullptr && error->reason == "NOT_A_MEMBER")) {
          then();
          return true;
        }
        if (!std::holds_alternative<MovePartitionResponse>(response)) return false;
        Ask(DescribeTopicRequest{topic}, arrived);
        return true;
      });
}

void Operator::Move() {
  Begin("a partition moves");
  Ask(ListTopicsRequest{}, [this](const Response& response) {
    const auto* list = std::get_if<ListTopicsResponse>(&response);
    if (list == nullptr) return false;
    if (list->topics.empty()) {
      End();
      return true;
    }
    const TopicInfo& topic = list->topics[Pick(Site::kMemberMove, list->topics.size())];
    const uint64_t partition = Pick(Site::kMemberMove, topic.partitions.size());
    std::vector<NodeId> rest = MemberIds();
    std::vector<NodeId> to;
    while (!rest.empty() && to.size() < world_->scenario().replication_factor) {
      const uint64_t at = Pick(Site::kMemberReplica, rest.size());
      to.push_back(rest[at]);
      rest.erase(rest.begin() + static_cast<ptrdiff_t>(at));
    }
    MoveTo(topic.name, topic.partitions[partition].partition, std::move(to), [this] { End(); });
    return true;
  });
}

void Operator::Transfer() {
  const size_t to = PickOf(Site::kMemberNode, members_);
  Begin(absl::StrCat("node ", id(to).value(), " is to lead"));
  TransferLeadershipRequest transfer{.to = id(to)};
  const uint32_t partitions = world_->scenario().partitions;
  const uint64_t group = Pick(Site::kMemberGroup, 1 + partitions);
  if (group > 0) {
    transfer.topic = kTopic;
    transfer.partition = PartitionId(static_cast<uint32_t>(group - 1));
  }
  // A few times, until its leader is found; once there, once: it may be no voter, or behind.
  Ask(std::move(transfer), [this, left = kTransferAsks](const Response& response) mutable {
    if (std::holds_alternative<TransferLeadershipResponse>(response)) {
      world_->coverage().Hit(Probe::kLeadershipHandedOver);
    } else if (const auto* error = std::get_if<RpcError>(&response);
               error != nullptr && (Unanswered(*error) || error->reason == "NOT_LEADER") &&
               --left > 0) {
      return false;
    }
    End();
    return true;
  });
}

}  // namespace tidemark::sim
