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
  const size_t voters = options_.voters == 0 ? ids_.size() : options_.voters;
  initial_.voters.incoming = MajorityConfig({ids_.begin(), ids_.begin() + voters});
  memberships_.emplace(LogIndex{0}, initial_);
  for (const NodeId id : ids_) {
    Node(id).disk_snapshot.membership = initial_;
    Start(id);
  }
}

Cluster::~Cluster() = default;

void Cluster::Start(NodeId id) {
  NodeState& node = Node(id);
  Config config = options_.config;
  config.self = id;
  config.membership = node.disk_snapshot.membership;
  config.applied = node.disk_snapshot.index;
  if (options_.configure) options_.configure(config);
  node.log.Restore(node.disk_log, {.index = node.disk_snapshot.index,
                                   .term = node.disk_snapshot.term,
                                   .end_offset = snapshot_offsets_[node.disk_snapshot.index]});
  if (node.disk_snapshot.index > LogIndex{0}) node.log.snapshot = node.disk_snapshot;
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
  // Whatever is in the log; a change of members may be behind.
  Effects effects;
  node.raft->Start(now_, effects);
  Absorb(id, effects);
}

void Cluster::ApplyOps(NodeState& node, const std::vector<TestLog::Op>& ops) {
  for (const TestLog::Op& op : ops) {
    if (op.cut != LogIndex{}) {
      node.disk_log.resize(op.cut - (node.disk_snapshot.index + 1));
    } else {
      node.disk_log.push_back(op.entry);
    }
  }
}

LogIndex Cluster::DiskLast(NodeId id) const {
  return Node(id).disk_snapshot.index + Node(id).disk_log.size();
}

std::optional<Term> Cluster::DiskTerm(NodeId id, LogIndex index) const {
  const NodeState& node = Node(id);
  if (index > DiskLast(id)) return std::nullopt;
  if (index > node.disk_snapshot.index) {
    return node.disk_log[index - (node.disk_snapshot.index + 1)].term;
  }
  if (index == LogIndex{0}) return Term{};
  return committed_.at(index).term;
}

void Cluster::Crash(NodeId id) {
  const std::optional<Write>& write = Node(id).writing;
  // Any part of the write may have reached the disk: operations in order, the hard state, which is
  // another file, or not.
  const size_t ops = up(id) && write ? prng_.Below(write->ops.size() + 1) : 0;
  CrashWith(id, ops, up(id) && write && write->state && prng_.Chance(1, 2));
}

void Cluster::CrashWith(NodeId id, size_t ops, bool state) {
  NodeState& node = Node(id);
  if (node.raft == nullptr) return;
  const Counters& c = node.raft->counters();
  node.counters.elections_won += c.elections_won;
  node.counters.truncations += c.truncations;
  node.counters.pipeline_breaks += c.pipeline_breaks;
  node.counters.quorum_losses += c.quorum_losses;
  node.counters.contradictions += c.contradictions;
  node.counters.conf_changes_applied += c.conf_changes_applied;
  node.counters.snapshots_sent += c.snapshots_sent;
  node.counters.snapshots_installed += c.snapshots_installed;
  if (node.writing) {
    node.writing->ops.resize(std::min(ops, node.writing->ops.size()));
    ApplyOps(node, node.writing->ops);
    if (node.writing->state && state) node.disk_state = *node.writing->state;
    node.writing.reset();
  }
  node.next_state.reset();
  node.next_held.clear();
  node.reads_due.clear();
  node.reads.clear();
  node.installing.reset();
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
  options_.install_failure = 0;
  options_.apply = 1000;
  options_.delay_max = options_.delay_min + Duration::Micros(100);
  options_.write_max = options_.write_min + Duration::Micros(100);
  for (const NodeId id : ids_) {
    Node(id).disk_stalled = false;
    Restart(id);
    Apply(id);
  }
}

void Cluster::DropInFlight() {
  flights_.clear();
  in_flight_.clear();
}

void Cluster::ReplayOld(uint64_t count) {
  for (uint64_t i = 0; i < count && !old_.empty(); ++i) {
    flights_.emplace(now_ + options_.delay_min, old_[prng_.Below(old_.size())]);
  }
}

