#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "engine/log/file.h"

namespace tidemark {

// Maps every file of the engine's below `path` read-only, on first use, and syncs it before: what
// recovery reads is on the disk, not in the page cache of a process that was killed. Names the
// engine does not know are left alone (the lock file, files an operator put there).
absl::StatusOr<std::unique_ptr<DirectoryView>> MapDirectory(const std::string& path);

}  // namespace tidemark
