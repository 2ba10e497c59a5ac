-- The projection: all of it can be made again from log. Rebuild makes the tables
-- under names that start with new_ and then exchanges them. A change here raises
-- projectionVersion.

-- Keyed hash of tenant, kind and id -> stream key.
CREATE TABLE IF NOT EXISTS {}stream (
  hash BLOB PRIMARY KEY,
  key  INTEGER NOT NULL
) WITHOUT ROWID;

-- Keyed hash of an entryUUID or uniqueId -> the object with it: log.id and the
-- number of the object there (-1: named by an association, -2: by a claim only).
-- A taken h moves the entry to the next free one.
CREATE TABLE IF NOT EXISTS {}ids (
  h    INTEGER PRIMARY KEY,
  at   INTEGER NOT NULL,
  n    INTEGER NOT NULL
);

-- Object (at, n) was changed, or named by an association, in the change of
-- log.id = by. what: see touch.go.
CREATE TABLE IF NOT EXISTS {}touch (
  at   INTEGER NOT NULL,
  n    INTEGER NOT NULL,
  seq  INTEGER NOT NULL,
  by   INTEGER NOT NULL,
  what BLOB NOT NULL,
  PRIMARY KEY (at, n, seq)
) WITHOUT ROWID;

-- Since version 2: patients that an identity feed has told of, by stream key.
CREATE TABLE IF NOT EXISTS {}known (
  key INTEGER PRIMARY KEY
);

-- Since version 2: streams that were merged into another one, by key.
CREATE TABLE IF NOT EXISTS {}merged (
  key      INTEGER PRIMARY KEY,
  survivor INTEGER NOT NULL
);
