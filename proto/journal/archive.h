#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/coding.h"
#include "engine/base/crc32c.h"
#include "engine/base/ids.h"
#include "engine/base/time.h"

// Plain structs as bytes: one list of fields a struct (fields.h) serves writing, reading and
// digesting, so that they cannot drift apart. Numbers are zig-zag varints (coding.h), texts and
// lists have their length in front, an optional has a byte.

namespace tidemark::journal {

// Appends to `out`, which outlives the writer.
class Writer {
 public:
  static constexpr bool kReading = false;
  explicit Writer(std::string& out) : out_(out) {}

  void Number(int64_t value) { AppendVarint(out_, value); }
  void Text(std::string_view text) {
    Number(static_cast<int64_t>(text.size()));
    out_.append(text);
  }
  void Shared(const Bytes& bytes) { Text(bytes.view()); }

 private:
  std::string& out_;
};

// A CRC-32C over what a Writer would write, where a long text stands for itself by its own CRC-32C.
// The effects of a step share their long texts (an entry goes to each follower and to the disk):
// one digester for all of them reads each once.
class Digester {
 public:
  static constexpr bool kReading = false;

  void Number(int64_t value) { AppendVarint(small_, value); }
  void Text(std::string_view text) {
    Number(static_cast<int64_t>(text.size()));
    Raw(text);
  }
  void Shared(const Bytes& bytes) { Text(bytes.view()); }
  // Bytes without their length. They stay valid and unchanged as long as the digester.
  void Raw(std::string_view text) {
    if (text.size() <= kShortBytes) {
      small_.append(text);
    } else {
      AppendLittle(small_, CrcOf(text));
    }
  }
  // The same for bytes that do not stay.
  void Passing(std::string_view text) { small_.append(text); }
  // Of all since the last call.
  uint32_t Take() {
    const uint32_t crc = Crc32c(small_);
    small_.clear();
    return crc;
  }

 private:
  static constexpr size_t kShortBytes = 256;
  static constexpr size_t kSeenMax = 8;

  uint32_t CrcOf(std::string_view text) {
    for (const Seen& seen : seen_) {
      if (seen.text.data() == text.data() && seen.text.size() == text.size()) return seen.crc;
    }
    const uint32_t crc = Crc32c(text);
    if (seen_.size() < kSeenMax) {
      seen_.push_back({text, crc});
    } else {
      seen_[next_++ % kSeenMax] = {text, crc};
    }
    return crc;
  }

  struct Seen {
    std::string_view text;
    uint32_t crc = 0;
  };
  std::string small_;
  std::vector<Seen> seen_;
  size_t next_ = 0;
};

// Reads what a Writer wrote. Never reads past the end: the first thing that cannot be is remembered
// and everything after it is empty or zero.
class Reader {
 public:
  static constexpr bool kReading = true;
  // Bytes and entries that are read are slices of `from` and keep it alive.
  explicit Reader(Bytes from) : from_(std::move(from)), rest_(from_.view()) {}

  bool ok() const { return ok_; }
  bool done() const { return ok_ && rest_.empty(); }
  size_t left() const { return rest_.size(); }
  void Fail() {
    ok_ = false;
    rest_ = {};
  }

  int64_t Number() {
    int64_t value = 0;
    if (ConsumeVarint(rest_, value)) return value;
    Fail();
    return 0;
  }
  std::string_view Text() {
    const uint64_t size = static_cast<uint64_t>(Number());
    if (size > rest_.size()) {
      Fail();
      return {};
    }
    const std::string_view text = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return text;
  }
  Bytes Shared() {
    const std::string_view text = Text();
    if (text.empty()) return {};
    return from_.Slice(static_cast<size_t>(text.data() - from_.data()), text.size());
  }

