CREATE TABLE meta (name TEXT PRIMARY KEY, n INTEGER, data BLOB) WITHOUT ROWID;

-- id: 63 bits of the keyed hash of tenant and key. data: the cards that share them, nearly always
-- one, each as 8 more bytes of the hash, a uvarint length, and the sealed card.
CREATE TABLE card (id INTEGER PRIMARY KEY, data BLOB NOT NULL);

CREATE TABLE word (id INTEGER PRIMARY KEY, text BLOB NOT NULL);
