#include <benchmark/benchmark.h>
#include <malloc.h>
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/check.h"
#include "engine/node/node.h"

// What groups cost in which nothing happens: three nodes on one thread, every write durable at once
// and every message delivered at once (and not encoded), simulated seconds in which no client asks
// for anything. CPU per simulated second and node, as a share of a core, and memory per group at
// one node.

namespace tidemark {
namespace {

constexpr uint64_t kNodes = 3;

class EmptyDirectory final : public DirectoryView {
 public:
  std::vector<FileId> List(GroupId) const override { return {}; }
  std::vector<GroupId> Groups() const override { return {}; }
  absl::StatusOr<std::string_view> Contents(const FileId&) const override {
    return absl::NotFoundError("an empty directory");
  }
};

int64_t CpuNanos() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

class Cluster {
 public:
  explicit Cluster(bool quiet) {
    for (uint64_t id = 1; id <= kNodes; ++id) {
      NodeOptions options{.id = NodeId(id), .cluster_id = "bench", .acl_allow_all = true};
      options.advertise = *Endpoint::Parse("127.0.0.1:" + std::to_string(1000 + id));
      options.seeds = {*Endpoint::Parse("127.0.0.1:1001")};
      for (uint64_t voter = 1; voter <= kNodes; ++voter) options.voters.push_back(NodeId(voter));
      options.quiet_groups = quiet;
      absl::StatusOr<Node> node = Node::Recover(options, EmptyDirectory(), now_, Prng(id));
      TIDEMARK_CHECK(node.ok());
      nodes_.emplace(NodeId(id), std::make_unique<Node>(*std::move(node)));
    }
    for (auto& [id, node] : nodes_) {
      Effects effects;
      node->Start(now_, effects);
      Absorb(id, std::move(effects));
    }
    Deliver();
  }

  void Run(Duration length) {
    const Instant end = now_.instant + length;
    while (true) {
      NodeId next;
      Instant when = end;
      for (const auto& [id, node] : nodes_) {
        if (node->next_deadline() >= when) continue;
        when = node->next_deadline();
        next = id;
      }
      if (when > now_.instant) {
        now_.wall = WallTime::FromMillis(now_.wall.millis() + (when - now_.instant).millis());
        now_.instant = when;
      }
      if (next == kNoNode) return;
      Step(next, {});
      Deliver();
    }
  }

  void CreateTopic(const std::string& name, uint32_t partitions) {
    created_ = false;
    while (!created_) {
      for (auto& [id, node] : nodes_) {
        std::vector<Event> events;
        events.push_back(RequestReceived{
            RequestId(++last_request_), "bench",
            CreateTopicRequest{
                .name = name, .partitions = partitions, .replication_factor = kNodes}});
        Step(id, std::move(events));
        Deliver();
      }
      Run(Duration::Millis(200));
    }
  }

  uint64_t Quiet() const {
    uint64_t quiet = 0;
    for (const GroupView& view : nodes_.begin()->second->Groups()) quiet += view.raft->quiet();
    return quiet;
  }
  uint64_t messages() const { return messages_; }

 private:
  void Step(NodeId id, std::vector<Event> events) {
    Effects effects;
    nodes_.at(id)->Step(now_, events, effects);
    Absorb(id, std::move(effects));
  }
  void Deliver() {
    while (!queue_.empty()) {
      auto [to, event] = std::move(queue_.front());
      queue_.pop_front();
      std::vector<Event> events;
      events.push_back(std::move(event));
      Step(to, std::move(events));
    }
  }
  void Absorb(NodeId id, Effects effects) {
    for (Effect& effect : effects) {
      if (const auto* flush = std::get_if<Flush>(&effect)) {
        queue_.emplace_back(id, IoDone{flush->token, absl::OkStatus()});
      } else if (auto* send = std::get_if<SendPeer>(&effect)) {
        ++messages_;
        queue_.emplace_back(send->to, PeerReceived{id, std::move(send->message)});
      } else if (auto* datagram = std::get_if<SendDatagram>(&effect)) {
        for (const auto& [other, node] : nodes_) {
          if (node->options().advertise != datagram->to) continue;
          queue_.emplace_back(
              other, DatagramReceived{nodes_.at(id)->options().advertise, datagram->bytes});
        }
      } else if (const auto* reply = std::get_if<Reply>(&effect)) {
        created_ |= std::holds_alternative<CreateTopicResponse>(reply->response);
      }
    }
  }

  Now now_{Instant::FromNanos(1), WallTime::FromMillis(1'700'000'000'000)};
  std::map<NodeId, std::unique_ptr<Node>> nodes_;
  std::deque<std::pair<NodeId, Event>> queue_;
  uint64_t last_request_ = 0;
  uint64_t messages_ = 0;
  bool created_ = false;
};

// (groups, whether they may go quiet)
void Idle(benchmark::State& state) {
  const auto groups = static_cast<uint64_t>(state.range(0));
  Cluster cluster(state.range(1) != 0);
  cluster.Run(Duration::Seconds(3));
  const size_t before = mallinfo2().uordblks;
  constexpr uint64_t kPartitions = 1000;
  for (uint64_t made = 0; made < groups; made += kPartitions) {
    cluster.CreateTopic("topic" + std::to_string(made),
                        static_cast<uint32_t>(std::min(kPartitions, groups - made)));
  }
  cluster.Run(Duration::Seconds(15));
  state.counters["bytes_per_group"] =
      static_cast<double>(mallinfo2().uordblks - before) / static_cast<double>(groups * kNodes);
  state.counters["quiet_groups"] = static_cast<double>(cluster.Quiet());
  int64_t cpu = 0;
  int64_t seconds = 0;
  const uint64_t sent = cluster.messages();
  for (auto _ : state) {
    const int64_t begin = CpuNanos();
    cluster.Run(Duration::Seconds(5));
    const int64_t spent = CpuNanos() - begin;
    state.SetIterationTime(static_cast<double>(spent) / 1e9);
    cpu += spent;
    seconds += 5;
  }
  state.counters["core_percent_per_node"] =
      static_cast<double>(cpu) / 1e9 / static_cast<double>(seconds * kNodes) * 100;
  state.counters["messages_per_second_per_node"] =
      static_cast<double>(cluster.messages() - sent) / static_cast<double>(seconds * kNodes);
}
BENCHMARK(Idle)
    ->ArgsProduct({{1000, 10'000}, {0, 1}})
    ->ArgNames({"groups", "quiet"})
    ->UseManualTime()
    ->Iterations(3)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tidemark