 private:
  Bytes from_;
  std::string_view rest_;
  bool ok_ = true;
};

// The highest value of an enum that may be read; specialised beside the fields.
template <typename E>
inline constexpr E kEnumMax = E{};

template <typename A, typename T>
void Value(A& a, T& value);

template <typename A, typename... T>
void All(A& a, T&... each) {
  (Value(a, each), ...);
}

namespace internal {

template <typename T>
struct IsStrongInt : std::false_type {};
template <typename Tag, typename Rep>
struct IsStrongInt<StrongInt<Tag, Rep>> : std::true_type {};
template <typename T>
struct IsVector : std::false_type {};
template <typename T>
struct IsVector<std::vector<T>> : std::true_type {};
template <typename T>
struct IsMap : std::false_type {};
template <typename K, typename V>
struct IsMap<std::map<K, V>> : std::true_type {};
template <typename T>
struct IsOptional : std::false_type {};
template <typename T>
struct IsOptional<std::optional<T>> : std::true_type {};

// All 64 bits pass, whatever the sign; a narrower type refuses what does not fit.
template <typename I>
void Integer(Reader& a, I& value) {
  const int64_t raw = a.Number();
  value = static_cast<I>(raw);
  if (static_cast<int64_t>(value) != raw) a.Fail();
}
template <typename A, typename I>
void Integer(A& a, const I& value) {
  a.Number(static_cast<int64_t>(value));
}

// Elements to come: each takes at least a byte.
inline size_t Count(Reader& a) {
  const uint64_t count = static_cast<uint64_t>(a.Number());
  if (count <= a.left()) return static_cast<size_t>(count);
  a.Fail();
  return 0;
}

template <typename T>
void ReadValue(Reader& a, T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    uint8_t byte = 0;
    Integer(a, byte);
    value = byte == 1;
    if (byte > 1) a.Fail();
  } else if constexpr (std::is_enum_v<T>) {
    std::underlying_type_t<T> raw{};
    Integer(a, raw);
    if (raw > static_cast<std::underlying_type_t<T>>(kEnumMax<T>)) a.Fail();
    if (a.ok()) value = static_cast<T>(raw);
  } else if constexpr (std::is_integral_v<T>) {
    Integer(a, value);
  } else if constexpr (IsStrongInt<T>::value) {
    typename T::rep raw{};
    Integer(a, raw);
    value = T(raw);
  } else if constexpr (std::is_same_v<T, Duration>) {
    value = Duration::Nanos(a.Number());
  } else if constexpr (std::is_same_v<T, Instant>) {
    value = Instant::FromNanos(a.Number());
  } else if constexpr (std::is_same_v<T, WallTime>) {
    value = WallTime::FromMillis(a.Number());
  } else if constexpr (std::is_same_v<T, std::string>) {
    value = std::string(a.Text());
  } else if constexpr (std::is_same_v<T, Bytes>) {
    value = a.Shared();
  } else if constexpr (IsVector<T>::value) {
    const size_t count = Count(a);
    for (size_t i = 0; i < count && a.ok(); ++i) Value(a, value.emplace_back());
  } else if constexpr (IsMap<T>::value) {
    const size_t count = Count(a);
    for (size_t i = 0; i < count && a.ok(); ++i) {
      typename T::key_type key{};
      Value(a, key);
      Value(a, value[key]);
    }
  } else if constexpr (IsOptional<T>::value) {
    bool has = false;
    Value(a, has);
    if (has) Value(a, value.emplace());
  } else {
    Fields(a, value);
  }
}

template <typename A, typename T>
void WriteValue(A& a, const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    a.Number(value ? 1 : 0);
  } else if constexpr (std::is_enum_v<T>) {
    Integer(a, static_cast<std::underlying_type_t<T>>(value));
  } else if constexpr (std::is_integral_v<T>) {
    Integer(a, value);
  } else if constexpr (IsStrongInt<T>::value) {
    Integer(a, value.value());
  } else if constexpr (std::is_same_v<T, Duration> || std::is_same_v<T, Instant>) {
    a.Number(value.nanos());
  } else if constexpr (std::is_same_v<T, WallTime>) {
    a.Number(value.millis());
  } else if constexpr (std::is_same_v<T, std::string>) {
    a.Text(value);
  } else if constexpr (std::is_same_v<T, Bytes>) {
    a.Shared(value);
  } else if constexpr (IsVector<T>::value) {
    Integer(a, value.size());
    for (const auto& each : value) Value(a, each);
  } else if constexpr (IsMap<T>::value) {
    Integer(a, value.size());
    for (const auto& [key, each] : value) All(a, key, each);
  } else if constexpr (IsOptional<T>::value) {
    a.Number(value.has_value() ? 1 : 0);
    if (value.has_value()) Value(a, *value);
  } else {
    Fields(a, value);
  }
}

}  // namespace internal

template <typename A, typename T>
void Value(A& a, T& value) {
  if constexpr (A::kReading) {
    internal::ReadValue(a, value);
  } else {
    internal::WriteValue(a, value);
  }
}

}  // namespace tidemark::journal
