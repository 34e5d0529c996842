#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "bench/compare/append_engine.h"

// What the machine allows: the same bytes with plain system calls, no checksum, no index.

namespace tidemark::compare {
namespace {

class FileEngine : public AppendEngine {
 public:
  FileEngine(const EngineOptions& options, bool written) : durable_(options.durable) {
    const std::string path = options.directory + "/file";
    fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    Require(fd_ >= 0, "cannot create " + path);
    if (!written) return;
    // In small calls: after large ones the kernel keeps large folios, and small writes into those
    // are slow.
    const std::string zeros(64 << 10, '\0');
    for (uint64_t at = 0; at < options.bytes_max; at += zeros.size()) Write(zeros, at);
    Require(::fsync(fd_) == 0, "cannot sync " + path);
  }
  ~FileEngine() override { ::close(fd_); }

  void Append(const Load& load, uint64_t /*first*/) override {
    Write(load.frame, size_);
    size_ += load.frame.size();
    if (durable_) Require(::fdatasync(fd_) == 0, "cannot sync the file");
  }
  void Settle() override { Require(::fdatasync(fd_) == 0, "cannot sync the file"); }

 private:
  void Write(const std::string& bytes, uint64_t at) const {
    Require(::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(at)) ==
                static_cast<ssize_t>(bytes.size()),
            "cannot write the file");
  }

  const bool durable_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

}  // namespace

void AddFiles(std::vector<EngineKind>& kinds) {
  kinds.push_back({.name = "file-growing",
                   .what = "pwrite (and fdatasync) of the same bytes at the end of a file",
                   .role = EngineKind::Role::kLimit,
                   .make = [](const EngineOptions& options) {
                     return std::make_unique<FileEngine>(options, false);
                   }});
  kinds.push_back({.name = "file-written",
                   .what = "the same over space that was written and synced before",
                   .role = EngineKind::Role::kLimit,
                   .make = [](const EngineOptions& options) {
                     return std::make_unique<FileEngine>(options, true);
                   }});
}

}  // namespace tidemark::compare
