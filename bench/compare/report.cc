#include "bench/compare/report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <set>
#include <utility>

#include "bench/compare/append_engine.h"
#include "bench/compare/cases.h"

namespace tidemark::compare {
namespace {

std::set<std::string> MetricsOf(const std::vector<Sample>& samples) {
  std::set<std::string> metrics;
  for (const Sample& sample : samples) {
    for (const auto& [metric, value] : sample) metrics.insert(metric);
  }
  return metrics;
}

std::vector<double> ValuesOf(const std::vector<Sample>& samples, const std::string& metric) {
  std::vector<double> values;
  for (const Sample& sample : samples) {
    const auto found = sample.find(metric);
    if (found != sample.end()) values.push_back(found->second);
  }
  return values;
}

// Four significant digits, without exponents.
std::string Text(double value) {
  char buffer[64];
  const double size = std::abs(value);
  const int digits = size >= 1000 ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : 3;
  std::snprintf(buffer, sizeof(buffer), "%.*f", digits, value);
  return buffer;
}

std::string Range(double min, double max) { return "(" + Text(min) + ".." + Text(max) + ")"; }

}  // namespace

void PrintLegend(const std::string& directory) {
  std::printf(
      "directory %s\n"
      "Timed: from the first append to the last acknowledgement; files are open, one batch is in.\n"
      "Ready before the clock starts: the records and, as a string, the finished batch (Kafka's\n"
      "format, checksum computed). Tidemark gets a copy of that string, verifies checksum and\n"
      "records and numbers it; the files and the -batch peers get the same string; the other "
      "peers\n"
      "get a ready string per record. records_per_s is what is acknowledged; "
      "settled_records_per_s\n"
      "waits for what Tidemark syncs in the background, too.\n"
      "disk_bytes_per_byte: bytes the device wrote / bytes of record values; other processes only "
      "add.\n",
      directory.c_str());
  for (const EngineKind& kind : EngineKinds()) {
    std::printf("  %-14s %s\n", kind.name.c_str(), kind.what.c_str());
  }
}

void PrintResults(const Results& results) {
  // In the order they ran.
  for (const Case& each : AllCases()) {
    const auto found = results.find(each.name);
    if (found == results.end()) continue;
    std::printf("%s\n", each.name.c_str());
    for (const std::string& metric : MetricsOf(found->second)) {
      const std::vector<double> values = ValuesOf(found->second, metric);
      const auto [min, max] = std::minmax_element(values.begin(), values.end());
      std::printf("  %-24s %14s  %s\n", metric.c_str(), Text(Median(values)).c_str(),
                  Range(*min, *max).c_str());
    }
  }
}

int PrintFigures(const Results& results, size_t rounds) {
  int missed = 0;
  std::printf("\n%-82s %14s %-26s %s\n", "figure", "median", "(min..max)", "target");
  for (const Verdict& verdict : Judge(results, rounds)) {
    const Figure& figure = *verdict.figure;
    if (!verdict.met) ++missed;
    std::printf("%-82s %14s %-26s %s %s %s  %s\n", figure.title.c_str(),
                Text(verdict.median).c_str(), Range(verdict.min, verdict.max).c_str(),
                figure.at_least ? ">=" : "<=", Text(figure.target).c_str(), figure.unit.c_str(),
                verdict.met ? "met" : "MISSED");
  }
  return missed;
}

bool WriteJson(const std::string& path, const Results& results, size_t rounds) {
  std::ofstream out(path);
  out.precision(10);
  out << "{\"rounds\": " << rounds << ",\n \"cases\": {";
  const char* separator = "\n";
  for (const auto& [name, samples] : results) {
    out << std::exchange(separator, ",\n") << "  \"" << name << "\": {";
    const char* comma = "";
    for (const std::string& metric : MetricsOf(samples)) {
      out << std::exchange(comma, ", ") << '"' << metric << "\": [";
      const char* inner = "";
      for (const double value : ValuesOf(samples, metric)) {
        out << std::exchange(inner, ", ") << value;
      }
      out << "]";
    }
    out << "}";
  }
  out << "},\n \"figures\": {";
  separator = "\n";
  for (const Verdict& verdict : Judge(results, rounds)) {
    out << std::exchange(separator, ",\n") << "  \"" << verdict.figure->name
        << "\": {\"median\": " << verdict.median << ", \"min\": " << verdict.min
        << ", \"max\": " << verdict.max << ", \"target\": " << verdict.figure->target
        << ", \"at_least\": " << (verdict.figure->at_least ? "true" : "false")
        << ", \"met\": " << (verdict.met ? "true" : "false") << "}";
  }
  out << "}}\n";
  out.close();
  return !out.fail();
}

}  // namespace tidemark::compare
