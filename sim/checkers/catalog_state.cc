#include "sim/checkers/catalog_state.h"

#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/log/batch.h"

namespace tidemark::sim {

CatalogStates::CatalogStates(Verdict* verdict) : verdict_(verdict) {
  states_.push_back(catalog_.Encode());
}

void CatalogStates::OnCommitted(const EntryFact& entry) {
  TIDEMARK_CHECK_EQ(entry.index.value(), states_.size());
  const auto frame = frames_.find(entry.prefix);
  TIDEMARK_CHECK(frame != frames_.end());
  if (entry.offset_span == 0) {
    states_.push_back(states_.back());
    return;
  }
  const absl::StatusOr<std::vector<DecodedRecord>> records = DecodeBatch(frame->second.view());
  TIDEMARK_CHECK(records.ok());
  for (const DecodedRecord& each : *records) {
    const absl::StatusOr<CatalogCommand> command =
        DecodeCatalogCommand(each.record.value.value_or(""));
    // Refused everywhere alike.
    if (!command.ok()) continue;
    const auto* finish = std::get_if<FinishMoveCommand>(&*command);
    const CatalogPartition* const place =
        finish == nullptr ? nullptr : catalog_.PlaceOf(finish->group);
    std::vector<NodeId> before;
    if (place != nullptr) {
      before = place->replicas;
      for (const auto& [node, admission] : place->admitted) {
        if (!admission.lost()) before.push_back(node);
      }
    }
    static_cast<void>(catalog_.Apply(*command).ok());
    for (const NodeId node : before) {
      if (!catalog_.PlaceOf(finish->group)->PlacedAt(node)) dropped_.emplace(finish->group, node);
    }
  }
  states_.push_back(catalog_.Encode());
}

bool CatalogStates::OnState(NodeId node, LogIndex applied, const Catalog& catalog) {
  if (applied.value() >= states_.size()) return false;
  if (catalog.Encode() != states_[applied.value()]) {
    verdict_->Fail("catalog_state",
                   absl::StrCat("the catalog of node ", node.value(), " at index ", applied.value(),
                                " is not what the committed entries amount to"));
  }
  return true;
}

void CatalogStates::OnLetsGo(NodeId node, LogIndex from, LogIndex commit, LogIndex durable) {
  if (from <= commit && from <= durable) return;
  verdict_->Fail("catalog_state",
                 absl::StrCat("node ", node.value(), " lets go of the catalog's log before index ",
                              from.value(), ", having only committed up to ", commit.value(),
                              " and durable up to ", durable.value()));
}

}  // namespace tidemark::sim
