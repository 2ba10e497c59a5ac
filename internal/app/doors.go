package app

import (
	"errors"
	"slices"
)

// listener serves until it is stopped; nil is its end in order.
type listener interface{ Serve() error }

// doors are the listeners that serve. The zero value is none.
type doors struct {
	broken  chan error // how each ended
	known   []listener
	serving int
}

// open begins to serve at those that do not yet: a node that waits for its engines
// serves at some before it has the others.
func (d *doors) open(all ...listener) {
	if d.broken == nil {
		d.broken = make(chan error, mostDoors)
	}
	for _, l := range all {
		if slices.Contains(d.known, l) {
			continue
		}
		d.known = append(d.known, l)
		d.serving++
		go func() { d.broken <- l.Serve() }()
	}
}

// mostDoors: public, internal, control and MLLP.
const mostDoors = 4

// ended waits until all have ended, once they were stopped.
func (d *doors) ended() error {
	var all []error
	for ; d.serving > 0; d.serving-- {
		all = append(all, <-d.broken)
	}
	return errors.Join(all...)
}
