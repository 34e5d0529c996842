// The file store beside what it is made of: pwrite and fdatasync on space that was written before,
// alternating in one program. Prints key=value lines: the median of the repetitions.
//
//   file_store_bench DIRECTORY [REPETITIONS]
//
// The bytes a device writes are counted for the whole device: nothing else should write to it.

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <new>
#include <string>
#include <vector>

#include "engine/base/check.h"
#include "runtime/io/file_store.h"

namespace {

std::atomic<uint64_t> allocations = 0;

}  // namespace

void* operator new(size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  void* at = std::malloc(size);
  if (at == nullptr) std::abort();
  return at;
}
// gcc takes the pair for a mismatch where it inlines one of them.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
void operator delete(void* at) noexcept { std::free(at); }
void operator delete(void* at, size_t) noexcept { std::free(at); }

namespace tidemark {
namespace {

constexpr uint64_t kSegmentBytes = 16u << 20;
constexpr int kThreads = 4;
constexpr int kUsageError = 2;

[[noreturn]] void Fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

double NowMicros() {
  return std::chrono::duration<double, std::micro>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// Bytes written to the device `directory` is on; 0 where the system does not tell.
uint64_t DeviceBytes(const std::string& directory) {
  struct stat info = {};
  if (::stat(directory.c_str(), &info) != 0) Fail(directory.c_str());
  char path[64];
  std::snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/stat", major(info.st_dev),
                minor(info.st_dev));
  std::FILE* file = std::fopen(path, "r");
  if (file == nullptr) return 0;
  unsigned long long sectors = 0;
  const int fields = std::fscanf(file, "%*u %*u %*u %*u %*u %*u %llu", &sectors);
  std::fclose(file);
  return fields == 1 ? sectors * 512 : 0;
}

// Figures of one repetition by name.
using Figures = std::map<std::string, double>;

void AddTimes(const std::string& name, std::vector<double> times, Figures& out) {
  std::sort(times.begin(), times.end());
  out[name + "_p50_us"] = times[times.size() / 2];
  out[name + "_p99_us"] = times[times.size() * 99 / 100];
}

// What the whole run wrote and how long it took.
class Totals {
 public:
  explicit Totals(const std::string& directory)
      : directory_(directory), device_(DeviceBytes(directory)), begin_(NowMicros()) {}
  void Add(const std::string& name, uint64_t payload, Figures& out) const {
    const double bytes = static_cast<double>(payload);
    out[name + "_mb_s"] = bytes / (NowMicros() - begin_);
    out[name + "_device_bytes_per_byte"] =
        static_cast<double>(DeviceBytes(directory_) - device_) / bytes;
  }

 private:
  const std::string& directory_;
  const uint64_t device_;
  const double begin_;
};

// An event loop's way to hear of completions from other threads.
class Wakeup {
 public:
  Wakeup() : fd_(::eventfd(0, EFD_CLOEXEC)) {
    if (fd_ < 0) Fail("eventfd");
  }
  ~Wakeup() { ::close(fd_); }
  void Post() {
    const uint64_t one = 1;
    if (::write(fd_, &one, sizeof(one)) < 0) Fail("write to eventfd");
  }
  uint64_t Wait() {
    pollfd waited{.fd = fd_, .events = POLLIN, .revents = 0};
    uint64_t count = 0;
    if (::poll(&waited, 1, -1) < 0 || ::read(fd_, &count, sizeof(count)) < 0) Fail("eventfd");
    return count;
  }

