"""Which tests are asked to kill the mutants of a module, the quickest and nearest first."""

from __future__ import annotations

from pathlib import Path

from tests.mutation.killers_of_positions import NEAR_POSITIONS, POSITIONS

INITIAL = ["test_initial", "test_initial_hands"]
GROUPS = ["test_groups", "test_groups_raise"]
SUBSCRIBERS = ["test_subscribers", "test_subscribers_raise"]
LINEARIZABILITY = ["testing/test_linearizability", "testing/test_linearizability_report"]
CODECS = ["test_codec", "test_codec_commits", "test_codec_values", "test_codec_input"]
FOLLOWER = [
    *("journal/test_follower", "journal/test_follower_ends", "journal/test_looks_that_fail"),
]
POSTGRES = [
    "journal/postgres/test_writing",
    "journal/postgres/test_faults",
    "journal/postgres/test_sessions",
]
WEB = ["web/test_serving_pages", "web/test_many_browsers"]
JOURNAL = ["journal/test_journaled_writes", "journal/test_answers_wait"]

# What is run beside the file of the module's own name.
NEAR = {
    "cowstate/aggregate.py": ["test_extremes", "test_derivation", "test_slips", "test_derived"],
    "cowstate/aio.py": [
        *("test_aio_feeds", "test_aio_under_writes", "journal/test_follower_ends"),
    ],
    "cowstate/bells.py": ["test_aio", "test_aio_feeds", "test_aio_under_writes"],
    "cowstate/blame.py": ["test_derivation", "test_derived", "test_aggregate"],
    "cowstate/blocks.py": ["test_delivery", "test_reservation", "worlds/test_joint"],
    "cowstate/bulk.py": ["test_writestore", "test_every_write"],
    "cowstate/changes.py": ["test_diff"],
    "cowstate/codec.py": [*CODECS[1:], "test_changes"],
    "cowstate/commit.py": ["test_snapshot", "test_diff", *INITIAL],
    "cowstate/committer.py": [
        *("test_sameness", "test_deferral", "test_writestore", "test_every_write"),
        *("test_transactions", "test_blocks", "test_store", "test_timeline"),
        *("test_writelock", "test_delivery", "test_serving", "test_inside_writes"),
        *("test_draft", "test_awkward_keys", "test_waits", "test_slips", "test_invariants"),
    ],
    "cowstate/delivery.py": [
        *("test_serving", "test_serving_loops", "test_flush", *INITIAL, "test_loops"),
        *("test_every_write", *GROUPS, "worlds/test_callbacks", "worlds/test_delivery"),
    ],
    "cowstate/derivation.py": [
        *("test_totals_asked", "test_derived", "test_aggregate", "test_snapshot"),
        *("test_transactions", "test_deriving_refused", "journal/test_first_use"),
    ],
    "cowstate/deriving.py": [
        *("test_deriving_refused", "test_derived", "test_writestore"),
        "journal/test_first_use_removed",
    ],
    "cowstate/documents.py": CODECS,
    "cowstate/draft.py": [
        *("test_transactions", "test_writestore", "test_ranges_of_drafts", "test_totals_asked"),
        "test_deriving_drafts",
    ],
    "cowstate/encoding.py": [*CODECS, "journal/test_refused_files"],
    "cowstate/errors.py": ["test_error_messages"],
    "cowstate/exact.py": ["test_aggregate", "test_groups_of_totals"],
    "cowstate/feeds.py": [
        *("test_initial_feeds", "test_every_write", "test_blocks", "test_waits"),
        "journal/test_follower_ends",
    ],
    "cowstate/groups.py": [
        *("test_groups_raise", *INITIAL, *SUBSCRIBERS, "test_delivery", "test_serving"),
        "test_flush",
    ],
    "cowstate/index.py": [
        *("test_derived", "test_index_entries", "test_ranges", "test_schema", "test_ordered"),
        *("test_deferral", "test_derivation", "worlds/test_past"),
    ],
    "cowstate/immutability.py": ["test_immutability_deep", "test_records"],
    "cowstate/invariants.py": ["test_store"],
    "cowstate/items.py": ["test_meta", *INITIAL, "test_initial_feeds", "test_feeds", *GROUPS],
    "cowstate/journal/begun.py": ["journal/test_first_use", "journal/test_first_use_removed"],
    "cowstate/journal/behind.py": ["journal/test_behind"],
    "cowstate/journal/opening.py": ["journal/test_opening"],
    "cowstate/journal/following.py": ["journal/test_following"],
    "cowstate/journal/migration.py": ["journal/test_migrating"],
    "cowstate/journal/bounds.py": ["journal/test_bounds"],
    "cowstate/journal/claim.py": ["journal/test_opening"],
    "cowstate/journal/addressing.py": ["web/test_serving_pages", "journal/postgres/test_commands"],
    "cowstate/journal/command.py": ["journal/test_looking"],
    "cowstate/journal/committer.py": JOURNAL,
    "cowstate/journal/directory.py": ["journal/test_directory"],
    "cowstate/journal/encoded.py": [
        *("journal/test_journaled_writes", "journal/test_opening", "journal/test_names_of_keys"),
    ],
    "cowstate/journal/arguments.py": ["journal/test_opening", "journal/test_follower"],
    "cowstate/journal/chase.py": FOLLOWER,
    "cowstate/journal/errors.py": ["journal/test_opening"],
    "cowstate/journal/follower.py": FOLLOWER,
    "cowstate/journal/group.py": JOURNAL,
    "cowstate/journal/history.py": ["journal/test_history"],
    "cowstate/journal/keeping_up.py": [*FOLLOWER, "journal/test_refused_files"],
    "cowstate/journal/log.py": JOURNAL,
    "cowstate/journal/logged.py": [
        *("journal/test_history", "journal/test_following", "journal/test_behind"),
    ],
    "cowstate/journal/pace.py": ["journal/test_pace"],
    "cowstate/journal/inserting.py": ["journal/test_fence", "journal/test_groups_of_rows"],
    "cowstate/journal/place.py": [
        "journal/test_opening",
        "journal/test_place",
        "journal/test_refused_files",
    ],
    "cowstate/journal/reading.py": [
        *("journal/test_looking", "journal/test_history", "journal/test_refused_files"),
        "web/test_seen",
    ],
    "cowstate/journal/rewriting.py": ["journal/test_migrating"],
    "cowstate/journal/sqlite.py": [
        *JOURNAL,
        "journal/test_fence",
        "journal/test_groups_of_rows",
        "journal/test_opening",
        "journal/test_place",
    ],
    "cowstate/journal/ended.py": ["journal/test_place", "journal/postgres/test_writing"],
    "cowstate/journal/postgres/advising.py": ["journal/postgres/test_reaching"],
    "cowstate/journal/postgres/lease.py": [
        *("journal/postgres/test_taking_over", "journal/postgres/test_told"),
    ],
    "cowstate/journal/postgres/log.py": POSTGRES,
    "cowstate/journal/postgres/opened.py": [*POSTGRES, "journal/postgres/test_taking_over"],
    "cowstate/journal/postgres/pooling.py": ["journal/postgres/test_pooled"],
    "cowstate/journal/postgres/rewriting.py": POSTGRES,
    "cowstate/journal/postgres/rows.py": POSTGRES,
    "cowstate/journal/postgres/server.py": POSTGRES,
    "cowstate/journal/postgres/tables.py": [
        *POSTGRES,
        "journal/postgres/test_following",
        "journal/postgres/test_commands",
    ],
    "cowstate/journal/postgres/tail.py": ["journal/postgres/test_following"],
    "cowstate/journal/postgres/view.py": [
        *("journal/postgres/test_commands", "journal/postgres/test_serving", *POSTGRES),
    ],
    "cowstate/journal/staging.py": JOURNAL,
    "cowstate/journal/store.py": [
        *JOURNAL,
        *("journal/test_opening", "journal/test_history", "journal/test_behind"),
    ],
    "cowstate/journal/tables.py": ["journal/test_journaled_writes", "journal/test_looking"],
    "cowstate/journal/tail.py": ["journal/test_touched", *FOLLOWER, "journal/test_watching"],
    "cowstate/journal/tails.py": [
        "journal/postgres/test_following",
        "journal/postgres/test_commands",
        *FOLLOWER,
    ],
    "cowstate/journal/timed.py": ["journal/test_timed", "journal/postgres/test_told"],
    "cowstate/journal/turn.py": JOURNAL,
    "cowstate/journal/view.py": ["journal/test_looking", "journal/test_history"],
    "cowstate/journal/verifying.py": ["journal/test_looking"],
    "cowstate/journal/touched.py": ["journal/test_touched", "laws/test_follower"],
    "cowstate/journal/waking.py": ["journal/test_touched", "journal/postgres/test_following"],
    "cowstate/journal/watching.py": ["journal/test_watching", "journal/postgres/test_commands"],
    "cowstate/keys.py": ["test_awkward_keys", "test_writestore", "test_store"],
    "cowstate/kinds.py": ["test_maps", "test_thawing"],
    "cowstate/later.py": [
        *("journal/test_first_use", "journal/test_first_versions", "journal/test_first_use_struck"),
        "journal/test_first_use_removed",
    ],
    "cowstate/lineage.py": ["test_diff", "test_deriving", "test_snapshot", "test_sameness"],
    "cowstate/locks.py": ["test_process", "test_blocks", "test_writelock", "test_inside_writes"],
    "cowstate/lookups.py": [
        *("test_totals_asked", "test_ranges_of_drafts", "test_draft", "test_transactions"),
    ],
    "cowstate/maps.py": ["test_deferral"],
    "cowstate/measured.py": ["test_meter", "test_meter_calls"],
    "cowstate/members.py": ["worlds/test_keys"],
    "cowstate/meter.py": ["test_meter_figures", "journal/test_timed"],
    "cowstate/metrics/figures.py": ["metrics/test_figures", "metrics/test_reading"],
    "cowstate/metrics/of_mirrors.py": ["metrics/test_reading"],
    "cowstate/metrics/of_reconcilers.py": ["metrics/test_samples", "metrics/test_reading"],
    "cowstate/metrics/of_stores.py": ["metrics/test_reading"],
    "cowstate/metrics/opentelemetry.py": ["metrics/test_opentelemetry", "metrics/test_interrupted"],
    "cowstate/metrics/prometheus.py": ["metrics/test_prometheus"],
    "cowstate/metrics/samples.py": ["metrics/test_figures", "metrics/test_reading"],
    "cowstate/metrics/table.py": [
        *("metrics/test_figures", "metrics/test_documents", "metrics/test_naming"),
    ],
    "cowstate/metrics/watched.py": ["metrics/test_reading", "metrics/test_inside"],
    "cowstate/metrics/watching.py": [
        *("metrics/test_reading", "metrics/test_naming", "metrics/test_opentelemetry"),
        *("metrics/test_together", "metrics/test_inside"),
    ],
    "cowstate/observation.py": ["test_store", "test_draft"],
    "cowstate/ordered.py": ["test_ranges", "test_ranges_of_drafts", "test_deferral"],
    "cowstate/process.py": ["test_serving", "test_waits", "worlds/test_inside", "worlds/test_ends"],
    "cowstate/raised.py": ["test_errors", "test_error_messages", "test_showing"],
    "cowstate/ranges.py": ["test_ranges_of_drafts", "test_transactions", "test_draft"],
    "cowstate/readstore.py": [
        *("test_feeds", *INITIAL, "test_initial_feeds", *SUBSCRIBERS, "test_slips", "test_pins"),
        *("test_meter", "test_meter_calls", "test_meter_figures", "test_diff", "test_store"),
        *("test_process", "test_waits", "test_serving", "worlds/test_ends"),
    ],
    "cowstate/reservation.py": ["test_transactions", "test_blocks", "test_torn"],
    "cowstate/ring.py": ["test_diff", "test_timeline"],
    "cowstate/schema.py": [
        *("test_deferral", "test_invariants", "test_transactions", "test_sameness", "test_slips"),
        *("test_immutability", "test_awkward_keys", "test_deriving_refused", "test_store"),
        *("journal/test_leaps", "journal/test_first_use", "journal/test_history"),
    ],
    "cowstate/scope.py": ["test_blocks"],
    "cowstate/showing.py": ["test_keys"],
    "cowstate/snapshot.py": [
        *("test_diff", "test_derived", "test_mapping_protocol", "test_totals_asked"),
        *("test_awkward_keys", "test_ranges", "test_equality"),
    ],
    "cowstate/statistics.py": ["test_meter_figures", "test_readstore", "metrics/test_reading"],
    "cowstate/store.py": [
        *("test_slips", "test_transactions", "test_draft", "test_observation", "test_timeline"),
        *("test_meter_figures", "test_awkward_keys", "test_deferral", "test_blocks", "test_diff"),
        *("test_writestore", "test_readstore"),
    ],
    "cowstate/subscribers.py": [
        *(*SUBSCRIBERS[1:], *GROUPS, *INITIAL, "test_readstore", "test_delivery"),
        "test_serving",
    ],
    "cowstate/thawing.py": ["test_maps", "journal/test_first_use_machine"],
    "cowstate/timeline.py": [
        *("test_pins", "test_deferral", "test_blocks", "test_diff", "test_meter_figures"),
        "journal/test_leaps",
    ],
    "cowstate/torn.py": ["worlds/test_lock"],
    "cowstate/totals.py": [
        *("test_groups_of_totals", "test_extremes", "test_aggregate", "test_derivation"),
        *("worlds/test_past", "worlds/test_memory"),
    ],
    "cowstate/transactions.py": ["test_blocks", "test_every_write"],
    "cowstate/tree.py": ["tree", "test_maps", "test_diff"],
    "cowstate/views.py": ["test_snapshot", "test_mapping_protocol"],
    "cowstate/waiters.py": ["test_waits", "test_process", "test_aio"],
    "cowstate/waits.py": [
        *("test_feeds", "journal/test_waiting_on_followers", "journal/test_follower_ends"),
    ],
    "cowstate/workspace.py": [
        *("test_transactions", "test_mapping_protocol", "test_draft", "test_ranges"),
        *("test_writestore", "test_process", "worlds/test_costs"),
    ],
    "cowstate/writestore.py": ["test_bulk", "test_every_write", "test_meter", "test_deriving"],
    "cowstate/writelock.py": [
        *("test_inside_writes", "test_transactions", "test_blocks", "test_process"),
        *("test_reservation", "test_rings"),
    ],
    "cowstate/web/app.py": [*WEB, "web/test_guarding", "web/test_connections"],
    "cowstate/web/beside.py": ["journal/postgres/test_serving", *WEB],
    "cowstate/web/command.py": WEB,
    "cowstate/web/connections.py": ["web/test_connections"],
    "cowstate/web/errors.py": ["test_errors", *WEB],
    "cowstate/web/guarding.py": ["web/test_guarding", *WEB],
    "cowstate/web/messages.py": ["web/test_messages", "web/test_trader"],
    "cowstate/web/seen.py": ["web/test_seen"],
    "cowstate/web/server.py": WEB,
    "cowstate/web/sums.py": ["web/test_seen"],
    "cowstate/web/texts.py": ["web/test_messages", "web/test_seen"],
    "cowstate/web/trader.py": ["web/test_trader"],
    "cowstate/web/watcher.py": ["web/test_messages", *WEB, "journal/postgres/test_serving"],
    **{
        f"cowstate/mirror/{module}.py": [f"mirror/test_{name}" for name in named]
        for module, named in {
            "claims": ["threads", "tasks"],
            "course": ["plan", "polling", "threads"],
            "errors": ["course", "threads", "files"],
            "keeper": ["threads", "tasks", "slips"],
            "kubernetes": ["informer"],
            "options": ["threads", "polling", "files"],
            "publisher": ["plan", "course", "slips"],
            "source": ["polling", "course"],
            "status": ["course", "threads"],
            "tasks": ["kubernetes", "slips"],
            "threads": ["course", "kubernetes", "slips"],
        }.items()
    },
    "cowstate/testing/__init__.py": ["testing/test_plain_install"],
    "cowstate/testing/calls.py": ["testing/test_recorder", *LINEARIZABILITY],
    "cowstate/testing/errors.py": [
        *(*LINEARIZABILITY, "testing/test_scenario", "testing/test_run_threads"),
    ],
    "cowstate/testing/linearizability.py": [*LINEARIZABILITY, "testing/test_recorded_store"],
    "cowstate/testing/models.py": [*LINEARIZABILITY, "testing/test_scenario"],
    "cowstate/testing/recorder.py": [
        *("testing/test_recorder_interrupted", "testing/test_recorded_store"),
    ],
    "cowstate/testing/scenario.py": ["testing/test_plain_install"],
    "cowstate/testing/running.py": ["testing/test_run_threads"],
    "cowstate/testing/timelines.py": LINEARIZABILITY,
    **NEAR_POSITIONS,
}
# The explorer and what it stands on: its parts are seen through programs that are explored.
_EXPLORING = ["testing/test_schedules", "testing/test_scheduler"]
NEAR |= {
    f"cowstate/testing/{module}.py": [*(f"testing/test_{name}" for name in named), *_EXPLORING]
    for module, named in {
        "adoption": ["threads"],
        "backtracking": ["backtracking", "reduction"],
        "bounds": ["sampling", "tasks"],
        "chronicle": ["reduction_waits", "reduction", "store_alone"],
        "counters": ["primitives"],
        "footprints": ["reduction"],
        "known": ["reduction", "reduction_side_ways"],
        "lines": ["reduction_waits", "reduction"],
        "loops": ["tasks"],
        "objects": ["reduction", "reduction_side_ways", "lost"],
        "places": ["reduction_side_ways", "reduction"],
        "plugin": ["plugin"],
        "primitives": ["primitives", "schedules_complete"],
        "queues": ["queues", "primitives"],
        "races": ["backtracking", "reduction"],
        "reading": ["reduction", "reduction_side_ways", "lost", "store_alone"],
        "reduction": ["reduction_waits", "reduction"],
        "sampling": ["sampling"],
        "schedules": ["texts", "sampling"],
        "search": ["schedules_complete", "programs"],
        "sleepers": ["reduction"],
        "standins": ["primitives", "threads", "store_alone"],
        "taking": ["reading", "reduction_waits", "store_alone"],
        "tasks": ["tasks"],
        "telling": ["primitives"],
        "texts": ["texts"],
        "threads": ["threads"],
        "traces": ["lost"],
        "witness": ["lost"],
    }.items()
}
# Several threads, in an order that each test fixes: asked next of modules that threads meet in.
WORLDS = [
    *("callbacks", "delivery", "inside", "joint", "keys", "lock", "waiting", "ends", "memory"),
    "costs",
]
# They look at the text of the package, at other processes or at documents, not at what it does.
ASIDE = {
    *("test_cli", "test_cli_terminal", "test_docstrings", "test_examples", "test_layering"),
    *("test_links", "test_typing"),
}


def stages_of(module: str, tests: Path, *, thorough: bool = False) -> list[list[str]]:
    """Return the stages of *module*, each a list of test files, relative to the project.

    Args:
        module: its path, relative to the project.
        tests: the folder of the tests.
        thorough: whether the tests that raise at every line and end processes come last.
    """
    inside = Path(module).relative_to("cowstate")
    own = inside.with_name(f"test_{inside.stem}").as_posix()
    near = [own, *NEAR.get(module, [])]
    if inside.parts[0] == "positions":
        stages = [near, POSITIONS]
    else:
        all_ = sorted(file.stem for file in tests.glob("test_*.py") if file.stem not in ASIDE)
        worlds = [f"worlds/test_{name}" for name in WORLDS]
        stages = [near, worlds, all_, ["properties"]]
        if thorough:
            stages.append(["faults", "test_examples"])
    done: set[str] = set()
    result = []
    for stage in stages:
        paths = [_path(tests, name) for name in stage if name not in done]
        done.update(stage)
        result.append([f"tests/{path.relative_to(tests)}" for path in paths if path.exists()])
    return [stage for stage in result if stage]


def _path(tests: Path, name: str) -> Path:
    folder = tests / name
    return folder if folder.is_dir() else tests / f"{name}.py"
