#pragma once

#include <cstdint>
#include <string>

namespace tidemark {

// A small file system of its own, mounted at a directory for the life of the object, for what a
// test cannot do to the one it runs on: fill it, take its power away. Needs root.
class Mounted {
 public:
  enum class Kind { kTmpfs, kExt4 };

  // Makes the file system of `bytes`; `ok()` tells whether that worked, `why()` why not.
  Mounted(Kind kind, const std::string& path, size_t bytes);
  ~Mounted();
  Mounted(const Mounted&) = delete;
  Mounted& operator=(const Mounted&) = delete;

  bool ok() const { return why_.empty(); }
  const std::string& why() const { return why_; }
  const std::string& path() const { return path_; }

  // ext4 only: from now on every access fails, and what was not synced is lost.
  bool TakePowerAway();
  // ext4 only: what `file` (a path) has from `pos` on cannot be read any more, as from bad sectors.
  // It must be synced. False if this machine cannot do that.
  bool LoseFrom(const std::string& file, uint64_t pos);
  // Unmounts and mounts again, as after a crash.
  bool Remount();

 private:
  bool Mount();
  void Unmount();

  const Kind kind_;
  const std::string path_;
  const std::string image_;
  const size_t bytes_;
  std::string why_;
};

}  // namespace tidemark
