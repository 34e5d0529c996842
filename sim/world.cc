#include "sim/world.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/log/node_meta.h"
#include "sim/trace_encode.h"

namespace tidemark::sim {
namespace {

constexpr int kIdleStepsMax = 1000;

}  // namespace

World::World(const Scenario& scenario, Decisions decisions, Story* story)
    : scenario_(&scenario),
      story_(story),
      decisions_(std::move(decisions)),
      network_(scenario, &decisions_, &coverage_),
      observer_(&verdict_, &coverage_, story) {
  if (scenario.canary) observer_.canary().Enable();
  verdict_.Mute(scenario.mute);
  if (scenario.check_quorum) {
    // One election timeout for the leader to give up, one before for a quiet group to notice that
    // it should look, and one for what was on its way. By a clock that may be slow.
    const Duration bound = scenario.election_timeout * 3;
    observer_.contact().Demand(bound + bound / 1'000'000 * scenario.clock_drift_ppm_max +
                               scenario.step_delay_max * 4 + Duration::Millis(50));
  }
  std::vector<NodeId> ids = scenario.nodes;
  ids.insert(ids.end(), scenario.newcomers.begin(), scenario.newcomers.end());
  story_->timeline().Begin(&scheduler_, ids);
  for (size_t node = 0; node < ids.size(); ++node) {
    slots_.push_back(std::make_unique<Slot>(static_cast<uint32_t>(node), ids[node], scenario,
                                            &decisions_, &coverage_));
    Slot& slot = *slots_.back();
    slot.founder = node < scenario.nodes.size();
    slot.present = slot.founder;
    slot.endpoint = {.host = absl::StrCat("10.0.0.", node + 1), .port = 7000};
    slot.address = slot.endpoint.ToString();
  }
}

World::~World() = default;

void World::Boot() {
  for (size_t node = 0; node < slots_.size(); ++node) {
    if (present(node)) Start(node);
  }
}

Now World::LocalNow(size_t node) const { return slots_[node]->clock->At(scheduler_.now()); }

std::optional<size_t> World::NodeAt(std::string_view address) const {
  for (size_t node = 0; node < slots_.size(); ++node) {
    if (slots_[node]->address == address) return node;
  }
  return std::nullopt;
}

std::optional<size_t> World::NodeOf(NodeId id) const {
  for (size_t node = 0; node < slots_.size(); ++node) {
    if (slots_[node]->id == id) return node;
  }
  return std::nullopt;
}

std::optional<size_t> World::NodeOf(const Endpoint& endpoint) const {
  for (size_t node = 0; node < slots_.size(); ++node) {
    if (slots_[node]->endpoint == endpoint) return node;
  }
  return std::nullopt;
}

NodeOptions World::OptionsFor(size_t node) const {
  NodeOptions options;
  options.id = id(node);
  options.cluster_id = "simulated";
  options.advertise = slots_[node]->endpoint;
  if (slots_[node]->founder) options.voters = scenario_->nodes;
  for (const auto& slot : slots_) {
    const bool enough = scenario_->one_seed && slots_[node]->founder && !slots_[node]->arrived &&
                        !options.seeds.empty();
    if (!slot->present || enough) continue;
    options.seeds.push_back(slot->endpoint);
  }
  options.version = "sim";
  options.acl_allow_all = !scenario_->intruder;
  if (scenario_->intruder) {
    options.acl_policy = absl::StrCat("p, ", kTrusted, ", *, *\np, *, topic:public*, *\n");
  }
  options.log = {.segment_bytes = scenario_->segment_bytes,
                 .index_interval_bytes = scenario_->index_interval_bytes,
                 .cache_bytes = scenario_->cache_bytes,
                 .checkpoint_bytes = scenario_->checkpoint_bytes,
                 .index_memory_bytes = scenario_->index_memory_bytes};
  options.election_timeout = scenario_->election_timeout;
  options.heartbeat_interval = scenario_->heartbeat_interval;
  options.pre_vote = scenario_->pre_vote;
  options.check_quorum = scenario_->check_quorum;
  options.lease_reads = scenario_->lease_reads;
  options.quiet_groups = scenario_->quiet_groups;
  options.disk_stall_timeout = scenario_->disk_stall_timeout;
  options.reopen_delay_min = scenario_->election_timeout / 4;
  options.reopen_delay_max = Duration::Seconds(2);
  options.append_bytes_max = scenario_->append_bytes_max;
  options.append_entries_max = scenario_->append_entries_max;
  options.catch_up_bytes_per_second = scenario_->catch_up_bytes_per_second;
  options.catalog_snapshot_entries = scenario_->catalog_snapshot_entries;
  options.retention_interval = scenario_->retention_interval;
  options.compaction_interval = scenario_->compaction_interval;
  options.gossip_speed = scenario_->gossip_speed;
  options.scrub = {.bytes_per_second = scenario_->scrub_bytes_per_second,
                   .pause = scenario_->scrub_pause};
  return options;
}

void World::Start(size_t node) {
  Slot& slot = *slots_[node];
  story_->SetTime(scheduler_.now());
  const uint32_t actor = static_cast<uint32_t>(node);
  const int64_t drift_max = scenario_->clock_drift_ppm_max;
  const int64_t drift =
      decisions_.Between(Place(Site::kClockRate, actor), -drift_max, drift_max + 1);
  // The monotonic clock of a new process begins anywhere.
  const Instant origin = Instant::FromNanos(
      static_cast<int64_t>(decisions_.Below(Site::kClockOrigin, actor, 1'000'000'000'000'000)));
  slot.clock.emplace(scheduler_.now(), origin, drift, slot.wall_offset_millis);
  slot.disk.SyncAll();
  NoticeRepair(node);
  RotLogEnd(node);
  const std::unique_ptr<DirectoryView> view = slot.disk.View();
  const uint64_t node_seed = decisions_.Draw(Site::kNodeSeed, actor);
  absl::StatusOr<Node> recovered =
      slot.journal != nullptr
          ? slot.journal->Recover(OptionsFor(node), *view, LocalNow(node), node_seed)
          : Node::Recover(OptionsFor(node), *view, LocalNow(node), Prng(node_seed));
  if (!recovered.ok()) {
    verdict_.Fail("recovery", absl::StrCat("node ", id(node).value(),
                                           " does not start: ", recovered.status().message()));
    return;
  }
  slot.node.emplace(*std::move(recovered));
  slot.ran_since = scheduler_.now();
  slot.shutting_down = false;
  slot.paused = false;
  slot.timer = Instant::Never();
  slot.knows_address.assign(slots_.size(), false);
  slot.dialling.assign(slots_.size(), false);
  story_->Tell("node ", id(node).value(), " starts");
  story_->timeline().OnNode(MarkKind::kStart, node);
  if (slot.incarnation > 0) coverage_.Hit(Probe::kRecovered);
  trace_.Add(uint64_t{node} << 8 | 0xff);
  Effects effects;
  const Now now = LocalNow(node);
  if (slot.journal != nullptr) slot.journal->BeforeStep(now, {});
  if (listener_ != nullptr) listener_->OnStep(id(node), scheduler_.now(), {});
  slot.node->Start(now, effects);
  if (slot.journal != nullptr) slot.journal->AfterStep(effects, *slot.node);
  observer_.AfterStep(id(node), *slot.node, slot.disk, now.wall, scheduler_.now(), slot.ran_since);
  Execute(node, effects);
  if (!up(node)) return;
  ArmTimer(node);
  if (slot.disk_full) SetDiskFull(node, true);
}

void World::Deliver(size_t node, Event event) {
  slots_[node]->inbox.push_back(std::move(event));
  ScheduleStep(node);
}

void World::ScheduleStep(size_t node) {
  Slot& slot = *slots_[node];
  if (slot.step_scheduled || slot.paused || !slot.node.has_value()) return;
  slot.step_scheduled = true;
  // What arrives until then is told in the same step.
  const Duration delay = Duration::Nanos(static_cast<int64_t>(
      decisions_.Below(Site::kStepDelay, static_cast<uint32_t>(node),
                       static_cast<uint64_t>(scenario_->step_delay_max.nanos()))));
  ForIncarnation(delay, node, [this, node] {
    slots_[node]->step_scheduled = false;
    Step(node);
  });
}

void World::Step(size_t node) {
  Slot& slot = *slots_[node];
  if (slot.paused || !slot.node.has_value()) return;
  story_->SetTime(scheduler_.now());
  std::vector<Event> events = std::exchange(slot.inbox, std::exchange(spare_inbox_, {}));
  const Now now = LocalNow(node);
  trace_.Add(uint64_t{node} << 32 | events.size());
  trace_.Add(static_cast<uint64_t>(scheduler_.now().nanos()));
  for (const Event& event : events) AddTo(trace_, event);
  if (listener_ != nullptr) listener_->OnStep(id(node), scheduler_.now(), events);
  Effects effects = std::exchange(effects_, {});
  effects.clear();
  if (slot.journal != nullptr) slot.journal->BeforeStep(now, events);
  slot.node->Step(now, events, effects);
  if (slot.journal != nullptr) slot.journal->AfterStep(effects, *slot.node);
  CheckDeadline(node, now);
  if (slot.rejoins && slot.node->settled()) {
    slot.rejoins = false;
    coverage_.Hit(Probe::kWipedNodeRejoined);
    story_->Tell("node ", id(node).value(), " was let in again with its empty disk");
  }
  observer_.AfterStep(id(node), *slot.node, slot.disk, now.wall, scheduler_.now(), slot.ran_since);
  Execute(node, effects);
  effects_ = std::move(effects);
  events.clear();
  spare_inbox_ = std::move(events);
  if (up(node)) ArmTimer(node);
}

void World::CheckDeadline(size_t node, Now now) {
  Slot& slot = *slots_[node];
  // A deadline may be due again at once now and then, but not for ever: that would burn a core.
  slot.idle_steps = slot.node->next_deadline() <= now.instant ? slot.idle_steps + 1 : 0;
  if (slot.idle_steps < kIdleStepsMax) return;
  std::string who = "gossip or the node itself";
  for (const GroupView& view : slot.node->Groups()) {
    if (view.failure == nullptr && view.raft->next_deadline() <= now.instant) {
      who = absl::StrCat("raft of group ", view.group.value());
    }
  }
  verdict_.Fail("busy_loop", absl::StrCat("node ", id(node).value(), ": ", who,
                                          " wants to be called again at once, for ever"));
}

void World::ArmTimer(size_t node) {
  Slot& slot = *slots_[node];
  const Instant deadline = slot.node->next_deadline();
  if (deadline == Instant::Never()) return;
  Instant due = std::max(slot.clock->VirtualOf(deadline), scheduler_.now());
  // The drift of a clock is rounded: it may have a little left to go where it should be there.
  if (due == scheduler_.now() && LocalNow(node).instant < deadline) due = due + Duration::Micros(1);
  if (due >= slot.timer) return;  // the one under way looks again
  slot.timer = due;
  ForIncarnation(due - scheduler_.now(), node, [this, node, due] {
    Slot& then = *slots_[node];
    if (then.timer != due) return;
    then.timer = Instant::Never();
    if (then.paused) return;
    if (LocalNow(node).instant >= then.node->next_deadline()) {
      Step(node);
    } else {
      ArmTimer(node);
    }
  });
}

void World::GoDown(size_t node) {
  Slot& slot = *slots_[node];
  ++slot.incarnation;
  if (slot.node.has_value()) {
    coverage_.Hit(Probe::kDigestCompared, slot.node->counters().digests_compared);
    slot.shared.clear();
    for (const GroupView& view : slot.node->Groups()) {
      if (IsShared(view, id(node))) slot.shared.insert(view.group);
    }
  }
  slot.node.reset();
  slot.inbox.clear();
  slot.replies.clear();
  for (const auto& [token, flush] : slot.flushes) ForgetSidecars(slot, flush.batch);
  slot.flushes.clear();
  slot.step_scheduled = false;
  observer_.OnCrash(id(node));
  for (size_t other = 0; other < slots_.size(); ++other) {
    if (other == node) continue;
    network_.Disconnect(node, other);
    const bool was_connected = network_.Connected(other, node);
    network_.Disconnect(other, node);
    if (!was_connected || !up(other)) continue;
    ForIncarnation(network_.DialTime(other, node), other, [this, other, node] {
      Deliver(other, PeerLink{id(node), false});
      Dial(other, node);
    });
  }
  if (on_node_down) on_node_down(node);
}

void World::ScheduleStart(size_t node, Duration delay) {
  ForIncarnation(delay, node, [this, node] {
    if (!up(node)) Start(node);
  });
}

void World::CrashByPowerLoss(size_t node, Duration down) {
  if (!up(node)) return;
  coverage_.Hit(Probe::kPowerLoss);
  story_->Tell("node ", id(node).value(), " loses power");
  story_->timeline().OnNode(MarkKind::kPowerLoss, node);
  slots_[node]->disk.PowerLoss();
  GoDown(node);
  ScheduleStart(node, down);
}

void World::CrashByKill(size_t node, Duration down) {
  if (!up(node)) return;
  coverage_.Hit(Probe::kProcessKilled);
  story_->Tell("node ", id(node).value(), " is killed");
  story_->timeline().OnNode(MarkKind::kKill, node);
  GoDown(node);
  ScheduleStart(node, down);
}

void World::WipeDisk(size_t node, Duration down) {
  if (wiped_ || !up(node) || scenario_->replication_factor < 3) return;
  // What is damaged elsewhere may be whole on this one only.
  if (!MayRot()) return;
  for (const auto& slot : slots_) {
    if (!slot->node.has_value() || !slot->node->settled()) return;
  }
  wiped_ = true;
  coverage_.Hit(Probe::kDiskWiped);
  story_->Tell("node ", id(node).value(), " is lost, and comes back with an empty disk");
  story_->timeline().OnNode(MarkKind::kPowerLoss, node);
  slots_[node]->disk.Wipe();
  slots_[node]->rejoins = true;
  observer_.OnWiped(id(node));
  GoDown(node);
  ForgetDisk(node);
  ScheduleStart(node, down);
}

void World::ForgetDisk(size_t node) {
  Slot& slot = *slots_[node];
  slot.rot.reset();
  slot.rotten_files.clear();
  slot.shared.clear();
  slot.lost_end.reset();
  slot.unsynced_sidecars.clear();
}

void World::ShutDown(size_t node, Duration down) {
  Slot& slot = *slots_[node];
  if (!up(node) || slot.shutting_down) return;
  coverage_.Hit(Probe::kGracefulRestart);
  story_->Tell("node ", id(node).value(), " is asked to shut down");
  story_->timeline().OnNode(MarkKind::kShutdown, node);
  slot.shutting_down = true;
  slot.down = down;
  Deliver(node, ShutdownRequested{});
}

void World::Arrive(size_t node, bool empty_disk) {
  Slot& slot = *slots_[node];
  TIDEMARK_CHECK(!slot.present);
  story_->Tell("node ", id(node).value(), " arrives", empty_disk ? ", its disk empty" : "");
  if (empty_disk) {
    slot.founder = false;
    slot.disk = Disk(static_cast<uint32_t>(node), scenario_->sector_bytes, &decisions_, &coverage_);
    ForgetDisk(node);
    observer_.OnEmptied(id(node));
  }
  slot.present = slot.arrived = true;
  Start(node);
}

void World::Depart(size_t node) {
  Slot& slot = *slots_[node];
  story_->Tell("node ", id(node).value(), " departs");
  slot.present = false;
  if (!up(node)) {
    ++slot.incarnation;  // it does not start any more
    return;
  }
  story_->timeline().OnNode(MarkKind::kStopped, node);
  slot.disk.PowerLoss();
  GoDown(node);
}

bool World::MayKeepAway() {
  if (!scenario_->newcomers.empty() || scenario_->moves || !MayRot()) return false;
  for (const auto& slot : slots_) {
    const std::unique_ptr<DirectoryView> view = slot->disk.View();
    // Until it is settled nobody can tell a new node from one that has lost its disk.
    const absl::StatusOr<NodeStanding> standing = ReadStanding(*view);
    if (!standing.ok() || !standing->settled) return false;
    for (const std::string& path : slot->rotten_files) {
      const absl::StatusOr<FileId> file = ParsePath(path);
      if (file.ok() && slot->disk.IsRotten(*file)) return false;
    }
  }
  return true;
}

bool World::CanDoWithout(size_t node) const {
  for (size_t other = 0; other < slots_.size(); ++other) {
    if (other == node || !up(other)) continue;
    for (const GroupView& view : slots_[other]->node->Groups()) {
      const raft::JointConfig& voters = view.raft->membership().voters;
      if (view.removing || !voters.Contains(id(node))) continue;
      if (voters.outgoing.voters().size() > 0 || voters.incoming.voters().size() < 3) return false;
    }
  }
  return true;
}

void World::KeepAway(size_t node) {
  Slot& slot = *slots_[node];
  coverage_.Hit(Probe::kNodeAway);
  story_->Tell("node ", id(node).value(), " stays away");
  slot.away = true;
  if (!up(node)) {
    ++slot.incarnation;  // it does not start before it is brought back
    return;
  }
  coverage_.Hit(Probe::kPowerLoss);
  story_->timeline().OnNode(MarkKind::kPowerLoss, node);
  slot.disk.PowerLoss();
  GoDown(node);
}

void World::BringBack() {
  for (size_t node = 0; node < slots_.size(); ++node) {
    if (std::exchange(slots_[node]->away, false)) Start(node);
  }
}

void World::RestartQuietly(size_t node, bool power_loss, Duration down) {
  if (!up(node)) return;
  coverage_.Hit(Probe::kQuietRestart);
  slots_[node]->restarts_quietly = true;
  power_loss ? CrashByPowerLoss(node, down) : CrashByKill(node, down);
}

void World::Pause(size_t node, Duration length) {
  Slot& slot = *slots_[node];
  if (!up(node) || slot.paused) return;
  coverage_.Hit(Probe::kPause);
  story_->Tell("node ", id(node).value(), " pauses for ", length.millis(), " ms");
  story_->timeline().Pauses(node, length);
  slot.paused = true;
  ForIncarnation(length, node, [this, node] {
    slots_[node]->paused = false;
    slots_[node]->ran_since = scheduler_.now();
    Step(node);
  });
}

void World::HangDisk(size_t node, Duration length) {
  if (!up(node)) return;
  Slot& slot = *slots_[node];
  coverage_.Hit(Probe::kDiskHang);
  story_->Tell("the disk of node ", id(node).value(), " hangs for ", length.millis(), " ms");
  slot.hangs_until = std::max(slot.hangs_until, scheduler_.now() + length);
}

void World::SetDiskFull(size_t node, bool full) {
  Slot& slot = *slots_[node];
  slot.disk_full = full;
  if (full) coverage_.Hit(Probe::kDiskFull);
  story_->Tell("the disk of node ", id(node).value(), full ? " is full" : " has space");
  story_->timeline().OnNode(full ? MarkKind::kDiskFull : MarkKind::kDiskSpace, node);
  if (!up(node)) return;
  const uint64_t total = uint64_t{1} << 40;
  Deliver(node, DiskSpace{.free_bytes = full ? 1000 : total / 2, .total_bytes = total});
}

void World::SetWallClock(size_t node, int64_t offset_millis) {
  Slot& slot = *slots_[node];
  coverage_.Hit(Probe::kWallClockSet);
  story_->Tell("the wall clock of node ", id(node).value(), " is set to ", offset_millis,
               " ms off");
  if (story_->timeline().on()) {
    story_->timeline().OnNode(MarkKind::kClock, node, absl::StrCat(offset_millis, " ms off"));
  }
  slot.wall_offset_millis = offset_millis;
  if (up(node)) slot.clock->SetWallOffset(offset_millis);
}

void World::Calm() {
  calm_ = true;
  network_.Calm();
  HealNetwork();
  for (size_t node = 0; node < slots_.size(); ++node) {
    if (slots_[node]->disk_full) SetDiskFull(node, false);
    slots_[node]->hangs_until = Instant();
  }
}

std::vector<size_t> World::LeadersOf(GroupId group) const {
  std::vector<size_t> leaders;
  for (size_t node = 0; node < slots_.size(); ++node) {
    if (!up(node)) continue;
    for (const GroupView& view : slots_[node]->node->Groups()) {
      const bool leads = view.raft->role() == raft::Role::kLeader;
      if (view.group == group && leads) leaders.push_back(node);
    }
  }
  return leaders;
}

std::optional<size_t> World::SomeLeader() const {
  // The last group is a topic's: leaders of data matter more than the catalog's.
  std::optional<size_t> leader;
  for (size_t node = 0; node < slots_.size(); ++node) {
    if (!up(node)) continue;
    for (const GroupView& view : slots_[node]->node->Groups()) {
      if (view.raft->role() == raft::Role::kLeader) leader = node;
    }
  }
  return leader;
}

uint64_t World::Hash() const {
  TraceHash hash = trace_;
  for (const auto& slot : slots_) slot->disk.AddTo(hash);
  return hash.value();
}

void World::Finish() {
  for (size_t node = 0; node < slots_.size(); ++node) {
    if (!up(node)) continue;
    const SealedSegment* rotten = HoldsRot(node) ? &slots_[node]->rot->segment : nullptr;
    observer_.Finish(id(node), *slots_[node]->node, slots_[node]->disk, rotten);
  }
  for (const auto& slot : slots_) {
    if (!slot->node.has_value()) continue;
    coverage_.Hit(Probe::kDigestCompared, slot->node->counters().digests_compared);
  }
  observer_.retention().Finish();
  observer_.ledger().Finish();
}

ClusterFacts World::Facts() const {
  ClusterFacts facts;
  for (size_t node = 0; node < slots_.size(); ++node) {
    if (!present(node)) continue;
    if (slots_[node]->away) {
      facts.away.insert(id(node));
      continue;
    }
    if (!up(node)) {
      facts.members.push_back({.id = id(node)});
      continue;
    }
    facts.members.push_back(observer_.FactsOf(id(node), *slots_[node]->node, LocalNow(node)));
  }
  return facts;
}

}  // namespace tidemark::sim
