#include "engine/node/catalog.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/coding.h"
#include "engine/base/limits.h"
#include "engine/base/status_macros.h"

namespace tidemark {
namespace {

constexpr uint8_t kVersion = 1;
constexpr uint8_t kVersionWithRetention = 2;
constexpr uint8_t kVersionWithCleanup = 3;
constexpr uint8_t kCreateTopic = 1;
constexpr uint8_t kDeleteTopic = 2;

void AppendString(std::string& to, std::string_view text) {
  AppendLittle<uint32_t>(to, static_cast<uint32_t>(text.size()));
  to.append(text);
}

// Reads fields off the front; remembers that something was missing, so callers check once.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  template <typename T>
  T Integer() {
    if (rest_.size() < sizeof(T)) {
      broken_ = true;
      return 0;
    }
    const T value = LoadLittle<T>(rest_.data());
    rest_.remove_prefix(sizeof(T));
    return value;
  }

  std::string String() {
    const uint32_t length = Integer<uint32_t>();
    if (broken_ || length > rest_.size()) {
      broken_ = true;
      return {};
    }
    std::string text(rest_.substr(0, length));
    rest_.remove_prefix(length);
    return text;
  }

  bool done() const { return !broken_ && rest_.empty(); }
  bool broken() const { return broken_; }

 private:
  std::string_view rest_;
  bool broken_ = false;
};

absl::Status Malformed() {
  return absl::DataLossError(
      "a catalog entry is malformed: it was written by a newer version or damaged");
}

absl::StatusOr<CatalogCommand> DecodeCreate(Reader& reader, uint8_t version) {
  CreateTopicCommand create;
  create.name = reader.String();
  create.segment_bytes = reader.Integer<uint64_t>();
  if (version >= kVersionWithRetention) {
    create.retention_bytes = reader.Integer<uint64_t>();
    create.retention_ms = reader.Integer<uint64_t>();
  }
  if (version >= kVersionWithCleanup) {
    create.cleanup.policy = static_cast<Cleanup>(reader.Integer<uint8_t>());
    create.cleanup.min_compaction_lag_ms = reader.Integer<uint64_t>();
    create.cleanup.tombstone_retention_ms = reader.Integer<uint64_t>();
    if (create.cleanup.policy > Cleanup::kCompactAndDelete) return Malformed();
  }
  const uint32_t partitions = reader.Integer<uint32_t>();
  if (reader.broken() || partitions > kPartitionsPerTopicMax) return Malformed();
  for (uint32_t i = 0; i < partitions; ++i) {
    const uint32_t count = reader.Integer<uint32_t>();
    if (reader.broken() || count > kReplicasMax) return Malformed();
    std::vector<NodeId>& replicas = create.replicas.emplace_back();
    for (uint32_t j = 0; j < count; ++j) replicas.push_back(NodeId(reader.Integer<uint64_t>()));
  }
  if (!reader.done()) return Malformed();
  return create;
}

}  // namespace

std::string EncodeCatalogCommand(const CatalogCommand& command) {
  std::string out;
  if (const auto* create = std::get_if<CreateTopicCommand>(&command)) {
    const bool cleanup = create->cleanup.compacts();
    const bool retention = cleanup || create->retention_bytes != 0 || create->retention_ms != 0;
    AppendLittle<uint8_t>(out, cleanup     ? kVersionWithCleanup
                               : retention ? kVersionWithRetention
                                           : kVersion);
    AppendLittle<uint8_t>(out, kCreateTopic);
    AppendString(out, create->name);
    AppendLittle<uint64_t>(out, create->segment_bytes);
    if (retention) {
      AppendLittle<uint64_t>(out, create->retention_bytes);
      AppendLittle<uint64_t>(out, create->retention_ms);
    }
    if (cleanup) {
      AppendLittle<uint8_t>(out, static_cast<uint8_t>(create->cleanup.policy));
      AppendLittle<uint64_t>(out, create->cleanup.min_compaction_lag_ms);
      AppendLittle<uint64_t>(out, create->cleanup.tombstone_retention_ms);
    }
    AppendLittle<uint32_t>(out, static_cast<uint32_t>(create->replicas.size()));
    for (const std::vector<NodeId>& replicas : create->replicas) {
      AppendLittle<uint32_t>(out, static_cast<uint32_t>(replicas.size()));
      for (const NodeId node : replicas) AppendLittle<uint64_t>(out, node.value());
    }
  } else {
    AppendLittle<uint8_t>(out, kVersion);
    AppendLittle<uint8_t>(out, kDeleteTopic);
    AppendString(out, std::get<DeleteTopicCommand>(command).name);
  }
  return out;
}

absl::StatusOr<CatalogCommand> DecodeCatalogCommand(std::string_view bytes) {
  Reader reader(bytes);
  const uint8_t version = reader.Integer<uint8_t>();
  const uint8_t kind = reader.Integer<uint8_t>();
  if (reader.broken() || version < kVersion || version > kVersionWithCleanup) return Malformed();
  if (kind == kCreateTopic) return DecodeCreate(reader, version);
  if (kind != kDeleteTopic || version != kVersion) return Malformed();
  DeleteTopicCommand remove{.name = reader.String()};
  if (!reader.done()) return Malformed();
  return CatalogCommand(std::move(remove));
}

absl::Status CheckTopicName(std::string_view name) {
  bool sane = !name.empty() && name.size() <= kTopicNameBytesMax && name != "." && name != "..";
  for (const char c : name) {
    sane = sane && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '.' || c == '_' || c == '-');
  }
  if (sane) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("a topic name has 1 to ", kTopicNameBytesMax,
                   " characters of a-z A-Z 0-9 . _ - and is not \".\" or \"..\""));
}

absl::Status Catalog::Apply(const CatalogCommand& command) {
  if (const auto* remove = std::get_if<DeleteTopicCommand>(&command)) {
    const auto found = topics_.find(remove->name);
    if (found == topics_.end()) {
      return absl::NotFoundError(absl::StrCat("there is no topic \"", remove->name, "\""));
    }
    for (const CatalogPartition& partition : found->second.partitions) {
      groups_.erase(partition.group);
    }
    topics_.erase(found);
    return absl::OkStatus();
  }
  const auto& create = std::get<CreateTopicCommand>(command);
  if (topics_.contains(create.name)) {
    return absl::AlreadyExistsError(absl::StrCat("topic \"", create.name, "\" already exists"));
  }
  if (topics_.size() >= kTopicsMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the cluster already has ", kTopicsMax, " topics, its limit; delete some"));
  }
  CatalogTopic topic{.name = create.name,
                     .id = next_topic_,
                     .segment_bytes = create.segment_bytes,
                     .retention_bytes = create.retention_bytes,
                     .retention_ms = create.retention_ms,
                     .cleanup = create.cleanup,
                     .partitions = {}};
  ++next_topic_;
  for (size_t i = 0; i < create.replicas.size(); ++i) {
    topic.partitions.push_back({.group = next_group_, .replicas = create.replicas[i]});
    groups_[next_group_] = {create.name, PartitionId(static_cast<uint32_t>(i))};
    ++next_group_;
  }
  topics_.emplace(create.name, std::move(topic));
  return absl::OkStatus();
}

const CatalogTopic* Catalog::Find(std::string_view name) const {
  const auto found = topics_.find(name);
  return found == topics_.end() ? nullptr : &found->second;
}

const CatalogTopic* Catalog::TopicOf(GroupId group, PartitionId* partition) const {
  const auto found = groups_.find(group);
  if (found == groups_.end()) return nullptr;
  *partition = found->second.second;
  return Find(found->second.first);
}

}  // namespace tidemark
