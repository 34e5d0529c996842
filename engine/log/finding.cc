#include "engine/log/finding.h"

#include "absl/strings/str_cat.h"

namespace tidemark {

std::string_view NameOf(FindingKind kind) {
  switch (kind) {
    case FindingKind::kRot:
      return "rot";
    case FindingKind::kTornTail:
      return "torn tail";
    case FindingKind::kMissingFile:
      return "missing file";
    case FindingKind::kStaleSidecar:
      return "stale sidecar";
  }
  return "";
}

std::string EntriesText(LogIndex first, LogIndex end) {
  if (end <= first + 1) return absl::StrCat("entry ", first.value());
  return absl::StrCat("entries ", first.value(), " to ", (end - 1).value());
}

std::string RecordsText(Offset first, Offset end) {
  if (end <= first) return "no records";
  if (end == first + 1) return absl::StrCat("the record of offset ", first.value());
  return absl::StrCat("the records of offsets ", first.value(), " to ", (end - 1).value());
}

Finding DamagedFrames(Finding at, std::string_view wrong, bool durable) {
  at.kind = durable ? FindingKind::kRot : FindingKind::kTornTail;
  at.durable = durable;
  at.what = absl::StrCat(
      std::string(wrong), ": ", EntriesText(at.first_index, at.end_index), " with ",
      RecordsText(at.first_offset, at.end_offset),
      durable ? " cannot be read, and were durable" : " did not become durable before a crash");
  at.remedy = durable ? std::string(kFromPeers)
                      : "nothing needs to be done: the next start ends the log there";
  return at;
}

Finding ForeignFrames(Finding at, std::string_view what) {
  at.kind = FindingKind::kRot;
  at.durable = true;
  at.what = absl::StrCat(std::string(what), ": ", EntriesText(at.first_index, at.end_index),
                         " with ", RecordsText(at.first_offset, at.end_offset));
  at.remedy = std::string(kFromPeers);
  return at;
}

Finding StaleSidecar(Finding at, std::string_view what) {
  at.kind = FindingKind::kStaleSidecar;
  at.durable = false;
  at.what = absl::StrCat(std::string(what), "; nothing is lost, the frames say it all again");
  at.remedy = "'tidemark log repair' makes it anew; a start does without it";
  return at;
}

}  // namespace tidemark
