#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/trace.h"
#include "engine/node/node.h"
#include "sim/checkers/verdict.h"
#include "sim/clock.h"
#include "sim/coverage.h"
#include "sim/decisions.h"
#include "sim/disk.h"
#include "sim/history.h"
#include "sim/journal/node_journal.h"
#include "sim/network.h"
#include "sim/observer.h"
#include "sim/scenario.h"
#include "sim/scheduler.h"
#include "sim/step_listener.h"
#include "sim/story.h"

namespace tidemark::sim {

// The principal that may do everything.
inline constexpr char kTrusted[] = "sim";

// The world that production nodes run in: virtual time, a network, a disk and a clock for each
// node. Executes what nodes decide, the way the real driver does, with everything that can go wrong
// on the way. Deterministic: one seed, one thread, one result.
class World {
 public:
  World(const Scenario& scenario, Decisions decisions, Story* story);
  ~World();

  // Tells `listener` of every step; must outlive this.
  void ListenWith(StepListener* listener) { listener_ = listener; }

  // Clients tell `history` what they do; must outlive this.
  void RecordTo(History* history) { history_ = history; }
  // Null if nobody wants to know.
  History* history() { return history_; }

  // Boots every node.
  void Boot();
  // Runs what is due next, at or before virtual time `end`; false if nothing is, or if an oracle
  // has spoken.
  bool RunNext(Instant end) { return verdict_.ok() && scheduler_.RunNext(end); }

  size_t nodes() const { return slots_.size(); }
  bool up(size_t node) const { return slots_[node]->node.has_value(); }
  NodeId id(size_t node) const { return scenario_->nodes[node]; }
  const std::string& address(size_t node) const { return slots_[node]->address; }
  // Index of the node at "host:port", if any.
  std::optional<size_t> NodeAt(std::string_view address) const;
  // Changes whenever the node goes down.
  uint32_t incarnation(size_t node) const { return slots_[node]->incarnation; }
  const Node& node(size_t node) const { return *slots_[node]->node; }
  Now LocalNow(size_t node) const;

  // A request arrives at `node`, which is up; `reply` is called once, at the node, unless the node
  // goes down or the request is cancelled first.
  using ReplyFn = std::function<void(Response)>;
  RequestId Submit(size_t node, Request request, ReplyFn reply, std::string principal = kTrusted);
  void Cancel(size_t node, RequestId request);
  // What the driver of a node does for a FetchResponse: reads the range.
  void ReadAt(size_t node, FileRange range, std::function<void(absl::StatusOr<Bytes>)> done);
  // From its next start on the node's life is written to `journal`, which outlives the world.
  void RecordNode(size_t node, NodeJournal* journal) { slots_[node]->journal = journal; }
  // Called when a node goes down, whatever the reason.
  std::function<void(size_t)> on_node_down;

  // Faults that last (faults.cc draws them).
  void CrashByPowerLoss(size_t node, Duration down);
  void CrashByKill(size_t node, Duration down);
  void ShutDown(size_t node, Duration down);
  void Pause(size_t node, Duration length);
  void BreakLink(size_t from, size_t to);
  // Stops messages from `from` to `to`; connections over it break after a while.
  void BlockLink(size_t from, size_t to);
  void HealNetwork() {
    story_->timeline().Heals();
    network_.HealAll();
  }
  void SetDiskFull(size_t node, bool full);
  void SetWallClock(size_t node, int64_t offset_millis);
  // From now on nothing goes wrong any more that has not gone wrong yet.
  void Calm();
  // A node that leads some group, if there is one.
  std::optional<size_t> SomeLeader() const;

  const Scenario& scenario() const { return *scenario_; }
  Scheduler& scheduler() { return scheduler_; }
  const Scheduler& scheduler() const { return scheduler_; }
  Instant now() const { return scheduler_.now(); }
  Decisions& decisions() { return decisions_; }
  const Decisions& decisions() const { return decisions_; }
  Coverage& coverage() { return coverage_; }
  const Coverage& coverage() const { return coverage_; }
  Verdict& verdict() { return verdict_; }
  const Verdict& verdict() const { return verdict_; }
  Observer& observer() { return observer_; }
  const Observer& observer() const { return observer_; }
  Story& story() { return *story_; }
  Network& network() { return network_; }
  // The digest of everything that happened so far, disks included.
  uint64_t Hash() const;
  // The same without the disks, at no cost.
  uint64_t TraceSoFar() const { return trace_.value(); }
  // What is on the disk of `node`, as programs read it back.
  const Disk& disk(size_t node) const { return slots_[node]->disk; }
  // The disk of each node that is up changes a byte of some full segment, if there is one. Its
  // scrubber must find that, and nobody else may look any more.
  void RotSomewhere();
  // Why not all of it is found yet; empty: it is.
  std::string RotNotFound() const;
  // Reads every replica back (checkers/replica equality) and closes the ledger.
  void Finish();
  ClusterFacts Facts() const;

