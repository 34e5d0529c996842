#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bench/compare/measure.h"

// What the measurements are held against.

namespace tidemark::compare {

// Case name -> its samples, one a round; a failed one is empty.
using Results = std::map<std::string, std::vector<Sample>>;

// One round's value of `metric` of `case_name`, if both are there.
std::optional<double> ValueAt(const Results& results, const std::string& case_name,
                              const std::string& metric, size_t round);

struct Figure {
  std::string name;
  std::string title;
  std::string unit;  // empty for ratios
  bool at_least = true;
  double target = 0;
  // The value of one round. Ratios are of neighbours in time, so that a slow minute of the machine
  // hits both sides.
  std::function<std::optional<double>(const Results&, size_t round)> of;
  // The least of the rounds is held against the target, not the median.
  bool noise_only_adds = false;
};

const std::vector<Figure>& Figures();

struct Verdict {
  const Figure* figure = nullptr;
  double median = 0;
  double min = 0;
  double max = 0;
  bool met = false;
};

// Of every figure whose cases ran.
std::vector<Verdict> Judge(const Results& results, size_t rounds);

}  // namespace tidemark::compare
