package main

import (
	"context"
	"io"
)

// interruptible is standard input that Ctrl-C ends: a person who is asked for a patient
// must not have to press it twice.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader. What it waits for when it is interrupted is lost, and the
// process ends then.
func (i interruptible) Read(p []byte) (int, error) {
	type result struct {
		n   int
		err error
	}
	done, b := make(chan result, 1), make([]byte, len(p))
	go func() {
		n, err := i.r.Read(b)
		done <- result{n, err}
	}()
	select {
	case <-i.ctx.Done():
		return 0, i.ctx.Err()
	case r := <-done:
		return copy(p, b[:r.n]), r.err
	}
}
