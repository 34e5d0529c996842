#include "bench/compare/measure.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "bench/compare/append_engine.h"

namespace tidemark::compare {
namespace {

void SettleDisk(const std::string& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  Require(fd >= 0, "cannot open " + directory);
  Require(::syncfs(fd) == 0, "cannot sync the file system of " + directory);
  ::close(fd);
}

std::string ReadToEnd(int fd) {
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t got = ::read(fd, buffer, sizeof(buffer));
    if (got <= 0) return text;
    text.append(buffer, static_cast<size_t>(got));
  }
}

}  // namespace

Sample RunInChild(const Where& where, const std::function<Sample(const Where&)>& measure) {
  std::filesystem::remove_all(where.directory);
  std::filesystem::create_directories(where.directory);
  SettleDisk(where.directory);
  int ends[2];
  Require(::pipe2(ends, O_CLOEXEC) == 0, "cannot make a pipe");
  std::fflush(stdout);
  const pid_t child = ::fork();
  Require(child >= 0, "cannot fork");
  if (child == 0) {
    ::close(ends[0]);
    std::ostringstream text;
    text.precision(17);
    for (const auto& [metric, value] : measure(where)) text << metric << ' ' << value << '\n';
    const std::string result = text.str();
    const bool sent =
        ::write(ends[1], result.data(), result.size()) == static_cast<ssize_t>(result.size());
    ::_exit(sent ? 0 : 1);
  }
  ::close(ends[1]);
  std::istringstream text(ReadToEnd(ends[0]));
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  std::filesystem::remove_all(where.directory);
  Sample sample;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return sample;
  std::string metric;
  double value = 0;
  while (text >> metric >> value) sample[metric] = value;
  return sample;
}

int64_t NowNanos() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

double SecondsSince(int64_t begin_nanos) {
  return static_cast<double>(NowNanos() - begin_nanos) / 1e9;
}

uint64_t DeviceBytesWritten(const std::string& directory) {
  SettleDisk(directory);
  struct stat info = {};
  Require(::stat(directory.c_str(), &info) == 0, "cannot look at " + directory);
  // Linux's Documentation/admin-guide/iostats.rst: the tenth column is sectors of 512 bytes.
  std::ifstream file("/proc/diskstats");
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream fields(line);
    unsigned device_major = 0;
    unsigned device_minor = 0;
    std::string name;
    uint64_t values[7] = {};
    fields >> device_major >> device_minor >> name;
    for (uint64_t& value : values) fields >> value;
    if (device_major == major(info.st_dev) && device_minor == minor(info.st_dev)) {
      return values[6] * 512;
    }
  }
  return 0;
}

double Percentile(std::vector<double> values, double percent) {
  const auto rank = static_cast<size_t>(static_cast<double>(values.size()) * percent / 100);
  const auto at = values.begin() + static_cast<int64_t>(std::min(values.size() - 1, rank));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

double Median(std::vector<double> values) { return Percentile(std::move(values), 50); }

}  // namespace tidemark::compare
