package keyring

import "sync"

const (
	shards    = 32
	shardKeys = 1024 // in each of two generations: at most 64 Ki keys in all, about 4 MB
)

// cache remembers keys of late. Each shard has two generations; a full young one
// becomes the old one, and what is used again moves back.
type cache struct{ shards [shards]shard }

type shard struct {
	slot sync.Mutex // held while a slot of this shard is read into the cache or destroyed

	mu         sync.Mutex
	young, old map[uint64]Key
}

func (c *cache) lock(id uint64) *sync.Mutex { return &c.shards[id%shards].slot }

func (c *cache) get(id uint64) (Key, bool) {
	s := &c.shards[id%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if k, ok := s.young[id]; ok {
		return k, true
	}
	k, ok := s.old[id]
	if ok {
		s.add(id, k)
	}
	return k, ok
}

func (c *cache) put(id uint64, k Key) {
	s := &c.shards[id%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(id, k)
}

func (s *shard) add(id uint64, k Key) {
	if s.young == nil || len(s.young) >= shardKeys {
		s.old, s.young = s.young, make(map[uint64]Key)
	}
	s.young[id] = k
}

func (c *cache) drop(id uint64) {
	s := &c.shards[id%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.young, id)
	delete(s.old, id)
}