 private:
  const int fd_;
};

struct Load {
  std::string name;
  size_t batch_bytes = 0;
  size_t batches_per_flush = 1;
  size_t groups = 1;       // flushes under way
  size_t bytes_total = 0;  // measured, after a segment that is not
  bool removes = false;    // all but the last two segments
  bool syncs_all = false;  // the index and the hard state, too
};

// A file without a name, of zeros that are on the disk, or sparse.
int Filled(const std::string& directory, bool sparse, size_t total) {
  std::string path = directory + "/raw.XXXXXX";
  const int fd = ::mkstemp(path.data());
  if (fd < 0) Fail(path.c_str());
  ::unlink(path.c_str());
  if (::ftruncate(fd, static_cast<off_t>(total)) != 0) Fail("ftruncate");
  const std::string zeros(64u << 10, '\0');
  for (size_t at = 0; !sparse && at < total; at += zeros.size()) {
    if (::pwrite(fd, zeros.data(), zeros.size(), static_cast<off_t>(at)) < 0) Fail("fill");
  }
  if (::fsync(fd) != 0) Fail("fsync");
  return fd;
}

// pwrite and fdatasync front to back, in a file that was written before or in a sparse one.
void RunRaw(const std::string& directory, const std::string& name, bool sparse, size_t bytes,
            size_t total, Figures& out) {
  const int fd = Filled(directory, sparse, total);
  const std::string data(bytes, 'd');
  std::vector<double> times;
  const Totals totals(directory);
  for (size_t at = 0; at + bytes <= total; at += bytes) {
    const double begin = NowMicros();
    if (::pwrite(fd, data.data(), bytes, static_cast<off_t>(at)) < 0 || ::fdatasync(fd) != 0) {
      Fail("pwrite and fdatasync");
    }
    times.push_back(NowMicros() - begin);
  }
  totals.Add(name, times.size() * bytes, out);
  AddTimes(name, std::move(times), out);
  ::close(fd);
}

// Three files written, then synced one after the other.
void RunRawThree(const std::string& directory, size_t total, Figures& out) {
  const int fds[] = {Filled(directory, false, total), Filled(directory, false, total),
                     Filled(directory, false, total)};
  const std::string data(4096, 'd');
  std::vector<double> times;
  for (size_t at = 0; at + data.size() <= total; at += data.size()) {
    const double begin = NowMicros();
    for (const int fd : fds) {
      if (::pwrite(fd, data.data(), data.size(), static_cast<off_t>(at)) < 0) Fail("pwrite");
    }
    for (const int fd : fds) {
      if (::fdatasync(fd) != 0) Fail("fdatasync");
    }
    times.push_back(NowMicros() - begin);
  }
  AddTimes("raw_3_files", std::move(times), out);
  for (const int fd : fds) ::close(fd);
}

// One group's log as the engine writes it.
struct Writer {
  GroupId group;
  uint64_t number = 0;
  uint64_t pos = kSegmentBytes;
  uint64_t index_pos = 0;
  double begun = 0;
  double done = 0;

