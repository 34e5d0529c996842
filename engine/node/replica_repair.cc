#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/limits.h"
#include "engine/node/replica.h"

// Damage in full segments: found by whoever reads them, repaired from other replicas, and what this
// replica gives to others for that. And logs that are not what the others have.

namespace tidemark {

namespace {

std::optional<SealedSegment> SparseSegment(const Log& log, const FileId& file) {
  LogIndex after;
  while (std::optional<SealedSegment> segment = log.SealedSegmentAfter(after)) {
    if (segment->file() == file) return segment->sparse ? segment : std::nullopt;
    after = segment->end_index - 1;
  }
  return std::nullopt;
}

// Two voters do not let go of anything.
bool MayLetGo(const raft::Membership& members) {
  return !members.joint() && members.voters.incoming.voters().size() >= 3;
}

SnapshotInstall Refetch(Now now, const SealedSegment& damaged, LogIndex had) {
  return {.refetches = damaged, .refetches_upto = had, .next_at = now.instant};
}

}  // namespace

bool Replica::OnDamage(Now now, const FileId& file, Effects& out, SegmentRepair::Part part) {
  const size_t known = repair_.damaged();
  if (!active() || alone()) return false;
  if (!repair_.Add(*log_, file, part)) {
    // What compaction wrote nobody else has alike.
    const std::optional<SealedSegment> sparse = SparseSegment(*log_, file);
    if (!sparse.has_value() || !MayLetGo(raft_.membership())) return false;
    if (!install_.has_value()) {
      install_.emplace(Refetch(now, *sparse, std::min(raft_.commit(), log_->durable_index())));
    }
    TransferLeadership(now, out);
    return true;
  }
  // It cannot send what it cannot read. Should there be nobody to hand over to, it stays.
  if (repair_.damaged() > known) TransferLeadership(now, out);
  return true;
}

bool Replica::alone() const {
  // Without making a list of the members: asked in every step.
  const raft::Membership& membership = raft_.membership();
  return !membership.joint() && membership.learners.size() == 0 &&
         membership.voters.incoming.voters().size() < 2;
}

std::vector<NodeId> Replica::RepairSources() const {
  // What is intact in the damaged file is nearest, and perhaps nobody else has it.
  std::vector<NodeId> sources = {raft_.self()};
  for (const NodeId node : raft::MembersOf(raft_.membership())) {
    if (node != raft_.self()) sources.push_back(node);
  }
  return sources;
}

void Replica::DriveRepair(Now now, Effects& out) {
  if (!active() || repair_.whole()) return;
  if (auto ask = repair_.Drive(now, *log_, RepairSources(), *shared_, out)) {
    if (ask->own.has_value()) {
      ReadForRepair({.to = ask->to, .request = ask->request}, *ask->own, out);
    } else if (ask->to == raft_.self()) {
      OnFramesRequest(now, ask->to, ask->request, out);
    } else {
      SendSnapshot(ask->to, ask->request, out);
    }
  }
  if (raft_.role() == raft::Role::kLeader && repair_.HandsOver(now.instant)) {
    TransferLeadership(now, out);
  }
  // What the others have compacted they cannot send frame by frame.
  const SealedSegment* lost = repair_.lost();
  if (lost == nullptr || !compacts() || install_.has_value() || !MayLetGo(raft_.membership())) {
    return;
  }
  install_.emplace(Refetch(now, *lost, std::min(raft_.commit(), log_->durable_index())));
}

void Replica::AnswerFrames(Now now, NodeId to, FramesReply reply, Effects& out) {
  if (to == raft_.self()) {
    repair_.OnReply(now, to, reply, *log_, out);
    return;
  }
  shared_->counters.snapshot_bytes_sent += reply.bytes.size();
  SendSnapshot(to, std::move(reply), out);
}

std::string Replica::DescribeRepair() const {
  if (active() && install_.has_value()) return install_->Describe();
  if (lacks()) {
    return absl::StrCat("fetching entries ", (log_->durable_index() + 1).value(), " to ",
                        hard_record_.lost.index.value(), ", which the disk has changed");
  }
  if (repair_.whole()) return "";
  const SegmentRepair::Progress progress = repair_.progress();
  if (progress.segment == 0) {
    return absl::StrCat(repair_.damaged(), " damaged segments wait to be repaired");
  }
  return absl::StrCat("repairing segment ", progress.segment, " from node ",
                      progress.source.value(), ", ", progress.bytes, " of ", progress.bytes_total,
                      " bytes",
                      repair_.hopeless() ? "; no replica has what comes next intact: all of them "
                                           "are asked again every few seconds, those that are down "
                                           "when they are back"
                                         : "");
}

void Replica::OnFramesRequest(Now now, NodeId from, const FramesRequest& request, Effects& out) {
  const auto reads =
      static_cast<size_t>(std::count_if(reads_.begin(), reads_.end(), [](const auto& read) {
        return read.second.frames.has_value();
      }));
  // It asks again.
  if (reads >= kSnapshotReadsMax) return;
  if (request.first < first_index() || request.first > visible_index()) {
    AnswerFrames(now, from, {.id = request.id, .first = request.first, .bytes = {}}, out);
    return;
  }
  const FramesRead read{.to = from, .request = request};
  // What is asked for may be behind damage, past which no look-up goes that points too early.
  if (const std::optional<FileRange> sidecar = log_->IndexOf(request.first)) {
    ReadSidecar(*sidecar, out).repairs.push_back(read);
  } else {
    ReadForRepair(read, log_->RangeOf(request.first, request.max_bytes), out);
  }
}

void Replica::ReadForRepair(const FramesRead& wanted, const FileRange& range, Effects& out) {
  const IoToken token = shared_->NewToken(options_.group);
  out.push_back(ReadRange{token, range.file, range.pos, range.length});
  PendingRead& read = reads_[token];
  read.range = range;
  read.frames = wanted;
}

void Replica::OnFramesRead(Now now, const PendingRead& read, const absl::StatusOr<Bytes>& bytes,
                           Effects& out) {
  const FramesRequest& request = read.frames->request;
  FramesReply reply{.id = request.id, .first = request.first};
  if (bytes.ok() && read.range.sparse) {
    reply.bytes = *bytes;
  } else if (bytes.ok()) {
    FileRange range = read.range;
    Bytes frames = *bytes;
    if (read.frames->to == raft_.self()) {
      const std::optional<FilePos> own = repair_.OwnPosOf(request, range.file, *log_);
      if (own.has_value() && *own >= range.pos && *own - range.pos <= frames.size()) {
        const uint64_t before = *own - range.pos;
        range.first_index = request.first;
        frames = frames.Slice(before, frames.size() - before);
      }
    }
    reply.bytes = IntactFrames(range, frames, request.first, visible_index(), request.max_bytes);
  }
  // Damaged here as well, or removed meanwhile; not if the disk only failed to answer.
  if (reply.bytes.empty() && (bytes.ok() || absl::IsDataLoss(bytes.status()))) {
    OnDamage(now, read.range.file, out);
  }
  AnswerFrames(now, read.frames->to, std::move(reply), out);
}

// Digests of the log.

void Replica::TellDigest(Now now, Effects& out) {
  if (alone()) return;
  const std::optional<DigestReport> report = digests_.Report(
      now.instant, options_.raft.heartbeat_interval * kDigestHeartbeats, visible_index());
  if (!report.has_value()) return;
  for (const NodeId node : raft::MembersOf(raft_.membership())) {
    if (node != raft_.self()) SendSnapshot(node, *report, out);
  }
}

void Replica::OnDigestReport(Now now, NodeId from, const DigestReport& report, Effects& out) {
  using Verdict = DigestWatch::Verdict;
  const raft::NodeSet& voters = raft_.membership().voters.incoming.voters();
  const std::optional<uint64_t> own = digests_.At(report.index);
  const Verdict verdict = digests_.OnReport(from, report, visible_index(), voters);
  if (verdict == Verdict::kUnknown) return;
  ++shared_->counters.digests_compared;
  if (verdict == Verdict::kSame) return;
  ++shared_->counters.digests_differing;
  const std::string range =
      absl::StrCat((digests_.agreed() + 1).value(), " to ", report.index.value());
  out.push_back(Note{Note::Level::kError,
                     "diverged",
                     {{"group", absl::StrCat(options_.group.value())},
                      {"entries", range},
                      {"digest", absl::StrCat(absl::Hex(*own))},
                      {"node", absl::StrCat(from.value())},
                      {"its_digest", absl::StrCat(absl::Hex(report.digest))},
                      {"hint", verdict == Verdict::kOutvoted
                                   ? "most replicas have another log: this one is dropped and "
                                     "fetched anew, or, of the catalog, takes no further part; "
                                     "look for bad memory in this machine"
                                   : "if it is node's own log that is wrong, it says so itself"}}});
  if (verdict != Verdict::kOutvoted) return;
  ++shared_->counters.groups_outvoted;
  if (options_.catalog == nullptr) {
    // Nothing of it is to be believed or served any more; what it has promised holds. The others
    // have all of it, and send it as to anybody who lags.
    log_->CancelCompaction();
    log_->CancelReplacement();
    install_.emplace(SnapshotInstall{.meta = {}, .discards = true});
    switching_ = true;
    FailWaiting(RefetchesLog(), out);
    BeginFlush(now, out);
    return;
  }
  // What the state machine has made of it cannot be taken back.
  Fail(now,
       absl::DataLossError(absl::StrCat(
           "outvoted: somewhere in entries ", range,
           " its log is not the one that most replicas have, which the disk alone cannot bring "
           "about (memory of this machine, or a bug); nothing of it is served any more. Stop this "
           "node, move its data directory away (keep it: it tells what happened) and start it "
           "empty: it gets everything from the others")),
       out);
  failure_.reopen_at = Instant::Never();
}

}  // namespace tidemark