 private:
  struct Slot {
    Slot(uint32_t actor, const Scenario& scenario, Decisions* decisions, Coverage* coverage)
        : disk(actor, scenario.sector_bytes, decisions, coverage) {}
    Endpoint endpoint;
    std::string address;
    Disk disk;
    std::optional<Node> node;
    std::optional<Clock> clock;
    NodeJournal* journal = nullptr;  // if its life is recorded
    uint32_t incarnation = 0;
    bool paused = false;
    bool shutting_down = false;
    int idle_steps = 0;  // steps in a row after which a deadline was due still
    bool disk_full = false;
    int64_t wall_offset_millis = 0;
    Duration down;  // how long the present or coming absence lasts
    std::vector<Event> inbox;
    bool step_scheduled = false;
    Instant timer = Instant::Never();  // virtual time of the timer task under way
    std::vector<bool> knows_address;   // by node
    std::vector<bool> dialling;        // by node
    uint64_t next_request = 1;
    std::map<RequestId, ReplyFn> replies;
    std::map<IoToken, FileBatch> flushes;
    std::optional<SealedSegment> rotten;
    bool rot_found = false;
    std::set<std::string> unsynced_sidecars;  // paths of those whose sync has failed
  };

  // world.cc: time and steps.
  NodeOptions OptionsFor(size_t node) const;
  void Start(size_t node);
  void Deliver(size_t node, Event event);
  void ScheduleStep(size_t node);
  void Step(size_t node);
  void ArmTimer(size_t node);
  void CheckDeadline(size_t node, Now now);
  void GoDown(size_t node);
  void ScheduleStart(size_t node, Duration delay);
  // Runs `function` after `delay` unless the node goes down before.
  template <typename F>
  void ForIncarnation(Duration delay, size_t node, F function) {
    scheduler_.After(delay, [this, node, incarnation = slots_[node]->incarnation,
                             then = std::move(function)]() mutable {
      if (slots_[node]->incarnation == incarnation) then();
    });
  }

  // world_effects.cc: the driver.
  void Execute(size_t node, Effects& effects);
  void ExecuteOne(size_t node, Effect& effect);
  void Send(size_t node, SendPeer send);
  void SendTo(size_t node, SendDatagram send);
  void StreamTo(size_t node, SendGossipStream send);
  // Now and then a bit of `bytes`, which `node` sends, is turned over on the way.
  void Damage(size_t node, Bytes& bytes);
  void Dial(size_t from, size_t to);
  // Whether it was heard.
  bool Hear(size_t from, size_t to, const Bytes& bytes);
  // Why what `from` sends to `to` now does not leave it.
  Outcome WhyNotSent(size_t from, size_t to) const;
  void BeginFlush(size_t node, Flush flush);
  // How a flush ends.
  enum class Fate : uint8_t { kSynced, kSyncFails, kDiskIsFull };
  Fate FateOfFlush(size_t node);
  void EndFlush(size_t node, IoToken token, Fate fate, MarkId mark);
  void Reopen(size_t node, ReopenGroup reopen);
  void OnNote(size_t node, const Note& note);
  static bool IsOfUnsyncedSidecar(const Slot& slot, const std::string& finding);
  std::optional<size_t> NodeOf(NodeId id) const;
  std::optional<size_t> NodeOf(const Endpoint& endpoint) const;

  const Scenario* scenario_;
  Story* story_;
  Decisions decisions_;
  Coverage coverage_;
  Verdict verdict_;
  Scheduler scheduler_;
  Network network_;
  Observer observer_;
  StepListener* listener_ = nullptr;
  History* history_ = nullptr;
  TraceHash trace_;
  bool calm_ = false;
  // Empty; for their capacity.
  Effects effects_;
  std::vector<Event> spare_inbox_;
  std::vector<std::unique_ptr<Slot>> slots_;
};

}  // namespace tidemark::sim
