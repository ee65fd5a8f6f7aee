"""Names of public classes that are no user's business."""

from __future__ import annotations

# What the modules of the package use of each other's objects. Nobody else is told of it.
WITHIN = {
    "Store": {"source"},
    "Transaction": {"outcome", "committed", "close", "reopen"},
    "Draft": {"outcome_over", "conflicts_with", "committed", "close", "reopen"},
    "Subscription": {
        *("begin", "begins", "fix", "offer", "tell_lagged", "wants_from", "torn"),
        *("group", "number", "keys"),
    },
    "Feed": {"is_closed", "torn", "source", "keys"},
    "Pin": {"torn", "number"},
    "Index": {"entries"},
    "Aggregate": {"folded", "mark", "move", "reader", "start"},
    "IndexValueError": {"within"},
}
