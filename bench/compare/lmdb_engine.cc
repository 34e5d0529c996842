#include <lmdb.h>

#include "bench/compare/append_engine.h"

namespace tidemark::compare {
namespace {

void Check(int code) {
  if (code != 0) Fail(mdb_strerror(code));
}

// A transaction per batch.
class LmdbEngine : public AppendEngine {
 public:
  LmdbEngine(const EngineOptions& options, bool whole) : whole_(whole) {
    Check(mdb_env_create(&environment_));
    // Pages, and room for its trees.
    Check(mdb_env_set_mapsize(environment_, 2 * options.bytes_max + (256u << 20)));
    const unsigned flags = MDB_NORDAHEAD | (options.durable ? 0u : unsigned{MDB_NOSYNC});
    Check(mdb_env_open(environment_, options.directory.c_str(), flags, 0600));
    MDB_txn* transaction = nullptr;
    Check(mdb_txn_begin(environment_, nullptr, 0, &transaction));
    Check(mdb_dbi_open(transaction, nullptr, 0, &table_));
    Check(mdb_txn_commit(transaction));
  }
  ~LmdbEngine() override { mdb_env_close(environment_); }

  void Append(const Load& load, uint64_t first) override {
    MDB_txn* transaction = nullptr;
    Check(mdb_txn_begin(environment_, nullptr, 0, &transaction));
    const uint64_t rows = whole_ ? 1 : load.records;
    const std::string& value = whole_ ? load.frame : load.value;
    for (uint64_t i = 0; i < rows; ++i) {
      char buffer[8];
      const std::string_view text = KeyOf(first + i, buffer);
      MDB_val key{text.size(), const_cast<char*>(text.data())};
      MDB_val data{value.size(), const_cast<char*>(value.data())};
      Check(mdb_put(transaction, table_, &key, &data, MDB_APPEND));
    }
    Check(mdb_txn_commit(transaction));
  }

 private:
  const bool whole_;
  MDB_env* environment_ = nullptr;
  MDB_dbi table_ = 0;
};

}  // namespace

void AddLmdb(std::vector<EngineKind>& kinds) {
  kinds.push_back({.name = "lmdb",
                   .what = "MDB_APPEND, a key per record, a transaction per batch",
                   .make = [](const EngineOptions& options) {
                     return std::make_unique<LmdbEngine>(options, false);
                   }});
  kinds.push_back({.name = "lmdb-batch",
                   .what = "MDB_APPEND, the ready batch as one value",
                   .role = EngineKind::Role::kBatchPeer,
                   .make = [](const EngineOptions& options) {
                     return std::make_unique<LmdbEngine>(options, true);
                   }});
}

}  // namespace tidemark::compare
