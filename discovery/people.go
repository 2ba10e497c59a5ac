package discovery

import (
	"hash/maphash"
	"sync"

	"samdok/metadata"
)

// People finds patients by family name and day of birth. It holds hashes and ids in
// memory only, about 200 bytes for a patient, and never forgets within a process: what
// it finds is compared with what is known now. It is safe for concurrent use.
type People struct {
	seed maphash.Seed
	mu   sync.RWMutex
	ids  map[uint64][]metadata.PatientID
}

// maxSame is how many patients with one name and day of birth are kept.
const maxSame = 64

// NewPeople makes an empty People.
func NewPeople() *People {
	return &People{seed: maphash.MakeSeed(), ids: map[uint64][]metadata.PatientID{}}
}

// Add makes a patient findable. One who is there already changes nothing.
func (p *People) Add(id metadata.PatientID, who Person) {
	for _, key := range p.keys(who) {
		p.mu.RLock()
		known := has(p.ids[key], id)
		p.mu.RUnlock()
		if known {
			continue
		}
		p.mu.Lock()
		if list := p.ids[key]; !has(list, id) && len(list) < maxSame {
			p.ids[key] = append(list, id)
		}
		p.mu.Unlock()
	}
}

// Find is who may be meant; crowded says that there are more than are kept.
func (p *People) Find(who Person) (ids []metadata.PatientID, crowded bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, key := range p.keys(who) {
		crowded = crowded || len(p.ids[key]) == maxSame
		for _, id := range p.ids[key] {
			if !has(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids, crowded
}

// keys are the hashes of a person: one for each family name. Without a whole day of
// birth there are none.
func (p *People) keys(who Person) (all []uint64) {
	born := day(who.Birth)
	if len(born) < 8 {
		return nil
	}
	for _, n := range who.Names {
		if family := plain(n.Family); family != "" {
			all = append(all, maphash.String(p.seed, family+"|"+born))
		}
	}
	return all
}

func has(list []metadata.PatientID, id metadata.PatientID) bool {
	for i := range list {
		if list[i] == id {
			return true
		}
	}
	return false
}
