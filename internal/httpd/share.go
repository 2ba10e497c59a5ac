package httpd

import (
	"net/netip"
	"sync"
)

// shares counts the requests in work of each client address, so that one client
// whose requests never end leaves room for the others. It knows only clients with
// requests in work, and they are bounded by the slots.
type shares struct {
	most int
	mu   sync.Mutex
	held map[netip.Prefix]int
}

// newShares lets each client have percent of all slots, and at least one.
func newShares(slots, percent int) *shares {
	return &shares{most: max(slots*percent/100, 1), held: map[netip.Prefix]int{}}
}

// take is false when the client has its share already. Otherwise give must follow.
func (s *shares) take(client netip.Prefix) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.held[client]
	if n >= s.most {
		return false
	}
	s.held[client] = n + 1
	return true
}

func (s *shares) give(client netip.Prefix) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[client]--; s.held[client] <= 0 {
		delete(s.held, client)
	}
}
