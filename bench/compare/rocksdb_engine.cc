#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/write_batch.h>

#include "bench/compare/append_engine.h"

namespace tidemark::compare {
namespace {

enum class Unit {
  kRecord,  // a key and value per record, as one would use it to read by offset
  kBatch,   // one value that holds the whole batch
  kWal,     // the batch goes to the write-ahead log only, and cannot be read by key
};

class RocksDbEngine : public AppendEngine {
 public:
  RocksDbEngine(const EngineOptions& options, Unit unit) : unit_(unit) {
    rocksdb::Options rocks;
    rocks.create_if_missing = true;
    rocks.compression = rocksdb::kNoCompression;
    // As a log: larger than what is appended, so that no memtable is flushed and written again.
    rocks.write_buffer_size = size_t{2} << 30;
    rocksdb::DB* db = nullptr;
    const rocksdb::Status status = rocksdb::DB::Open(rocks, options.directory + "/db", &db);
    RequireOk(status);
    db_.reset(db);
    write_.sync = options.durable;
  }

  void Append(const Load& load, uint64_t first) override {
    batch_.Clear();
    char key[8];
    rocksdb::Status status;
    if (unit_ == Unit::kWal) {
      status = batch_.PutLogData(load.frame);
    } else if (unit_ == Unit::kBatch) {
      status = batch_.Put(rocksdb::Slice(KeyOf(first, key)), load.frame);
    } else {
      for (uint64_t i = 0; i < load.records && status.ok(); ++i) {
        status = batch_.Put(rocksdb::Slice(KeyOf(first + i, key)), load.value);
      }
    }
    if (status.ok()) status = db_->Write(write_, &batch_);
    RequireOk(status);
  }

 private:
  const Unit unit_;
  std::unique_ptr<rocksdb::DB> db_;
  rocksdb::WriteOptions write_;
  rocksdb::WriteBatch batch_;
};

}  // namespace

void AddRocksDb(std::vector<EngineKind>& kinds) {
  const auto add = [&](std::string name, std::string what, Unit unit) {
    kinds.push_back({.name = std::move(name),
                     .what = std::move(what),
                     .role = unit == Unit::kRecord ? EngineKind::Role::kRecordPeer
                                                   : EngineKind::Role::kBatchPeer,
                     .make = [unit](const EngineOptions& options) {
                       return std::make_unique<RocksDbEngine>(options, unit);
                     }});
  };
  add("rocksdb", "WAL and memtable, a key per record", Unit::kRecord);
  add("rocksdb-batch", "WAL and memtable, the ready batch as one value", Unit::kBatch);
  add("rocksdb-wal", "WAL only (PutLogData), the ready batch; cannot be looked up", Unit::kWal);
}

}  // namespace tidemark::compare
