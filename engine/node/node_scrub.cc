#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/log/segment.h"
#include "engine/node/node_impl.h"

// One scrubber for all groups of the node, so that its rate is that of the node. It begins once
// everything else of a step is done, and has one read under way at most: others wait behind at most
// one of its reads.

namespace tidemark {
namespace {

using Replicas = std::map<GroupId, std::unique_ptr<Replica>>;

class ReplicaLogs final : public ScrubLogs {
 public:
  explicit ReplicaLogs(const Replicas& replicas) : replicas_(replicas) {}
  std::optional<GroupId> After(std::optional<GroupId> group) const override {
    const auto at = group.has_value() ? replicas_.upper_bound(*group) : replicas_.begin();
    return at == replicas_.end() ? std::nullopt : std::optional(at->first);
  }
  const Log* Find(GroupId group) const override {
    const auto at = replicas_.find(group);
    if (at == replicas_.end() || at->second->removing() || at->second->switching() ||
        !at->second->failure().empty()) {
      return nullptr;
    }
    return &at->second->log();
  }

 private:
  const Replicas& replicas_;
};

}  // namespace

void Node::Impl::StartScrub(Now now) {
  scrub.emplace(NodeScrub{.scrubber = Scrubber(options.scrub, now.instant)});
}

bool Node::Impl::may_scrub() const {
  // A pass that began before the groups are there would be about none of them.
  return scrub.has_value() && !scrub->token.has_value() && !shutting_down && catalog_loaded();
}

Instant Node::Impl::ScrubDeadline() const {
  if (!may_scrub()) return Instant::Never();
  if (!scrub->rebuild.has_value()) return scrub->scrubber.next_deadline();
  const auto at = replicas.find(*scrub->rebuild);
  // Else it waits for the disk.
  const bool reads = at != replicas.end() && at->second->RebuildRead().has_value();
  return reads ? scrub->rebuild_next : Instant::Never();
}

void Node::Impl::Scrub(Now now, Effects& out) {
  for (const SealedSegment& segment : std::exchange(shared.suspects, {})) {
    if (scrub.has_value()) scrub->scrubber.LookAt(segment);
  }
  if (!may_scrub()) return;
  if (scrub->rebuild.has_value()) {
    const auto at = replicas.find(*scrub->rebuild);
    if (at != replicas.end() && at->second->rebuilding()) {
      const std::optional<ScrubRead> read = at->second->RebuildRead();
      if (!read.has_value() || now.instant < scrub->rebuild_next) return;
      scrub->rebuild_next = now.instant + scrub->scrubber.CostOf(read->length);
      scrub->token = at->second->ReadForScrub(*read, out);
      return;
    }
    scrub->rebuild.reset();
  }
  const uint64_t passes = scrub->scrubber.progress().passes;
  const auto read = scrub->scrubber.TakeRead(now.instant, ReplicaLogs(replicas));
  if (read.has_value()) {
    scrub->token = replicas.at(read->file.group)->ReadForScrub(*read, out);
  } else if (const ScrubProgress& progress = scrub->scrubber.progress();
             progress.passes != passes && progress.pass_bytes > 0) {
    out.push_back(Note{Note::Level::kInfo,
                       "scrub_pass",
                       {{"bytes", absl::StrCat(progress.pass_bytes)},
                        {"took_ms", absl::StrCat(progress.last_pass.millis())},
                        {"damaged_segments", absl::StrCat(progress.damaged_segments)}}});
  }
}

void Node::Impl::OnScrubRead(Now now, GroupId group, const absl::StatusOr<Bytes>& bytes,
                             Effects& out) {
  const IoToken token = *std::exchange(scrub->token, std::nullopt);
  const auto at = replicas.find(group);
  if (at != replicas.end()) at->second->OnScrubRead(token);
  if (scrub->rebuild.has_value()) {
    const absl::Status status =
        at == replicas.end() ? absl::OkStatus() : at->second->OnRebuildRead(bytes);
    if (status.ok()) return;
    out.push_back(
        Note{Note::Level::kWarning,
             "sidecar_not_rebuilt",
             {{"group", absl::StrCat(group.value())}, {"error", std::string(status.message())}}});
    return;
  }
  scrub->scrubber.OnRead(now.instant, ReplicaLogs(replicas), bytes);
  const std::vector<Finding> findings = scrub->scrubber.TakeFindings();
  const bool lost = std::any_of(findings.begin(), findings.end(),
                                [](const Finding& finding) { return finding.durable; });
  for (const Finding& finding : findings) {
    std::string_view hint = "nothing needs to be done: the node makes it anew from the frames";
    if (finding.durable) {
      const auto part = finding.end <= FilePos(kSegmentHeaderBytes) ? SegmentRepair::Part::kHeader
                                                                    : SegmentRepair::Part::kFrames;
      const bool repairs =
          at != replicas.end() && at->second->OnDamage(now, finding.file, out, part);
      hint =
          repairs ? "nothing needs to be done: the segment is repaired from other replicas"
          : at != replicas.end() && at->second->compacts()
              ? "what compaction wrote is this replica's own, and without two other voters it is "
                "not fetched anew: "
              : "";
    }
    NoteFinding(finding, hint, out);
    if (lost || scrub->rebuild.has_value() || at == replicas.end()) continue;
    if (at->second->BeginRebuild(finding).ok()) {
      scrub->rebuild = group;
      scrub->rebuild_next = scrub->scrubber.next_deadline();
    }
  }
}

void Node::Impl::NoteFinding(const Finding& finding, std::string_view hint, Effects& out) const {
  const std::string group = absl::StrCat(finding.file.group.value());
  out.push_back(Note{
      finding.durable ? Note::Level::kError : Note::Level::kWarning,
      "scrub_finding",
      {{"group", group},
       // As 'tidemark log repair --accept-loss' takes it.
       {"file",
        absl::StrCat(PathOf(finding.file), ":", finding.begin.value(), "-", finding.end.value())},
       {"what", absl::StrCat(std::string(NameOf(finding.kind)), ": ", finding.what)},
       {"hint", finding.durable && !hint.starts_with("nothing")
                    ? absl::StrCat(std::string(hint),
                                   "stop this node and run 'tidemark log verify DIR --group ",
                                   group, "' to see all that is damaged; ", finding.remedy)
                    : std::string(hint)}}});
}

}  // namespace tidemark
