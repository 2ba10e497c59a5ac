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
