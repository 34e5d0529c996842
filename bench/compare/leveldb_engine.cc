#include <leveldb/db.h>
#include <leveldb/options.h>
#include <leveldb/write_batch.h>

#include "bench/compare/append_engine.h"

namespace tidemark::compare {
namespace {

class LevelDbEngine : public AppendEngine {
 public:
  LevelDbEngine(const EngineOptions& options, bool whole) : whole_(whole) {
    leveldb::Options level;
    level.create_if_missing = true;
    level.compression = leveldb::kNoCompression;
    // The most it takes; beyond it the memtable is written once more, as in service.
    level.write_buffer_size = size_t{1} << 30;
    leveldb::DB* db = nullptr;
    const leveldb::Status status = leveldb::DB::Open(level, options.directory + "/db", &db);
    RequireOk(status);
    db_.reset(db);
    write_.sync = options.durable;
  }

  void Append(const Load& load, uint64_t first) override {
    batch_.Clear();
    char key[8];
    if (whole_) {
      const std::string_view text = KeyOf(first, key);
      batch_.Put({text.data(), text.size()}, load.frame);
    } else {
      for (uint64_t i = 0; i < load.records; ++i) {
        const std::string_view text = KeyOf(first + i, key);
        batch_.Put({text.data(), text.size()}, load.value);
      }
    }
    const leveldb::Status status = db_->Write(write_, &batch_);
    RequireOk(status);
  }

 private:
  const bool whole_;
  std::unique_ptr<leveldb::DB> db_;
  leveldb::WriteOptions write_;
  leveldb::WriteBatch batch_;
};

}  // namespace

void AddLevelDb(std::vector<EngineKind>& kinds) {
  kinds.push_back({.name = "leveldb",
                   .what = "log and memtable, a key per record",
                   .make = [](const EngineOptions& options) {
                     return std::make_unique<LevelDbEngine>(options, false);
                   }});
  kinds.push_back({.name = "leveldb-batch",
                   .what = "log and memtable, the ready batch as one value",
                   .role = EngineKind::Role::kBatchPeer,
                   .make = [](const EngineOptions& options) {
                     return std::make_unique<LevelDbEngine>(options, true);
                   }});
}

}  // namespace tidemark::compare
