#include "engine/log/hard_state.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/coding.h"
#include "engine/base/crc32c.h"
#include "engine/log/frame.h"

namespace tidemark {
namespace {

constexpr size_t kSlotBytes = 4096;
constexpr size_t kCopyBytes = kHardStateCopyBytes;
static_assert(kCopyBytes == kSlotBytes / 2);
constexpr uint64_t kMagic = 0x3253484b52414d54;  // "TMARKHS2"
constexpr size_t kRecordBytes = kHardStateRecordBytes;

// Nothing for a replica that has nothing to say there: zeros.
void AppendExtra(const HardStateRecord& record, std::string& slot) {
  if (record.snapshot == SnapshotFiles() && record.lost == LostEntries()) return;
  AppendLittle<uint64_t>(slot, record.snapshot.first);
  AppendLittle<uint64_t>(slot, record.snapshot.end);
  AppendLittle<uint64_t>(slot, record.snapshot.live);
  AppendLittle<uint32_t>(slot, Crc32c(slot));
  if (record.lost == LostEntries()) return;
  AppendLittle<uint64_t>(slot, record.lost.term.value());
  AppendLittle<uint64_t>(slot, record.lost.index.value());
  AppendLittle<uint32_t>(slot, Crc32c(slot));
}

// False: damaged. All of a copy lies in one sector, but disks do as they please.
bool DecodeExtra(std::string_view slot, HardStateRecord& record) {
  if (slot.size() < kRecordBytes + kHardStateExtraBytes) return false;
  const std::string_view extra = slot.substr(kRecordBytes, kHardStateExtraBytes);
  if (AllZeros(extra)) return true;
  const auto matches = [&](size_t end) {
    return Crc32c(slot.substr(0, end - 4)) == LoadLittle<uint32_t>(slot.data() + end - 4);
  };
  if (!matches(kRecordBytes + kHardStateSnapshotBytes)) return false;
  const std::string_view lost = extra.substr(kHardStateSnapshotBytes);
  if (!AllZeros(lost)) {
    if (!matches(kRecordBytes + kHardStateExtraBytes)) return false;
    record.lost = {.term = Term(LoadLittle<uint64_t>(lost.data())),
                   .index = LogIndex(LoadLittle<uint64_t>(lost.data() + 8))};
  }
  record.snapshot = {.first = LoadLittle<uint64_t>(extra.data()),
                     .end = LoadLittle<uint64_t>(extra.data() + 8),
                     .live = LoadLittle<uint64_t>(extra.data() + 16)};
  return record.snapshot.first <= record.snapshot.end && record.snapshot.end <= UINT64_MAX / 2 &&
         record.snapshot.live <= UINT64_MAX / 2;
}

// The record twice, in different sectors: one bad sector never makes a replica forget a promise.
std::string EncodeSlot(const HardStateRecord& record) {
  std::string slot;
  AppendLittle<uint64_t>(slot, kMagic);
  AppendLittle<uint64_t>(slot, record.generation);
  AppendLittle<uint64_t>(slot, record.term.value());
  AppendLittle<uint64_t>(slot, record.vote.value());
  AppendLittle<uint64_t>(slot, record.commit.value());
  AppendLittle<uint64_t>(slot, record.start.value());
  AppendLittle<uint32_t>(slot, Crc32c(slot));
  AppendExtra(record, slot);
  slot.resize(kCopyBytes, '\0');
  return slot + slot;
}

void AppendSlot(const FileId& file, const HardStateRecord& record, FileBatch& batch) {
  // Generation 1 goes to the first slot.
  const uint64_t slot = (record.generation + 1) % 2;
  std::string bytes = EncodeSlot(record);
  // The other one as well, or a full disk would have no space for the second vote.
  if (record.generation == 1) bytes.resize(2 * kSlotBytes, '\0');
  batch.ops.push_back(WriteFile{file, FilePos(slot * kSlotBytes), {Bytes::From(std::move(bytes))}});
  batch.sync.push_back(file);
}

}  // namespace

std::optional<HardStateRecord> DecodeHardStateCopy(std::string_view slot) {
  if (slot.size() < kRecordBytes || LoadLittle<uint64_t>(slot.data()) != kMagic) {
    return std::nullopt;
  }
  const uint32_t crc = LoadLittle<uint32_t>(slot.data() + kRecordBytes - 4);
  if (Crc32c(slot.substr(0, kRecordBytes - 4)) != crc) return std::nullopt;
  HardStateRecord record{.generation = LoadLittle<uint64_t>(slot.data() + 8),
                         .term = Term(LoadLittle<uint64_t>(slot.data() + 16)),
                         .vote = NodeId(LoadLittle<uint64_t>(slot.data() + 24)),
                         .commit = LogIndex(LoadLittle<uint64_t>(slot.data() + 32)),
                         .start = LogIndex(LoadLittle<uint64_t>(slot.data() + 40))};
  if (!DecodeExtra(slot, record)) return std::nullopt;
  return record;
}

absl::StatusOr<HardStateRecord> DecodeHardState(std::string_view file) {
  // Cut short it could lack the newer slot, and show a promise that was superseded.
  if (!file.empty() && file.size() != 2 * kSlotBytes) {
    return absl::DataLossError(absl::StrCat(
        "the hard state (term and vote) has ", file.size(), " bytes instead of ", 2 * kSlotBytes,
        ": this replica does not know what it promised. Wipe this node's data "
        "directory and let it rejoin as a new node"));
  }
  HardStateRecord newest;
  bool any = false;
  for (size_t at = 0; at < 2 * kSlotBytes && at < file.size(); at += kCopyBytes) {
    const auto record = DecodeHardStateCopy(file.substr(at, kCopyBytes));
    if (record.has_value() && record->generation >= newest.generation) {
      newest = *record;
      any = true;
    }
  }
  // All zeros: created, and the crash came before the first write; no promise was made yet.
  if (!any && !AllZeros(file)) {
    return absl::DataLossError(
        "both slots of the hard state (term and vote) are damaged: this replica does not know "
        "what it promised. Wipe this node's data directory and let it rejoin as a new node");
  }
  return newest;
}

void AppendHardState(GroupId group, const HardStateRecord& record, FileBatch& batch) {
  TIDEMARK_CHECK_GT(record.generation, 0u);
  const FileId file{group, FileKind::kHardState, 0};
  if (record.generation == 1) {
    // A crash of the very first write may have left an empty file.
    batch.ops.push_back(RemoveFile{file});
    batch.ops.push_back(CreateFile{file, 2 * kSlotBytes});
  }
  AppendSlot(file, record, batch);
}

void RewriteHardState(GroupId group, const HardStateRecord& record, FileBatch& batch) {
  TIDEMARK_CHECK_GT(record.generation, 0u);
  AppendSlot({group, FileKind::kHardState, 0}, record, batch);
  // A removal, also of nothing, makes the directory durable.
  batch.ops.push_back(RemoveFile{{group, FileKind::kTemporary, 0}});
}

}  // namespace tidemark
