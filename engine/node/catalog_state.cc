#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/coding.h"
#include "engine/base/crc32c.h"
#include "engine/base/limits.h"
#include "engine/base/status_macros.h"
#include "engine/node/catalog.h"
#include "engine/node/catalog_fields.h"

// The catalog's state as bytes: CATALOG.md.

namespace tidemark {
namespace {

constexpr std::string_view kMagic("TMCAT\0\1\0", 8);
constexpr std::string_view kMagicWithIncarnations("TMCAT\0\2\0", 8);
constexpr size_t kChecksumBytes = 4;
// Of a node's incarnation: nothing is under way, or its former self is still in, or out.
constexpr uint8_t kThere = 0;
constexpr uint8_t kLost = 1;
constexpr uint8_t kOut = 2;

absl::Status Damaged(std::string_view what) {
  return absl::DataLossError(
      absl::StrCat("a state of the catalog is damaged: ", std::string(what)));
}

void AppendPartition(std::string& out, const CatalogPartition& place) {
  AppendLittle<uint64_t>(out, place.group.value());
  AppendNodes(out, place.replicas);
  AppendNodes(out, place.origin);
  AppendNodes(out, place.target);
  AppendLittle<uint32_t>(out, static_cast<uint32_t>(place.admitted.size()));
  for (const auto& [node, admission] : place.admitted) {
    AppendLittle<uint64_t>(out, node.value());
    AppendLittle<uint64_t>(out, admission.term.value());
    AppendLittle<uint64_t>(out, admission.index.value());
  }
}

absl::StatusOr<CatalogPartition> ReadPartition(CatalogReader& reader) {
  CatalogPartition place;
  place.group = GroupId(reader.Integer<uint64_t>());
  place.replicas = reader.Nodes();
  place.origin = reader.Nodes();
  place.target = reader.Nodes();
  const uint32_t admitted = reader.Integer<uint32_t>();
  if (admitted > kNodesMax) return Damaged("too many admissions");
  NodeId last;
  for (uint32_t i = 0; i < admitted && !reader.broken(); ++i) {
    const NodeId node{reader.Integer<uint64_t>()};
    const Term term{reader.Integer<uint64_t>()};
    const LogIndex index{reader.Integer<uint64_t>()};
    if (i > 0 && node <= last) return Damaged("admissions are not in order");
    place.admitted[node] = {.term = term, .index = index};
    last = node;
  }
  if (reader.broken()) return Damaged("it ends too early");
  return place;
}

absl::StatusOr<CatalogTopic> ReadTopic(CatalogReader& reader) {
  CatalogTopic topic;
  topic.name = reader.Text();
  topic.id = TopicId(reader.Integer<uint64_t>());
  topic.segment_bytes = reader.Integer<uint64_t>();
  topic.retention_bytes = reader.Integer<uint64_t>();
  topic.retention_ms = reader.Integer<uint64_t>();
  topic.cleanup.policy = static_cast<Cleanup>(reader.Integer<uint8_t>());
  topic.cleanup.min_compaction_lag_ms = reader.Integer<uint64_t>();
  topic.cleanup.tombstone_retention_ms = reader.Integer<uint64_t>();
  const uint32_t partitions = reader.Integer<uint32_t>();
  if (reader.broken()) return Damaged("it ends too early");
  if (topic.cleanup.policy > Cleanup::kCompactAndDelete) return Damaged("an unknown cleanup");
  if (partitions > kPartitionsPerTopicMax) return Damaged("too many partitions");
  for (uint32_t i = 0; i < partitions; ++i) {
    TIDEMARK_ASSIGN_OR_RETURN(CatalogPartition place, ReadPartition(reader));
    topic.partitions.push_back(std::move(place));
  }
  return topic;
}

absl::Status ReadIncarnations(CatalogReader& reader, std::map<NodeId, Incarnation>& incarnations,
                              std::map<NodeId, bool>& returning) {
  const uint32_t count = reader.Integer<uint32_t>();
  if (count == 0 || count > kNodesMax) return Damaged("no nodes, or too many");
  for (uint32_t i = 0; i < count; ++i) {
    const NodeId node{reader.Integer<uint64_t>()};
    const Incarnation incarnation{reader.Integer<uint64_t>()};
    const uint8_t way = reader.Integer<uint8_t>();
    if (reader.broken()) return Damaged("it ends too early");
    if (way > kOut || incarnation == Incarnation()) return Damaged("an incarnation");
    if (node <= (incarnations.empty() ? kNoNode : incarnations.rbegin()->first)) {
      return Damaged("nodes are not in order");
    }
    incarnations[node] = incarnation;
    if (way != kThere) returning[node] = way == kOut;
  }
  return absl::OkStatus();
}

}  // namespace

std::string Catalog::Encode() const {
  std::string out(incarnations_.empty() ? kMagic : kMagicWithIncarnations);
  AppendLittle<uint64_t>(out, next_topic_.value());
  AppendLittle<uint64_t>(out, next_group_.value());
  AppendLittle<uint32_t>(out, static_cast<uint32_t>(topics_.size()));
  for (const auto& [name, topic] : topics_) {
    AppendText(out, name);
    AppendLittle<uint64_t>(out, topic.id.value());
    AppendLittle<uint64_t>(out, topic.segment_bytes);
    AppendLittle<uint64_t>(out, topic.retention_bytes);
    AppendLittle<uint64_t>(out, topic.retention_ms);
    AppendLittle<uint8_t>(out, static_cast<uint8_t>(topic.cleanup.policy));
    AppendLittle<uint64_t>(out, topic.cleanup.min_compaction_lag_ms);
    AppendLittle<uint64_t>(out, topic.cleanup.tombstone_retention_ms);
    AppendLittle<uint32_t>(out, static_cast<uint32_t>(topic.partitions.size()));
    for (const CatalogPartition& place : topic.partitions) AppendPartition(out, place);
  }
  if (!incarnations_.empty()) {
    AppendLittle<uint32_t>(out, static_cast<uint32_t>(incarnations_.size()));
  }
  for (const auto& [node, incarnation] : incarnations_) {
    const auto back = returning_.find(node);
    AppendLittle<uint64_t>(out, node.value());
    AppendLittle<uint64_t>(out, incarnation.value());
    AppendLittle<uint8_t>(out, back == returning_.end() ? kThere : back->second ? kOut : kLost);
  }
  AppendLittle<uint32_t>(out, Crc32c(out));
  return out;
}

absl::StatusOr<Catalog> Catalog::Decode(std::string_view bytes) {
  if (bytes.size() < kMagic.size() + kChecksumBytes) return Damaged("it ends too early");
  const std::string_view magic = bytes.substr(0, kMagic.size());
  if (magic != kMagic && magic != kMagicWithIncarnations) {
    return Damaged("it does not begin as this version's do; upgrade this node");
  }
  const std::string_view body = bytes.substr(0, bytes.size() - kChecksumBytes);
  if (Crc32c(body) != LoadLittle<uint32_t>(bytes.data() + body.size())) {
    return Damaged("its checksum is wrong");
  }
  CatalogReader reader(body.substr(kMagic.size()));
  Catalog catalog;
  catalog.next_topic_ = TopicId(reader.Integer<uint64_t>());
  catalog.next_group_ = GroupId(reader.Integer<uint64_t>());
  const uint32_t topics = reader.Integer<uint32_t>();
  if (topics > kTopicsMax) return Damaged("too many topics");
  for (uint32_t i = 0; i < topics; ++i) {
    TIDEMARK_ASSIGN_OR_RETURN(CatalogTopic topic, ReadTopic(reader));
    if (!CheckTopicName(topic.name).ok()) return Damaged("a topic's name");
    if (!catalog.topics_.empty() && topic.name <= catalog.topics_.rbegin()->first) {
      return Damaged("topics are not in order");
    }
    if (topic.id >= catalog.next_topic_) return Damaged("a topic's id was not given out yet");
    for (size_t at = 0; at < topic.partitions.size(); ++at) {
      const GroupId group = topic.partitions[at].group;
      const PartitionId partition(static_cast<uint32_t>(at));
      if (group == kCatalogGroup || group >= catalog.next_group_ ||
          !catalog.groups_.emplace(group, std::pair(topic.name, partition)).second) {
        return Damaged("a partition's group");
      }
    }
    std::string name = topic.name;
    catalog.topics_.emplace(std::move(name), std::move(topic));
  }
  if (magic == kMagicWithIncarnations) {
    TIDEMARK_RETURN_IF_ERROR(ReadIncarnations(reader, catalog.incarnations_, catalog.returning_));
  }
  if (!reader.done()) return Damaged("there is more than it says");
  return catalog;
}

}  // namespace tidemark
