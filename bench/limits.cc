// What this machine allows at best, for the figures of bench/cluster to stand beside: how long a
// 4 KiB write with fdatasync takes in a directory, and a round trip of 100 bytes over loopback TCP.
// Prints key=value lines, times in microseconds. With a rate: how long one of 200 such writes a
// second takes alone, and while another process appends and syncs so many bytes a second there.
//
//   bench_limits DIRECTORY [SYNCS] [ROUND_TRIPS] [BYTES_PER_SECOND_BESIDE]

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr size_t kWriteBytes = 4096;
constexpr size_t kFileBytes = 16u << 20;
constexpr size_t kMessageBytes = 100;
constexpr int kUsageError = 2;
// Beside each other: one sync every so often, and what the other process writes between two of its.
constexpr auto kPace = std::chrono::milliseconds(5);
constexpr size_t kChunkBytes = 128u << 10;

[[noreturn]] void Fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

int64_t NowNanos() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void WaitUntil(std::chrono::steady_clock::time_point due) {
  const auto left =
      std::chrono::duration_cast<std::chrono::nanoseconds>(due - std::chrono::steady_clock::now())
          .count();
  if (left <= 0) return;
  const timespec timeout{.tv_sec = left / 1'000'000'000, .tv_nsec = left % 1'000'000'000};
  ppoll(nullptr, 0, &timeout, nullptr);
}

// `times` is not empty.
void Print(const char* name, std::vector<int64_t> times) {
  std::sort(times.begin(), times.end());
  const auto at = [&times](size_t percent) {
    return static_cast<double>(times[std::min(times.size() - 1, times.size() * percent / 100)]) /
           1000.0;
  };
  std::printf("%s_p50_us=%.1f\n%s_p99_us=%.1f\n", name, at(50), name, at(99));
}

// The file is written and synced in full first, so that a sync has no new blocks or size to record:
// the same luck the log gives itself by filling its segments ahead.
std::vector<int64_t> Syncs(const std::string& directory, size_t count,
                           std::chrono::nanoseconds pace = {}) {
  std::string path = directory + "/limits.XXXXXX";
  const int fd = mkstemp(path.data());
  if (fd < 0) Fail(path.c_str());
  unlink(path.c_str());
  const std::string zeros(kFileBytes, '\0');
  if (pwrite(fd, zeros.data(), zeros.size(), 0) != static_cast<ssize_t>(zeros.size()) ||
      fsync(fd) != 0) {
    Fail("fill the file");
  }
  const std::string block(kWriteBytes, 'b');
  std::vector<int64_t> times;
  auto due = std::chrono::steady_clock::now();
  for (size_t i = 0; i < count; ++i) {
    WaitUntil(due);
    due += pace;
    const auto position = static_cast<off_t>(i * kWriteBytes % kFileBytes);
    const int64_t begin = NowNanos();
    if (pwrite(fd, block.data(), block.size(), position) != static_cast<ssize_t>(block.size()) ||
        fdatasync(fd) != 0) {
      Fail("pwrite and fdatasync");
    }
    times.push_back(NowNanos() - begin);
  }
  close(fd);
  return times;
}

// Another process that appends to a new file in `directory` and syncs each chunk, until it is
// killed.
pid_t StartWriter(const std::string& directory, uint64_t bytes_per_second) {
  const pid_t child = fork();
  if (child != 0) return child;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::string path = directory + "/beside.XXXXXX";
  const int fd = mkstemp(path.data());
  if (fd < 0) Fail(path.c_str());
  unlink(path.c_str());
  const std::string chunk(kChunkBytes, 'c');
  const std::chrono::nanoseconds pace(kChunkBytes * 1'000'000'000 / bytes_per_second);
  for (auto due = std::chrono::steady_clock::now();; due += pace) {
    WaitUntil(due);
    if (write(fd, chunk.data(), chunk.size()) != static_cast<ssize_t>(chunk.size()) ||
        fdatasync(fd) != 0) {
      Fail("write and fdatasync");
    }
  }
}

// False at the end of the connection.
bool ReadAll(int fd, char* buffer, size_t count) {
  while (count > 0) {
    const ssize_t got = read(fd, buffer, count);
    if (got <= 0) return false;
    buffer += got;
    count -= static_cast<size_t>(got);
  }
  return true;
}

void WriteAll(int fd, const char* buffer, size_t count) {
  if (write(fd, buffer, count) != static_cast<ssize_t>(count)) Fail("write to the socket");
}

std::vector<int64_t> RoundTrips(size_t count) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0 || client < 0 || bind(listener, generic, length) != 0 ||
      listen(listener, 1) != 0 || getsockname(listener, generic, &length) != 0 ||
      connect(client, generic, length) != 0) {
    Fail("loopback");
  }
  const int server = accept(listener, nullptr, nullptr);
  if (server < 0) Fail("accept");
  const int on = 1;
  setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));

  std::thread echo([server] {
    char buffer[kMessageBytes];
    while (ReadAll(server, buffer, sizeof(buffer))) WriteAll(server, buffer, sizeof(buffer));
  });
  char buffer[kMessageBytes] = {};
  std::vector<int64_t> times;
  for (size_t i = 0; i < count; ++i) {
    const int64_t begin = NowNanos();
    WriteAll(client, buffer, sizeof(buffer));
    if (!ReadAll(client, buffer, sizeof(buffer))) Fail("read from the socket");
    times.push_back(NowNanos() - begin);
  }
  shutdown(client, SHUT_WR);
  echo.join();
  close(client);
  close(server);
  close(listener);
  return times;
}

}  // namespace

int main(int argc, char** argv) {
  const auto number = [&](int at, size_t otherwise) {
    return argc > at ? std::strtoul(argv[at], nullptr, 10) : otherwise;
  };
  const size_t syncs = number(2, 500);
  const size_t round_trips = number(3, 5000);
  const size_t beside = number(4, 0);
  if (argc < 2 || argc > 5 || syncs == 0 || round_trips == 0 || (argc > 4 && beside == 0)) {
    std::fprintf(stderr, "usage: %s DIRECTORY [SYNCS] [ROUND_TRIPS] [BYTES_PER_SECOND_BESIDE]\n",
                 argv[0]);
    return kUsageError;
  }
  Print("fdatasync", Syncs(argv[1], syncs));
  Print("loopback", RoundTrips(round_trips));
  if (beside == 0) return 0;
  Print("fdatasync_alone", Syncs(argv[1], syncs, kPace));
  const pid_t writer = StartWriter(argv[1], beside);
  if (writer < 0) Fail("fork");
  Print("fdatasync_beside", Syncs(argv[1], syncs, kPace));
  kill(writer, SIGKILL);
  waitpid(writer, nullptr, 0);
  return 0;
}
