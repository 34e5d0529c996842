#include "runtime/cert/pem_files.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"

namespace tidemark::cert {
namespace {

// A failed system call on a file, with advice where the cause is common.
absl::Status FileError(absl::string_view doing, const std::string& path, int error) {
  const std::string text = absl::StrCat(doing, " ", path, ": ", std::strerror(error));
  switch (error) {
    case ENOENT:
      return absl::NotFoundError(text);
    case EEXIST:
      return absl::AlreadyExistsError(text);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(text);
    case ENOSPC:
    case EDQUOT:
      return absl::ResourceExhaustedError(text);
    default:
      return absl::UnavailableError(text);
  }
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) {
    return ".";
  }
  return slash == 0 ? "/" : path.substr(0, slash);
}

absl::Status WriteAndSync(int fd, absl::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) {
      return FileError("write", path, errno);
    }
    bytes.remove_prefix(written < 0 ? 0 : static_cast<size_t>(written));
  }
  return fsync(fd) == 0 ? absl::OkStatus() : FileError("sync", path, errno);
}

absl::Status SyncFolder(const std::string& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    return FileError("open folder", folder, errno);
  }
  const absl::Status status =
      fsync(fd) == 0 ? absl::OkStatus() : FileError("sync folder", folder, errno);
  close(fd);
  return status;
}

// Writes `bytes` to a temporary name and gives it the final one. Without `force` the final step is
// link(2), which cannot replace a file, so two runs at once cannot overwrite each other either.
absl::Status WriteFile(const std::string& path, absl::string_view bytes, mode_t mode, bool force) {
  std::string temporary = absl::StrCat(path, ".XXXXXX");
  const int fd = mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) {
    return FileError("create a file beside", path, errno);
  }
  absl::Status status =
      fchmod(fd, mode) == 0 ? absl::OkStatus() : FileError("set the mode of", temporary, errno);
  if (status.ok()) {
    status = WriteAndSync(fd, bytes, temporary);
  }
  close(fd);
  if (status.ok()) {
    const int result =
        force ? rename(temporary.c_str(), path.c_str()) : link(temporary.c_str(), path.c_str());
    if (result != 0) {
      status = FileError("create", path, errno);
    }
  }
  if (!status.ok() || !force) {
    unlink(temporary.c_str());
  }
  return status.ok() ? SyncFolder(FolderOf(path)) : status;
}

// Passes no passphrase, so that OpenSSL fails on an encrypted key instead of asking the terminal.
int NoPassphrase(char*, int, int, void*) { return 0; }

absl::StatusOr<Bio> OpenToRead(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return FileError("open", path, errno);
  }
  FILE* file = fdopen(fd, "r");
  if (file == nullptr) {
    const int error = errno;
    close(fd);
    return FileError("open", path, error);
  }
  Bio bio(BIO_new_fp(file, BIO_CLOSE));
  if (bio == nullptr) {
    fclose(file);
    return OpenSslError("open a file");
  }
  return bio;
}

}  // namespace

absl::Status OpenSslError(absl::string_view doing) {
  const unsigned long code = ERR_get_error();  // NOLINT(google-runtime-int): OpenSSL's type
  std::array<char, 256> text{};
  if (code != 0) {
    ERR_error_string_n(code, text.data(), text.size());
  }
  ERR_clear_error();
  return absl::InternalError(
      absl::StrCat(doing, ": ", code == 0 ? "OpenSSL gave no reason" : text.data()));
}

absl::Status CheckTargets(const KeyPairFiles& files, bool force) {
  if (files.certificate.empty() || files.key.empty() || files.certificate == files.key) {
    return absl::InvalidArgumentError("the certificate and the key need two different file names");
  }
  for (const std::string* path : {&files.key, &files.certificate}) {
    struct stat found{};
    if (lstat(path->c_str(), &found) == 0) {
      if (!force) {
        return absl::AlreadyExistsError(absl::StrCat(*path, " exists; pass --force to replace it"));
      }
      if (!S_ISREG(found.st_mode)) {
        return absl::InvalidArgumentError(absl::StrCat(*path, " is not a regular file"));
      }
    } else if (errno != ENOENT) {
      return FileError("look at", *path, errno);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Certificate> ReadCertificate(const std::string& path) {
  TIDEMARK_ASSIGN_OR_RETURN(const Bio bio, OpenToRead(path));
  Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, NoPassphrase, nullptr));
  if (certificate == nullptr) {
    ERR_clear_error();
    return absl::DataLossError(absl::StrCat(path, " holds no PEM certificate"));
  }
  return certificate;
}

absl::StatusOr<Key> ReadKey(const std::string& path) {
  TIDEMARK_ASSIGN_OR_RETURN(const Bio bio, OpenToRead(path));
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassphrase, nullptr));
  if (key == nullptr) {
    ERR_clear_error();
    return absl::DataLossError(absl::StrCat(path, " holds no unencrypted PEM private key"));
  }
  return key;
}

std::string TakeText(const Bio& bio) {
  char* data = nullptr;
  const auto size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

absl::Status WritePair(const KeyPairFiles& files, EVP_PKEY* key, X509* certificate, bool force) {
  const Bio key_text(BIO_new(BIO_s_secmem()));
  const Bio certificate_text(BIO_new(BIO_s_mem()));
  if (key_text == nullptr || certificate_text == nullptr ||
      PEM_write_bio_PKCS8PrivateKey(key_text.get(), key, nullptr, nullptr, 0, nullptr, nullptr) !=
          1 ||
      PEM_write_bio_X509(certificate_text.get(), certificate) != 1) {
    return OpenSslError("encode the certificate");
  }
  std::string key_pem = TakeText(key_text);
  absl::Status status = WriteFile(files.key, key_pem, 0600, force);
  OPENSSL_cleanse(key_pem.data(), key_pem.size());
  if (!status.ok()) {
    return status;
  }
  status = WriteFile(files.certificate, TakeText(certificate_text), 0644, force);
  if (!status.ok() && !force) {
    // The key alone would make the next attempt fail with "exists".
    unlink(files.key.c_str());
  }
  return status;
}

}  // namespace tidemark::cert
