"""What the schema of a store holds: the statements that make its tables, read and write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..view import Form

__all__ = ["APPLICATION", "LAYOUT", "STATEMENTS", "statements"]

APPLICATION: Final = "cowstate"
"""What the table ``about`` says of the program that the schema belongs to."""

LAYOUT: Final = 1
"""The number of this arrangement of tables, kept there."""

# As in the file of a store. Each who took the store over says from which version on: what lies
# before it is of the one before.
MAKE: Final = """
CREATE SCHEMA {schema};
CREATE TABLE {schema}.about (
    one int PRIMARY KEY CHECK (one = 1), application text NOT NULL, layout int NOT NULL,
    form text NOT NULL, schema bigint NOT NULL
);
CREATE TABLE {schema}.records (
    key {kind} PRIMARY KEY, value {kind} NOT NULL, version bigint NOT NULL
);
CREATE TABLE {schema}.meta (
    one int PRIMARY KEY CHECK (one = 1), value {kind}, version bigint NOT NULL
);
CREATE TABLE {schema}.commits (
    version bigint PRIMARY KEY, epoch bigint NOT NULL, time double precision NOT NULL,
    old_meta {kind}, new_meta {kind}
);
CREATE TABLE {schema}.changes (
    version bigint NOT NULL, key {kind} NOT NULL, old {kind}, new {kind},
    PRIMARY KEY (version, key)
);
CREATE TABLE {schema}.writer (
    one int PRIMARY KEY CHECK (one = 1), epoch bigint NOT NULL, version bigint NOT NULL,
    token text NOT NULL, until timestamptz NOT NULL
);
CREATE TABLE {schema}.writers (
    epoch bigint PRIMARY KEY, version bigint NOT NULL, token text NOT NULL, who text NOT NULL,
    since double precision NOT NULL
);
INSERT INTO {schema}.meta VALUES (1, NULL, 0);
INSERT INTO {schema}.writer VALUES (1, 0, 0, '', '-infinity')
"""

KINDS: Final = {"json": 'text COLLATE "C"', "msgpack": "bytea"}
"""Of what type keys and values are. By their bytes, so that no update of a library's reorders
them."""

_TAKEN: Final = (
    ", named AS (INSERT INTO {schema}.writers"
    " SELECT epoch, version, token, %(who)s, extract(epoch FROM clock_timestamp()) FROM mine)"
    " SELECT epoch, version FROM mine"
)
_UNTIL: Final = "until = clock_timestamp() + %(lease)s * interval '1 second'"

_TAKES: Final = (
    "coalesce(sum(octet_length(h.key) + coalesce(octet_length(h.old), 0)"
    " + coalesce(octet_length(h.new), 0)), 0)"
)
_META_TAKES: Final = "coalesce(octet_length(c.old_meta), 0) + coalesce(octet_length(c.new_meta), 0)"

STATEMENTS: Final = {
    # From the table of schemas: to_regnamespace may say what it knew before somebody made one.
    "find": (
        "SELECT (SELECT nspname FROM pg_namespace WHERE nspname = %(schema)s::text)::text,"
        " to_regclass(%(schema)s::text || '.about')::text,"
        " to_regclass(%(schema)s::text || '.writer')::text"
    ),
    "only_one_makes": "SELECT pg_advisory_xact_lock(hashtext('cowstate'), hashtext(%(schema)s))",
    "about": "SELECT application, layout, form, schema FROM {schema}.about",
    "is_about": "INSERT INTO {schema}.about VALUES (1, %s, %s, %s, %s)",
    # Who may write.
    "take": (
        f"WITH mine AS (UPDATE {{schema}}.writer SET epoch = epoch + 1, token = %(token)s, {_UNTIL}"
        f" WHERE until < clock_timestamp() RETURNING epoch, version, token){_TAKEN}"
    ),
    "take_again": (
        f"WITH mine AS (UPDATE {{schema}}.writer SET epoch = epoch + 1, {_UNTIL}"
        f" WHERE token = %(token)s RETURNING epoch, version, token){_TAKEN}"
    ),
    "renew": (f"UPDATE {{schema}}.writer SET {_UNTIL} WHERE token = %(token)s"),
    "give_up": (
        "WITH mine AS (UPDATE {schema}.writer SET until = '-infinity', token = ''"
        " WHERE token = %(token)s"
        " RETURNING version) SELECT pg_notify(%(free)s, version::text) FROM mine"
    ),
    "holder": (
        "SELECT s.who, extract(epoch FROM greatest(w.until, now()) - now())"
        " FROM {schema}.writer w JOIN {schema}.writers s ON s.epoch = w.epoch"
    ),
    "still_mine": (
        "SELECT 1 FROM {schema}.writer WHERE epoch = %(epoch)s AND token = %(token)s FOR UPDATE"
    ),
    "unchanged": (
        "SELECT 1 FROM {schema}.writer"
        " WHERE epoch = %(epoch)s AND token = %(token)s AND version = %(version)s"
    ),
    # From which version on whoever came after this one has written; the newest of this one's own.
    "ended": (
        "SELECT version FROM {schema}.writers WHERE epoch >"
        " (SELECT max(epoch) FROM {schema}.writers WHERE token = %(token)s) ORDER BY epoch LIMIT 1"
    ),
    # One statement, so one transaction: whoever is stopped in the middle holds nothing. All parts
    # of it see what was there before it; so each key is put once, and what a later commit of the
    # group finds comes along as a value.
    "write": (
        f"WITH mine AS (UPDATE {{schema}}.writer SET version = %(last)s, {_UNTIL}"
        " WHERE epoch = %(epoch)s AND token = %(token)s AND version = %(before)s RETURNING epoch"
        "), committed AS (INSERT INTO {schema}.commits"
        " SELECT c.version, mine.epoch, c.time, CASE WHEN c.first_meta"
        " THEN (SELECT value FROM {schema}.meta) ELSE c.old_meta END, c.new_meta"
        " FROM mine, unnest(%(versions)s::bigint[], %(times)s::double precision[],"
        " %(first_metas)s::boolean[], %(old_metas){sent}::{kinds}, %(new_metas){sent}::{kinds})"
        " AS c (version, time, first_meta, old_meta, new_meta)"
        "), changed AS (INSERT INTO {schema}.changes"
        " SELECT h.version, h.key, CASE WHEN h.first"
        " THEN (SELECT value FROM {schema}.records r WHERE r.key = h.key) ELSE h.old END, h.new"
        " FROM mine, unnest(%(of)s::bigint[], %(keys){sent}::{kinds}, %(firsts)s::boolean[],"
        " %(olds){sent}::{kinds}, %(news){sent}::{kinds}) AS h (version, key, first, old, new)"
        "), put AS (INSERT INTO {schema}.records"
        " SELECT p.key, p.value, p.version FROM mine, unnest(%(put_keys){sent}::{kinds},"
        " %(put_values){sent}::{kinds}, %(put_versions)s::bigint[]) AS p (key, value, version)"
        " ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version"
        "), gone AS (DELETE FROM {schema}.records"
        " WHERE key = ANY (%(gone){sent}::{kinds}) AND EXISTS (SELECT 1 FROM mine)"
        "), moved AS (UPDATE {schema}.meta SET value = %(meta)s::{kind}, version = %(last)s"
        " FROM mine WHERE %(meta)s::{kind} IS NOT NULL)"
        " SELECT CASE WHEN %(tells)s::boolean"
        " THEN pg_notify(%(channel)s, %(last)s::text)::text END FROM mine"
    ),
    "tell": "SELECT pg_notify(%(channel)s, %(last)s::text)",
    "drop": (
        "WITH mine AS MATERIALIZED"
        " (SELECT epoch FROM {schema}.writer"
        " WHERE epoch = %(epoch)s AND token = %(token)s FOR UPDATE),"
        " gone AS (DELETE FROM {schema}.changes"
        " WHERE version <= %(upto)s AND EXISTS (SELECT 1 FROM mine)),"
        " too AS (DELETE FROM {schema}.commits"
        " WHERE version <= %(upto)s AND EXISTS (SELECT 1 FROM mine)) SELECT epoch FROM mine"
    ),
    "drop_changes": "DELETE FROM {schema}.changes WHERE version <= %s",
    "drop_commits": "DELETE FROM {schema}.commits WHERE version <= %s",
    "taken": (
        "WITH a AS (SELECT %s::bigint AS after)"
        f" SELECT ((SELECT {_TAKES} FROM a, {{schema}}.changes h"
        f" WHERE h.version > a.after) + (SELECT coalesce(sum({_META_TAKES}), 0)"
        " FROM a, {schema}.commits c WHERE c.version > a.after))::bigint"
    ),
    "oldest": (
        f"SELECT c.version, c.time, ((SELECT {_TAKES} FROM {{schema}}.changes h"
        f" WHERE h.version = c.version) + {_META_TAKES})::bigint"
        " FROM {schema}.commits c WHERE c.version <= %s ORDER BY c.version"
    ),
    # Looking.
    # The schema, too: a migration rewrites records after it has raised the epoch.
    "state": (
        "SELECT w.epoch, w.version, pg_is_in_recovery(), a.schema"
        " FROM {schema}.writer w, {schema}.about a"
    ),
    "last": "SELECT version, time FROM {schema}.commits ORDER BY version DESC LIMIT 1",
    "last_upto": "SELECT coalesce(max(version), 0) FROM {schema}.commits WHERE version <= %s",
    "meta": "SELECT value FROM {schema}.meta",
    "reach": ("SELECT (SELECT min(version) FROM {schema}.commits), version FROM {schema}.writer"),
    "records": "SELECT key, value, version FROM {schema}.records",
    "pairs": "SELECT key, value FROM {schema}.records",
    "backward": "SELECT version, time FROM {schema}.commits ORDER BY version DESC",
    "commits": (
        "SELECT c.version, c.time, coalesce(w.who, ''),"
        " (SELECT count(*) FROM {schema}.changes h WHERE h.version = c.version),"
        " c.old_meta, c.new_meta"
        " FROM {schema}.commits c LEFT JOIN {schema}.writers w ON w.epoch = c.epoch"
        " WHERE c.version > %s AND c.version <= %s ORDER BY c.version"
    ),
    "changes": (
        "SELECT version, key, old, new FROM {schema}.changes"
        " WHERE version > %s AND version <= %s ORDER BY version, key"
    ),
    "strays": (
        "SELECT DISTINCT h.version FROM {schema}.changes h WHERE NOT EXISTS"
        " (SELECT 1 FROM {schema}.commits c WHERE c.version = h.version) ORDER BY h.version"
    ),
    "first": "SELECT key, version FROM {schema}.records ORDER BY key LIMIT %s",
    "values": "SELECT key, value FROM {schema}.records WHERE key = ANY (%{sent}::{kinds})",
    "count": "SELECT count(*) FROM {schema}.records",
    "before": (
        "SELECT DISTINCT ON (key) key, old FROM {schema}.changes"
        " WHERE version > %s AND version <= %s ORDER BY key, version"
    ),
    "meta_before": (
        "SELECT old_meta FROM {schema}.commits WHERE version > %s AND version <= %s"
        " AND new_meta IS NOT NULL ORDER BY version LIMIT 1"
    ),
    # A migration.
    "records_from": (
        "SELECT key, value FROM {schema}.records WHERE %(key)s::{kind} IS NULL OR key > %(key)s"
        " ORDER BY key LIMIT 1000"
    ),
    "rewrite": (
        "UPDATE {schema}.records r SET value = n.value"
        " FROM unnest(%{sent}::{kinds}, %{sent}::{kinds}) AS n (key, value) WHERE r.key = n.key"
    ),
    "changes_from": (
        "SELECT version, key, old, new FROM {schema}.changes WHERE %(key)s::{kind} IS NULL"
        " OR (version, key) > (%(version)s, %(key)s) ORDER BY version, key LIMIT 1000"
    ),
    "rewrite_changes": (
        "UPDATE {schema}.changes h SET old = n.old, new = n.new FROM unnest(%s::bigint[],"
        " %{sent}::{kinds}, %{sent}::{kinds}, %{sent}::{kinds}) AS n (version, key, old, new)"
        " WHERE h.version = n.version AND h.key = n.key"
    ),
    "metas_from": (
        "SELECT version, old_meta, new_meta FROM {schema}.commits"
        " WHERE version > %s AND new_meta IS NOT NULL ORDER BY version LIMIT 1000"
    ),
    "rewrite_meta": "UPDATE {schema}.meta SET value = %s",
    "rewrite_metas": (
        "UPDATE {schema}.commits c SET old_meta = n.old, new_meta = n.new"
        " FROM unnest(%s::bigint[], %{sent}::{kinds}, %{sent}::{kinds}) AS n (version, old, new)"
        " WHERE c.version = n.version"
    ),
    "is_of": "UPDATE {schema}.about SET schema = %s",
}


def statements(schema: str, form: Form = "json") -> Mapping[str, str]:
    """Return what is said to a server of the store in *schema*, whose values have a *form*.

    >>> statements("cowstate_slots")["meta"]
    'SELECT value FROM cowstate_slots.meta'
    """
    kind = KINDS[form]
    kinds = "bytea[]" if form == "msgpack" else "text[]"
    plain = "bytea" if form == "msgpack" else "text"
    # How psycopg writes arrays. As text each quotation mark in them costs a microsecond, and JSON
    # is full of them; as bytes an array of nothing but NULL would be one of texts.
    sent = "s" if form == "msgpack" else "b"
    return {
        "make": MAKE.format(schema=schema, kind=kind),
        **{
            name: statement.format(schema=schema, kind=plain, kinds=kinds, sent=sent)
            for name, statement in STATEMENTS.items()
        },
    }
