-- Numbers and blobs only: all that is about people is inside log.data, encrypted.

-- What the engine must remember. See meta.go for the names.
CREATE TABLE meta (
  name TEXT PRIMARY KEY,
  n    INTEGER NOT NULL DEFAULT 0,
  data BLOB
) WITHOUT ROWID;

-- The truth: one row per change. id = stream key << 31 | version, so that a
-- patient's changes lie side by side. Version 0 says which stream it is. seq
-- orders all changes of the file by their commit.
CREATE TABLE log (
  id   INTEGER PRIMARY KEY,
  seq  INTEGER NOT NULL,
  data BLOB NOT NULL
);

-- Everything below is a projection and can be made again from log.

-- Keyed hash of tenant, kind and id -> stream key.
CREATE TABLE stream (
  hash BLOB PRIMARY KEY,
  key  INTEGER NOT NULL
) WITHOUT ROWID;

-- Keyed hash of an entryUUID or uniqueId -> the object with it: log.id and the
-- number of the object there (-1: named by an association, -2: by a claim only).
-- A taken h moves the entry to the next free one.
CREATE TABLE ids (
  h    INTEGER PRIMARY KEY,
  at   INTEGER NOT NULL,
  n    INTEGER NOT NULL
);

-- Object (at, n) was changed, or named by an association, in the change of
-- log.id = by. what: see touch.go.
CREATE TABLE touch (
  at   INTEGER NOT NULL,
  n    INTEGER NOT NULL,
  seq  INTEGER NOT NULL,
  by   INTEGER NOT NULL,
  what BLOB NOT NULL,
  PRIMARY KEY (at, n, seq)
) WITHOUT ROWID;
