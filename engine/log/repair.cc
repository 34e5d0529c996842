#include "engine/log/repair.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/log/group_files.h"
#include "engine/log/sidecar_check.h"

namespace tidemark {
namespace {

class Planner {
 public:
  Planner(const GroupVerification& verification, const DirectoryView& directory, GroupFiles files)
      : verification_(verification), directory_(directory), files_(std::move(files)) {}

  absl::StatusOr<RepairPlan> Run() {
    if (verification_.cut.has_value()) {
      const LogCut& cut = *verification_.cut;
      // In the order of the log, which is not that of numbers where compaction wrote a segment.
      std::vector<GroupFiles::Found>& segments = files_.segments;
      auto gone = std::find_if(segments.begin(), segments.end(), [&](const auto& found) {
        return found.header.number == cut.keep_number;
      });
      gone = gone == segments.end() ? segments.begin() : std::next(gone);
      std::for_each(gone, segments.end(), [&](const auto& found) { Remove(found); });
      segments.erase(gone, segments.end());
      // What a removed segment replaced must not come back.
      for (const FileId& leftover : files_.leftovers) {
        first_.ops.push_back(RemoveFile{leftover});
        plan_.steps.push_back(absl::StrCat("removes ", PathOf(leftover), ", which is left over"));
      }
      if (cut.keep_number == 0) {
        plan_.steps.push_back("removes all segments: nothing lies before the damage");
      } else {
        EndLog(cut);
      }
      TIDEMARK_RETURN_IF_ERROR(LowerCommit(cut));
    }
    RebuildSidecars();
    Finish();
    return std::move(plan_);
  }

 private:
  void Remove(const GroupFiles::Found& found) {
    removals_.ops.push_back(RemoveFile{found.file()});
    if (found.has_index) removals_.ops.push_back(RemoveFile{found.sidecar()});
    plan_.steps.push_back(absl::StrCat("removes ", PathOf(found.file()), " and its sidecar"));
  }

  // Zeros from the damage on: only then the log ends there cleanly.
  void EndLog(const LogCut& cut) {
    if (files_.segments.empty()) return;
    GroupFiles::Found& last = files_.segments.back();
    const uint64_t begin = cut.keep_end.value();
    std::string_view rest = last.bytes.substr(std::min<uint64_t>(begin, last.bytes.size()));
    const size_t used = rest.find_last_not_of('\0');
    if (used != std::string_view::npos) {
      first_.ops.push_back(
          WriteFile{last.file(), FilePos(begin), {Bytes::From(std::string(used + 1, '\0'))}});
      first_.sync.push_back(last.file());
      plan_.steps.push_back(absl::StrCat("writes zeros over bytes ", begin, " to ",
                                         begin + used + 1, " of ", PathOf(last.file())));
    }
    if (last.header.sparse.has_value()) return;  // kept whole; it gets no more frames
    last.bytes = last.bytes.substr(0, begin);
    last.end = LogIndex(UINT64_MAX);
    // It may get frames again, and vouches for what is gone.
    last.footer.reset();
    Rebuild(last, false);
  }

  absl::Status LowerCommit(const LogCut& cut) {
    HardStateRecord record = verification_.hard_state;
    if (record.generation == 0 || record.commit < cut.index) return absl::OkStatus();
    record.commit = cut.index - 1;
    // Both slots: whichever is read, it vouches for nothing that is gone.
    for (int slot = 0; slot < 2; ++slot) {
      if (record.generation > UINT64_MAX - 2) {
        return absl::FailedPreconditionError("the hard state's generation makes no sense");
      }
      ++record.generation;
      AppendHardState(verification_.group, record, first_);
    }
    first_.sync.pop_back();  // the same file twice
    plan_.steps.push_back(absl::StrCat("lowers the commit index of the hard state to ",
                                       record.commit.value(), "; term ", record.term.value(),
                                       " and vote stay"));
    return absl::OkStatus();
  }

  void RebuildSidecars() {
    std::set<FileId> stale;
    for (const Finding& finding : verification_.findings) {
      if (finding.kind == FindingKind::kStaleSidecar) stale.insert(finding.file);
    }
    for (size_t i = 0; i < files_.segments.size(); ++i) {
      const GroupFiles::Found& found = files_.segments[i];
      if (!stale.contains(found.sidecar()) || rebuilt_.contains(found.sidecar())) continue;
      Rebuild(found, i + 1 < files_.segments.size());
    }
    for (const FileId& orphan : files_.orphans) {
      first_.ops.push_back(RemoveFile{orphan});
      plan_.steps.push_back(absl::StrCat("removes ", PathOf(orphan), ", whose segment is gone"));
    }
  }

