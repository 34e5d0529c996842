#include "tools/tidemark/inspect.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "engine/log/frame.h"
#include "engine/log/hard_state.h"
#include "engine/log/index.h"
#include "engine/log/segment_walk.h"
#include "engine/node/recovered_group.h"

namespace tidemark {
namespace {

using Write = std::function<void(std::string_view)>;

void InspectSegment(std::string_view bytes, const Write& write) {
  const absl::StatusOr<SegmentHeader> header = DecodeSegmentHeader(bytes);
  if (!header.ok()) {
    write(absl::StrCat("  header: ", header.status().message(), "\n"));
    return;
  }
  write(absl::StrCat(
      "  header: group=", header->group.value(), " number=", header->number,
      " base_index=", header->base_index.value(), " base_offset=", header->base_offset.value(),
      " previous_number=", header->previous_number,
      " previous_term=", header->previous_term.value(),
      " previous_digest=", absl::Hex(header->previous_digest, absl::kZeroPad16),
      " created_ms=", header->created.millis(), " durable=", header->durable.value(), "\n"));
  FoundSegment found;
  found.header = *header;
  found.bytes = bytes;
  found.file_bytes = bytes.size();
  const SegmentWalk walk = WalkSegment(found, nullptr);
  auto gap = walk.gaps.begin();
  const auto gaps_before = [&](uint64_t pos) {
    for (; gap != walk.gaps.end() && gap->begin < pos; ++gap) {
      write(absl::StrCat("  bytes ", gap->begin, "-", gap->end, ": ", gap->wrong, "\n"));
    }
  };
  for (const WalkedFrame& frame : walk.frames) {
    gaps_before(frame.pos);
    const absl::StatusOr<BatchHeader> batch = DecodeBatchHeader(bytes.substr(frame.pos));
    if (!batch.ok()) continue;
    write(absl::StrCat(
        "  frame: pos=", frame.pos, " bytes=", frame.length, " index=",
        header->base_index.value() + frame.ordinal, " offset=", batch->base_offset.value(),
        " records=", batch->record_count, " term=", batch->leader_epoch.value(),
        batch->magic == EntryKind::kControl ? " control" : "",
        " timestamp_ms=", batch->max_timestamp_ms, " codec=", static_cast<int>(batch->codec()),
        batch->producer_id < 0
            ? ""
            : absl::StrCat(" producer=", batch->producer_id, "/", batch->producer_epoch,
                           " sequence=", batch->base_sequence),
        "\n"));
  }
  gaps_before(UINT64_MAX);
  write(absl::StrCat("  end of frames: ", walk.end, ", file: ", bytes.size(), "\n"));
}

void InspectSidecar(std::string_view bytes, const Write& write) {
  uint64_t end = std::min<uint64_t>(kIndexHeaderBytes, bytes.size());
  for (const DecodedIndexEntry& each : DecodeIndex(bytes)) {
    const IndexEntry& entry = each.entry;
    write(absl::StrCat("  ", entry.is_checkpoint() ? "checkpoint" : "run", ": pos=", entry.pos,
                       " bytes=", entry.length, " first=", entry.first, " frames=", entry.count,
                       " first_offset=", entry.first_offset, " term=", entry.term,
                       " append_time_ms=", entry.append_time_ms, " durable=", entry.durable,
                       " committed=", entry.committed,
                       " digest=", absl::Hex(entry.digest, absl::kZeroPad16), "\n"));
    if (const std::optional<CatalogSnapshot> catalog = CatalogSnapshotIn(each.state)) {
      write(absl::StrCat(
          "    catalog: applied=", catalog->applied.value(), " before_index=", catalog->at.value(),
          " topics=", catalog->catalog.topics().size(),
          " next_group=", catalog->catalog.next_group().value(), " bytes=", catalog->bytes, "\n"));
    }
    end = each.end;
  }
  write(absl::StrCat("  readable entries end at ", end, ", file: ", bytes.size(), "\n"));
  if (const std::optional<SegmentFooter> footer = DecodeFooter(bytes)) {
    write(absl::StrCat("  footer: frames=", footer->count, " size=", footer->size,
                       " end_offset=", footer->end_offset, " committed=", footer->committed,
                       " index_bytes=", footer->index_bytes,
                       " append_time_ms=", footer->append_time_ms,
                       " digest=", absl::Hex(footer->digest, absl::kZeroPad16),
                       " terms=", footer->terms.size(), " runs=", footer->runs.size(), "\n"));
  }
}

void InspectHardState(std::string_view bytes, const Write& write) {
  for (size_t i = 0; i < kHardStateCopies; ++i) {
    const std::string_view copy =
        bytes.substr(std::min(i * kHardStateCopyBytes, bytes.size()), kHardStateCopyBytes);
    const std::optional<HardStateRecord> record = DecodeHardStateCopy(copy);
    write(
        record.has_value()
            ? absl::StrCat("  copy ", i, ": generation=", record->generation,
                           " term=", record->term.value(), " vote=", record->vote.value(),
                           " commit=", record->commit.value(), " start=", record->start.value(),
                           " snapshot=", record->snapshot.first, "-", record->snapshot.end, "/",
                           record->snapshot.live, "\n")
            : absl::StrCat("  copy ", i, ": ", AllZeros(copy) ? "never written" : "damaged", "\n"));
  }
}

}  // namespace

void InspectFile(const std::string& name, FileKind kind, std::string_view bytes,
                 const Write& write) {
  write(absl::StrCat(name, "\n"));
  if (kind == FileKind::kSegment) InspectSegment(bytes, write);
  if (kind == FileKind::kIndex) InspectSidecar(bytes, write);
  if (kind == FileKind::kHardState) InspectHardState(bytes, write);
}

}  // namespace tidemark
