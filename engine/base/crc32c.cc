#include "engine/base/crc32c.h"

#include <array>
#include <cstddef>

#include "engine/base/coding.h"

#ifdef __SSE4_2__
#include <nmmintrin.h>
#endif

namespace tidemark {
namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;  // 0x1EDC6F41, bits reflected

using ByteTable = std::array<uint32_t, 256>;

constexpr ByteTable MakeByteTable() {
  ByteTable table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    table[byte] = crc;
  }
  return table;
}

constexpr ByteTable kByteTable = MakeByteTable();

#ifdef __SSE4_2__

// A CRC is linear over GF(2), so "the CRC after `n` more zero bytes" is a 32x32 bit matrix; three
// lanes computed side by side are joined with it. (Mark Adler's observation in zlib's
// crc32_combine.)
using Matrix = std::array<uint32_t, 32>;

constexpr uint32_t Apply(const Matrix& matrix, uint32_t vector) {
  uint32_t sum = 0;
  for (size_t i = 0; vector != 0; ++i, vector >>= 1) {
    if ((vector & 1) != 0) sum ^= matrix[i];
  }
  return sum;
}

constexpr Matrix Multiply(const Matrix& a, const Matrix& b) {
  Matrix product{};
  for (size_t i = 0; i < 32; ++i) product[i] = Apply(a, b[i]);
  return product;
}

// The matrix of `bytes` zero bytes; `bytes` is a power of two.
constexpr Matrix ZeroBytes(size_t bytes) {
  Matrix matrix{};
  for (uint32_t i = 0; i < 32; ++i) {
    const uint32_t crc = 1u << i;
    matrix[i] = kByteTable[crc & 0xff] ^ (crc >> 8);
  }
  for (; bytes > 1; bytes /= 2) matrix = Multiply(matrix, matrix);
  return matrix;
}

// The same matrix as four look-ups.
using ShiftTable = std::array<ByteTable, 4>;

constexpr ShiftTable MakeShiftTable(size_t bytes) {
  const Matrix matrix = ZeroBytes(bytes);
  ShiftTable table{};
  for (uint32_t part = 0; part < 4; ++part) {
    for (uint32_t byte = 0; byte < 256; ++byte) {
      table[part][byte] = Apply(matrix, byte << (8 * part));
    }
  }
  return table;
}

constexpr uint32_t Shift(const ShiftTable& table, uint32_t crc) {
  return table[0][crc & 0xff] ^ table[1][(crc >> 8) & 0xff] ^ table[2][(crc >> 16) & 0xff] ^
         table[3][crc >> 24];
}

// The instruction has a latency of three cycles and a throughput of one: three lanes hide it.
template <size_t kLaneBytes>
uint64_t ThreeLanes(const char*& at, size_t& left, uint64_t crc, const ShiftTable& table) {
  while (left >= 3 * kLaneBytes) {
    uint64_t second = 0;
    uint64_t third = 0;
    for (size_t i = 0; i < kLaneBytes; i += 8) {
      crc = _mm_crc32_u64(crc, LoadLittle<uint64_t>(at + i));
      second = _mm_crc32_u64(second, LoadLittle<uint64_t>(at + kLaneBytes + i));
      third = _mm_crc32_u64(third, LoadLittle<uint64_t>(at + 2 * kLaneBytes + i));
    }
    crc = Shift(table, static_cast<uint32_t>(crc)) ^ second;
    crc = Shift(table, static_cast<uint32_t>(crc)) ^ third;
    at += 3 * kLaneBytes;
    left -= 3 * kLaneBytes;
  }
  return crc;
}

constexpr size_t kLongLane = 4096;
constexpr size_t kShortLane = 256;
// Record batches of a few hundred bytes are common, too.
constexpr size_t kTinyLane = 64;
constexpr ShiftTable kLongShift = MakeShiftTable(kLongLane);
constexpr ShiftTable kShortShift = MakeShiftTable(kShortLane);
constexpr ShiftTable kTinyShift = MakeShiftTable(kTinyLane);

#endif  // __SSE4_2__

}  // namespace

uint32_t Crc32c(std::string_view data, uint32_t crc) {
  const char* at = data.data();
  size_t left = data.size();
  uint32_t state = ~crc;
#ifdef __SSE4_2__
  uint64_t wide = state;
  wide = ThreeLanes<kLongLane>(at, left, wide, kLongShift);
  wide = ThreeLanes<kShortLane>(at, left, wide, kShortShift);
  wide = ThreeLanes<kTinyLane>(at, left, wide, kTinyShift);
  for (; left >= 8; at += 8, left -= 8) wide = _mm_crc32_u64(wide, LoadLittle<uint64_t>(at));
  state = static_cast<uint32_t>(wide);
  if ((left & 4) != 0) {
    state = _mm_crc32_u32(state, LoadLittle<uint32_t>(at));
    at += 4;
    left -= 4;
  }
#endif
  for (; left > 0; ++at, --left) {
    state = kByteTable[(state ^ static_cast<uint8_t>(*at)) & 0xff] ^ (state >> 8);
  }
  return ~state;
}

}  // namespace tidemark
