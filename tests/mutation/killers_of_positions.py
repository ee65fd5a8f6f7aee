"""Which tests are asked to kill the mutants of the positions, the nearest first."""

from __future__ import annotations

# What is run beside the file of the module's own name.
NEAR_POSITIONS = {
    "cowstate/positions/book/orders.py": [
        "positions/book/test_slots",
        "positions/book/test_user_stream",
    ],
    "cowstate/positions/book/ledger.py": ["positions/reconcile/test_claims"],
    "cowstate/positions/book/saved.py": ["positions/trading/test_restoring"],
    "cowstate/positions/book/kept.py": [
        *("positions/kept/test_kept", "positions/kept/test_kept_files"),
        *("positions/kept/test_kept_on_disk", "positions/kept/test_kept_arguments"),
    ],
    "cowstate/positions/book/blotter.py": [
        "positions/trading/test_manager",
        "positions/kept/test_kept",
    ],
    "cowstate/positions/trading/looking.py": [
        "positions/trading/test_manager",
        "positions/kept/test_kept_arguments",
    ],
    "cowstate/positions/trading/sending.py": [
        "positions/trading/test_sending",
        "positions/kept/test_kept_on_disk",
    ],
    "cowstate/positions/reconcile/life.py": ["positions/kept/test_kept"],
    "cowstate/positions/simulation/suspending.py": [
        *("positions/kept/test_resumed", "journal/postgres/test_replayed"),
    ],
    "cowstate/positions/simulation/options.py": ["positions/simulation/test_replay"],
    "cowstate/positions/simulation/comparing.py": ["positions/simulation/test_replay_verdict"],
    "cowstate/positions/book/slots.py": ["positions/book/test_orders"],
    "cowstate/positions/reconcile/differences.py": ["positions/reconcile/test_claims"],
    "cowstate/positions/reconcile/fates.py": ["positions/reconcile/test_order_claims"],
    "cowstate/positions/reconcile/looks.py": ["positions/reconcile/test_claims"],
    "cowstate/positions/reconcile/orderfacts.py": [
        *("positions/reconcile/test_orderfacts_of_trades", "positions/reconcile/test_queries"),
        "positions/reconcile/test_fates",
        *("positions/reconcile/test_strangers", "positions/reconcile/test_untraded"),
        *("positions/reconcile/test_asking", "positions/reconcile/test_looks"),
        *("positions/reconcile/test_possible", "positions/reconcile/test_waiting"),
        *("positions/reconcile/test_restart", "positions/reconcile/test_races"),
        *("positions/reconcile/test_reconciler_position", "positions/reconcile/test_differences"),
        *("positions/reconcile/test_evidence", "positions/reconcile/test_order_claims"),
    ],
    "cowstate/positions/reconcile/places.py": [
        "positions/reconcile/test_queries",
        "positions/reconcile/test_strangers",
    ],
    **{
        f"cowstate/positions/reconcile/{module}.py": [
            *("positions/reconcile/test_reconciler", "positions/reconcile/test_restart"),
            *("positions/reconcile/test_races", "positions/reconcile/test_harm"),
            *("positions/reconcile/test_untraded", "positions/reconcile/test_reconciler_position"),
            *("positions/incidents/test_contradictions", "positions/incidents/test_restarts"),
            *("positions/incidents/test_orders_lost_and_found", "positions/reconcile/test_waiting"),
            "positions/reconcile/test_seen_promises",
        ]
        for module in ("passes", "runner", "memory", "reading", "writing", "report")
    },
    "cowstate/positions/reconcile/untraded.py": ["positions/reconcile/test_untraded"],
    "cowstate/positions/reconcile/asking.py": [
        "positions/reconcile/test_asking",
        "positions/reconcile/test_reconciler",
    ],
    "cowstate/positions/reconcile/reconciler.py": [
        "positions/reconcile/test_reconciler_position",
        "positions/reconcile/test_reconciler_loop",
        "positions/reconcile/test_restart",
    ],
    "cowstate/positions/exchange/streamed.py": ["positions/exchange/ccxt/test_stream"],
    **{
        f"cowstate/positions/exchange/ccxt/{module}.py": ["positions/exchange/ccxt/test_stream"]
        for module in ("frames", "stream")
    },
    **{
        f"cowstate/positions/exchange/ccxt/{module}.py": ["positions/exchange/ccxt/test_bridge"]
        for module in ("bridge", "clients", "loops")
    },
    "cowstate/positions/exchange/ccxt/keys.py": ["positions/test_reconcile_command"],
    "cowstate/positions/exchange/ccxt/connecting.py": ["positions/test_reconcile_command"],
    **{
        f"cowstate/positions/exchange/ccxt/{module}.py": [
            *("positions/exchange/ccxt/test_binance", "positions/exchange/ccxt/test_bybit"),
            *("positions/exchange/ccxt/test_sockets", "positions/exchange/ccxt/test_misread"),
            "positions/exchange/ccxt/test_others",
        ]
        for module in (
            *("calls", "client", "failures", "lists", "raw", "reader", "readings"),
            *("timed", "venues"),
        )
    },
    **{
        f"cowstate/positions/exchange/ccxt/{module}.py": [
            *("positions/exchange/ccxt/test_rules", "positions/exchange/ccxt/test_binance"),
            "positions/exchange/ccxt/test_misread",
        ]
        for module in ("amounts", "clock", "names", "rules")
    },
    "cowstate/positions/guard.py": ["positions/test_guard"],
    "cowstate/positions/book/facts.py": [
        "positions/book/test_facts",
        "positions/reconcile/test_order_claims",
    ],
    "cowstate/positions/book/remembered.py": ["positions/reconcile/test_restart"],
    "cowstate/positions/trading/permit.py": ["positions/trading/test_flatten"],
    "cowstate/positions/trading/outcomes.py": ["positions/trading/test_manager"],
    "cowstate/positions/command/chaos.py": ["positions/test_chaos_command"],
    "cowstate/positions/command/reconcile.py": ["positions/test_reconcile_command"],
    "cowstate/positions/command/account.py": [
        "positions/test_reconcile_command",
        "positions/live/test_trade_stopped",
        "positions/live/test_trade_legs",
    ],
    "cowstate/positions/command/trade.py": [
        "positions/live/test_trade_command",
        "positions/live/test_trade_on_paper",
    ],
    "cowstate/positions/command/opening.py": [
        "positions/live/test_trade_command",
        "positions/live/test_trade_standby",
    ],
    "cowstate/positions/command/ending.py": ["positions/live/test_trade_command"],
    "cowstate/positions/live/trader.py": [
        "positions/live/test_trader",
        "positions/live/test_trade_stopped",
        "positions/live/test_trade_unwritten",
    ],
    "cowstate/positions/command/options.py": [
        "positions/test_command",
        "positions/test_chaos_command",
    ],
    "cowstate/positions/command/replay.py": ["positions/test_command"],
    **{
        f"cowstate/positions/simulation/chaos/{module}.py": [
            f"positions/simulation/chaos/test_{test}" for test in tests
        ]
        for module, tests in {
            "campaign": ["worlds", "oracle_finds"],
            "client": ["endpoints", "kept_promises", "oracle_finds"],
            "delays": ["sight", "two_histories", "long_halt", "worlds"],
            "histories": ["histories"],
            "others": ["oracle_finds", "worlds"],
            "original": ["oracle_finds"],
            "result": ["oracle_finds", "worlds"],
            "rules": ["oracle_finds"],
            "script": ["faults"],
            "shrink": ["worlds"],
            "sight": ["two_histories", "histories"],
            "story": ["worlds"],
            "venue": ["endpoints", "kept_promises"],
            "watch": ["oracle_finds", "worlds", "two_histories"],
            "world": ["worlds", "oracle_finds"],
            "worlds": ["faults"],
        }.items()
    },
    "cowstate/positions/reconcile/standing.py": [
        "positions/reconcile/test_differences",
        "positions/reconcile/test_claims",
    ],
    "cowstate/positions/reconcile/evidence.py": [
        "positions/reconcile/test_evidence",
        "positions/reconcile/test_eras",
    ],
    "cowstate/positions/reconcile/verdicts.py": [
        *("positions/reconcile/test_evidence", "positions/reconcile/test_eras"),
        *("positions/reconcile/test_acting", "positions/reconcile/test_claims"),
    ],
}
# Asked next, of all modules.
POSITIONS = [
    "positions/book/test_slots",
    "positions/book/test_orders",
    "positions/trading/test_manager",
    "positions/trading/test_restoring",
    "positions/reconcile/test_reconciler",
    "positions/reconcile/test_reconciler_position",
    "positions/reconcile/test_restart",
    "positions/book/test_user_stream",
    "positions/book/test_sync",
    "positions/reconcile/test_races",
    "positions/reconcile/test_harm",
    "positions/incidents",
]
