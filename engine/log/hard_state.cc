#include "engine/log/hard_state.h"

#include <algorithm>
#include <optional>

#include "engine/base/check.h"
#include "engine/base/coding.h"
#include "engine/base/crc32c.h"

namespace tidemark {
namespace {

constexpr size_t kSlotBytes = 4096;
constexpr uint64_t kMagic = 0x3153484b52414d54;  // "TMARKHS1"
constexpr size_t kRecordBytes = 5 * 8 + 4;

std::string EncodeSlot(const HardStateRecord& record) {
  std::string slot;
  AppendLittle<uint64_t>(slot, kMagic);
  AppendLittle<uint64_t>(slot, record.generation);
  AppendLittle<uint64_t>(slot, record.term.value());
  AppendLittle<uint64_t>(slot, record.vote.value());
  AppendLittle<uint64_t>(slot, record.commit.value());
  AppendLittle<uint32_t>(slot, Crc32c(slot));
  slot.resize(kSlotBytes, '\0');
  return slot;
}

std::optional<HardStateRecord> DecodeSlot(std::string_view slot) {
  if (slot.size() < kRecordBytes || LoadLittle<uint64_t>(slot.data()) != kMagic) {
    return std::nullopt;
  }
  const uint32_t crc = LoadLittle<uint32_t>(slot.data() + kRecordBytes - 4);
  if (Crc32c(slot.substr(0, kRecordBytes - 4)) != crc) return std::nullopt;
  return HardStateRecord{.generation = LoadLittle<uint64_t>(slot.data() + 8),
                         .term = Term(LoadLittle<uint64_t>(slot.data() + 16)),
                         .vote = NodeId(LoadLittle<uint64_t>(slot.data() + 24)),
                         .commit = LogIndex(LoadLittle<uint64_t>(slot.data() + 32))};
}

}  // namespace

absl::StatusOr<HardStateRecord> DecodeHardState(std::string_view file) {
  HardStateRecord newest;
  bool any = false;
  for (size_t slot = 0; slot < 2 && slot * kSlotBytes < file.size(); ++slot) {
    const auto record = DecodeSlot(file.substr(slot * kSlotBytes, kSlotBytes));
    if (record.has_value() && record->generation >= newest.generation) {
      newest = *record;
      any = true;
    }
  }
  // A crash during the very first write leaves a torn first slot, and no promise was made yet. But
  // then the second slot has never been written: anything there means that both slots are damaged.
  const bool second_touched =
      file.size() > kSlotBytes &&
      file.substr(kSlotBytes).find_first_not_of('\0') != std::string_view::npos;
  if (!any && second_touched) {
    return absl::DataLossError(
        "both copies of the hard state (term and vote) are damaged: this replica does not know "
        "what it promised. Wipe this node's data directory and let it rejoin as a new node");
  }
  return newest;
}

void AppendHardState(GroupId group, const HardStateRecord& record, FileBatch& batch) {
  TIDEMARK_CHECK_GT(record.generation, 0u);
  const FileId file{group, FileKind::kHardState, 0};
  if (record.generation == 1) batch.ops.push_back(CreateFile{file, 2 * kSlotBytes});
  // Generation 1 goes to the first slot.
  const uint64_t slot = (record.generation + 1) % 2;
  batch.ops.push_back(
      WriteFile{file, FilePos(slot * kSlotBytes), {Bytes::From(EncodeSlot(record))}});
  batch.sync.push_back(file);
}

}  // namespace tidemark
