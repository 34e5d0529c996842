#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "engine/base/check.h"
#include "engine/log/hard_state.h"
#include "engine/log/node_meta.h"
#include "tests/engine/log/log_fixture.h"

// The worked example of engine/log/FORMAT.md is what the code writes, byte for byte.

namespace tidemark {
namespace {

// A hex dump: rows of 16 bytes, rows that are all zeros left out.
std::string Dump(std::string_view bytes) {
  std::string dump;
  char text[64];
  for (size_t row = 0; row < bytes.size(); row += 16) {
    const std::string_view part = bytes.substr(row, 16);
    if (part.find_first_not_of('\0') == std::string_view::npos) continue;
    std::snprintf(text, sizeof(text), "%04zx:", row);
    dump += text;
    for (const char byte : part) {
      std::snprintf(text, sizeof(text), " %02x", static_cast<unsigned char>(byte));
      dump += text;
    }
    dump += '\n';
  }
  return dump;
}

// The inverse, for a file of `size` bytes.
std::string Undump(const std::string& dump, size_t size) {
  std::string bytes(size, '\0');
  std::istringstream rows(dump);
  for (std::string row; std::getline(rows, row);) {
    std::istringstream fields(row);
    size_t at = 0;
    char colon = 0;
    fields >> std::hex >> at >> colon;
    for (unsigned byte = 0; fields >> std::hex >> byte; ++at) {
      TIDEMARK_CHECK_LT(at, size);
      bytes[at] = static_cast<char>(byte);
    }
  }
  return bytes;
}

struct Documented {
  size_t size = 0;
  std::string dump;
};

// The blocks of FORMAT.md that begin with "```hex <path> <size>".
std::map<std::string, Documented> ReadDocument() {
  const char* source = std::getenv("TIDEMARK_SOURCE_DIR");
  std::ifstream file(std::string(source == nullptr ? "." : source) + "/engine/log/FORMAT.md");
  TIDEMARK_CHECK(file.good());
  std::map<std::string, Documented> blocks;
  Documented* block = nullptr;
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("```hex ", 0) == 0) {
      std::istringstream head(line.substr(7));
      std::string path;
      size_t size = 0;
      head >> path >> size;
      block = &blocks[path];
      block->size = size;
    } else if (line.rfind("```", 0) == 0) {
      block = nullptr;
    } else if (block != nullptr) {
      block->dump += line + "\n";
    }
  }
  return blocks;
}

// What the document says was done.
LogOnDisk Example() {
  LogOnDisk on_disk({.segment_bytes = 8192, .index_interval_bytes = 4096});
  on_disk.wall = 1'700'000'000'000 - 10;
  on_disk.Append(0, 2, Term(1));
  on_disk.Append(2, 3, Term(1));
  on_disk.Flush();
  FileBatch batch;
  AppendHardState(
      kGroup, {.generation = 1, .term = Term(1), .vote = NodeId(2), .commit = LogIndex(2)}, batch);
  on_disk.disk.ApplyAndSync(batch);
  return on_disk;
}

TEST(Format, TheWorkedExampleIsWhatIsWritten) {
  LogOnDisk on_disk = Example();
  const auto identity =
      CheckNodeMeta(*MemoryDisk().View(), {.cluster_id = "blue",
                                           .node = NodeId(2),
                                           .created = WallTime::FromMillis(1'700'000'000'000)});
  ASSERT_TRUE(identity.ok() && identity->has_value());
  on_disk.disk.ApplyAndSync(**identity);
  const auto documented = ReadDocument();
  const std::vector<FileId> files = on_disk.disk.Files();
  EXPECT_EQ(documented.size(), files.size());
  for (const FileId& file : files) {
    const std::string path = PathOf(file);
    const std::string& content = on_disk.disk.Contents(file);
    ASSERT_TRUE(documented.contains(path)) << "```hex " << path << " " << content.size() << "\n"
                                           << Dump(content) << "```";
    EXPECT_EQ(documented.at(path).size, content.size());
    EXPECT_EQ(Dump(content), documented.at(path).dump) << path;
  }
}

TEST(Format, TheWorkedExampleReadsBack) {
  const LogOnDisk example = Example();
  LogOnDisk on_disk;
  for (const auto& [path, block] : ReadDocument()) {
    const auto file = ParsePath(path);
    ASSERT_TRUE(file.ok()) << path;
    on_disk.disk.ApplyAndSync(
        {.ops = {CreateFile{*file, 0},
                 WriteFile{*file, FilePos(0), {Bytes::From(Undump(block.dump, block.size))}}},
         .sync = {*file}});
  }
  const auto hard_state = DecodeHardState(on_disk.disk.Contents({kGroup, FileKind::kHardState, 0}));
  ASSERT_TRUE(hard_state.ok());
  EXPECT_EQ(hard_state->vote, NodeId(2));
  const absl::Status status = on_disk.Reopen(hard_state->commit);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(on_disk.frames, example.frames);
  EXPECT_EQ(on_disk.log->next_offset(), Offset(2));
}

}  // namespace
}  // namespace tidemark
