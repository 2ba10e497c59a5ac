package xds

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

// body is a request's body that knows how far it was read.
type body struct {
	r       io.Reader
	waiting bool // the client waits for 100 Continue, which the first Read sends
	begun   bool
	ended   bool
	failed  bool
}

func waitsForContinue(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Expect"), "100-continue")
}

func (b *body) Read(p []byte) (int, error) {
	b.begun = true
	n, err := b.r.Read(p)
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		b.ended = true
	default:
		b.failed = true
	}
	return n, err
}

// unread tells whether the client may still be sending.
func (b *body) unread() bool { return !b.ended && !b.failed && (b.begun || !b.waiting) }

// drainTime bounds the reading of an upload that nobody wants.
const drainTime = 30 * time.Second

// keepOpen lets the rest of the request be read after the answer was begun, and
// tells the client that the connection ends then.
func (x *exchange) keepOpen() {
	if !x.body.unread() {
		return
	}
	// Not every connection can: HTTP/2 can without being asked.
	if err := http.NewResponseController(x.w).EnableFullDuplex(); err == nil {
		x.w.Header().Set("Connection", "close")
	}
}

// drain reads on, within bounds, when the answer came before the end of the
// request. Closing a connection with unread bytes resets it, and a client that
// writes everything before it reads would never see the answer.
func (x *exchange) drain() {
	if x.body.ended {
		return
	}
	control := http.NewResponseController(x.w)
	// An error means that the client has gone; there is nothing to drain then.
	if x.body.unread() && (!x.sent || control.Flush() == nil) {
		x.readOn()
	}
	if !x.body.ended {
		// net/http would now read some more, with no deadline at all.
		if err := control.SetReadDeadline(time.Unix(1, 0)); err != nil {
			x.d.o.Log.Debug("a connection with unread bytes may linger", "error", err.Error())
		}
	}
}

func (x *exchange) readOn() {
	until := time.Now().Add(drainTime)
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	for left := x.d.o.Limits.Drain; left > 0 && time.Now().Before(until); {
		n, err := x.body.Read((*buf)[:min(left, int64(len(*buf)))])
		left -= int64(n)
		if err != nil {
			return
		}
	}
}
