"""The tables of the state file. Money in nano-USD, hours in Unix seconds, `_ns` in Unix ns.

Versions only ever go up: `MIGRATIONS[n]` takes a file from version n to n + 1, and a file of a
later version is refused.
"""

from __future__ import annotations

_VERSION_1 = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE account (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    user_id TEXT,
    wallet_start_ns INTEGER NOT NULL DEFAULT 0,
    topup INTEGER,
    spent INTEGER,
    available INTEGER,
    last_spent INTEGER,
    anchor_spent INTEGER,
    anchor_usage_low INTEGER,
    anchor_usage_high INTEGER,
    drift_low INTEGER,
    drift_high INTEGER,
    baselined INTEGER NOT NULL DEFAULT 0
);

-- How far a stream ("usage" or "transactions") has been read: see exporter/ledger/cursor.py.
CREATE TABLE cursor (
    account INTEGER NOT NULL,
    stream TEXT NOT NULL,
    start REAL NOT NULL,
    position REAL NOT NULL,
    newest REAL,
    floor REAL NOT NULL,
    polled_ns INTEGER NOT NULL,
    swept_at REAL NOT NULL,
    sweep_from REAL,
    shape TEXT,
    caught_up INTEGER NOT NULL DEFAULT 0,
    sweep_began REAL,
    PRIMARY KEY (account, stream)
) WITHOUT ROWID;

-- Keys are told apart by the gateway's id; what is shown of them is frozen at first sight.
CREATE TABLE api_key (
    id INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    gateway_id TEXT,
    masked TEXT,
    shown_id TEXT NOT NULL,
    shown_name TEXT NOT NULL
);
CREATE UNIQUE INDEX api_key_gateway_id ON api_key (account, gateway_id)
    WHERE gateway_id IS NOT NULL;
CREATE INDEX api_key_masked ON api_key (account, masked);

-- `cost` … follow corrections down; `shown_cost` … are what counters say and never fall.
CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    shown_id TEXT NOT NULL,
    shown_name TEXT NOT NULL,
    model TEXT NOT NULL,
    start_ns INTEGER NOT NULL,
    fresh INTEGER NOT NULL DEFAULT 1,
    cost INTEGER NOT NULL DEFAULT 0,
    input_tokens INTEGER NOT NULL DEFAULT 0,
    output_tokens INTEGER NOT NULL DEFAULT 0,
    requests INTEGER NOT NULL DEFAULT 0,
    shown_cost INTEGER NOT NULL DEFAULT 0,
    shown_input_tokens INTEGER NOT NULL DEFAULT 0,
    shown_output_tokens INTEGER NOT NULL DEFAULT 0,
    shown_requests INTEGER NOT NULL DEFAULT 0,
    UNIQUE (account, shown_id, shown_name, model),
    -- SQLite turns a sum past 64 bits into a float. That must fail, not lose the last digits.
    CHECK (typeof(cost) = 'integer' AND typeof(shown_cost) = 'integer'),
    CHECK (typeof(input_tokens) = 'integer' AND typeof(shown_input_tokens) = 'integer'),
    CHECK (typeof(output_tokens) = 'integer' AND typeof(shown_output_tokens) = 'integer'),
    CHECK (typeof(requests) = 'integer' AND typeof(shown_requests) = 'integer')
);

-- One hour of one key and model. `base_…` is the part of a bucket that is not ours to count.
CREATE TABLE cell (
    id INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    hour INTEGER NOT NULL,
    api_key INTEGER NOT NULL,
    model TEXT NOT NULL,
    series INTEGER NOT NULL,
    rolled INTEGER NOT NULL,
    cost INTEGER NOT NULL DEFAULT 0,
    input_tokens INTEGER NOT NULL DEFAULT 0,
    output_tokens INTEGER NOT NULL DEFAULT 0,
    requests INTEGER NOT NULL DEFAULT 0,
    base_cost INTEGER NOT NULL DEFAULT 0,
    base_input_tokens INTEGER NOT NULL DEFAULT 0,
    base_output_tokens INTEGER NOT NULL DEFAULT 0,
    base_requests INTEGER NOT NULL DEFAULT 0,
    UNIQUE (account, hour, api_key, model)
);
CREATE INDEX cell_rolled ON cell (account, hour) WHERE rolled;

-- Every log row that was read and may be read again, with what it said.
CREATE TABLE usage_mark (
    account INTEGER NOT NULL,
    request_id TEXT NOT NULL,
    cell INTEGER NOT NULL,
    hour INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    PRIMARY KEY (account, request_id)
) WITHOUT ROWID;

-- Keys and models that were folded into "other".
CREATE TABLE folded (
    account INTEGER NOT NULL,
    api_key INTEGER NOT NULL,
    model TEXT NOT NULL,
    PRIMARY KEY (account, api_key, model)
) WITHOUT ROWID;