  FileBatch Next(const Bytes& data, const Load& load) {
    FileBatch batch;
    const size_t batches = load.batches_per_flush;
    const FileId hard_state{group, FileKind::kHardState, 0};
    if (number == 0 && load.syncs_all) batch.ops.push_back(CreateFile{hard_state, 8192});
    if (pos + data.size() * batches > kSegmentBytes) {
      ++number;
      pos = 4096;
      index_pos = 0;
      const FileId segment{group, FileKind::kSegment, number};
      const FileId index{group, FileKind::kIndex, number};
      batch.ops.push_back(CreateFile{segment, kSegmentBytes});
      batch.ops.push_back(CreateFile{index, 0});
      batch.ops.push_back(WriteFile{segment, FilePos(0), {Bytes::Static("header")}});
      if (load.removes && number > 2) {
        batch.ops.push_back(RemoveFile{{group, FileKind::kSegment, number - 2}});
        batch.ops.push_back(RemoveFile{{group, FileKind::kIndex, number - 2}});
      }
    }
    const FileId segment{group, FileKind::kSegment, number};
    batch.ops.push_back(WriteFile{{group, FileKind::kIndex, number},
                                  FilePos(index_pos),
                                  {Bytes::Static("36 bytes of an entry of the index...")}});
    index_pos += 36;
    batch.ops.push_back(WriteFile{segment, FilePos(pos), std::vector<Bytes>(batches, data)});
    pos += data.size() * batches;
    batch.sync.push_back(segment);
    if (load.syncs_all) {
      batch.ops.push_back(WriteFile{hard_state, FilePos(0), {data}});
      batch.sync.push_back({group, FileKind::kIndex, number});
      batch.sync.push_back(hard_state);
    }
    return batch;
  }
};

// Keeps a flush of each writer under way until `flushes` have ended. Times are from Execute until
// the callback on the store's thread, and until the caller's event loop has heard of it.
struct Times {
  std::vector<double> until_done;
  std::vector<double> until_woken;
};

Times Drive(FileStore& store, const Load& load, std::vector<Writer>& writers, size_t flushes) {
  const Bytes data = Bytes::From(std::string(load.batch_bytes, 'd'));
  Wakeup wakeup;
  std::atomic<uint64_t> finished = 0;  // a bit for each writer
  size_t started = 0;
  const auto start = [&](size_t i) {
    if (started == flushes) return;
    ++started;
    FileBatch batch = writers[i].Next(data, load);
    writers[i].begun = NowMicros();
    store.Execute(std::move(batch), [&, i](const absl::Status& status) {
      TIDEMARK_CHECK(status.ok());
      writers[i].done = NowMicros();
      finished.fetch_or(uint64_t{1} << i);
      wakeup.Post();
    });
  };
  Times times;
  for (size_t i = 0; i < writers.size(); ++i) start(i);
  while (times.until_done.size() < flushes) {
    wakeup.Wait();
    const uint64_t which = finished.exchange(0);
    for (size_t i = 0; i < writers.size(); ++i) {
      if ((which >> i & 1) == 0) continue;
      times.until_done.push_back(writers[i].done - writers[i].begun);
      times.until_woken.push_back(NowMicros() - writers[i].begun);
      start(i);
    }
  }
  return times;
}

void RunStore(const std::string& directory, const Load& load, Figures& out) {
  const std::string path = directory + "/store";
  std::filesystem::remove_all(path);
  auto store = FileStore::Open(path, kThreads);
  TIDEMARK_CHECK(store.ok());
  std::vector<Writer> writers(load.groups);
  for (size_t i = 0; i < writers.size(); ++i) writers[i].group = GroupId(i + 1);
  const size_t flush_bytes = load.batch_bytes * load.batches_per_flush;
  Drive(**store, load, writers, kSegmentBytes / flush_bytes);
  (*store)->WaitForSpares();
  const Totals totals(directory);
  Times times = Drive(**store, load, writers, load.bytes_total / flush_bytes);
  totals.Add(load.name, load.bytes_total, out);
  AddTimes(load.name + "_done", std::move(times.until_done), out);
  AddTimes(load.name + "_woken", std::move(times.until_woken), out);
  store->reset();
  std::filesystem::remove_all(path);
}

// Allocations of Execute itself in a steady state: those of building the batch are not counted.
void CountAllocations(const std::string& directory, Figures& out) {
  const std::string path = directory + "/store";
  auto store = FileStore::Open(path, 1);
  TIDEMARK_CHECK(store.ok());
  const Load load{.name = "", .batch_bytes = 100, .batches_per_flush = 1};
  const Bytes data = Bytes::From(std::string(load.batch_bytes, 'd'));
  Writer writer{.group = GroupId(1)};
  Wakeup wakeup;
  uint64_t counted = 0;
  constexpr uint64_t kFlushes = 1000;
  for (uint64_t i = 0; i < kFlushes; ++i) {
    FileBatch batch = writer.Next(data, load);
    const uint64_t before = allocations.load();
    (*store)->Execute(std::move(batch), [&wakeup](const absl::Status&) { wakeup.Post(); });
    wakeup.Wait();
    if (i > 0) counted += allocations.load() - before;
  }
  out["allocations_per_flush"] = static_cast<double>(counted) / (kFlushes - 1);
  store->reset();
  std::filesystem::remove_all(path);
}

void Run(const std::string& directory, int repetitions) {
  constexpr size_t kSmall = kSegmentBytes;
  constexpr size_t kBulk = 96u << 20;
  const Load small = {
      .name = "store_4k", .batch_bytes = 4096, .bytes_total = kSmall, .removes = true};
  const Load three_files = {
      .name = "store_3_files", .batch_bytes = 4096, .bytes_total = kSmall / 8, .syncs_all = true};
  const Load bulk[] = {
      {.name = "store_64k", .batch_bytes = 64u << 10, .bytes_total = kBulk},
      {.name = "store_64k_4_groups", .batch_bytes = 64u << 10, .groups = 4, .bytes_total = kBulk},
      {.name = "store_64k_4_batches",
       .batch_bytes = 64u << 10,
       .batches_per_flush = 4,
       .bytes_total = kBulk},
      {.name = "store_64k_16_batches",
       .batch_bytes = 64u << 10,
       .batches_per_flush = 16,
       .bytes_total = kBulk},
  };
  std::map<std::string, std::vector<double>> all;
  for (int i = 0; i < repetitions; ++i) {
    Figures figures;
    RunRaw(directory, "raw_4k", false, 4096, kSmall, figures);
    RunStore(directory, small, figures);
    RunRawThree(directory, kSmall / 8, figures);
    RunStore(directory, three_files, figures);
    RunRaw(directory, "raw_64k", false, 64u << 10, kBulk, figures);
    RunRaw(directory, "raw_64k_sparse", true, 64u << 10, kBulk, figures);
    for (const Load& load : bulk) RunStore(directory, load, figures);
    CountAllocations(directory, figures);
    for (const char* latency : {"done", "woken"}) {
      figures[std::string("ratio_4k_") + latency] =
          figures[std::string("store_4k_") + latency + "_p50_us"] / figures["raw_4k_p50_us"];
    }
    figures["ratio_3_files"] = figures["store_3_files_done_p50_us"] / figures["raw_3_files_p50_us"];
    for (const Load& load : bulk) {
      figures["ratio_" + load.name] = figures[load.name + "_mb_s"] / figures["raw_64k_mb_s"];
    }
    for (const auto& [name, value] : figures) all[name].push_back(value);
  }
  for (auto& [name, values] : all) {
    std::sort(values.begin(), values.end());
    std::printf("%s=%.3f\n", name.c_str(), values[values.size() / 2]);
  }
}

}  // namespace
}  // namespace tidemark

int main(int argc, char** argv) {
  const int repetitions = argc > 2 ? std::atoi(argv[2]) : 5;
  if (argc < 2 || argc > 3 || repetitions < 1) {
    std::fprintf(stderr, "usage: %s DIRECTORY [REPETITIONS]\n", argv[0]);
    return tidemark::kUsageError;
  }
  tidemark::Run(argv[1], repetitions);
  return 0;
}
