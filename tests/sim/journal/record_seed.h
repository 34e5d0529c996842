#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/time.h"
#include "proto/journal/frame.h"
#include "sim/journal/node_journal.h"

namespace tidemark::sim {

// The lives of every node of a seed, under load and faults.
std::vector<NodeJournal> RecordSeed(uint64_t seed, Duration length);

// The frames of one of a NodeJournal's runs.
std::vector<journal::Frame> FramesOf(const std::string& run);

}  // namespace tidemark::sim