void Cluster::ResetPeer(NodeId at, NodeId peer) {
  if (!up(at)) return;
  Effects effects;
  if (prng_.Below(2) == 0) raft(at).OnPeerLost(now_, peer, effects);
  raft(at).OnPeerReset(now_, peer, effects);
  Absorb(at, effects);
}

absl::Status Cluster::Transfer(NodeId from, NodeId to) {
  if (!up(from)) return absl::UnavailableError("this node is down");
  Effects effects;
  absl::Status begun = raft(from).TransferLeadership(now_, to, effects);
  Absorb(from, effects);
  return begun;
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
  return ProposeAll(id, {payload});
}

std::optional<LogIndex> Cluster::ProposeAll(NodeId id, const std::vector<std::string>& payloads) {
  if (id == kNoNode || !up(id) || !raft(id).accepts_proposals()) return std::nullopt;
  for (const std::string& payload : payloads) log(id).AppendNew(raft(id).term(), payload);
  const LogIndex index = log(id).last_index();
  Effects effects;
  raft(id).OnAppended(now_, effects);
  Absorb(id, effects);
  return index;
}

absl::Status Cluster::ProposeChange(NodeId id, const ConfChange& change) {
  if (id == kNoNode || !up(id)) return absl::UnavailableError("this node is down");
  Effects effects;
  absl::Status taken = raft(id).ProposeConfChange(now_, change, effects);
  Absorb(id, effects);
  return taken;
}

void Cluster::Compact(NodeId id) {
  NodeState& node = Node(id);
  // A write under way knows the log as it was.
  if (node.raft == nullptr || node.writing || node.log.has_staged() || node.installing) return;
  const LogIndex index = node.raft->applied();
  if (index <= node.disk_snapshot.index || index > DiskLast(id)) return;
  const LogIndex gone = node.disk_snapshot.index;
  node.disk_snapshot = {
      .index = index, .term = *node.log.TermAt(index), .membership = node.raft->membership()};
  node.disk_log.erase(node.disk_log.begin(),
                      node.disk_log.begin() + static_cast<ptrdiff_t>(index - gone));
  node.disk_commit = std::max(node.disk_commit, index);
  snapshot_offsets_[index] = node.log.EndOffset(index);
  node.log.RemovePrefix(index + 1);
  node.log.snapshot = node.disk_snapshot;
}

void Cluster::Read(NodeId id) {
  if (!up(id)) return;
  const ReadId read = next_read_;
  ++next_read_;
  Node(id).reads[read] = {.asked = now_,
                          .floor = committed_.empty() ? LogIndex{} : committed_.rbegin()->first};
  Effects effects;
  raft(id).ReadIndex(now_, read, effects);
  Absorb(id, effects);
}

bool Cluster::MakeAllVoters(Duration limit) {
  Instant next_try = now_;
  return RunUntilTrue(
      [&] {
        const NodeId at = leader();
        if (at == kNoNode) return false;
        const Membership& who = raft(at).membership();
        if (!who.joint() && who.voters.incoming.voters().size() == ids_.size()) return true;
        if (now_ < next_try) return false;
        next_try = now_ + Duration::Millis(20);
        ConfChange change;
        if (!who.joint()) {
          for (const NodeId id : ids_) {
            if (change.changes.empty() && !who.voters.Contains(id)) {
              change.changes = {{.kind = Change::Kind::kAddVoter, .node = id}};
            }
          }
        }
        (void)ProposeChange(at, change);
        return false;
      },
      limit);
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
        const NodeSet members = MembersOf(raft(at).membership());
        return std::all_of(members.begin(), members.end(),
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
  enum class What { kNothing, kTimer, kWrite, kRead, kInstall, kMessage };
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
    if (options_.by_hand) {
      offer(node.raft->next_deadline(), What::kTimer, id);
      continue;
    }
    if (node.writing && !node.disk_stalled) offer(node.write_due, What::kWrite, id);
    if (!node.reads_due.empty()) offer(node.reads_due.begin()->first, What::kRead, id);
    if (node.installing && !node.writing) offer(node.install_due, What::kInstall, id);
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
    case What::kInstall:
      FinishInstall(at, !prng_.Chance(options_.install_failure, 1000));
      break;
    case What::kRead: {
      NodeState& node = Node(at);
      const TestLog::Read read = node.reads_due.begin()->second;
      node.reads_due.erase(node.reads_due.begin());
      EntryList entries;
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
      raft(at).OnMessage(now_, message, effects);
      Absorb(at, effects);
      break;
    }
  }
  return true;
}

