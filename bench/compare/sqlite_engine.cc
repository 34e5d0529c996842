#include <sqlite3.h>

#include "bench/compare/append_engine.h"

namespace tidemark::compare {
namespace {

// A transaction per batch.
class SqliteEngine : public AppendEngine {
 public:
  SqliteEngine(const EngineOptions& options, bool whole) : whole_(whole) {
    Check(sqlite3_open((options.directory + "/log.db").c_str(), &db_) == SQLITE_OK);
    Run("PRAGMA journal_mode=WAL");
    Run(options.durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=OFF");
    Run("CREATE TABLE log(id INTEGER PRIMARY KEY, record BLOB)");
    insert_ = Prepare("INSERT INTO log VALUES(?,?)");
    begin_ = Prepare("BEGIN");
    commit_ = Prepare("COMMIT");
  }
  ~SqliteEngine() override {
    for (sqlite3_stmt* statement : {insert_, begin_, commit_}) sqlite3_finalize(statement);
    sqlite3_close(db_);
  }

  void Append(const Load& load, uint64_t first) override {
    Step(begin_);
    const uint64_t rows = whole_ ? 1 : load.records;
    const std::string& value = whole_ ? load.frame : load.value;
    for (uint64_t i = 0; i < rows; ++i) {
      Check(sqlite3_bind_int64(insert_, 1, static_cast<sqlite3_int64>(first + i)) == SQLITE_OK);
      Check(sqlite3_bind_blob(insert_, 2, value.data(), static_cast<int>(value.size()),
                              SQLITE_STATIC) == SQLITE_OK);
      Step(insert_);
    }
    Step(commit_);
  }

 private:
  void Check(bool good) const {
    if (!good) Fail(sqlite3_errmsg(db_));
  }
  void Run(const char* text) const {
    Check(sqlite3_exec(db_, text, nullptr, nullptr, nullptr) == SQLITE_OK);
  }
  sqlite3_stmt* Prepare(const char* text) const {
    sqlite3_stmt* statement = nullptr;
    Check(sqlite3_prepare_v2(db_, text, -1, &statement, nullptr) == SQLITE_OK);
    return statement;
  }
  void Step(sqlite3_stmt* statement) const {
    Check(sqlite3_step(statement) == SQLITE_DONE);
    Check(sqlite3_reset(statement) == SQLITE_OK);
  }

  const bool whole_;
  sqlite3* db_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
  sqlite3_stmt* begin_ = nullptr;
  sqlite3_stmt* commit_ = nullptr;
};

}  // namespace

void AddSqlite(std::vector<EngineKind>& kinds) {
  kinds.push_back({.name = "sqlite",
                   .what = "WAL mode, a row per record, a transaction per batch",
                   .make = [](const EngineOptions& options) {
                     return std::make_unique<SqliteEngine>(options, false);
                   }});
  kinds.push_back({.name = "sqlite-batch",
                   .what = "WAL mode, the ready batch as one row",
                   .role = EngineKind::Role::kBatchPeer,
                   .make = [](const EngineOptions& options) {
                     return std::make_unique<SqliteEngine>(options, true);
                   }});
}

}  // namespace tidemark::compare
