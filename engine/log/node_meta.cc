#include "engine/log/node_meta.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/coding.h"
#include "engine/base/crc32c.h"
#include "engine/base/limits.h"

namespace tidemark {
namespace {

constexpr uint64_t kMagic = 0x315245444f4e4d54;  // "TMNODER1"
constexpr size_t kFixedBytes = 8 + 4 + 8 + 8 + 4;
constexpr uint64_t kSlotBytes = 4096;
constexpr size_t kStandingHeadBytes = 8 + 8 + 1 + 8 + 8 + 2;
constexpr size_t kKnownBytes = 8 + 8 + 1;
static_assert(kStandingHeadBytes + kNodesMax * kKnownBytes + 4 <= kSlotBytes);
static_assert(3 * kSlotBytes == kNodeAddressesPos);

std::string EncodeStanding(const NodeStanding& standing) {
  std::string out;
  AppendLittle<uint64_t>(out, standing.generation);
  AppendLittle<uint64_t>(out, standing.incarnation.value());
  AppendLittle<uint8_t>(out, standing.settled ? 1 : 0);
  AppendLittle<uint64_t>(out, standing.fence_term.value());
  AppendLittle<uint64_t>(out, standing.fence_index.value());
  AppendLittle<uint16_t>(out, static_cast<uint16_t>(standing.known.size()));
  for (const auto& [node, known] : standing.known) {
    AppendLittle<uint64_t>(out, node.value());
    AppendLittle<uint64_t>(out, known.incarnation.value());
    AppendLittle<uint8_t>(out, (known.founding ? 1 : 0) | (known.recorded ? 2 : 0));
  }
  AppendLittle<uint32_t>(out, Crc32c(out));
  return out;
}

// nullopt: damaged, or never written.
std::optional<NodeStanding> DecodeStanding(std::string_view slot) {
  if (slot.size() < kStandingHeadBytes + 4) return std::nullopt;
  const size_t count = LoadLittle<uint16_t>(slot.data() + 33);
  const size_t end = kStandingHeadBytes + count * kKnownBytes;
  if (count > kNodesMax || slot.size() < end + 4 ||
      Crc32c(slot.substr(0, end)) != LoadLittle<uint32_t>(slot.data() + end)) {
    return std::nullopt;
  }
  NodeStanding standing{.generation = LoadLittle<uint64_t>(slot.data()),
                        .incarnation = Incarnation(LoadLittle<uint64_t>(slot.data() + 8)),
                        .settled = slot[16] != 0,
                        .fence_term = Term(LoadLittle<uint64_t>(slot.data() + 17)),
                        .fence_index = LogIndex(LoadLittle<uint64_t>(slot.data() + 25)),
                        .known = {}};
  for (size_t at = kStandingHeadBytes; at < end; at += kKnownBytes) {
    standing.known[NodeId(LoadLittle<uint64_t>(slot.data() + at))] = {
        .incarnation = Incarnation(LoadLittle<uint64_t>(slot.data() + at + 8)),
        .founding = (slot[at + 16] & 1) != 0,
        .recorded = (slot[at + 16] & 2) != 0};
  }
  if (standing.generation == 0) return std::nullopt;
  return standing;
}

bool HasOthers(const DirectoryView& directory) {
  for (const GroupId group : directory.Groups()) {
    for (const FileId& each : directory.List(group)) {
      if (each != kNodeMetaFile) return true;
    }
  }
  return false;
}

std::string Encode(const NodeMeta& meta) {
  std::string out;
  AppendLittle<uint64_t>(out, kMagic);
  AppendLittle<uint32_t>(out, kFormatVersion);
  AppendLittle<uint64_t>(out, meta.node.value());
  AppendLittle<int64_t>(out, meta.created.millis());
  AppendLittle<uint32_t>(out, static_cast<uint32_t>(meta.cluster_id.size()));
  out += meta.cluster_id;
  AppendLittle<uint32_t>(out, Crc32c(out));
  return out;
}

bool AllZero(std::string_view bytes) {
  return bytes.find_first_not_of('\0') == std::string_view::npos;
}

// Whether nothing says whose the directory is. A first start that was cut short may have left what
// it wrote behind that, in the same flush, all the same.
bool LacksIdentity(std::string_view file) {
  return file.size() < kFixedBytes + 4 || AllZero(file.substr(0, kSlotBytes));
}

}  // namespace

absl::StatusOr<std::optional<FileBatch>> CheckNodeMeta(const DirectoryView& directory,
                                                       const NodeMeta& mine) {
  const absl::StatusOr<std::string_view> file = directory.Contents(kNodeMetaFile);
  if (!file.ok() && !absl::IsNotFound(file.status())) return file.status();
  const bool others = HasOthers(directory);
  const bool torn = file.ok() && LacksIdentity(*file);
  if (!file.ok() || (torn && !others)) {
    if (others) {
      return absl::DataLossError(
          "the data directory has a log but no identity (node_meta is missing): restore the file "
          "or "
          "wipe the directory and let the node rejoin");
    }
    // New, or a first start that was cut short before anything depended on it. All of its space
    // now: it is written again when the disk may be full.
    FileBatch batch;
    if (file.ok()) batch.ops.push_back(RemoveFile{kNodeMetaFile});
    batch.ops.push_back(CreateFile{kNodeMetaFile, kNodeMetaBytes});
    batch.ops.push_back(WriteFile{kNodeMetaFile, FilePos(0), {Bytes::From(Encode(mine))}});
    batch.sync.push_back(kNodeMetaFile);
    return batch;
  }
  const absl::Status damaged = absl::DataLossError(
      "the identity of the data directory (node_meta) is damaged: restore the file, or wipe the "
      "directory and let the node rejoin");
  if (torn || LoadLittle<uint64_t>(file->data()) != kMagic) return damaged;
  const uint32_t version = LoadLittle<uint32_t>(file->data() + 8);
  if (version != kFormatVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the data directory has format ", version, ", this program reads format ", kFormatVersion,
        version > kFormatVersion ? "; run a newer tidemark" : "; it was never released"));
  }
  const uint32_t length = LoadLittle<uint32_t>(file->data() + 28);
  if (length > file->size() - kFixedBytes - 4) return damaged;
  const size_t end = kFixedBytes + length;
  if (Crc32c(file->substr(0, end)) != LoadLittle<uint32_t>(file->data() + end)) return damaged;
  const NodeId node(LoadLittle<uint64_t>(file->data() + 12));
  const std::string cluster(file->substr(kFixedBytes, length));
  if (node == mine.node && cluster == mine.cluster_id) return std::optional<FileBatch>();
  return absl::FailedPreconditionError(
      absl::StrCat("the data directory belongs to node ", node.value(), " of cluster \"", cluster,
                   "\", this is node ", mine.node.value(), " of cluster \"", mine.cluster_id,
                   "\"; use the directory of this node, or an empty one"));
}

