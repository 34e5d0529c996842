#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "engine/log/file.h"

namespace tidemark {

// What is done where the device cannot read (a bad sector).
enum class Unreadable : uint8_t {
  // kDataLoss, the message names the bytes.
  kRefuse,
  // Blocks of 4096 bytes that cannot be read show as zeros, the rest as it is: for tools that look
  // for what is left.
  kZeros,
};

// Lists the engine's files below `path` and makes all that is on their file system durable first,
// in one go: what a killed process wrote may be in the page cache alone, and recovery takes what it
// reads as a promise (a vote, a commit index). Names the engine does not know are left alone (the
// lock file, spare segments, files an operator put there).
//   Lives   holds no descriptor; Contents maps a file, or copies a small one, for the life of the
//           view, ReadAt and Size keep nothing. kResourceExhausted: more mappings than the system
//           allows.
//   Reads   all of a file that is mapped, at once: later a bad sector would be a signal that ends
//           the process (madvise(2), MADV_POPULATE_READ), if the pages are not evicted meanwhile.
absl::StatusOr<std::unique_ptr<DirectoryView>> MapDirectory(
    const std::string& path, Unreadable unreadable = Unreadable::kRefuse);

}  // namespace tidemark
