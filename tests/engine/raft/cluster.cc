#include "tests/engine/raft/cluster.h"

#include <algorithm>
#include <variant>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"

namespace tidemark::raft {

Config TestConfig() {
  Config config;
  config.election_timeout = Duration::Millis(100);
  config.heartbeat_interval = Duration::Millis(15);
  return config;
}

Cluster::Cluster(ClusterOptions options) : options_(std::move(options)), prng_(options_.seed) {
  for (uint64_t i = 1; i <= options_.nodes; ++i) ids_.push_back(NodeId{i});
  for (const NodeId id : ids_) {
    NodeState& node = nodes_[id];
    node.log.on_append = [this, id](LogIndex index) { CheckAppended(id, index); };
    node.log.on_truncate = [this, id](LogIndex from) { CheckCut(id, from); };
  }
  for (const NodeId id : ids_) Start(id);
}

Cluster::~Cluster() = default;

void Cluster::Start(NodeId id) {
  NodeState& node = Node(id);
  Config config = options_.config;
  config.self = id;
  config.voters = ids_;
  node.log.Restore(node.disk_log);
  node.commit = node.disk_commit;
  node.raft =
      std::make_unique<Raft>(config, node.disk_state, node.disk_commit, &node.log, prng_.Fork());
  const HardState recovered = node.raft->hard_state();
  if (recovered.term < node.promised.term ||
      (recovered.term == node.promised.term && node.promised.vote != kNoNode &&
       recovered.vote != node.promised.vote)) {
    Fail(absl::StrCat("recovered hard state: node ", id.value(), " forgot a promise of term ",
                      node.promised.term.value()));
  }
  Effects effects;
  node.raft->Start(now_, effects);
  Absorb(id, effects);
}

void Cluster::Crash(NodeId id) {
  NodeState& node = Node(id);
  if (node.raft == nullptr) return;
  const Counters& c = node.raft->counters();
  node.counters.elections_won += c.elections_won;
  node.counters.truncations += c.truncations;
  node.counters.pipeline_breaks += c.pipeline_breaks;
  node.counters.quorum_losses += c.quorum_losses;
  node.counters.contradictions += c.contradictions;
  if (node.writing) {
    // Any part of the write may have reached the disk: operations in order, the hard state, which
    // is another file, or not.
    const size_t reached = prng_.Below(node.writing->ops.size() + 1);
    for (size_t i = 0; i < reached; ++i) {
      const TestLog::Op& op = node.writing->ops[i];
      if (op.cut != LogIndex{}) {
        node.disk_log.resize(op.cut - LogIndex{1});
      } else {
        node.disk_log.push_back(op.entry);
      }
    }
    if (node.writing->state && prng_.Chance(1, 2)) node.disk_state = *node.writing->state;
    node.writing.reset();
  }
  node.next_state.reset();
  node.next_held.clear();
  node.reads_due.clear();
  node.disk_stalled = false;
  node.raft.reset();
}

void Cluster::Restart(NodeId id) {
  if (Node(id).raft == nullptr) Start(id);
}

void Cluster::CutBoth(NodeId a, NodeId b) {
  Cut(a, b);
  Cut(b, a);
}

void Cluster::Isolate(NodeId id) {
  for (const NodeId other : ids_) {
    if (other != id) CutBoth(id, other);
  }
}

void Cluster::Heal() {
  cut_.clear();
  filter = nullptr;
  options_.drop = 0;
  options_.duplicate = 0;
  options_.read_failure = 0;
  options_.delay_max = options_.delay_min + Duration::Micros(100);
  options_.write_max = options_.write_min + Duration::Micros(100);
  for (const NodeId id : ids_) {
    Node(id).disk_stalled = false;
    Restart(id);
  }
}

void Cluster::DropInFlight() { flights_.clear(); }

void Cluster::ReplayOld(uint64_t count) {
  for (uint64_t i = 0; i < count && !old_.empty(); ++i) {
    flights_.emplace(now_ + options_.delay_min, old_[prng_.Below(old_.size())]);
  }
}

void Cluster::ResetPeer(NodeId at, NodeId peer) {
  if (!up(at)) return;
  Effects effects;
  raft(at).OnPeerReset(now_, peer, effects);
  Absorb(at, effects);
}

void Cluster::Transfer(NodeId from, NodeId to) {
  if (!up(from)) return;
  Effects effects;
  (void)raft(from).TransferLeadership(now_, to, effects);
  Absorb(from, effects);
}

NodeId Cluster::leader() const {
  NodeId best = kNoNode;
  Term term;
  for (const NodeId id : ids_) {
    if (up(id) && Node(id).raft->role() == Role::kLeader && Node(id).raft->term() > term) {
      best = id;
      term = Node(id).raft->term();
    }
  }
  return best;
}

NodeId Cluster::WaitForLeader(Duration limit) {
  RunUntilTrue([this] { return leader() != kNoNode && raft(leader()).serving(); }, limit);
  return leader();
}

std::optional<LogIndex> Cluster::Propose(NodeId id, const std::string& payload) {
  if (id == kNoNode || !up(id) || !raft(id).accepts_proposals()) return std::nullopt;
  log(id).AppendNew(raft(id).term(), payload);
  const LogIndex index = log(id).last_index();
  Effects effects;
  raft(id).OnAppended(now_, effects);
  Absorb(id, effects);
  return index;
}

bool Cluster::ProposeAndSettle(const std::string& payload, Duration limit) {
  const Instant end = now_ + limit;
  std::optional<LogIndex> index;
  Term term;
  return RunUntilTrue(
      [&] {
        const NodeId at = leader();
        if (at == kNoNode) return false;
        // A new leader may not have it: propose again.
        if (!index || raft(at).term() != term) {
          index = Propose(at, payload);
          term = raft(at).term();
          return false;
        }
        return std::all_of(ids_.begin(), ids_.end(),
                           [&](NodeId id) { return !up(id) || raft(id).commit() >= *index; });
      },
      end - now_);
}

void Cluster::RunUntil(Instant until) {
  while (StepOnce(until)) {
  }
  now_ = until;
}

bool Cluster::RunUntilTrue(const std::function<bool()>& done, Duration limit) {
  const Instant end = now_ + limit;
  while (!done()) {
    if (!failures_.empty() || !StepOnce(end)) return done();
  }
  return true;
}

bool Cluster::StepOnce(Instant until) {
  enum class What { kNothing, kTimer, kWrite, kRead, kMessage };
  What what = What::kNothing;
  Instant due = until;
  NodeId at;
  const auto offer = [&](Instant when, What candidate, NodeId id) {
    if (when > due || (when == due && what != What::kNothing)) return;
    due = when;
    what = candidate;
    at = id;
  };
  if (!flights_.empty()) offer(flights_.begin()->first, What::kMessage, kNoNode);
  for (const NodeId id : ids_) {
    const NodeState& node = Node(id);
    if (node.raft == nullptr) continue;
    if (node.writing && !node.disk_stalled) offer(node.write_due, What::kWrite, id);
    if (!node.reads_due.empty()) offer(node.reads_due.begin()->first, What::kRead, id);
    offer(node.raft->next_deadline(), What::kTimer, id);
  }
  if (what == What::kNothing) return false;
  now_ = std::max(now_, due);
  Effects effects;
  switch (what) {
    case What::kNothing:
      break;
    case What::kTimer:
      raft(at).OnTimer(now_, effects);
      TIDEMARK_CHECK_GT(raft(at).next_deadline(), now_);
      Absorb(at, effects);
      break;
    case What::kWrite:
      FinishWrite(at);
      break;
    case What::kRead: {
      NodeState& node = Node(at);
      const TestLog::Read read = node.reads_due.begin()->second;
      node.reads_due.erase(node.reads_due.begin());
      std::vector<Entry> entries;
      if (!prng_.Chance(options_.read_failure, 1000)) {
        const LogIndex cached = std::exchange(node.log.cached_from, LogIndex{1});
        entries = node.log.Entries(read.first, read.max_bytes, 64);
        node.log.cached_from = cached;
      }
      node.raft->OnEntriesRead(now_, read.to, std::move(entries), effects);
      Absorb(at, effects);
      break;
    }
    case What::kMessage: {
      Message message = std::move(flights_.begin()->second);
      flights_.erase(flights_.begin());
      at = message.to;
      if (!up(at) || cut_.contains({message.from, at})) break;
      ++delivered_;
      raft(at).OnMessage(now_, std::move(message), effects);
      Absorb(at, effects);
      break;
    }
  }
  return true;
}

void Cluster::Absorb(NodeId id, Effects& effects) {
  NodeState& node = Node(id);
  CheckRole(id);
  CheckCommit(id);
  for (Message& message : effects.messages) SendOut(id, std::move(message));
  TIDEMARK_CHECK(effects.persist || effects.messages_after_persist.empty());
  if (effects.persist) node.next_state = *effects.persist;
  for (Message& message : effects.messages_after_persist) {
    node.next_held.push_back(std::move(message));
  }
  if (effects.commit) TIDEMARK_CHECK_LE(*effects.commit, node.log.last_index());
  if (node.log.changes() != node.changes_seen) TIDEMARK_CHECK(effects.log_staged);
  node.changes_seen = node.log.changes();
  while (!node.log.reads.empty()) {
    node.reads_due.emplace(now_ + prng_.Between(options_.write_min, options_.write_max),
                           node.log.reads.front());
    node.log.reads.pop_front();
  }
  if (options_.cached_entries > 0) {
    const uint64_t last = node.log.last_index().value();
    const uint64_t first = last > options_.cached_entries ? last - options_.cached_entries + 1 : 1;
    // What is not durable cannot be read back, so it stays in memory.
    node.log.cached_from = LogIndex{std::min(first, node.log.durable_index().value() + 1)};
  }
  StartWrite(id);
}

void Cluster::StartWrite(NodeId id) {
  NodeState& node = Node(id);
  if (node.writing || (!node.log.has_staged() && !node.next_state)) return;
  node.writing = Write{.ops = node.log.TakeStaged(),
                       .state = std::exchange(node.next_state, std::nullopt),
                       .held = std::exchange(node.next_held, {})};
  node.write_due = now_ + prng_.Between(options_.write_min, options_.write_max);
}

void Cluster::FinishWrite(NodeId id) {
  NodeState& node = Node(id);
  Write write = std::move(*node.writing);
  node.writing.reset();
  for (const TestLog::Op& op : write.ops) {
    if (op.cut != LogIndex{}) {
      node.disk_log.resize(op.cut - LogIndex{1});
    } else {
      node.disk_log.push_back(op.entry);
    }
  }
  if (write.state) node.disk_state = *write.state;
  node.log.WriteDone();
  node.disk_commit =
      std::max(node.disk_commit, std::min(node.raft->commit(), node.log.durable_index()));
  for (Message& message : write.held) SendOut(id, std::move(message));
  Effects effects;
  node.raft->OnPersisted(now_, write.state, effects);
  Absorb(id, effects);
}

void Cluster::SendOut(NodeId id, Message message) {
  CheckPromise(id, message);
  constexpr size_t kOldMax = 256;
  ++sent_;
  if (old_.size() < kOldMax) {
    old_.push_back(message);
  } else if (const uint64_t at = prng_.Below(sent_); at < kOldMax) {
    old_[at] = message;
  }
  if (filter && !filter(message)) return;
  if (cut_.contains({message.from, message.to})) return;
  if (prng_.Chance(options_.drop, 1000)) return;
  const int copies = prng_.Chance(options_.duplicate, 1000) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    // A repetition may come very late.
    const Duration delay =
        prng_.Between(options_.delay_min, options_.delay_max) * (i == 0 ? 1 : 20);
    flights_.emplace(now_ + delay, message);
  }
}

Counters Cluster::totals() const {
  Counters sum;
  for (const NodeId id : ids_) {
    const auto add = [&sum](const Counters& c) {
      sum.elections_won += c.elections_won;
      sum.truncations += c.truncations;
      sum.pipeline_breaks += c.pipeline_breaks;
      sum.quorum_losses += c.quorum_losses;
      sum.contradictions += c.contradictions;
    };
    add(Node(id).counters);
    if (up(id)) add(Node(id).raft->counters());
  }
  return sum;
}

void Cluster::Fail(const std::string& what) {
  if (failures_.size() < 10) failures_.push_back(absl::StrCat(what, " at ", now_.nanos(), " ns"));
}

}  // namespace tidemark::raft
