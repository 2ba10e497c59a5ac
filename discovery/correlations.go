package discovery

import (
	"container/list"
	"sync"
	"time"

	"samdok/metadata"
)

// Correlations remember which id another community has for a patient of ours, as long
// as that community allows (CorrelationTimeToLive, ITI TF-2 3.55.4.2.2.7). They are in
// memory only. They are safe for concurrent use.
type Correlations struct {
	max   int
	most  time.Duration
	clock func() time.Time

	mu    sync.Mutex
	known map[pair]*list.Element // of *correlation
	order *list.List             // the one used last is first
}

type pair struct {
	home    string
	patient metadata.PatientID
}

type correlation struct {
	pair
	there metadata.PatientID
	until time.Time
}

// NewCorrelations makes an empty one that keeps at most max, and none longer than most.
func NewCorrelations(max int, most time.Duration, clock func() time.Time) *Correlations {
	return &Correlations{max: max, most: most, clock: clock, known: map[pair]*list.Element{}, order: list.New()}
}

// Get is the patient's id in the community of a home.
func (c *Correlations) Get(home string, patient metadata.PatientID) (there metadata.PatientID, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.known[pair{home, patient}]
	if e == nil {
		return there, false
	}
	k := e.Value.(*correlation)
	if !c.clock().Before(k.until) {
		c.drop(e)
		return there, false
	}
	c.order.MoveToFront(e)
	return k.there, true
}

// Keep remembers an id for so long; no time, as when the community said nothing, is not
// at all.
func (c *Correlations) Keep(home string, patient, there metadata.PatientID, ttl time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.known[pair{home, patient}]; e != nil {
		c.drop(e)
	}
	if ttl <= 0 {
		return
	}
	k := &correlation{pair{home, patient}, there, c.clock().Add(min(ttl, c.most))}
	c.known[k.pair] = c.order.PushFront(k)
	for c.order.Len() > c.max {
		c.drop(c.order.Back())
	}
}

// Revoke forgets what a community said of a patient.
func (c *Correlations) Revoke(home string, patient metadata.PatientID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.known[pair{home, patient}]; e != nil {
		c.drop(e)
	}
}

// Forget forgets all of patients, as after a merge.
func (c *Correlations) Forget(patients ...metadata.PatientID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := c.order.Front(); e != nil; {
		next := e.Next()
		if has(patients, e.Value.(*correlation).patient) {
			c.drop(e)
		}
		e = next
	}
}

// Of are the communities known to have a patient.
func (c *Correlations) Of(patient metadata.PatientID) (all []Location) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := c.order.Front(); e != nil; e = e.Next() {
		if k := e.Value.(*correlation); k.patient == patient && c.clock().Before(k.until) {
			all = append(all, Location{k.home, k.there})
		}
	}
	return all
}

// Len is how many are kept.
func (c *Correlations) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.order.Len()
}

func (c *Correlations) drop(e *list.Element) {
	delete(c.known, e.Value.(*correlation).pair)
	c.order.Remove(e)
}
