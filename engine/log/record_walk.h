#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/base/coding.h"

namespace tidemark {

// One record of an uncompressed batch, as views into the batch.
struct RecordView {
  int64_t timestamp_delta_ms = 0;
  int64_t offset_delta = 0;
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;
  uint32_t header_count = 0;
  std::string_view headers;  // header_count well-formed headers, see RecordWalk::NextHeader
};

// Steps through the records of an uncompressed batch (FORMAT.md section 1.1) and checks their
// shape. Hops over keys and values by their lengths: the cost is per record, not per byte. Safe on
// any bytes.
class RecordWalk {
 public:
  // `records` are the bytes behind the batch header; they must outlive the walk and its views.
  explicit RecordWalk(std::string_view records) : rest_(records) {}

  bool at_end() const { return rest_.empty(); }
  size_t rest() const { return rest_.size(); }

  // Passes the next record if it is of the usual kind: well-formed, of offset delta `ordinal`,
  // without headers, its varints of one or two bytes. False if it is not, with nothing passed: ask
  // Next. Three times as fast, which a server notices with small records.
  bool PassUsual(uint32_t ordinal) {
    const char* at = rest_.data();
    const char* const end = at + rest_.size();
    int64_t length = 0;
    if (!Short(at, end, length) || length < 0 || length > end - at) return false;
    const char* const record_end = at + length;
    int64_t timestamp = 0;
    int64_t offset = 0;
    if (at == record_end || *at != 0) return false;
    ++at;
    if (!Short(at, record_end, timestamp) || !Short(at, record_end, offset) || offset != ordinal) {
      return false;
    }
    for (int field = 0; field < 2; ++field) {  // key and value
      int64_t bytes = 0;
      if (!Short(at, record_end, bytes) || bytes < -1 || bytes > record_end - at) return false;
      at += bytes < 0 ? 0 : bytes;
    }
    if (record_end - at != 1 || *at != 0) return false;
    rest_.remove_prefix(static_cast<size_t>(record_end - rest_.data()));
    return true;
  }

  // Reads the next record. Returns nullptr, or what is wrong with it; after an error the walk is
  // over.
  const char* Next(RecordView& record) {
    int64_t length = 0;
    if (!Varint(rest_, length) || length < 0 || static_cast<uint64_t>(length) > rest_.size()) {
      return "its length does not fit the batch";
    }
    std::string_view body = rest_.substr(0, static_cast<size_t>(length));
    rest_.remove_prefix(body.size());
    if (body.empty() || body.front() != 0) return "its attributes byte is not zero";
    body.remove_prefix(1);
    if (!Varint(body, record.timestamp_delta_ms)) return "its timestamp delta is malformed";
    if (!Varint(body, record.offset_delta)) return "its offset delta is malformed";
    if (!NullableText(body, record.key)) return "its key does not fit the record";
    if (!NullableText(body, record.value)) return "its value does not fit the record";
    int64_t count = 0;
    // A header takes at least two bytes: a count beyond the bytes is refused before the loop.
    if (!Varint(body, count) || count < 0 || static_cast<uint64_t>(count) > body.size() / 2) {
      return "its header count does not fit the record";
    }
    record.header_count = static_cast<uint32_t>(count);
    record.headers = body;
    for (int64_t i = 0; i < count; ++i) {
      std::string_view key;
      std::optional<std::string_view> value;
      if (!NextHeader(body, key, value)) return "a header does not fit the record";
    }
    if (!body.empty()) return "its length is larger than its contents";
    return nullptr;
  }

  // Reads one header off the front of RecordView::headers. False if it is malformed.
  static bool NextHeader(std::string_view& headers, std::string_view& key,
                         std::optional<std::string_view>& value) {
    std::optional<std::string_view> name;
    if (!NullableText(headers, name) || !name.has_value()) return false;
    key = *name;
    return NullableText(headers, value);
  }

 private:
  // A varint of at most two bytes before `end`.
  static bool Short(const char*& at, const char* end, int64_t& value) {
    if (at == end) return false;
    uint32_t raw = static_cast<uint8_t>(*at++);
    if (raw >= 0x80) {
      if (at == end) return false;
      const uint32_t high = static_cast<uint8_t>(*at++);
      if (high >= 0x80) return false;
      raw = (raw & 0x7f) | high << 7;
    }
    value = static_cast<int64_t>(raw >> 1) ^ -static_cast<int64_t>(raw & 1);
    return true;
  }

  // The one-byte case is nearly every varint of a record.
  static bool Varint(std::string_view& from, int64_t& value) {
    if (!from.empty() && static_cast<uint8_t>(from.front()) < 0x80) [[likely]] {
      const uint8_t raw = static_cast<uint8_t>(from.front());
      value = static_cast<int64_t>(raw >> 1) ^ -static_cast<int64_t>(raw & 1);
      from.remove_prefix(1);
      return true;
    }
    return ConsumeVarint(from, value);
  }

  static bool NullableText(std::string_view& from, std::optional<std::string_view>& text) {
    int64_t length = 0;
    if (!Varint(from, length)) return false;
    if (length == -1) {
      text.reset();
      return true;
    }
    if (length < 0 || static_cast<uint64_t>(length) > from.size()) return false;
    text = from.substr(0, static_cast<size_t>(length));
    from.remove_prefix(static_cast<size_t>(length));
    return true;
  }

  std::string_view rest_;
};

}  // namespace tidemark
