#include "engine/log/node_meta.h"

#include "absl/strings/str_cat.h"
#include "engine/base/coding.h"
#include "engine/base/crc32c.h"

namespace tidemark {
namespace {

constexpr uint64_t kMagic = 0x315245444f4e4d54;  // "TMNODER1"
constexpr FileId kFile{kCatalogGroup, FileKind::kNodeMeta, 0};
constexpr size_t kFixedBytes = 8 + 4 + 8 + 8 + 4;

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

}  // namespace

absl::StatusOr<std::optional<FileBatch>> CheckNodeMeta(const DirectoryView& directory,
                                                       const NodeMeta& mine) {
  const absl::StatusOr<std::string_view> file = directory.Contents(kFile);
  if (!file.ok() && !absl::IsNotFound(file.status())) return file.status();
  bool others = false;
  for (const GroupId group : directory.Groups()) {
    for (const FileId& each : directory.List(group)) others = others || each != kFile;
  }
  const bool torn = file.ok() && (AllZero(*file) || file->size() < kFixedBytes + 4);
  if (!file.ok() || (torn && !others)) {
    if (others) {
      return absl::DataLossError(
          "the data directory has a log but no identity (node_meta is missing): restore the file "
          "or "
          "wipe the directory and let the node rejoin");
    }
    // New, or a first start that was cut short before anything depended on it.
    FileBatch batch;
    if (file.ok()) batch.ops.push_back(RemoveFile{kFile});
    batch.ops.push_back(CreateFile{kFile, 0});
    batch.ops.push_back(WriteFile{kFile, FilePos(0), {Bytes::From(Encode(mine))}});
    batch.sync.push_back(kFile);
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

}  // namespace tidemark
