-- The feed reads changes in the order of their commits.
CREATE INDEX log_seq ON log (seq) WHERE id & 2147483647 <> 0;

-- Letters that are owed to somebody. hi and lo are the two halves of the id, times
-- are nanoseconds since 1970, data and note are sealed like rows of the log.
CREATE TABLE letter (
  n        INTEGER PRIMARY KEY,
  hi       INTEGER NOT NULL,
  lo       INTEGER NOT NULL,
  queue    INTEGER NOT NULL,
  dead     INTEGER NOT NULL,
  due      INTEGER NOT NULL,
  created  INTEGER NOT NULL,
  expires  INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  data     BLOB NOT NULL,
  note     BLOB,
  UNIQUE (hi, lo)
);
CREATE INDEX letter_due ON letter (queue, dead, due, created);

-- The data keys of letters, and the day since 1970 for which each was made. A key
-- is destroyed when its day is over and no letter has it any more.
CREATE TABLE letter_key (
  key INTEGER PRIMARY KEY,
  day INTEGER NOT NULL
);

-- How far each projector has come in the feed.
CREATE TABLE cursor (
  name BLOB PRIMARY KEY,
  seq  INTEGER NOT NULL
) WITHOUT ROWID;
