#pragma once

#include <string>

#include "bench/compare/figures.h"

namespace tidemark::compare {

// What is timed and against what, for the reader of the output.
void PrintLegend(const std::string& directory);
// Per case and metric: median (min..max) of the rounds.
void PrintResults(const Results& results);
// Returns how many targets are missed.
int PrintFigures(const Results& results, size_t rounds);
// Everything, every round's value included. False if the file cannot be written.
bool WriteJson(const std::string& path, const Results& results, size_t rounds);

}  // namespace tidemark::compare
