#include <algorithm>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/log/batch.h"
#include "engine/node/recovered_group.h"
#include "proto/peer_convert.h"
#include "sim/trace_encode.h"
#include "sim/world.h"

// The driver of a simulated node: executes effects, brings completions back.

namespace tidemark::sim {
namespace {

// A connection that could not be made, or broke, is dialled again after this long.
constexpr Duration kRedial = Duration::Millis(50);

// Whether the group's hard state goes for good: its topic was deleted.
bool RemovesGroup(const FileBatch& batch) {
  bool removed = false;
  for (const FileOp& op : batch.ops) {
    const auto* remove = std::get_if<RemoveFile>(&op);
    if (remove != nullptr) removed = removed || remove->file.kind == FileKind::kHardState;
    const auto* create = std::get_if<CreateFile>(&op);
    if (create != nullptr && create->file.kind == FileKind::kHardState) return false;
  }
  return removed;
}

// What the transport's frame holds: the parts, one after the other.
Bytes OneFrame(const std::vector<Bytes>& parts) {
  if (parts.size() == 1) return parts.front();
  size_t bytes = 0;
  for (const Bytes& part : parts) bytes += part.size();
  std::string frame;
  frame.reserve(bytes);
  for (const Bytes& part : parts) frame.append(part.view());
  return Bytes::From(std::move(frame));
}

}  // namespace

void World::Execute(size_t node, Effects& effects) {
  const uint32_t incarnation = slots_[node]->incarnation;
  const uint32_t actor = static_cast<uint32_t>(node);
  // A crash between two effects of one step: what was decided together happens in part.
  const bool crash = !calm_ && scenario_->crash_in_step > 0 && effects.size() > 1 &&
                     decisions_.Fault(Site::kCrashInStep, actor, scenario_->crash_in_step);
  const size_t end =
      crash ? decisions_.Below(Site::kCrashEffect, actor, effects.size()) : effects.size();
  for (size_t i = 0; i < end; ++i) {
    AddTo(trace_, effects[i]);
    if (listener_ != nullptr) listener_->OnEffect(effects[i]);
    ExecuteOne(node, effects[i]);
    if (slots_[node]->incarnation != incarnation) return;  // it went down
  }
  if (!crash) return;
  coverage_.Hit(Probe::kCrashInStep);
  CrashByPowerLoss(
      node, decisions_.Between(Site::kCrashDown, actor, Duration::Millis(5), scenario_->down_max));
}

void World::ExecuteOne(size_t node, Effect& effect) {
  Slot& slot = *slots_[node];
  std::visit(
      [&](auto& e) {
        using E = std::decay_t<decltype(e)>;
        if constexpr (std::is_same_v<E, SendPeer>) {
          Send(node, std::move(e));
        } else if constexpr (std::is_same_v<E, SetPeerAddress>) {
          const std::optional<size_t> peer = NodeOf(e.node);
          if (!peer.has_value() || slots_[*peer]->endpoint != e.address) {
            verdict_.Fail("peer_address",
                          absl::StrCat("node ", id(node).value(), " believes node ", e.node.value(),
                                       " to be at ", e.address.ToString()));
            return;
          }
          slot.knows_address[*peer] = true;
          Dial(node, *peer);
        } else if constexpr (std::is_same_v<E, SendDatagram>) {
          SendTo(node, std::move(e));
        } else if constexpr (std::is_same_v<E, SendGossipStream>) {
          StreamTo(node, std::move(e));
        } else if constexpr (std::is_same_v<E, Reply>) {
          const auto found = slot.replies.find(e.id);
          if (found == slot.replies.end()) return;  // cancelled
          const ReplyFn reply = std::move(found->second);
          slot.replies.erase(found);
          reply(std::move(e.response));
        } else if constexpr (std::is_same_v<E, Flush>) {
          BeginFlush(node, std::move(e));
        } else if constexpr (std::is_same_v<E, ReadRange>) {
          coverage_.Hit(Probe::kColdRead);
          const Duration delay =
              decisions_.Between(Site::kReadLatency, static_cast<uint32_t>(node),
                                 Duration::Micros(5), scenario_->flush_min + Duration::Micros(10));
          const bool fails = ReadFails(node, static_cast<uint32_t>(node));
          ForIncarnation(delay, node, [this, node, fails, read = e] {
            absl::StatusOr<Bytes> bytes = absl::UnavailableError("a read fails");
            if (!fails) bytes = slots_[node]->disk.Read(read.file, read.pos, read.length);
            Deliver(node, ReadDone{read.token, std::move(bytes)});
          });
        } else if constexpr (std::is_same_v<E, ReopenGroup>) {
          Reopen(node, e);
        } else if constexpr (std::is_same_v<E, Note>) {
          OnNote(node, e);
        } else {
          static_assert(std::is_same_v<E, ShutdownComplete>);
          story_->Tell("node ", id(node).value(), " has shut down");
          story_->timeline().OnNode(MarkKind::kStopped, node);
          const Duration down = slot.down;
          GoDown(node);
          ScheduleStart(node, down);
        }
      },
      effect);
}

void World::ForgetSidecars(Slot& slot, const FileBatch& batch) {
  for (const FileId& file : batch.sync) {
    if (file.kind == FileKind::kIndex) slot.unsynced_sidecars.insert(PathOf(file));
  }
  // Those that are not synced with each write are with a later one, of which nobody knows yet.
  for (const FileOp& op : batch.ops) {
    const auto* write = std::get_if<WriteFile>(&op);
    if (write == nullptr || write->file.kind != FileKind::kIndex) continue;
    slot.unsynced_sidecars.insert(PathOf(write->file));
  }
}

// What a sidecar held when its sync failed may read back until a power loss takes it, and of one
// that was being synced then any part may be missing. Frames are
// written again when that shows (engine/log/recovery.cc), a sidecar only when it is missed: all it
// says is in the frames, and the scrubber makes it anew.
bool World::IsOfUnsyncedSidecar(const Slot& slot, const std::string& finding) {
  return absl::StrContains(finding, "stale sidecar") &&
         std::any_of(slot.unsynced_sidecars.begin(), slot.unsynced_sidecars.end(),
                     [&](const std::string& path) { return absl::StrContains(finding, path); });
}

void World::OnNote(size_t node, const Note& note) {
  std::string text;
  for (const auto& [key, value] : note.fields) absl::StrAppend(&text, " ", key, "=", value);
  if (story_->on()) story_->Tell("node ", id(node).value(), " notes ", note.event, text);
  if (story_->timeline().on()) {
    const bool member = absl::StartsWith(note.event, "member_");
    story_->timeline().OnNode(member ? MarkKind::kMember : MarkKind::kNote, node,
                              absl::StrCat(note.event, text));
  }
  if (note.event == "scrub_pass") coverage_.Hit(Probe::kScrubPass);
  if (note.event == "segment_repaired") OnRepaired(node, text);
  if (note.event == "log_end_given_up") OnLogEndGivenUp(node, note);
  if (note.event == "log_refetched") coverage_.Hit(Probe::kLogRefetched);
  if (note.event == "diverged") {
    verdict_.Fail("divergence", absl::StrCat("node ", id(node).value(), ":", text));
  }
  if (note.event != "scrub_finding") return;
  coverage_.Hit(Probe::kScrubFinding);
  // Once it is found nobody waits for it any more; found again it is the same.
  Slot& slot = *slots_[node];
  if (NamesRotten(slot, text)) {
    // What a write that went elsewhere has replaced rots in a file, too, and is no Rot.
    if (slot.rot.has_value()) {
      slot.rot->found |= absl::StrContains(text, PathOf(slot.rot->segment.file()));
    }
  } else if (!IsOfUnsyncedSidecar(slot, text)) {
    verdict_.Fail("scrub",
                  absl::StrCat("node ", id(node).value(), " finds damage where none is:", text));
  }
}

void World::Send(size_t node, SendPeer send) {
  observer_.OnSent(send.message);
  const std::optional<size_t> to = NodeOf(send.to);
  if (!to.has_value() || !slots_[node]->knows_address[*to]) return;
  const Network::Arrivals arrivals = network_.PlanMessage(scheduler_.now(), node, *to);
  if (!calm_ && scenario_->leader_cut_off > 0) MaybeCutOff(node, *to, send.message);
  if (!calm_ && scenario_->frames_forged > 0) MaybeForge(node, *to, send.message);
  const MarkId mark = story_->timeline().Sends(node, *to, send.message);
  if (arrivals.count == 0) {
    story_->timeline().Ends(mark, WhyNotSent(node, *to));
    return;
  }
  const Bytes bytes = OneFrame(EncodePeer(send.message));
  for (size_t i = 0; i < arrivals.count; ++i) {
    scheduler_.At(arrivals.at[i],
                  [this, from = node, to = *to, mark, epoch = network_.Epoch(node, *to), bytes] {
                    if (network_.Epoch(from, to) != epoch)
                      return story_->timeline().Ends(mark, Outcome::kBroken);
                    if (!network_.Reachable(from, to))
                      return story_->timeline().Ends(mark, Outcome::kBlocked);
                    const bool heard = Hear(from, to, bytes);
                    story_->timeline().Ends(mark, heard ? Outcome::kDone : Outcome::kReceiverDown);
                  });
  }
}

Outcome World::WhyNotSent(size_t from, size_t to) const {
  if (!network_.Reachable(from, to) || network_.IsHalfOpen(from, to)) return Outcome::kBlocked;
  return network_.Connected(from, to) ? Outcome::kLost : Outcome::kBroken;
}

bool World::Hear(size_t from, size_t to, const Bytes& bytes) {
  if (!up(to)) return false;
  absl::StatusOr<PeerMessage> message = DecodePeer(bytes);
  if (!message.ok()) {
    verdict_.Fail("peer_codec", absl::StrCat("a message of node ", id(from).value(),
                                             " cannot be read: ", message.status().message()));
    return true;
  }
  observer_.contact().OnHeard(id(to), id(from), scheduler_.now());
  Deliver(to, PeerReceived{id(from), *std::move(message)});
  return true;
}

void World::SendTo(size_t node, SendDatagram send) {
  const std::optional<size_t> to = NodeOf(send.to);
  if (!to.has_value()) return;
  const Network::Arrivals arrivals = network_.PlanDatagram(scheduler_.now(), node, *to);
  const MarkId mark = story_->timeline().Gossips(node, *to, send.bytes.size());
  if (arrivals.count == 0) {
    story_->timeline().Ends(mark,
                            network_.Reachable(node, *to) ? Outcome::kLost : Outcome::kBlocked);
  }
  if (!calm_ && scenario_->datagram_damaged > 0) Damage(node, send.bytes);
  for (size_t i = 0; i < arrivals.count; ++i) {
    scheduler_.At(arrivals.at[i], [this, from = node, to = *to, mark, bytes = send.bytes] {
      story_->timeline().Ends(mark, up(to) ? Outcome::kDone : Outcome::kReceiverDown);
      if (up(to)) Deliver(to, DatagramReceived{slots_[from]->endpoint, bytes});
    });
  }
}

void World::Damage(size_t node, Bytes& bytes) {
  const uint32_t actor = static_cast<uint32_t>(node);
  if (!decisions_.Fault(Site::kDatagramDamaged, actor, scenario_->datagram_damaged)) return;
  coverage_.Hit(Probe::kDatagramDamaged);
  std::string damaged(bytes.view());
  const uint64_t bit = decisions_.Below(Site::kDamagedBit, actor, damaged.size() * 8);
  damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
  bytes = Bytes::From(std::move(damaged));
}

void World::StreamTo(size_t node, SendGossipStream send) {
  const std::optional<size_t> to = NodeOf(send.to);
  if (!to.has_value() || *to == node || !network_.Reachable(node, *to)) return;
  scheduler_.After(network_.DialTime(node, *to), [this, from = node, to = *to, bytes = send.bytes] {
    if (up(to) && network_.Reachable(from, to)) Deliver(to, GossipStreamReceived{bytes});
  });
}

void World::Dial(size_t from, size_t to) {
  Slot& slot = *slots_[from];
  if (from == to || slot.dialling[to] || network_.Connected(from, to)) return;
  slot.dialling[to] = true;
  ForIncarnation(network_.DialTime(from, to), from, [this, from, to] {
    slots_[from]->dialling[to] = false;
    if (up(to) && network_.Reachable(from, to) && network_.Reachable(to, from)) {
      network_.Connect(from, to);
      story_->timeline().OnLink(MarkKind::kLinkUp, from, to);
      Deliver(from, PeerLink{id(to), true});
      return;
    }
    slots_[from]->dialling[to] = true;
    ForIncarnation(kRedial, from, [this, from, to] {
      slots_[from]->dialling[to] = false;
      Dial(from, to);
    });
  });
}

void World::BreakLink(size_t from, size_t to) {
  if (!network_.Connected(from, to)) return;
  network_.Disconnect(from, to);
  story_->timeline().OnLink(MarkKind::kLinkDown, from, to);
  if (!up(from)) return;
  ForIncarnation(Duration::Micros(100), from, [this, from, to] {
    Deliver(from, PeerLink{id(to), false});
    Dial(from, to);
  });
}

void World::BlockLink(size_t from, size_t to) {
  network_.Block(from, to);
  story_->timeline().OnLink(MarkKind::kBlock, from, to);
  // The transport notices after a while that nothing is acknowledged: either direction will do.
  for (const auto& [a, b] : {std::pair(from, to), std::pair(to, from)}) {
    scheduler_.After(scenario_->election_timeout * 2,
                     [this, x = a, y = b, epoch = network_.Epoch(a, b)] {
                       const bool blocked = !network_.Reachable(x, y) || !network_.Reachable(y, x);
                       if (blocked && network_.Epoch(x, y) == epoch) BreakLink(x, y);
                     });
  }
}

void World::SlowLink(size_t from, size_t to, Duration delay, Duration length) {
  network_.Slow(from, to, delay);
  scheduler_.After(length, [this, from, to] { network_.Slow(from, to, Duration()); });
}

void World::HalfOpenLink(size_t from, size_t to, Duration length) {
  network_.HalfOpen(from, to);
  scheduler_.After(length, [this, from, to, epoch = network_.Epoch(from, to)] {
    if (network_.Epoch(from, to) == epoch) BreakLink(from, to);
  });
}

World::Fate World::FateOfFlush(size_t node) {
  const uint32_t actor = static_cast<uint32_t>(node);
  if (calm_) return Fate::kSynced;
  if (slots_[node]->disk_full && decisions_.Percent(Place(Site::kWriteFails, actor), 25)) {
    return Fate::kDiskIsFull;
  }
  const bool fails = scenario_->flush_fails > 0 &&
                     decisions_.Fault(Site::kFlushFails, actor, scenario_->flush_fails);
  return fails ? Fate::kSyncFails : Fate::kSynced;
}

void World::BeginFlush(size_t node, Flush flush) {
  Slot& slot = *slots_[node];
  const uint32_t actor = static_cast<uint32_t>(node);
  if (RemovesGroup(flush.batch)) observer_.OnRemoved(id(node), flush.group);
  const Fate fate = FateOfFlush(node);
  if (fate == Fate::kDiskIsFull) {
    // It gets as far as it gets, and syncs nothing.
    ForgetSidecars(slot, flush.batch);
    const size_t done = decisions_.Below(Site::kWriteFailsAfter, actor, flush.batch.ops.size() + 1);
    flush.batch.ops.resize(done);
    flush.batch.sync.clear();
  }
  if (const absl::Status status = slot.disk.Execute(flush.batch); !status.ok()) {
    verdict_.Fail("disk_contract", absl::StrCat("node ", id(node).value(), ": ", status.message()));
    return;
  }
  for (const FileOp& op : flush.batch.ops) {
    const auto* create = std::get_if<CreateFile>(&op);
    if (create == nullptr) continue;
    if (create->file.kind == FileKind::kSegment && create->file.number > 0) {
      coverage_.Hit(Probe::kSegmentRolled);
    }
  }
  observer_.durable().OnWritten(id(node), flush.batch);
  Duration delay =
      decisions_.Between(Site::kFlushLatency, actor, scenario_->flush_min, scenario_->flush_max);
  if (!calm_ && scenario_->flush_slow > 0 &&
      decisions_.Fault(Site::kFlushSlow, actor, scenario_->flush_slow)) {
    coverage_.Hit(Probe::kSlowFlush);
    delay = delay + decisions_.Between(Site::kSlowFlushLatency, actor, Duration::Millis(10),
                                       scenario_->flush_slow_max);
  }
  MaybeCrashInFlush(node, flush.batch, delay);
  const MarkId mark = story_->timeline().Flushes(node, flush);
  slot.flushes.emplace(flush.token,
                       Slot::Flushing{.batch = std::move(flush.batch), .begun = scheduler_.now()});
  ForIncarnation(delay, node, [this, node, token = flush.token, fate, mark] {
    EndFlush(node, token, fate, mark);
  });
}

void World::CheckHung(size_t node, Instant flush_begun) {
  const Slot& slot = *slots_[node];
  if (slot.paused) return;
  // By then whoever was asked to take over has had its time, however slow its clock; steps theirs.
  const Duration shown = scenario_->disk_stall_timeout + scenario_->election_timeout * 2;
  const Duration bound =
      Duration::Nanos(shown.nanos() / (1'000'000 - scenario_->clock_drift_ppm_max) * 1'000'000) +
      scenario_->step_delay_max * 4 + Duration::Millis(20);
  const Instant since = std::max(flush_begun, slot.ran_since);
  if (scheduler_.now() - since <= bound) return;
  for (const GroupView& view : slot.node->Groups()) {
    if (view.failure != nullptr || view.removing) continue;
    if (view.raft->role() != raft::Role::kLeader) continue;
    // Learners cannot take over.
    if (view.raft->membership().voters.Voters().size() < 2) continue;
    // Nor can who is a voter only now.
    const Instant voters_since = observer_.VotersSince(id(node), view.group);
    if (scheduler_.now() - voters_since <= bound) continue;
    verdict_.Fail("disk_stall", absl::StrCat("node ", id(node).value(), " still leads group ",
                                             view.group.value(), ", though its disk has hung for ",
                                             (scheduler_.now() - since).millis(), " ms"));
    return;
  }
}

void World::EndFlush(size_t node, IoToken token, Fate fate, MarkId mark) {
  Slot& slot = *slots_[node];
  const auto found = slot.flushes.find(token);
  CheckHung(node, found->second.begun);
  if (scheduler_.now() < slot.hangs_until) {
    // Often enough for whoever looks at what the node does meanwhile.
    const Duration again = std::min(slot.hangs_until - scheduler_.now(), Duration::Millis(50));
    ForIncarnation(again, node,
                   [this, node, token, fate, mark] { EndFlush(node, token, fate, mark); });
    return;
  }
  const FileBatch batch = std::move(found->second.batch);
  slot.flushes.erase(found);
  if (fate == Fate::kSynced) {
    slot.disk.Synced(batch);
    observer_.durable().OnSynced(id(node), batch);
    story_->timeline().Ends(mark);
    Deliver(node, IoDone{token, absl::OkStatus()});
    return;
  }
  if (fate == Fate::kDiskIsFull) {
    coverage_.Hit(Probe::kWriteFailed);
    story_->Tell("a write fails on node ", id(node).value(), ", its disk is full");
    story_->timeline().Ends(mark, Outcome::kNoSpace);
    Deliver(node, IoDone{token, absl::ResourceExhaustedError("no space left")});
    return;
  }
  slot.disk.SyncFailed(batch);
  ForgetSidecars(slot, batch);
  observer_.durable().OnSyncFailed(id(node), batch);
  coverage_.Hit(Probe::kSyncFailed);
  story_->Tell("a sync fails on node ", id(node).value());
  story_->timeline().Ends(mark, Outcome::kFailed);
  Deliver(node, IoDone{token, absl::UnavailableError("sync failed")});
  // Now and then the machine does not live much longer: what was lost shows.
  if (!decisions_.Fault(Site::kDiesAfterFailedSync, static_cast<uint32_t>(node), 333'333)) return;
  const Duration alive =
      decisions_.Between(Site::kLivesAfterFailedSync, static_cast<uint32_t>(node),
                         Duration::Millis(1), Duration::Seconds(1));
  ForIncarnation(alive, node, [this, node] { CrashByPowerLoss(node, Duration::Millis(100)); });
}

void World::Reopen(size_t node, ReopenGroup reopen) {
  const Duration delay =
      decisions_.Between(Site::kReopen, static_cast<uint32_t>(node), Duration::Micros(5),
                         scenario_->flush_max + Duration::Micros(10));
  ForIncarnation(delay, node, [this, node, reopen] {
    const std::unique_ptr<DirectoryView> view = slots_[node]->disk.View();
    const LogOptions& options = slots_[node]->node->options().log;
    NodeJournal* const journal = slots_[node]->journal;
    absl::StatusOr<std::shared_ptr<RecoveredGroup>> read =
        journal != nullptr ? journal->RecoverAgain(reopen, options, *view)
                           : RecoverGroupAgain(reopen.group, options, *view, reopen.committed);
    if (!read.ok()) {
      verdict_.Fail("recovery", absl::StrCat("node ", id(node).value(), " cannot reopen group ",
                                             reopen.group.value(), ": ", read.status().message()));
      return;
    }
    observer_.OnReopened(id(node), reopen.group);
    Deliver(node, GroupReopened{reopen.token, std::move(read)});
  });
}

RequestId World::Submit(size_t node, Request request, ReplyFn reply, std::string principal) {
  Slot& slot = *slots_[node];
  const RequestId request_id{slot.next_request++};
  slot.replies.emplace(request_id, std::move(reply));
  Deliver(node, RequestReceived{request_id, std::move(principal), std::move(request)});
  return request_id;
}

void World::Cancel(size_t node, RequestId request) {
  if (!up(node) || slots_[node]->replies.erase(request) == 0) return;
  Deliver(node, RequestCancelled{request});
}

void World::ReadAt(size_t node, const FileRange& range,
                   std::function<void(absl::StatusOr<Bytes>)> done) {
  const Duration delay = decisions_.Between(
      Place(Site::kFetchReadLatency, static_cast<uint32_t>(node), static_cast<uint32_t>(node) + 8),
      Duration::Micros(1), scenario_->flush_min + Duration::Micros(10));
  const bool fails = ReadFails(node, static_cast<uint32_t>(node) + 8);
  ForIncarnation(delay, node,
                 [this, node, fails, file = range.file, pos = range.pos, length = range.length,
                  done = std::move(done)] {
                   if (fails) {
                     done(absl::UnavailableError("a read fails"));
                   } else {
                     done(slots_[node]->disk.Read(file, pos, length));
                   }
                 });
}

bool World::ReadFails(size_t node, uint32_t stream) {
  if (calm_ || scenario_->read_fails == 0) return false;
  const Place at(Site::kReadFails, static_cast<uint32_t>(node), stream);
  if (!decisions_.Fault(at, scenario_->read_fails)) return false;
  coverage_.Hit(Probe::kReadFailed);
  story_->Tell("a read fails on node ", id(node).value());
  return true;
}

}  // namespace tidemark::sim
