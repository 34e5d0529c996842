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

  // Boots every node but the newcomers.
  void Boot();
  // Runs what is due next, at or before virtual time `end`; false if nothing is, or if an oracle
  // has spoken.
  bool RunNext(Instant end) { return verdict_.ok() && scheduler_.RunNext(end); }

  size_t nodes() const { return slots_.size(); }
  bool up(size_t node) const { return slots_[node]->node.has_value(); }
  // Whether there is such a machine now: newcomers come, and whoever has left is gone.
  bool present(size_t node) const { return slots_[node]->present; }
  NodeId id(size_t node) const { return slots_[node]->id; }
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
  void ReadAt(size_t node, const FileRange& range, std::function<void(absl::StatusOr<Bytes>)> done);
  // From its next start on the node's life is written to `journal`, which outlives the world.
  void RecordNode(size_t node, NodeJournal* journal) { slots_[node]->journal = journal; }
  // Called when a node goes down, whatever the reason.
  std::function<void(size_t)> on_node_down;

  // Faults that last (faults.cc draws them).
  void CrashByPowerLoss(size_t node, Duration down);
  void CrashByKill(size_t node, Duration down);
  // A machine is lost with its disk, and comes back with an empty one. Nothing happens where that
  // is more than is promised to be survived: two such disks in a run, one while another node is
  // down or not settled, partitions with less than three replicas.
  void WipeDisk(size_t node, Duration down);
  void ShutDown(size_t node, Duration down);
  void Pause(size_t node, Duration length);
  void BreakLink(size_t from, size_t to);
  // Stops messages from `from` to `to`; connections over it break after a while.
  void BlockLink(size_t from, size_t to);
  // Decides whether a leader that sends `message` to `to` hears nothing from now on, for a while.
  void MaybeCutOff(size_t leader, size_t to, const PeerMessage& message);
  // What is sent `from` -> `to` is `delay` late, for `length`.
  void SlowLink(size_t from, size_t to, Duration delay, Duration length);
  // What is sent on the present connection vanishes; after `length` the sender gives it up.
  void HalfOpenLink(size_t from, size_t to, Duration length);
  void HealNetwork() {
    story_->timeline().Heals();
    network_.HealAll();
  }
  // Nothing that is being flushed, or begins to be, is done before `length` is over.
  void HangDisk(size_t node, Duration length);
  void SetDiskFull(size_t node, bool full);
  void SetWallClock(size_t node, int64_t offset_millis);
  // From now on nothing goes wrong any more that has not gone wrong yet.
  void Calm();
  // A machine that is not there comes, and its node starts: as one that has only been told where
  // to find the others if its disk is empty, else as what it was.
  void Arrive(size_t node, bool empty_disk);
  // It is gone: of itself, or the power is cut.
  void Depart(size_t node);
  // No group needs it for a quorum, as far as the others know.
  bool CanDoWithout(size_t node) const;
  // The power is cut, and stays so until BringBack. Whether any may be kept away: members stay, and
  // every copy of everything is there.
  bool MayKeepAway();
  void KeepAway(size_t node);
  void BringBack();
  // While all is calm the process of `node`, or its machine, goes down for a moment, and its disk
  // may have changed the end of a log.
  void RestartQuietly(size_t node, bool power_loss, Duration down);
  // Who believes to lead `group`, by node.
  std::vector<size_t> LeadersOf(GroupId group) const;
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
  // world_rot.cc. The disk of each node that is up changes a byte of some full segment, if there is
  // one: the very end, where all of them may.
  void RotSomewhere();
  // While all goes on: the disk of one node (chosen at `which`) changes a byte of a full segment
  // that others have as well, unless an earlier one is not repaired yet: of nothing that is
  // committed more than one copy is ever damaged.
  void RotUnderFaults(const Place& which);
  // Why not all of it is found, and repaired where somebody else has it, yet; empty: it is.
  std::string RotLeft() const;
  // Whoever read `file` on `node`, as it was told to, says that its bytes are wrong.
  void TellDamage(size_t node, const FileId& file);
  // Whether a read of `file` on `node` may meet bytes that the disk has changed.
  bool IsRotten(size_t node, const FileId& file) const { return slots_[node]->disk.IsRotten(file); }
  // Reads every replica back (checkers/replica equality) and closes the ledger.
  void Finish();
  ClusterFacts Facts() const;

 private:
  // A byte that the disk has changed in a full segment.
  struct Rot {
    SealedSegment segment;
    LogIndex entry;      // the damaged one; 0: the header
    std::string frames;  // all of the segment's, before
    bool found = false;
    bool repaired = false;
  };
  struct Slot {
    Slot(uint32_t actor, NodeId id_in, const Scenario& scenario, Decisions* decisions,
         Coverage* coverage)
        : id(id_in), disk(actor, scenario.sector_bytes, decisions, coverage) {}
    NodeId id;
    bool present = false;
    bool away = false;     // KeepAway
    bool founder = false;  // it is told who founds the cluster
    // Later, by an operator who tells it who is there: those it knows of may have gone.
    bool arrived = false;
    bool restarts_quietly = false;
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
    bool rejoins = false;  // its disk was lost, and it was not let in again yet
    int64_t wall_offset_millis = 0;
    Duration down;  // how long the present or coming absence lasts
    std::vector<Event> inbox;
    bool step_scheduled = false;
    Instant timer = Instant::Never();  // virtual time of the timer task under way
    std::vector<bool> knows_address;   // by node
    std::vector<bool> dialling;        // by node
    uint64_t next_request = 1;
    std::map<RequestId, ReplyFn> replies;
    struct Flushing {
      FileBatch batch;
      Instant begun;
    };
    std::map<IoToken, Flushing> flushes;
    Instant hangs_until;
    Instant ran_since;           // when it started, or a pause ended
    Instant cut_off_again_at;    // not earlier
    uint32_t shaky_flushes = 0;  // that may meet a power loss more often than others
    std::map<uint64_t, uint32_t> flushes_of_sort;  // how many, by what they do to files
    std::optional<Rot> rot;                        // the last one
    std::set<std::string> rotten_files;            // paths of all
    std::set<GroupId> shared;                      // as of when it went down (IsShared)
    std::optional<GroupId> lost_end;  // whose log's end has rotted and is not fetched again yet
    // Paths of those whose sync has failed, or was cut short.
    std::set<std::string> unsynced_sidecars;
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
  // What is wrong with the files of a disk that is emptied.
  void ForgetDisk(size_t node);
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
  // Now and then one of the entries that `message` answers with is another one.
  void MaybeForge(size_t from, size_t to, PeerMessage& message);
  // Now and then a bit of `bytes`, which `node` sends, is turned over on the way.
  void Damage(size_t node, Bytes& bytes);
  void Dial(size_t from, size_t to);
  // Whether it was heard.
  bool Hear(size_t from, size_t to, const Bytes& bytes);
  // Why what `from` sends to `to` now does not leave it.
  Outcome WhyNotSent(size_t from, size_t to) const;
  void BeginFlush(size_t node, Flush flush);
  // Decides whether the power goes while `batch`, which takes `length`, is under way or soon after.
  void MaybeCrashInFlush(size_t node, const FileBatch& batch, Duration length);
  // How a flush ends.
  enum class Fate : uint8_t { kSynced, kSyncFails, kDiskIsFull };
  Fate FateOfFlush(size_t node);
  void EndFlush(size_t node, IoToken token, Fate fate, MarkId mark);
  // Whoever leads although its disk hung for longer than it may.
  void CheckHung(size_t node, Instant flush_begun);
  void Reopen(size_t node, ReopenGroup reopen);
  void OnNote(size_t node, const Note& note);
  // Whether a read fails that `node` does now; `stream` as in Place.
  bool ReadFails(size_t node, uint32_t stream);

  // world_rot.cc
  void RotAt(size_t node, SealedSegment segment);
  // A node starts: a repair may have lasted through a crash that took the news of it.
  void NoticeRepair(size_t node);
  // And near the end of one of its logs a byte may have changed meanwhile, or a write may turn out
  // to have gone elsewhere.
  void RotLogEnd(size_t node);
  // An entry, and up to where its log was known to be committed.
  struct Committed {
    FileRange place;
    LogIndex committed;
  };
  std::vector<Committed> LastCommitted(size_t node) const;
  bool IsRefetchable(size_t node, GroupId group) const;
  void MisdirectWrite(size_t node, const Committed& last, const std::vector<Committed>& places);
  // Whether a start notices. That it must, if it finds less than what was `committed`.
  bool GivesUpEnd(size_t node, GroupId group, LogIndex committed);
  void LosesEnd(size_t node, const FileId& file, const std::string& how);
  // Whether what rotted on `node` is, or may be, there still.
  bool HoldsRot(size_t node) const;
  // No disk was emptied, and nothing that has rotted is still to be repaired, as far as can be
  // told: of nodes that are down it cannot.
  bool MayRot();
  // Whether this is one of three voters or more: what it loses some other one has, and none of them
  // has to wait for it to come back.
  static bool IsShared(const GroupView& view, NodeId self);
  // Whether the end of the log that `slot` lost is back.
  bool HasRegained(Slot& slot, Now now);
  void OnRepaired(size_t node, const std::string& text);
  void OnLogEndGivenUp(size_t node, const Note& note);
  static bool NamesRotten(const Slot& slot, const std::string& text);
  // Whether some other replica could give back what rots on `node`.
  bool IsRepairable(size_t node, const Rot& rot) const;
  static void ForgetSidecars(Slot& slot, const FileBatch& batch);
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
  bool wiped_ = false;  // some disk, in this run
  // Empty; for their capacity.
  Effects effects_;
  std::vector<Event> spare_inbox_;
  std::vector<std::unique_ptr<Slot>> slots_;
};

}  // namespace tidemark::sim