void Cluster::Absorb(NodeId id, Effects& effects) {
  AbsorbStep(id, effects);
  Apply(id);
}

void Cluster::AbsorbStep(NodeId id, Effects& effects) {
  NodeState& node = Node(id);
  CheckRole(id);
  CheckCommit(id);
  if (effects.membership_changed) CheckMembership(id);
  CheckReads(id, effects);
  if (effects.install) {
    node.installing = effects.install;
    node.install_due = now_ + prng_.Between(options_.write_min, options_.write_max);
  }
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
  if (options_.by_hand) node.raft->OverrideElectionTimeout(HandTimeout(id));
  StartWrite(id);
}

void Cluster::Apply(NodeId id) {
  // One by one, so that it is known where the members change; not always as far as possible.
  while (raft(id).applied() < raft(id).commit() && prng_.Chance(options_.apply, 1000)) {
    Effects effects;
    raft(id).OnApplied(now_, raft(id).applied() + 1, effects);
    AbsorbStep(id, effects);
  }
}

void Cluster::FinishInstall(NodeId id, bool ok) {
  NodeState& node = Node(id);
  const SnapshotMeta meta = *std::exchange(node.installing, std::nullopt);
  Effects effects;
  if (node.raft->commit() >= meta.index || !ok) {
    node.raft->OnSnapshotFailed(now_, meta, effects);
  } else {
    node.disk_snapshot = meta;
    node.disk_log.clear();
    node.disk_commit = meta.index;
    node.log.Restore(
        {},
        {.index = meta.index, .term = meta.term, .end_offset = snapshot_offsets_.at(meta.index)});
    node.log.snapshot = meta;
    node.commit = meta.index;
    node.raft->OnSnapshotInstalled(now_, meta, effects);
  }
  Absorb(id, effects);
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
  ApplyOps(node, write.ops);
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
  const bool lost = cut_.contains({message.from, message.to});
  if (on_send) on_send(message, lost);
  if (lost) return;
  if (options_.by_hand) {
    in_flight_.push_back(std::move(message));
    return;
  }
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
      sum.conf_changes_applied += c.conf_changes_applied;
      sum.snapshots_sent += c.snapshots_sent;
      sum.snapshots_installed += c.snapshots_installed;
    };
    add(Node(id).counters);
    if (up(id)) add(Node(id).raft->counters());
  }
  return sum;
}

std::string Cluster::Describe() const {
  std::string out;
  for (const NodeId id : ids_) {
    const NodeState& node = Node(id);
    if (node.raft == nullptr) {
      absl::StrAppend(&out, "\n", id.value(), ": down");
      continue;
    }
    const Raft& raft = *node.raft;
    absl::StrAppend(&out, "\n", id.value(), ": role ", static_cast<int>(raft.role()), " term ",
                    raft.term().value(), " leader ", raft.leader().value(), " log ",
                    node.log.first_index().value(), "..", node.log.last_index().value(),
                    " durable ", node.log.durable_index().value(), " commit ",
                    raft.commit().value(), " applied ", raft.applied().value(),
                    node.installing ? " installing" : "", " voters");
    const Membership& who = raft.membership();
    for (const NodeId voter : who.voters.incoming.voters()) {
      absl::StrAppend(&out, " ", voter.value());
    }
    for (const NodeId voter : who.voters.outgoing.voters()) {
      absl::StrAppend(&out, " -", voter.value());
    }
    for (const NodeId learner : who.learners) absl::StrAppend(&out, " L", learner.value());
    for (const PeerStatus& peer : raft.Peers(now_)) {
      absl::StrAppend(&out, "\n    peer ", peer.id.value(), " state ", static_cast<int>(peer.state),
                      " match ", peer.match.value(), " next ", peer.next.value(),
                      peer.paused ? " paused" : "", peer.active ? "" : " inactive");
    }
  }
  return out;
}

void Cluster::Fail(const std::string& what) {
  if (failures_.size() < 10) failures_.push_back(absl::StrCat(what, " at ", now_.nanos(), " ns"));
}

}  // namespace tidemark::raft
