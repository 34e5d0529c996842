#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

// Taking a measurement: in a process of its own, with a directory of its own.

namespace tidemark::compare {

// What one run of a case found: metric -> value. Names end in their unit.
using Sample = std::map<std::string, double>;

struct Where {
  std::string directory;  // of this case alone, empty; gone afterwards
  double scale = 1;       // multiplies amounts of data

  uint64_t Scaled(double amount) const { return static_cast<uint64_t>(amount * scale) + 1; }
};

// Runs `measure` in a child process, so that no competitor meets another one's memory or threads,
// after the disk has written what earlier cases left. An empty sample if the child failed; it has
// said why.
Sample RunInChild(const Where& where, const std::function<Sample(const Where&)>& measure);

int64_t NowNanos();
double SecondsSince(int64_t begin_nanos);

// Bytes that were written to the device under `directory` since the machine started, after waiting
// until everything is; the file system's journal and other processes included, so that noise only
// adds. 0 where the kernel does not tell (/proc/diskstats).
uint64_t DeviceBytesWritten(const std::string& directory);

// Both of a non-empty list; the percentile is 0..100.
double Median(std::vector<double> values);
double Percentile(std::vector<double> values, double percent);

}  // namespace tidemark::compare
