#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "engine/base/check.h"

// Strong integer types: an index, a count and a position in a file never mix by accident.

namespace tidemark {

// A distinct unsigned 64-bit (or narrower) number. Arithmetic is by plain counts only:
// `id + 1`, `b - a` (a count). Overflow dies: no identifier of this product may wrap.
template <typename Tag, typename Rep = uint64_t>
class StrongInt {
 public:
  using rep = Rep;
  constexpr StrongInt() = default;
  constexpr explicit StrongInt(Rep value) : value_(value) {}

  constexpr Rep value() const { return value_; }

  constexpr auto operator<=>(const StrongInt&) const = default;

  constexpr StrongInt& operator++() {
    TIDEMARK_CHECK_NE(value_, static_cast<Rep>(~Rep{0}));
    ++value_;
    return *this;
  }
  friend constexpr StrongInt operator+(StrongInt a, Rep count) {
    const Rep sum = static_cast<Rep>(a.value_ + count);
    TIDEMARK_CHECK_GE(sum, a.value_);
    return StrongInt(sum);
  }
  friend constexpr StrongInt operator-(StrongInt a, Rep count) {
    TIDEMARK_CHECK_GE(a.value_, count);
    return StrongInt(static_cast<Rep>(a.value_ - count));
  }
  friend constexpr Rep operator-(StrongInt a, StrongInt b) {
    TIDEMARK_CHECK_GE(a.value_, b.value_);
    return static_cast<Rep>(a.value_ - b.value_);
  }

 private:
  Rep value_ = 0;
};

// A server of the cluster. 0 means "none".
using NodeId = StrongInt<struct NodeIdTag>;
// A raft group: 0 is the catalog, every partition has one of its own, never reused.
using GroupId = StrongInt<struct GroupIdTag>;
// Raft term. 0 is before the first election. On disk a term fits 31 bits (Kafka's leader_epoch).
using Term = StrongInt<struct TermTag>;
// Position of an entry in a raft log, 1-based; 0 is "before the first entry".
using LogIndex = StrongInt<struct LogIndexTag>;
// Client-visible record number in a partition, dense, 0-based.
using Offset = StrongInt<struct OffsetTag>;
// Byte position in a file.
using FilePos = StrongInt<struct FilePosTag>;
// A topic, assigned by the catalog, never reused.
using TopicId = StrongInt<struct TopicIdTag>;
// A partition of a topic, 0-based.
using PartitionId = StrongInt<struct PartitionIdTag, uint32_t>;
// One client request, unique per run of a node; chosen by the driver.
using RequestId = StrongInt<struct RequestIdTag>;
// One disk operation in flight; chosen by the engine.
using IoToken = StrongInt<struct IoTokenTag>;
// An idempotent producer, chosen by the client; -1 on disk means "none", so the top bit is clear.
using ProducerId = StrongInt<struct ProducerIdTag>;

inline constexpr NodeId kNoNode{0};
inline constexpr GroupId kCatalogGroup{0};

}  // namespace tidemark

template <typename Tag, typename Rep>
struct std::hash<tidemark::StrongInt<Tag, Rep>> {
  size_t operator()(tidemark::StrongInt<Tag, Rep> id) const { return std::hash<Rep>{}(id.value()); }
};