absl::StatusOr<NodeStanding> ReadStanding(const DirectoryView& directory) {
  const bool others = HasOthers(directory);
  const NodeStanding none{.settled = others};
  const absl::StatusOr<std::string_view> file = directory.Contents(kNodeMetaFile);
  if (absl::IsNotFound(file.status())) return none;
  if (!file.ok()) return file.status();
  if (file->size() <= kSlotBytes || AllZero(file->substr(kSlotBytes))) return none;
  // The file is about to be made anew.
  if (!others && LacksIdentity(*file)) return none;
  std::optional<NodeStanding> newest;
  for (const uint64_t at : {kSlotBytes, 2 * kSlotBytes}) {
    if (at >= file->size()) continue;
    std::optional<NodeStanding> slot = DecodeStanding(file->substr(at, kSlotBytes));
    if (!slot.has_value() || (newest.has_value() && newest->generation > slot->generation)) {
      continue;
    }
    newest = std::move(slot);
  }
  if (newest.has_value()) return *std::move(newest);
  // A first start that was cut short before anything depended on it.
  if (!others) return none;
  return absl::DataLossError(
      "what the data directory knows of its own life (node_meta) is damaged: restore the file, or "
      "wipe the directory and let the node rejoin");
}

void AppendNodeMeta(FilePos pos, std::string bytes, FileBatch& batch) {
  batch.ops.push_back(WriteFile{kNodeMetaFile, pos, {Bytes::From(std::move(bytes))}});
  if (std::find(batch.sync.begin(), batch.sync.end(), kNodeMetaFile) == batch.sync.end()) {
    batch.sync.push_back(kNodeMetaFile);
  }
}

void AppendStanding(const NodeStanding& standing, FileBatch& batch) {
  TIDEMARK_CHECK_GT(standing.generation, 0u);
  TIDEMARK_CHECK_LE(standing.known.size(), kNodesMax);
  const FilePos at{kSlotBytes * (1 + standing.generation % 2)};
  AppendNodeMeta(at, EncodeStanding(standing), batch);
}

}  // namespace tidemark
