package sqlite

import (
	"container/list"
	"sync"
	"sync/atomic"

	"samdok/storage"
)

// snapshot is all of a stream at a version. It never changes: a new version is a
// new snapshot that shares the texts.
type snapshot struct {
	texts   []string // of versions 1, 2, ...
	touches []touch  // of objects of this stream, sorted by place
	bytes   int
}

func (s *snapshot) version() storage.Version { return storage.Version(len(s.texts)) }

// cache remembers streams, and snapshots of those that are small enough, up to a
// number of bytes; the least recently used goes first. Only the process that
// holds the file's lock writes, so the writer keeps it true.
type cache struct {
	mu      sync.Mutex
	max     int // bytes
	maxSnap int // bytes of one snapshot
	bytes   int
	byName  map[name]*list.Element // of *entry
	byKey   map[int64]*list.Element
	used    *list.List // most recent first
	// changed holds, by key modulo its length, when a stream was last changed, so
	// that a reader that started before cannot put back what is old.
	changed [4096]int64
	seq     int64 // of the last commit taken in
	merges  merges
	merged  atomic.Bool // there are merges
}

type entry struct {
	*stream
	snap *snapshot // nil: not held
}

// streamBytes is what knowing a stream takes, mostly its cipher.
const streamBytes = 1200

func (e *entry) bytes() int {
	n := streamBytes + 2*len(e.name.stream.ID)
	if e.snap != nil {
		n += e.snap.bytes
	}
	return n
}

func newCache(max int) *cache {
	return &cache{max: max, maxSnap: max / 16, byName: map[name]*list.Element{}, byKey: map[int64]*list.Element{}, used: list.New()}
}

func (c *cache) named(n name) *stream {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.use(c.byName[n]); e != nil {
		return e.stream
	}
	return nil
}

func (c *cache) keyed(key int64) *stream {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.use(c.byKey[key]); e != nil {
		return e.stream
	}
	return nil
}

// whole is a stream and its snapshot; nil when they are not held.
func (c *cache) whole(n name) (*stream, *snapshot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.use(c.byName[n]); e != nil {
		return e.stream, e.snap
	}
	return nil, nil
}

func (c *cache) snapshot(key int64) *snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.use(c.byKey[key]); e != nil {
		return e.snap
	}
	return nil
}

func (c *cache) text(key int64, v storage.Version) (string, bool) {
	s := c.snapshot(key)
	if s == nil || v == 0 || v > s.version() {
		return "", false
	}
	return s.texts[v-1], true
}

func (c *cache) touches(p place) ([]touch, bool) {
	s := c.snapshot(p.at >> versionBits)
	if s == nil || storage.Version(p.at&maxVersion) > s.version() {
		return nil, false
	}
	return of(s.touches, p), true
}

// use marks an entry as recently used. The lock is held.
func (c *cache) use(at *list.Element) *entry {
	if at == nil {
		return nil
	}
	c.used.MoveToFront(at)
	return at.Value.(*entry)
}

// learn remembers a stream.
func (c *cache) learn(s *stream) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byKey[s.key] == nil {
		c.add(s)
		c.trim()
	}
}

// The lock is held.
func (c *cache) add(s *stream) *entry {
	e := &entry{stream: s}
	at := c.used.PushFront(e)
	c.byKey[s.key], c.byName[s.name] = at, at
	c.bytes += e.bytes()
	return e
}

// put holds the snapshot of a stream as it was when seq was the last commit,
// unless the stream was changed since.
func (c *cache) put(s *stream, snap *snapshot, seq int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if snap.bytes > c.maxSnap || c.changed[s.key%int64(len(c.changed))] > seq {
		return
	}
	e := c.use(c.byKey[s.key])
	if e == nil {
		e = c.add(s)
	}
	c.set(e, snap)
	c.trim()
}

func (c *cache) set(e *entry, snap *snapshot) {
	c.bytes -= e.bytes()
	e.snap = snap
	c.bytes += e.bytes()
}

func (c *cache) trim() {
	for c.bytes > c.max && c.used.Len() > 0 {
		at := c.used.Back()
		e := c.used.Remove(at).(*entry)
		delete(c.byKey, e.key)
		delete(c.byName, e.name)
		c.bytes -= e.bytes()
	}
}

// effect is what a committed change did to a stream: a text at its end, or
// touches on its objects.
type effect struct {
	key     int64
	seq     int64
	stream  *stream // with text
	version storage.Version
	text    string
	touches []touch
	known   bool  // an identity feed told of the patient
	into    int64 // the stream was merged into this one
}

// committed takes in what the writer has just made durable: a new text at the
// end of a stream, or touches, or both.
func (c *cache) committed(effects []effect, seq int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seq = seq
	for i := range effects {
		f := &effects[i]
		c.changed[f.key%int64(len(c.changed))] = f.seq
		if f.into != 0 {
			c.merges.add(f.key, f.into)
			c.merged.Store(true)
		}
		if f.known {
			f.stream.known.Store(true)
		}
		at := c.byKey[f.key]
		var e *entry
		switch {
		case at != nil:
			e = at.Value.(*entry)
			if f.known {
				e.known.Store(true)
			}
		case f.version == 1 && f.text != "":
			e = c.add(f.stream)
			e.snap = &snapshot{}
		default:
			continue
		}
		if e.snap != nil {
			c.set(e, e.snap.with(f, c.maxSnap))
		}
	}
	c.trim()
}

// drop forgets a stream that was written anew at seq.
func (c *cache) drop(key, seq int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changed[key%int64(len(c.changed))] = seq
	if at := c.byKey[key]; at != nil {
		e := c.used.Remove(at).(*entry)
		delete(c.byKey, e.key)
		delete(c.byName, e.name)
		c.bytes -= e.bytes()
	}
}

// forget drops everything.
func (c *cache) forget(seq int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.byKey)
	clear(c.byName)
	c.used.Init()
	c.bytes = 0
	for i := range c.changed {
		c.changed[i] = seq
	}
}

// with is the snapshot after an effect; nil when it would not fit.
func (s *snapshot) with(f *effect, most int) *snapshot {
	n := *s
	if f.text != "" {
		if f.version != s.version()+1 {
			return nil
		}
		n.texts = append(s.texts, f.text)
		n.bytes += len(f.text) + 16
	}
	if len(f.touches) > 0 {
		n.touches = merge(s.touches, f.touches)
		n.bytes += len(f.touches) * touchBytes
	}
	if n.bytes > most {
		return nil
	}
	return &n
}
