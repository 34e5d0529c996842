#include "tests/runtime/io/mounted.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "runtime/base/unique_fd.h"

namespace tidemark {
namespace {

// FS_IOC_SHUTDOWN of XFS and ext4 (kernel: fs/ext4/ext4.h, EXT4_IOC_SHUTDOWN), and its flag that
// leaves the journal as it is.
constexpr unsigned long kShutdown = _IOR('X', 125, uint32_t);
constexpr uint32_t kNoLogFlush = 2;

}  // namespace

Mounted::Mounted(Kind kind, const std::string& path, size_t bytes)
    : kind_(kind), path_(path), image_(path + ".image"), bytes_(bytes) {
  if (::geteuid() != 0) {
    why_ = "mounting needs root";
    return;
  }
  std::filesystem::create_directories(path_);
  if (kind_ == Kind::kExt4) {
    const UniqueFd image(::open(image_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    const std::string make = "mkfs.ext4 -q -F " + image_ + " >/dev/null 2>&1";
    if (!image.valid() || ::ftruncate(image.get(), static_cast<off_t>(bytes_)) != 0 ||
        std::system(make.c_str()) != 0) {
      why_ = "mkfs.ext4 does not work here";
      return;
    }
  }
  if (!Mount()) why_ = "mounting is not permitted here";
}

Mounted::~Mounted() {
  Unmount();
  std::filesystem::remove_all(path_);
  std::filesystem::remove(image_);
}

bool Mounted::Mount() {
  if (kind_ == Kind::kTmpfs) {
    const std::string options = "mode=700,size=" + std::to_string(bytes_);
    return ::mount("tmpfs", path_.c_str(), "tmpfs", 0, options.c_str()) == 0;
  }
  // mount(8) sets up the loop device.
  const std::string mount = "mount -o loop " + image_ + " " + path_ + " >/dev/null 2>&1";
  return std::system(mount.c_str()) == 0;
}

void Mounted::Unmount() {
  if (::umount2(path_.c_str(), 0) != 0) ::umount2(path_.c_str(), MNT_DETACH);
}

bool Mounted::TakePowerAway() {
  const UniqueFd root(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  uint32_t flags = kNoLogFlush;
  return root.valid() && ::ioctl(root.get(), kShutdown, &flags) == 0;
}

bool Mounted::LoseFrom(const std::string& file, uint64_t pos) {
  // A loop device that reads its image directly reports what lies behind the image's end as an
  // error; through the page cache it would be zeros.
  const std::string direct = "losetup --direct-io=on $(losetup -n -O NAME -j " + image_ + ")";
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  int block_bytes = 0;
  if (!fd.valid() || ::ioctl(fd.get(), FIGETBSZ, &block_bytes) != 0 || block_bytes <= 0) {
    return false;
  }
  int block = static_cast<int>(pos / static_cast<uint64_t>(block_bytes));
  if (::ioctl(fd.get(), FIBMAP, &block) != 0 || block == 0 ||
      std::system((direct + " >/dev/null 2>&1").c_str()) != 0) {
    return false;
  }
  return ::truncate(image_.c_str(), static_cast<off_t>(block) * block_bytes) == 0 &&
         ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED) == 0;
}

bool Mounted::Remount() {
  Unmount();
  return Mount();
}

}  // namespace tidemark
