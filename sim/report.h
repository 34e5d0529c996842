#pragma once

#include <optional>
#include <string>

#include "sim/run.h"

namespace tidemark::sim {

// A RunResult as bytes, from one process to another of the same program.
std::string EncodeReport(const RunResult& result);
// Takes the first whole report off the front of `bytes`; nullopt if it is not all there yet.
std::optional<RunResult> TakeReport(std::string& bytes);

}  // namespace tidemark::sim