  void Rebuild(const GroupFiles::Found& found, bool sealed) {
    rebuilt_.insert(found.sidecar());
    const SegmentHeader* next = nullptr;
    for (const GroupFiles::Found& each : files_.segments) {
      if (each.header.base_index == found.end) next = &each.header;
    }
    const SegmentWalk walk = WalkSegment(found, next);
    if (!walk.gaps.empty()) return;  // a torn tail, which the next start ends the log before
    const auto up_to = [&](LogIndex index) {
      return index < found.header.base_index
                 ? 0
                 : static_cast<uint32_t>(std::min<uint64_t>(
                       index.value() - found.header.base_index.value() + 1, walk.count));
    };
    const LogIndex durable = verification_.known_durable;
    // Whole, continued by a durable segment: it gets its footer.
    sealed = sealed && walk.count > 0 && found.header.base_index + (walk.count - 1) <= durable;
    std::string sidecar =
        RebuildSidecar(found, walk, sealed, up_to(durable), up_to(verification_.known_committed));
    // Under another name first: until it is there, the old one is.
    const FileId temporary{verification_.group, FileKind::kTemporary, found.header.number};
    first_.ops.push_back(RemoveFile{temporary});
    first_.ops.push_back(CreateFile{temporary, 0});
    first_.ops.push_back(WriteFile{temporary, FilePos(0), {Bytes::From(std::move(sidecar))}});
    first_.ops.push_back(RenameFile{temporary, found.sidecar()});
    first_.sync.push_back(found.sidecar());
    plan_.steps.push_back(absl::StrCat("makes ", PathOf(found.sidecar()), " anew"));
  }

  void Finish() {
    std::set<FileId> changed;
    for (FileBatch* batch : {&first_, &removals_}) {
      for (const FileOp& op : batch->ops) {
        if (const auto* write = std::get_if<WriteFile>(&op)) changed.insert(write->file);
        if (const auto* remove = std::get_if<RemoveFile>(&op)) changed.insert(remove->file);
        if (const auto* rename = std::get_if<RenameFile>(&op)) changed.insert(rename->to);
      }
      if (!batch->empty()) plan_.batches.push_back(std::move(*batch));
    }
    for (const FileId& file : directory_.List(verification_.group)) {
      if (changed.contains(file)) plan_.changed.push_back(file);
    }
  }

  const GroupVerification& verification_;
  const DirectoryView& directory_;
  GroupFiles files_;
  std::set<FileId> rebuilt_;
  FileBatch first_;
  FileBatch removals_;
  RepairPlan plan_;
};

std::string Describe(const LogCut& cut) {
  std::string text = absl::StrCat(
      "ending the log before index ", cut.index.value(), " loses ", cut.end_index - cut.index,
      " entries with ", cut.end_offset - cut.offset, " records (offsets ", cut.offset.value(),
      " up to ", cut.end_offset.value(), ", the last excluded); to accept that, name exactly:");
  for (const LostRange& range : cut.ranges) {
    absl::StrAppend(&text, " --accept-loss ", PathOf(range.file), ":", range.begin.value(), "-",
                    range.end.value());
  }
  return text;
}

}  // namespace

absl::StatusOr<RepairPlan> PlanRepair(const GroupVerification& verification,
                                      const DirectoryView& directory,
                                      std::span<const LostRange> accepted) {
  for (const Finding& finding : verification.findings) {
    if (finding.file.kind == FileKind::kHardState && finding.durable) {
      return absl::FailedPreconditionError(
          absl::StrCat(PathOf(finding.file), ": ", finding.what, ". ", finding.remedy));
    }
  }
  if (verification.cut.has_value()) {
    const std::vector<LostRange>& lost = verification.cut->ranges;
    if (!std::equal(lost.begin(), lost.end(), accepted.begin(), accepted.end())) {
      return absl::FailedPreconditionError(absl::StrCat(
          accepted.empty() ? "nothing is changed without your word: "
                           : "nothing was changed, what you accept is not what would be lost: ",
          Describe(*verification.cut)));
    }
  } else if (!accepted.empty()) {
    return absl::FailedPreconditionError(
        "there is nothing to accept the loss of: no frame is damaged; leave out --accept-loss");
  }
  TIDEMARK_ASSIGN_OR_RETURN(
      GroupFiles files, GroupFiles::Read(verification.group, verification.hard_state, directory));
  return Planner(verification, directory, std::move(files)).Run();
}

}  // namespace tidemark
