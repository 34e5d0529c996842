#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "engine/log/file.h"

namespace tidemark {

// Lists the engine's files below `path` and makes all that is on their file system durable first,
// in one go: what a killed process wrote may be in the page cache alone, and recovery takes what it
// reads as a promise (a vote, a commit index). Names the engine does not know are left alone (the
// lock file, spare segments, files an operator put there).
//   Lives   holds no descriptor; Contents maps a file, or copies a small one, for the life of the
//           view, ReadAt and Size keep nothing. kResourceExhausted: more mappings than the system
//           allows.
absl::StatusOr<std::unique_ptr<DirectoryView>> MapDirectory(const std::string& path);

// The engine's files in `folder`, one of a group below `path`, which may not exist. Syncs nothing
// and reads files instead of mapping them: for a group whose device has failed.
absl::StatusOr<std::unique_ptr<DirectoryView>> ReadFolder(const std::string& path,
                                                          const std::string& folder);

}  // namespace tidemark
