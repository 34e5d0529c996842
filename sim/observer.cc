#include "sim/observer.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/gossip/swim.h"
#include "engine/log/batch.h"
#include "engine/log/segment.h"

namespace tidemark::sim {

Observer::Observer(Verdict* verdict, Coverage* coverage, Story* story)
    : verdict_(verdict),
      coverage_(coverage),
      story_(story),
      elections_(verdict),
      matching_(verdict),
      committed_(verdict),
      completeness_(&committed_, verdict),
      commits_(verdict),
      votes_(verdict),
      durable_(verdict),
      emptied_(verdict),
      catalogs_(verdict),
      configuration_(&committed_, verdict),
      acked_(&committed_, verdict),
      consumers_(&committed_, verdict),
      retention_(&committed_, &durable_, verdict),
      compaction_(&committed_, verdict, coverage),
      reads_(verdict),
      access_(verdict),
      gossip_(verdict, coverage),
      contact_(verdict),
      disk_files_(verdict),
      canary_(verdict) {}

void Observer::OnRemoved(NodeId id, GroupId group) {
  if (catalogs_.Dropped(group, id)) {
    coverage_->Hit(Probe::kReplicaDropped);
    story_->Tell("node ", id.value(), " removes its files of group ", group.value(),
                 ", which has moved away");
    story_->timeline().OfGroup(MarkKind::kRemoved, id, group);
    configuration_.OnDropped(group, id);
    return Forget(id, group);
  }
  if (ledger_groups_.contains(group)) {
    verdict_->Fail("acked_durability", absl::StrCat("node ", id.value(), " removes group ",
                                                    group.value(), ", which nobody deleted"));
  }
  deleted_.insert(group);
  story_->timeline().OfGroup(MarkKind::kRemoved, id, group);
}

void Observer::AfterStep(NodeId id, const Node& node, const Disk& disk, WallTime wall, Instant now,
                         Instant ran_since) {
  node.Groups(views_);
  // Both are in order of groups: one walk instead of a search for each.
  auto known = replicas_.lower_bound({id, GroupId{0}});
  for (const GroupView& view : views_) {
    // A replica that is being removed, or whose storage failed, answers nobody and has no timers.
    if (contact_.demanded() && !view.removing && view.failure == nullptr &&
        view.raft->role() == raft::Role::kLeader) {
      contact_.OnLeads(view.group, id, view.raft->term(), view.raft->membership().voters, now,
                       ran_since);
    }
    story_->timeline().State(id, view);
    if (view.failure != nullptr || view.removing || deleted_.contains(view.group)) continue;
    const std::pair key(id, view.group);
    while (known != replicas_.end() && known->first < key) ++known;
    if (known == replicas_.end() || known->first != key) {
      known = replicas_.try_emplace(known, key);
    }
    Absorb(id, view, disk, wall, now, known->second);
  }
  views_.clear();
  CheckCatalog(id, node);
  CheckGossip(id, node);
}

void Observer::CheckGossip(NodeId id, const Node& node) {
  const auto [seen, fresh] = seen_gossip_.try_emplace(id);
  if (!fresh && seen->second == node.gossip().revision()) return;
  seen->second = node.gossip().revision();
  gossip_.OnView(id, node.gossip().members());
}

void Observer::OnCrash(NodeId id) {
  commits_.OnRestart(id);
  votes_.OnRestart(id);
  durable_.OnCrash(id);
  seen_catalogs_.erase(id);
  seen_gossip_.erase(id);
  gossip_.OnRestart(id);
  contact_.OnRestart(id);
  std::erase_if(replicas_, [&](const auto& entry) { return entry.first.first == id; });
}

void Observer::OnWiped(NodeId id) {
  std::vector<GroupId> groups;
  for (const auto& [key, replica] : replicas_) {
    if (key.first != id || deleted_.contains(key.second)) continue;
    groups.push_back(key.second);
    retention_.OnInstalled(key.second, id);
    emptied_.OnWiped(key.second, id, LogIndex{committed_.LogOf(key.second).size()});
  }
  votes_.OnWiped(id);
  durable_.OnWiped(id, groups);
}

void Observer::OnSent(const PeerMessage& message) {
  if (message.snapshot != nullptr || message.introduction != nullptr) return;
  if (message.beats != nullptr) {
    for (const Beat& beat : message.beats->beats) {
      const auto* alive = std::get_if<raft::HeartbeatReply>(&beat.body);
      if (alive == nullptr || deleted_.contains(beat.group)) continue;
      raft::Message reply = message.message;
      reply.term = beat.term;
      reply.body = *alive;
      emptied_.OnSent(beat.group, reply);
    }
    return;
  }
  if (deleted_.contains(message.group)) return;
  emptied_.OnSent(message.group, message.message);
  votes_.OnSent(message.group, message.message);
  configuration_.OnSent(message.group, message.message);
}

void Observer::Forget(NodeId id, GroupId group) {
  replicas_.erase({id, group});
  commits_.OnReopened(group, id);
  votes_.Forget(group, id);
  durable_.Forget(group, id);
  retention_.Forget(group, id);
}

void Observer::OnEmptied(NodeId id) {
  Forget(id, kCatalogGroup);
  for (const auto& [name, topic] : catalog().topics()) {
    for (const CatalogPartition& partition : topic.partitions) Forget(id, partition.group);
  }
}

void Observer::OnReopened(NodeId id, GroupId group) {
  coverage_->Hit(Probe::kGroupReopened);
  story_->timeline().OfGroup(MarkKind::kReopened, id, group);
  commits_.OnReopened(group, id);
  votes_.OnReopened(group, id);
  replicas_.erase({id, group});
}

void Observer::Absorb(NodeId id, const GroupView& view, const Disk& disk, WallTime wall,
                      Instant instant, Replica& replica) {
  // What became durable changes nothing else that is looked at, and may be spoken of at once.
  emptied_.OnState(view.group, id, view.raft->role(), view.log->durable_index());
  const Seen now = Look(view);
  if (replica.seen == now) return;
  const Seen before = replica.seen.value_or(Seen());
  if (now.quieted > before.quieted) coverage_->Hit(Probe::kGroupQuiet);
  if (now.woken > before.woken) coverage_->Hit(Probe::kGroupWoken);
  if (now.disk_stalled && !before.disk_stalled) coverage_->Hit(Probe::kDiskStalled);
  votes_.OnHardState(view.group, id, view.raft->hard_state());
  ReadLog(id, view, disk, wall, replica);
  commits_.OnState(view.group, id, view.raft->commit(), view.log->last_index());
  const bool leads = before.role == raft::Role::kLeader && now.role == before.role &&
                     now.hard_state.term == before.hard_state.term;
  if (leads && now.commit > before.commit) {
    const std::optional<Term> committed = view.log->TermAt(now.commit);
    if (committed.has_value()) {
      commits_.OnLeaderCommit(view.group, id, now.hard_state.term, *committed);
    }
  }
  configuration_.OnFound(view.group, view.raft->membership());
  CheckLeader(id, view, replica);
  if (view.raft->commit() > replica.commit) AdvanceCommit(id, view, replica);
  CheckMembers(id, view, replica);
  if (replica.voters != view.raft->membership().voters) {
    replica.voters = view.raft->membership().voters;
    replica.voters_since = instant;
  }
  for (const NodeId gone : emptied_.OnMembers(view.group, view.raft->applied(),
                                              raft::MembersOf(view.raft->membership()))) {
    durable_.OnLetIn(view.group, gone);
    votes_.OnLetIn(view.group, gone);
  }
  if (view.raft->role() == raft::Role::kLeader) OnLeads(id, view, replica);
  CheckRetention(id, view, wall, replica);
  CountCompaction(id, view, replica);
  // What could not be read yet is tried again.
  if (now.last == LogIndex{replica.log.size()}) replica.seen = now;
}

Observer::Seen Observer::Look(const GroupView& view) {
  const CompactionTotals& compacted = view.log->compaction_totals();
  return {.hard_state = view.raft->hard_state(),
          .role = view.raft->role(),
          .commit = view.raft->commit(),
          .first = view.log->first_index(),
          .last = view.log->last_index(),
          .last_term = view.log->last_term(),
          .kept_from = view.kept_from,
          .compaction_passes = compacted.passes,
          .records_compacted = compacted.records_removed,
          .quieted = view.raft->counters().quieted,
          .woken = view.raft->counters().woken,
          .disk_stalled = view.raft->disk_stalled()};
}

void Observer::CountCompaction(NodeId id, const GroupView& view, Replica& replica) {
  const CompactionTotals& now = view.log->compaction_totals();
  CompactionTotals& before = replica.compacted;
  coverage_->Hit(Probe::kCompactionPass, now.passes - before.passes);
  coverage_->Hit(Probe::kRecordCompacted, now.records_removed - before.records_removed);
  if (now.passes != before.passes) {
    story_->Tell("node ", id.value(), " has compacted group ", view.group.value(), " up to index ",
                 view.log->compacted_end().value(), ": ", now.records_removed,
                 " records have gone");
  }
  before = now;
}

void Observer::CheckCatalog(NodeId id, const Node& node) {
  if (!verdict_->ok()) return;
  const NodeCounters& now = node.counters();
  SeenCatalog& before = seen_catalogs_[id];
  coverage_->Hit(Probe::kCatalogSnapshotMade, now.catalog_snapshots_made - before.made);
  coverage_->Hit(Probe::kCatalogSnapshotLoaded, now.catalog_snapshots_loaded - before.loaded);
  coverage_->Hit(Probe::kCatalogSnapshotInstalled,
                 now.catalog_snapshots_installed - before.installed);
  if (now.catalog_snapshots_loaded != before.loaded) {
    story_->Tell("node ", id.value(), " takes over a state of the catalog at index ",
                 node.catalog_applied().value());
  }
  coverage_->Hit(Probe::kPacedCatchUp, now.catch_up_turns - before.catch_up_turns);
  before.catch_up_turns = now.catch_up_turns;
  before.made = now.catalog_snapshots_made;
  before.loaded = now.catalog_snapshots_loaded;
  before.installed = now.catalog_snapshots_installed;
  if (node.catalog_applied() == before.applied) return;
  if (catalogs_.OnState(id, node.catalog_applied(), node.catalog())) {
    before.applied = node.catalog_applied();
  }
}

void Observer::CheckRetention(NodeId id, const GroupView& view, WallTime wall, Replica& replica) {
  const LogIndex first = view.log->first_index();
  if (!verdict_->ok()) return;
  if (view.kept_from <= LogIndex{1} && first == LogIndex{1}) return;
  if (view.group == kCatalogGroup) {
    // Not of a log that lost to rot all it had kept: its next entry is to come from the leader.
    const bool lost_its_end = view.kept_from == first && view.log->last_index() < first;
    if (view.kept_from > replica.first && !lost_its_end) {
      catalogs_.OnLetsGo(id, view.kept_from, view.raft->commit(), view.log->durable_index());
    }
    if (first > view.kept_from) {
      verdict_->Fail("catalog_state",
                     absl::StrCat("the catalog's log of node ", id.value(), " begins at index ",
                                  first.value(), " without having let go of what was before"));
    }
    CountPrefix(id, view, replica);
    return;
  }
  // The frames that go, and the header of one segment at least.
  uint64_t let_go = view.kept_from > first ? kSegmentHeaderBytes : 0;
  for (LogIndex index = first; index < view.kept_from; ++index) {
    let_go += replica.log[index.value() - 1].bytes;
  }
  // Who came later may not be known of yet: it gets a snapshot.
  std::vector<NodeId> voters;
  for (const NodeId voter : view.raft->membership().voters.Voters()) {
    if (configuration_.FromTheBeginning(view.group, voter)) voters.push_back(voter);
  }
  retention_.OnDecision(view.group, voters,
                        {.node = id,
                         .from = view.kept_from,
                         .kept_bytes = view.log->size_bytes() - let_go,
                         .commit = view.raft->commit(),
                         .now = wall});
  retention_.OnFirstIndex(view.group, id, first);
  CountPrefix(id, view, replica);
}

void Observer::CountPrefix(NodeId id, const GroupView& view, Replica& replica) {
  const LogIndex first = view.log->first_index();
  if (first == replica.first) return;
  if (first > replica.first) {
    coverage_->Hit(Probe::kPrefixRemoved);
    story_->Tell("node ", id.value(), " has group ", view.group.value(), " from index ",
                 first.value(), " on");
    story_->timeline().OfGroup(MarkKind::kTrimmed, id, view.group, first);
  }
  replica.first = first;
}

void Observer::BeginAt(NodeId id, GroupId group, LogIndex first, std::vector<EntryFact>& known) {
  const std::vector<StateMachine::Committed>& committed = committed_.LogOf(group);
  if (first.value() > committed.size() + 1) {
    verdict_->Fail("retention", absl::StrCat("group ", group.value(), ": the log of node ",
                                             id.value(), " begins at index ", first.value(),
                                             ", behind all that was ever committed"));
    return;
  }
  for (size_t i = 0; i + 1 < first.value(); ++i) known.push_back(committed[i].entry);
}

void Observer::OnLeads(NodeId id, const GroupView& view, Replica& replica) {
  if (replica.leads == view.raft->term()) return;
  replica.leads = view.raft->term();
  elections_.OnLeader(view.group, replica.leads, id);
  canary_.OnLeader(view.group, id);
  completeness_.OnElected(view.group, id, replica.leads, replica.log);
  story_->Tell("node ", id.value(), " leads group ", view.group.value(), " in term ",
               replica.leads.value());
  const auto [last, first] = last_leader_.try_emplace(view.group, id);
  if (!first && last->second != id) coverage_->Hit(Probe::kLeaderChanged);
  last->second = id;
}

std::vector<Entry> Observer::EntriesFrom(const Log& log, const Disk& disk, LogIndex first,
                                         bool from_disk) {
  const EntryList cached = from_disk ? EntryList() : log.CachedEntries(first, 1u << 20, 4096);
  if (!cached.empty() || first > log.durable_index()) return {cached.begin(), cached.end()};
  const FileRange range = log.RangeOf(first, 1u << 20);
  // What a replica has is what it wrote; that it can be read again is looked at in the end.
  const absl::StatusOr<Bytes> bytes = from_disk
                                          ? disk.Read(range.file, range.pos, range.length)
                                          : disk.ReadAsWritten(range.file, range.pos, range.length);
  if (!bytes.ok()) return {};
  absl::StatusOr<std::vector<Entry>> read = EntriesIn(range, *bytes);
  // What nobody could give back any more; of anything else the world has seen that it is repaired.
  if (!read.ok() && from_disk && disk.IsRotten(range.file)) {
    read = EntriesIn(range, *disk.ReadAsWritten(range.file, range.pos, range.length));
  }
  if (!read.ok()) return {};
  std::erase_if(*read, [&](const Entry& entry) { return entry.index < first; });
  return *std::move(read);
}

void Observer::ReadLog(NodeId id, const GroupView& view, const Disk& disk, WallTime wall,
                       Replica& replica) {
  const Log& log = *view.log;
  std::vector<EntryFact>& known = replica.log;
  // What was compacted is not known by index any more; it is looked at by offset, at the end. It
  // may have come with a snapshot, behind segments that its source had not compacted yet.
  const bool installed = log.compacted_end().value() > known.size() + 1;
  if (!replica.primed || installed) {
    if (replica.primed) retention_.OnInstalled(view.group, id);
    known.clear();
    BeginAt(id, view.group, log.compacted_end(), known);
  }
  if (!verdict_->ok()) return;
  // Cut or replaced entries: (index, term) names an entry, so terms tell, but of those whose frames
  // compaction took, of which the terms are not all known any more.
  const size_t compacted = log.compacted_end().value() - 1;
  size_t same = std::min<size_t>(known.size(), log.last_index().value());
  while (same > compacted && log.TermAt(known[same - 1].index) != known[same - 1].term) --same;
  if (same < known.size()) {
    const LogIndex from = known[same].index;
    commits_.OnTruncated(view.group, id, from);
    coverage_->Hit(Probe::kTruncated);
    story_->Tell("node ", id.value(), " cuts group ", view.group.value(), " from index ",
                 from.value(), " (of ", known.size(), ")");
    story_->timeline().Cut(id, view.group, from, known.size() - same);
    known.resize(same);
  }
  const LogIndex recovered_to = replica.primed ? LogIndex{} : log.durable_index();
  // What came with a snapshot was not appended now.
  if (!std::exchange(replica.primed, true) || installed) replica.found_to = log.last_index();
  while (known.size() < log.last_index().value()) {
    const LogIndex next{known.size() + 1};
    const std::vector<Entry> entries = EntriesFrom(log, disk, next, false);
    if (entries.empty()) break;
    for (const Entry& entry : entries) {
      const EntryFact* before = known.empty() ? nullptr : &known.back();
      const EntryFact fact = FactOf(entry, before == nullptr ? 0 : before->prefix);
      compaction_.OnEntry(view.group, fact, entry.frame.view());
      if (view.group == kCatalogGroup) catalogs_.OnEntry(fact, entry.frame);
      configuration_.OnEntry(view.group, id, fact, entry.frame.view());
      matching_.OnEntry(view.group, id, before, fact);
      if (entry.index <= recovered_to) durable_.OnRecovered(view.group, id, fact);
      if (entry.index <= replica.found_to) {
        retention_.OnRecovered(view.group, id, fact);
      } else {
        retention_.OnAppended(view.group, id, fact, wall);
      }
      if (!verdict_->ok()) return;
      known.push_back(fact);
      story_->timeline().Appended(id, view.group, fact, entry.index <= replica.found_to);
    }
  }
}

void Observer::AdvanceCommit(NodeId id, const GroupView& view, Replica& replica) {
  const auto listed = [](const raft::MajorityConfig& half) {
    return std::vector<NodeId>(half.voters().begin(), half.voters().end());
  };
  const raft::JointConfig& now = view.raft->membership().voters;
  const raft::JointConfig& counted = replica.voters.Voters().empty() ? now : replica.voters;
  const std::vector<NodeId> incoming = listed(counted.incoming);
  const std::vector<NodeId> outgoing = listed(counted.outgoing);
  // Which of the two an entry was counted among cannot be told.
  const bool counts = counted == now;
  const LogIndex to = std::min(view.raft->commit(), LogIndex{replica.log.size()});
  while (replica.commit < to) {
    const EntryFact& entry = replica.log[replica.commit.value()];
    story_->timeline().Committed(id, view.group, entry);
    if (committed_.OnCommitted(view.group, id, view.raft->term(), entry)) {
      if (counts) durable_.OnCommitted(view.group, incoming, entry);
      if (counts && !outgoing.empty()) durable_.OnCommitted(view.group, outgoing, entry);
      compaction_.OnCommitted(view.group, entry);
      configuration_.OnCommitted(view.group, entry);
      if (view.group == kCatalogGroup) catalogs_.OnCommitted(entry);
      if (ledger_groups_.contains(view.group)) acked_.OnCommitted(view.group, entry);
    }
    ++replica.commit;
  }
}

void Observer::CheckLeader(NodeId id, const GroupView& view, const Replica& replica) {
  const raft::Raft& raft = *view.raft;
  const bool leads = raft.role() == raft::Role::kLeader;
  const raft::JointConfig& voters = raft.membership().voters;
  // What it had committed before it led, others have counted.
  if (leads && replica.leads == raft.term() && replica.voters == voters &&
      replica.seen.has_value() && raft.commit() > replica.seen->commit) {
    configuration_.OnLeaderCommits(view.group, id, raft.commit(), voters, [&](NodeId voter) {
      return voter == id ? view.log->durable_index() : raft.MatchOf(voter);
    });
  }
  if (leads && replica.leads != raft.term()) {
    configuration_.OnLeader(view.group, id, raft.term(), replica.voters, voters);
  }
}

void Observer::CheckMembers(NodeId id, const GroupView& view, const Replica& replica) {
  const raft::Raft& raft = *view.raft;
  configuration_.OnState(view.group,
                         {.node = id,
                          .role = raft.role(),
                          .term = raft.term(),
                          .commit = raft.commit(),
                          .applied = raft.applied(),
                          .log = replica.log},
                         raft.membership());
}

void Observer::Finish(NodeId id, const Node& node, const Disk& disk, const SealedSegment* rotten) {
  const std::vector<GroupView> groups = node.Groups();
  disk_files_.Finish(id, groups, disk);
  for (const GroupView& view : groups) {
    if (deleted_.contains(view.group)) continue;
    const std::vector<StateMachine::Committed>& expected = committed_.LogOf(view.group);
    const auto fail = [&](LogIndex index, std::string_view what) {
      verdict_->Fail("replica_equality",
                     absl::StrCat("group ", view.group.value(), " index ", index.value(),
                                  " on the disk of node ", id.value(), ": ", std::string(what)));
    };
    // What retention let go is excused, and nothing else: that no log begins further on was looked
    // at after each step.
    const bool damaged = rotten != nullptr && view.group == rotten->group;
    if (compaction_.Compacts(view.group) && !damaged) {
      CheckCompacted(id, view, disk);
    }
    LogIndex next = view.log->compacted_end();
    if (next.value() > expected.size()) {
      fail(next, "is where its log begins, behind all that was committed");
      continue;
    }
    uint64_t prefix = next == LogIndex{1} ? 0 : expected[next.value() - 2].entry.prefix;
    while (next.value() <= expected.size() && verdict_->ok()) {
      if (next > view.log->durable_index()) {
        fail(next, "is missing");
        break;
      }
      // The others have let go of it, or it is what compaction wrote.
      if (damaged && next >= rotten->base_index && next < rotten->end_index) {
        next = rotten->end_index;
        prefix = expected[next.value() - 2].entry.prefix;
        continue;
      }
      const std::vector<Entry> entries = EntriesFrom(*view.log, disk, next, true);
      if (entries.empty()) {
        fail(next, "cannot be read back");
        break;
      }
      for (const Entry& entry : entries) {
        const EntryFact fact = FactOf(entry, prefix);
        if (fact.index.value() > expected.size()) break;
        if (fact.prefix != expected[fact.index.value() - 1].entry.prefix) {
          fail(fact.index, "is not the committed entry");
          break;
        }
        prefix = fact.prefix;
        next = fact.index + 1;
      }
    }
  }
}

void Observer::CheckCompacted(NodeId id, const GroupView& view, const Disk& disk) {
  const Log& log = *view.log;
  const LogIndex limit = std::min(view.raft->commit(), log.durable_index());
  const Offset end = log.EndOffsetOf(std::max(limit, log.first_index() - 1));
  std::vector<Bytes> frames;
  for (Offset at = log.start_offset(); at < end;) {
    const absl::StatusOr<FileRange> range = log.RangeOfOffset(at, limit, 64u << 10);
    absl::StatusOr<std::vector<Bytes>> runs = absl::UnknownError("not read");
    if (range.ok() && range->length == 0) break;
    if (range.ok()) {
      const absl::StatusOr<Bytes> bytes = disk.Read(range->file, range->pos, range->length);
      if (bytes.ok()) {
        runs = ConsumerFrames(*range, *bytes, at, end);
      } else {
        runs = bytes.status();
      }
    } else {
      runs = range.status();
    }
    if (!runs.ok() || runs->empty()) {
      verdict_->Fail("compaction",
                     absl::StrCat("node ", id.value(), " cannot read group ", view.group.value(),
                                  " from offset ", at.value(), " on: ", runs.status().ToString()));
      return;
    }
    for (const Bytes& run : *runs) {
      for (size_t pos = 0; pos < run.size();) {
        const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(run.view().substr(pos));
        TIDEMARK_CHECK(header.ok());  // ConsumerFrames has looked
        frames.push_back(run.Slice(pos, header->total_bytes()));
        pos += header->total_bytes();
        at = std::max(at, header->base_offset + header->offset_span());
      }
    }
  }
  compaction_.OnFinalLog(view.group, id, {.begin = log.start_offset(), .end = end}, frames);
}

ClusterFacts::Member Observer::FactsOf(NodeId id, const Node& node, Now now) const {
  ClusterFacts::Member member{.id = id, .up = true, .groups = {}, .alive = {id}};
  for (const GroupView& view : node.Groups()) {
    ClusterFacts::Group& group = member.groups[view.group];
    group.leads = view.raft->role() == raft::Role::kLeader;
    group.serving = view.raft->serving();
    group.leader = view.raft->leader();
    group.term = view.raft->term();
    group.last = view.log->last_index();
    group.commit = view.raft->commit();
    group.durable = view.log->durable_index();
    const raft::JointConfig& voters = view.raft->membership().voters;
    for (const NodeId voter : voters.Voters()) group.voters.push_back(voter);
    if (view.failure != nullptr) group.failure = *view.failure;
    group.received_bytes = view.received_bytes;
    const auto replica = replicas_.find({id, view.group});
    if (replica != replicas_.end() && !replica->second.log.empty()) {
      group.last_prefix = replica->second.log.back().prefix;
    }
  }
  for (const ServerInfo& server : node.Status(now).members) {
    if (server.id != id && server.state == gossip::MemberState::kAlive) {
      member.alive.push_back(server.id);
    }
  }
  return member;
}

}  // namespace tidemark::sim
