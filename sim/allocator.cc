#include <malloc.h>
#include <sys/mman.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>

// The allocator of the program tidemark-sim, in place of the C library's: it has one thread, and
// lives on small objects that come and go by the million. A size class has a list of free blocks; a
// block that is freed is the next one handed out. Sizes are sixteen bytes apart up to a KiB, then
// four to each power of two. Whatever is larger than they are is the C library's.
// (The idea is that of every segregated-fit allocator; see e.g. Wilson et al., "Dynamic Storage
// Allocation: A Survey and Critical Review", 1995, section 3.6.)

namespace {

constexpr size_t kGrain = 16;
constexpr size_t kSmallMax = 1024;
constexpr size_t kSmallClasses = kSmallMax / kGrain;
constexpr int kSmallBits = 10;
constexpr size_t kMediumMax = 32u << 10;
constexpr size_t kClasses = kSmallClasses + 4 * 5;
constexpr size_t kChunkBytes = 64u << 10;
// Addresses only: pages cost nothing before they are used.
constexpr size_t kArenaBytes = size_t{16} << 30;

static_assert(kSmallMax == size_t{1} << kSmallBits && kMediumMax == kSmallMax << 5);

constexpr size_t ClassOf(size_t bytes) {
  if (bytes <= kSmallMax) return (bytes - (bytes > 0)) / kGrain;
  const int log = std::bit_width(bytes - 1) - 1;
  const size_t quarter = (bytes - 1) >> (log - 2) & 3;
  return kSmallClasses + 4 * static_cast<size_t>(log - kSmallBits) + quarter;
}

constexpr size_t BytesOf(size_t size_class) {
  if (size_class < kSmallClasses) return (size_class + 1) * kGrain;
  const size_t medium = size_class - kSmallClasses;
  return (medium % 4 + 5) << (medium / 4 + kSmallBits - 2);
}

static_assert(ClassOf(kSmallMax + 1) == kSmallClasses && BytesOf(kSmallClasses) == 1280);
static_assert(ClassOf(kMediumMax) == kClasses - 1 && BytesOf(kClasses - 1) == kMediumMax);

struct Block {
  Block* next;
};

struct Arena {
  char* begin = nullptr;
  char* fresh = nullptr;  // chunks from here on have no class yet
  std::array<Block*, kClasses> free{};
  std::array<uint8_t, kArenaBytes / kChunkBytes> class_of_chunk{};
};

// Before anything runs: libraries allocate while they are loaded, and an initialisation after that
// would disown what they were given.
constinit Arena arena;

void OutOfMemory() {
  std::fputs("tidemark-sim: out of memory\n", stderr);
  std::abort();
}

// A chunk becomes blocks of `size_class`, which has none left.
[[gnu::noinline]] void Refill(size_t size_class) {
  if (arena.begin == nullptr) {
    void* const got = ::mmap(nullptr, kArenaBytes, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (got == MAP_FAILED) OutOfMemory();
    arena.begin = arena.fresh = static_cast<char*>(got);
    // Fewer page faults and misses of the TLB; where the kernel has no such pages, nothing changes.
    ::madvise(got, kArenaBytes, MADV_HUGEPAGE);
    // What the last seed used the next one uses again: nothing goes back to the kernel.
    ::mallopt(M_TRIM_THRESHOLD, 1 << 30);
    ::mallopt(M_MMAP_THRESHOLD, 1 << 30);
  }
  char* const chunk = arena.fresh;
  arena.fresh += kChunkBytes;
  if (arena.fresh > arena.begin + kArenaBytes) OutOfMemory();
  arena.class_of_chunk[static_cast<size_t>(chunk - arena.begin) / kChunkBytes] =
      static_cast<uint8_t>(size_class);
  const size_t bytes = BytesOf(size_class);
  for (size_t at = kChunkBytes / bytes; at > 0; --at) {
    Block* const block = reinterpret_cast<Block*>(chunk + (at - 1) * bytes);
    block->next = arena.free[size_class];
    arena.free[size_class] = block;
  }
}

void* Allocate(size_t bytes) {
  if (bytes > kMediumMax) {
    void* const got = std::malloc(bytes);
    if (got == nullptr) OutOfMemory();
    return got;
  }
  const size_t size_class = ClassOf(bytes);
  if (arena.free[size_class] == nullptr) Refill(size_class);
  Block* const block = arena.free[size_class];
  arena.free[size_class] = block->next;
  return block;
}

void Free(void* at) {
  const size_t distance = static_cast<size_t>(static_cast<char*>(at) - arena.begin);
  if (at == nullptr) return;
  if (distance >= kArenaBytes) {
    std::free(at);
    return;
  }
  const size_t size_class = arena.class_of_chunk[distance / kChunkBytes];
  Block* const block = static_cast<Block*>(at);
  block->next = arena.free[size_class];
  arena.free[size_class] = block;
}

}  // namespace

void* operator new(size_t bytes) { return Allocate(bytes); }
void* operator new[](size_t bytes) { return Allocate(bytes); }
void operator delete(void* at) noexcept { Free(at); }
void operator delete[](void* at) noexcept { Free(at); }
void operator delete(void* at, size_t) noexcept { Free(at); }
void operator delete[](void* at, size_t) noexcept { Free(at); }
