package xds

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"samdok/internal/spool"
	"samdok/internal/xmlscan"
	"samdok/soap"
	"samdok/soap/mtom"
)

// Inbox takes the answers of requests that were sent with its URL as wsa:ReplyTo.
// Serve it at that URL and give it to Clients (Options.Inbox). An answer goes to
// the call whose MessageID it relates to; one that came before is ignored.
type Inbox struct {
	url    string
	limits mtom.Limits
	tmp    spool.Options

	mu      sync.Mutex
	waiting map[string]*wait
	done    map[string]bool // answered, of both rounds below
	rounds  [2][]string
}

// remembered is how many answered calls an Inbox knows, at least.
const remembered = 10_000

// arrival is an answer whose envelope was read up to its body.
type arrival struct {
	header soap.Header
	msg    *message
	sc     *xmlscan.Scanner
	took   chan error // what became of it
}

// NewInbox makes an Inbox for answers to url. Limits and TempDir are as in Options.
func NewInbox(url string, limits mtom.Limits, tempDir string) *Inbox {
	if limits.RootBytes <= 0 {
		limits.RootBytes = 256 << 20
	}
	return &Inbox{url: url, limits: limits.WithDefaults(), tmp: spool.Options{Dir: tempDir}, waiting: map[string]*wait{}, done: map[string]bool{}}
}

// wait is a call that waits for its answer.
type wait struct {
	arrivals chan *arrival
	gone     chan struct{} // closed when nobody waits any more
	answered bool
}

// expect makes room for the answer to a message. It must be left again.
func (i *Inbox) expect(messageID string) *wait {
	w := &wait{arrivals: make(chan *arrival), gone: make(chan struct{})}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.waiting[messageID] = w
	return w
}

// leave ends the wait; when it was answered, another answer is one too many.
func (i *Inbox) leave(messageID string, w *wait) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.waiting, messageID)
	close(w.gone)
	if !w.answered {
		return
	}
	i.done[messageID] = true
	if i.rounds[0] = append(i.rounds[0], messageID); len(i.rounds[0]) == remembered {
		for _, id := range i.rounds[1] {
			delete(i.done, id)
		}
		i.rounds[0], i.rounds[1] = nil, i.rounds[0]
	}
}

func (i *Inbox) find(messageID string) (waiting *wait, done bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.waiting[messageID], i.done[messageID]
}

// ServeHTTP takes one answer. HTTP 202: it was taken, or had been before; 404: it
// relates to nothing that was sent; 500: whoever waits for it could not use it.
func (i *Inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := checkHTTP(r); err != nil {
		http.Error(w, err.Error(), asFault(err).HTTPStatus())
		return
	}
	m := message{limits: i.limits, tmp: i.tmp, whole: min(i.limits.RootBytes, 1<<20), feed: true}
	defer m.close()
	a := arrival{msg: &m, took: make(chan error, 1)}
	err := m.open(r.Body, r.Header.Get("Content-Type"), r.ContentLength)
	if err == nil {
		a.sc = m.start(&answerScanners, answerLimits(i.limits))
		err = soap.ReadEnvelope(a.sc, &a.header)
	}
	if err != nil {
		http.Error(w, "The answer cannot be read.", asFault(err).HTTPStatus())
		return
	}
	waiting, done := i.find(a.header.RelatesTo)
	switch {
	case done:
		w.WriteHeader(http.StatusAccepted)
		return
	case waiting == nil:
		http.Error(w, "Nothing was asked that this relates to.", http.StatusNotFound)
		return
	}
	select {
	case waiting.arrivals <- &a:
	case <-waiting.gone:
		http.Error(w, "Nobody waits for this any more.", http.StatusNotFound)
		return
	case <-r.Context().Done():
		return
	}
	if err := <-a.took; err != nil {
		http.Error(w, "The answer could not be used.", http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// arrives waits for the answer to a call that was accepted.
func (c *call) arrives(ctx context.Context, w *wait, read func(*xmlscan.Scanner, *message) error) error {
	var late <-chan time.Time
	if p := c.c.o.Patience; p > 0 {
		t := time.NewTimer(p)
		defer t.Stop()
		late = t.C
	}
	select {
	case a := <-w.arrivals:
		err := c.check(a.sc, &a.header, http.StatusOK)
		if err == nil {
			if err = read(a.sc, a.msg); err != nil {
				err = wrong("its body", err)
			}
		}
		w.answered = unusable(err) == nil
		a.took <- unusable(err)
		return err
	case <-late:
		return ErrNoAnswer
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ErrNoAnswer: a request was accepted, and its answer has not come to the Inbox
// within Options.Patience. What it asked for may have been done.
var ErrNoAnswer = errors.New("the server accepted the request, and its answer has not come to wsa:ReplyTo in time")

// unusable is nil for a fault: it is an answer like others.
func unusable(err error) error {
	if _, ok := err.(*FaultError); ok { //nolint:errorlint // as body makes it
		return nil
	}
	return err
}

func answerLimits(l mtom.Limits) xmlscan.Limits {
	return xmlscan.Limits{Size: int(l.RootBytes), Text: 1 << 20, Elements: 100_000_000}
}