CREATE TABLE transaction_mark (
    account INTEGER NOT NULL,
    id TEXT NOT NULL,
    created_at REAL NOT NULL,
    PRIMARY KEY (account, id)
) WITHOUT ROWID;

CREATE TABLE billing (
    id INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    kind TEXT NOT NULL,
    direction TEXT NOT NULL,
    start_ns INTEGER NOT NULL,
    fresh INTEGER NOT NULL DEFAULT 1,
    amount INTEGER NOT NULL DEFAULT 0 CHECK (typeof(amount) = 'integer'),
    count INTEGER NOT NULL DEFAULT 0,
    UNIQUE (account, kind, direction)
);

CREATE TABLE last_transaction (
    account INTEGER NOT NULL,
    kind TEXT NOT NULL,
    created_at REAL NOT NULL,
    PRIMARY KEY (account, kind)
) WITHOUT ROWID;

-- Cumulative spend over time, for the runway. `source` tells samples that do not compare apart.
CREATE TABLE spend_sample (
    account INTEGER NOT NULL,
    at REAL NOT NULL,
    source TEXT NOT NULL,
    spent INTEGER NOT NULL,
    PRIMARY KEY (account, at)
) WITHOUT ROWID;
"""

_VERSION_2 = """
-- Since when (Unix s) no reading has had the bucket of a cell.
ALTER TABLE cell ADD COLUMN missing_since REAL;

-- What a movement has counted so far (NULL: whatever it says next), and what it announces.
ALTER TABLE transaction_mark ADD COLUMN kind TEXT;
ALTER TABLE transaction_mark ADD COLUMN amount INTEGER;
ALTER TABLE transaction_mark ADD COLUMN pending INTEGER;
CREATE INDEX transaction_pending ON transaction_mark (account) WHERE pending IS NOT NULL;

-- Lifetime spend when the account was read first, and when a reading of usage was counted last.
ALTER TABLE account ADD COLUMN first_spent INTEGER;
ALTER TABLE account ADD COLUMN witness_spent INTEGER;

-- Whose account it is: where its gateway is, which wallet pays, and the masked key that said so.
ALTER TABLE account ADD COLUMN gateway TEXT;
ALTER TABLE account ADD COLUMN wallet TEXT;
ALTER TABLE account ADD COLUMN api_key TEXT;

-- What was spent in each hour as `source` tells it, and how many seconds of it were watched.
CREATE TABLE spend (
    account INTEGER NOT NULL,
    source TEXT NOT NULL,
    hour INTEGER NOT NULL,
    spent INTEGER NOT NULL DEFAULT 0,
    seconds REAL NOT NULL DEFAULT 0,
    PRIMARY KEY (account, source, hour)
) WITHOUT ROWID;
INSERT INTO spend (account, source, hour, spent)
    SELECT account, 'usage', hour, SUM(cost) FROM cell GROUP BY account, hour;

-- Until when a source was watched: see exporter/ledger/spend.py.
CREATE TABLE spend_watch (
    account INTEGER NOT NULL,
    source TEXT NOT NULL,
    at REAL NOT NULL,
    value INTEGER NOT NULL,
    fell INTEGER NOT NULL,
    PRIMARY KEY (account, source)
) WITHOUT ROWID;

-- Tokens that caches gave and took. `caches`: 1 once a row has told them, 2 once the zero points
-- of those series were sent.
ALTER TABLE series ADD COLUMN cache_read_tokens INTEGER NOT NULL DEFAULT 0
    CHECK (typeof(cache_read_tokens) = 'integer');
ALTER TABLE series ADD COLUMN cache_creation_tokens INTEGER NOT NULL DEFAULT 0
    CHECK (typeof(cache_creation_tokens) = 'integer');
ALTER TABLE series ADD COLUMN shown_cache_read_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE series ADD COLUMN shown_cache_creation_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE series ADD COLUMN caches INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cell ADD COLUMN cache_read_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cell ADD COLUMN cache_creation_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cell ADD COLUMN base_cache_read_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cell ADD COLUMN base_cache_creation_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_mark ADD COLUMN cache_read_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_mark ADD COLUMN cache_creation_tokens INTEGER NOT NULL DEFAULT 0;

-- When the account was read last (Unix s).
ALTER TABLE account ADD COLUMN read_at REAL;
UPDATE account SET read_at = (SELECT MAX(at) FROM spend_sample WHERE account = account.id);
DROP TABLE spend_sample;
"""

MIGRATIONS = (_VERSION_1, _VERSION_2)

MASKS_SPELLED_ANEW = 2
"""The version from which on masked keys have one form: see exporter/ledger/naming.py."""

APPLICATION_ID = 0x62795370
"""What tells a state file from other SQLite files: "bySp"."""
