#include "sim/client.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace tidemark::sim {
namespace {

constexpr Duration kCallTimeout = Duration::Millis(800);

std::vector<std::string> Seeds(const World& world) {
  std::vector<std::string> seeds;
  for (size_t node = 0; node < world.nodes(); ++node) seeds.push_back(world.address(node));
  return seeds;
}

std::string TextOf(const std::optional<Endpoint>& endpoint) {
  return endpoint.has_value() ? endpoint->ToString() : "";
}

uint64_t NumberIn(const RpcError& error, const std::string& key) {
  uint64_t number = 0;
  const auto found = error.metadata.find(key);
  if (found == error.metadata.end() || !absl::SimpleAtoi(found->second, &number)) return 0;
  return number;
}

std::string_view NameOf(const Request& request) {
  constexpr std::array<std::string_view, std::variant_size_v<Request>> kNames = {
      "produce",        "fetch",       "create topic",   "delete topic", "list topics",
      "describe topic", "get servers", "get status",     "get members",  "add member",
      "remove member",  "move",        "hand leadership"};
  static_assert(!kNames.back().empty());
  return kNames[request.index()];
}

// The reason of a refusal, or nothing.
std::string_view NameOf(const Response& response) {
  const auto* error = std::get_if<RpcError>(&response);
  if (error == nullptr) return "answered";
  return error->reason.empty() ? error->message : error->reason;
}

RpcError Unreachable() {
  return {.code = absl::StatusCode::kUnavailable, .message = "no answer", .metadata = {}};
}

}  // namespace

balancer::CallError CallErrorOf(const RpcError& error) {
  balancer::CallError call{.code = error.code, .reason = error.reason, .message = error.message};
  call.leader.node = NodeId{NumberIn(error, "leader_id")};
  call.leader.term = Term{NumberIn(error, "term")};
  const auto address = error.metadata.find("leader_address");
  if (address != error.metadata.end()) call.leader.address = address->second;
  if (error.metadata.contains("start_offset")) {
    call.start_offset = Offset{NumberIn(error, "start_offset")};
  }
  if (error.metadata.contains("high_watermark")) {
    call.high_watermark = Offset{NumberIn(error, "high_watermark")};
  }
  return call;
}

Client::Client(World* world, uint32_t actor, std::string topic, std::string principal)
    : world_(world),
      actor_(actor),
      topic_(std::move(topic)),
      principal_(std::move(principal)),
      view_(Seeds(*world)),
      picker_({.ejection = {.base = Duration::Millis(100), .max = Duration::Seconds(1)}},
              Prng(world->decisions().Draw(Site::kClientSeed, actor))) {}

Duration Client::Latency() {
  return world_->decisions().Between(Site::kClientLatency, actor_, world_->scenario().latency_min,
                                     world_->scenario().latency_max);
}

Instant Client::Arrival(Way& way) {
  const bool same_packet = world_->scenario().packed && way.sent == now() && way.arrives > now();
  if (!same_packet) way.arrives = std::max(way.arrives, now() + Latency());
  way.sent = now();
  return way.arrives;
}

void Client::Up(const StreamPtr& stream, std::function<void()> function, MarkId mark) {
  world_->scheduler().At(Arrival(stream->up), [this, stream, mark, function = std::move(function)] {
    if (!world_->up(stream->node) || world_->incarnation(stream->node) != stream->incarnation) {
      timeline().Ends(mark, Outcome::kReceiverDown);
      return;
    }
    timeline().Ends(mark);
    function();
  });
}

void Client::Down(const StreamPtr& stream, std::function<void()> function, MarkId mark) {
  world_->scheduler().At(
      Arrival(stream->down), [this, stream, mark, function = std::move(function)] {
        timeline().Ends(mark, stream->broken ? Outcome::kBroken : Outcome::kDone);
        if (!stream->broken) function();
      });
}

void Client::Call(const balancer::Target& target, Request request, Callback done) {
  const uint64_t call = next_call_++;
  calls_.emplace(call, std::move(done));
  const std::optional<size_t> node = world_->NodeAt(target.address);
  const MarkId mark = node.has_value() ? timeline().Asks(actor_, *node, NameOf(request)) : 0;
  world_->scheduler().After(
      Latency(), [this, call, node, mark, request = std::move(request)]() mutable {
        if (!node.has_value() || !world_->up(*node)) {
          timeline().Ends(mark, Outcome::kReceiverDown);
          Complete(call, Unreachable());
          return;
        }
        timeline().Ends(mark);
        auto reply = [this, call, at = *node](Response response) {
          const MarkId answer = timeline().Answers(at, actor_, NameOf(response));
          auto kept = std::make_unique<Response>(std::move(response));
          world_->scheduler().After(Latency(), [this, call, answer, kept = std::move(kept)] {
            timeline().Ends(answer);
            Complete(call, std::move(*kept));
          });
        };
        world_->Submit(*node, std::move(request), std::move(reply), principal_);
      });
  world_->scheduler().After(kCallTimeout, [this, call] { Complete(call, Unreachable()); });
}

void Client::Complete(uint64_t call, Response response) {
  const auto found = calls_.find(call);
  if (found == calls_.end()) return;
  const Callback done = std::move(found->second);
  calls_.erase(found);
  done(std::move(response));
}

void Client::RefreshView() {
  if (refreshing_) return;
  const std::optional<balancer::Target> target = picker_.PickAny(now(), view_);
  if (!target.has_value()) return;
  refreshing_ = true;
  picker_.OnStart(target->address);
  const Instant began = now();
  Call(*target, GetServersRequest{}, [this, target, began](Response response) {
    const auto* servers = std::get_if<GetServersResponse>(&response);
    picker_.OnDone(now(), target->address, now() - began, servers != nullptr);
    if (servers == nullptr) {
      refreshing_ = false;
      return;
    }
    std::vector<balancer::ServerInfo> infos;
    for (const ServerInfo& server : servers->servers) {
      infos.push_back({.id = server.id,
                       .address = TextOf(server.address),
                       .role = server.role,
                       .is_leader = server.is_leader});
    }
    view_.UpdateServers(infos);
    Call(*target, DescribeTopicRequest{topic_}, [this](Response described) {
      refreshing_ = false;
      const auto* topic = std::get_if<DescribeTopicResponse>(&described);
      if (topic == nullptr) return;
      std::vector<balancer::PartitionInfo> partitions;
      for (const PartitionInfo& partition : topic->topic.partitions) {
        partitions.push_back({.partition = partition.partition,
                              .group = partition.group,
                              .replicas = partition.replicas,
                              .leader = partition.leader,
                              .leader_address = TextOf(partition.leader_address),
                              .leader_term = partition.leader_term});
      }
      view_.UpdateTopic(topic_, partitions);
    });
  });
}

}  // namespace tidemark::sim
