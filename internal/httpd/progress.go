package httpd

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// writeStep is how much is written under one deadline: a client that takes this
// much within the stall timeout is alive.
const writeStep = 64 << 10

// progress moves the connection's deadlines along as bytes move, instead of one
// timeout for the whole request: a slow upload of 5 GiB lives, a client that sends
// or takes nothing for the stall timeout does not. It also notes the status.
type progress struct {
	http.ResponseWriter
	control         *http.ResponseController
	body            io.ReadCloser
	stall           time.Duration
	clock           func() time.Time
	readSet, wroteS time.Time // when each deadline was last moved
	status          int
}

// watchProgress starts both deadlines and puts itself before the request's body.
// Deadlines that the connection does not know (tests) are no error.
func watchProgress(w http.ResponseWriter, r *http.Request, stall time.Duration, clock func() time.Time) *progress {
	p := &progress{ResponseWriter: w, control: http.NewResponseController(w), stall: stall, clock: clock}
	now := clock()
	p.wroteS = now
	_ = p.control.SetWriteDeadline(now.Add(stall))
	if r.Body != nil && r.Body != http.NoBody {
		p.body, p.readSet = r.Body, now
		_ = p.control.SetReadDeadline(now.Add(stall))
		r.Body = progressBody{p}
	}
	return p
}

func (p *progress) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// Flush sends what is buffered; gin looks for this method. A client that has gone
// away is seen at the next Write.
func (p *progress) Flush() { _ = p.control.Flush() }

func (p *progress) WriteHeader(status int) {
	if p.status == 0 && status >= 200 {
		p.status = status
	}
	p.ResponseWriter.WriteHeader(status)
}

func (p *progress) Write(b []byte) (int, error) {
	if p.status == 0 {
		p.status = http.StatusOK
	}
	done := 0
	for {
		if now := p.clock(); now.Sub(p.wroteS) > p.step() {
			p.wroteS = now
			_ = p.control.SetWriteDeadline(now.Add(p.stall))
		}
		step := b[done:]
		if len(step) > writeStep {
			step = step[:writeStep]
		}
		n, err := p.ResponseWriter.Write(step)
		done += n
		if err != nil || done == len(b) {
			return done, err
		}
	}
}

// step is how old a deadline may be: an eighth of the timeout, so that moving it
// costs nothing on a fast connection.
func (p *progress) step() time.Duration { return p.stall / 8 }

// final is the status that the client saw; 200 is implied by silence.
func (p *progress) final() int {
	if p.status == 0 {
		return http.StatusOK
	}
	return p.status
}

// progressBody is the request's body.
type progressBody struct{ p *progress }

func (b progressBody) Read(buf []byte) (int, error) {
	p := b.p
	if now := p.clock(); now.Sub(p.readSet) > p.step() {
		p.readSet = now
		_ = p.control.SetReadDeadline(now.Add(p.stall))
	}
	n, err := p.body.Read(buf)
	if errors.Is(err, io.EOF) { // not after a timeout: net/http may read on without end
		// The server now watches the connection for a client that goes away. A
		// deadline left behind would cut off an answer that takes long.
		_ = p.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

func (b progressBody) Close() error { return b.p.body.Close() }
