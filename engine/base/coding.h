#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

// Fixed-width and varint integers at byte addresses. Record batches are big-endian (Kafka's
// choice), everything of Tidemark's own is little-endian.

namespace tidemark {

static_assert(std::endian::native == std::endian::little, "big-endian hosts are not supported");

template <typename T>
T LoadLittle(const char* from) {
  static_assert(std::is_integral_v<T>);
  T value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

template <typename T>
void StoreLittle(char* to, T value) {
  static_assert(std::is_integral_v<T>);
  std::memcpy(to, &value, sizeof(value));
}

namespace coding_internal {
template <typename T>
constexpr T Swap(T value) {
  if constexpr (sizeof(T) == 1) {
    return value;
  } else if constexpr (sizeof(T) == 2) {
    return static_cast<T>(__builtin_bswap16(static_cast<uint16_t>(value)));
  } else if constexpr (sizeof(T) == 4) {
    return static_cast<T>(__builtin_bswap32(static_cast<uint32_t>(value)));
  } else {
    static_assert(sizeof(T) == 8);
    return static_cast<T>(__builtin_bswap64(static_cast<uint64_t>(value)));
  }
}
}  // namespace coding_internal

template <typename T>
T LoadBig(const char* from) {
  return coding_internal::Swap(LoadLittle<T>(from));
}

template <typename T>
void StoreBig(char* to, T value) {
  StoreLittle(to, coding_internal::Swap(value));
}

template <typename T>
void AppendLittle(std::string& to, T value) {
  char buffer[sizeof(T)];
  StoreLittle(buffer, value);
  to.append(buffer, sizeof(buffer));
}

template <typename T>
void AppendBig(std::string& to, T value) {
  char buffer[sizeof(T)];
  StoreBig(buffer, value);
  to.append(buffer, sizeof(buffer));
}

// Zig-zag varint of a signed 64-bit value, 1..10 bytes (protobuf's sint64, Kafka's varlong).
inline void AppendVarint(std::string& to, int64_t value) {
  uint64_t rest = (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
  while (rest >= 0x80) {
    to.push_back(static_cast<char>(rest | 0x80));
    rest >>= 7;
  }
  to.push_back(static_cast<char>(rest));
}

// Number of bytes AppendVarint would add.
inline size_t VarintBytes(int64_t value) {
  uint64_t rest = (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
  size_t count = 1;
  while (rest >= 0x80) {
    rest >>= 7;
    ++count;
  }
  return count;
}

// Reads a zig-zag varint at the front of `from` and drops it. False, with `from` unspecified, if it
// is cut short or longer than 10 bytes.
[[nodiscard]] inline bool ConsumeVarint(std::string_view& from, int64_t& value) {
  uint64_t raw = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    if (from.empty()) return false;
    const uint8_t byte = static_cast<uint8_t>(from.front());
    from.remove_prefix(1);
    if (shift == 63 && byte > 1) return false;
    raw |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) {
      value = static_cast<int64_t>((raw >> 1) ^ (0 - (raw & 1)));
      return true;
    }
  }
  return false;
}

}  // namespace tidemark
