#include "sim/intruder.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/log/batch.h"

namespace tidemark::sim {
namespace {

constexpr Duration kPauseMax = Duration::Millis(150);

constexpr char kCluster[] = "cluster";

std::string OneRecord() {
  const std::vector<Record> records = {Record{.key = "intruder", .value = "was here"}};
  absl::StatusOr<std::string> frame =
      EncodeBatch(records, {.producer_id = 666, .epoch = 0, .base_sequence = 0});
  TIDEMARK_CHECK(frame.ok());
  return *std::move(frame);
}

}  // namespace

Intruder::Intruder(World* world, uint32_t actor, std::string topic)
    : Client(world, actor, std::move(topic), kPrincipal) {
  timeline().AddClient(actor, kPrincipal);
}

Intruder::Attempt Intruder::Draw() {
  const std::string object = absl::StrCat("topic:", topic_);
  const std::vector<NodeId>& nodes = world_->scenario().nodes;
  switch (world_->decisions().Below(Site::kIntruderRequest, actor_, 12)) {
    case 0:
      return {"produce to", object, ProduceRequest{topic_, PartitionId(), OneRecord()}};
    case 1:
      return {
          "fetch from", object,
          FetchRequest{.topic = topic_, .partition = {}, .start = FetchRequest::Start::kEarliest}};
    case 2:
      return {"create", "topic:intrusion", CreateTopicRequest{.name = "intrusion"}};
    case 3:
      return {"delete", object, DeleteTopicRequest{topic_}};
    case 4:
      return {"list", "topics", ListTopicsRequest{}};
    case 5:
      return {"describe", object, DescribeTopicRequest{topic_}};
    case 6:
      return {"describe", "topic:nowhere", DescribeTopicRequest{"nowhere"}};
    case 7:
      return {"describe", kCluster, GetStatusRequest{}};
    case 8:
      return {"list members of", kCluster, GetMembersRequest{}};
    case 9:
      return {"remove a member from", kCluster, RemoveMemberRequest{nodes.back()}};
    case 10:
      return {"move a partition of", kCluster,
              MovePartitionRequest{topic_, PartitionId(), {nodes.front()}}};
    default:
      return {"hand over the catalog of", kCluster,
              TransferLeadershipRequest{.topic = "", .partition = {}, .to = nodes.front()}};
  }
}

void Intruder::Next() {
  const Duration wait =
      world_->decisions().Between(Site::kIntruderPause, actor_, Duration::Millis(1), kPauseMax);
  world_->scheduler().After(wait, [this] {
    Attempt attempt = Draw();
    const size_t node = world_->decisions().Below(Site::kIntruderNode, actor_, world_->nodes());
    Call({.node = world_->id(node), .address = world_->address(node)}, std::move(attempt.request),
         [this, kind = attempt.kind, object = attempt.object](const Response& response) {
           Access& access = world_->observer().access();
           const uint64_t before = access.denied();
           access.OnAnswer(kPrincipal, kind, object, response);
           if (access.denied() > before) world_->coverage().Hit(Probe::kAccessDenied);
         });
    Next();
  });
}

}  // namespace tidemark::sim
