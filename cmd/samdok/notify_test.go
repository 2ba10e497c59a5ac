package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/soap"
	"samdok/soap/wsnt"
)

// recipient is a recipient of notifications that is down now and then.
type recipient struct {
	*httptest.Server
	mu    sync.Mutex
	down  bool
	told  map[string]int  // how often, by uniqueId
	ids   map[string]bool // of messages
	again int             // messages that came before
	bare  atomic.Int64    // messages without wsa:ReplyTo
}

func newRecipient(t *testing.T) *recipient {
	r := &recipient{told: map[string]int{}, ids: map[string]bool{}}
	consumer := wsnt.Consumer{Take: r.take}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err == nil && !bytes.Contains(body, []byte("<wsa:ReplyTo><wsa:Address>"+soap.Anonymous+"<")) {
			r.bare.Add(1)
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		consumer.ServeHTTP(w, req)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *recipient) take(_ context.Context, id string, all []wsnt.Notification) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down {
		return errors.New("down")
	}
	if r.ids[id] {
		r.again++
		return nil
	}
	r.ids[id] = true
	for _, n := range all {
		for _, o := range n.Objects {
			r.told[o.(*metadata.DocumentEntry).UniqueID]++
		}
	}
	return nil
}

func (r *recipient) set(down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = down
}

// missing are the documents that nobody was told of.
func (r *recipient) missing(all []*writer) (missing []string, twice int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range all {
		for _, d := range w.acknowledged {
			switch n := r.told[d.Entry.UniqueID]; {
			case n == 0:
				missing = append(missing, d.Entry.UniqueID)
			case n > 1:
				twice++
			}
		}
	}
	return missing, twice
}

// TestKilledServerNotifiesOfWhatItAcknowledged ends the server with SIGKILL at
// random moments while clients write and the recipient is down. Every document that
// was acknowledged is told of afterwards, under one message id.
func TestKilledServerNotifiesOfWhatItAcknowledged(t *testing.T) {
	t.Parallel()
	const writers, rounds = 4, 3
	dir, to := t.TempDir(), newRecipient(t)
	on := []string{"--dsub-broker", "on", "--outward-allow", "loopback"}
	var all []*writer
	for round := range rounds {
		p := startProcess(t, dir, on...)
		client := p.client(t)
		to.set(round == 1)
		var group sync.WaitGroup
		var answers atomic.Int64
		for i := range writers {
			g := metadatatest.New(uint64(round*writers+i) + rand.Uint64()<<8)
			w := &writer{patient: g.Patient(), all: &answers}
			all = append(all, w)
			if _, err := client.Subscribe(t.Context(), p.Subscription, &wsnt.Subscribe{Consumer: to.URL, Topic: metadata.TopicFullDocument,
				Filter: metadata.EventFilter{Patient: w.patient.CX(), Documents: &metadata.DocumentFilter{}}}); err != nil {
				t.Fatal(err)
			}
			group.Go(func() { w.write(client, g) })
		}
		inTheMiddle(t, &answers, writers)
		p.signal(t, syscall.SIGKILL)
		p.wait(t)
		group.Wait()
	}
	to.set(false)
	p := startProcess(t, dir, on...)
	acknowledged := 0
	for _, w := range all {
		acknowledged += len(w.acknowledged)
	}
	if acknowledged < writers*rounds {
		t.Errorf("only %d documents were acknowledged: the test proves nothing", acknowledged)
	}
	// A letter that a killed process held is due again when its lease, a minute, ends.
	for deadline := time.Now().Add(150 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		missing, twice := to.missing(all)
		if len(missing) == 0 {
			if twice > 0 {
				t.Errorf("%d documents were told of twice under different message ids", twice)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("nobody was told of %d of %d documents, such as %s", len(missing), acknowledged, missing[0])
		}
	}
	if n := to.bare.Load(); n > 0 {
		t.Errorf("%d messages came without wsa:ReplyTo (ITI TF-2 V.3.2, IHE_WSA102)", n)
	}
	t.Logf("told of %d acknowledged documents; %d messages came again", acknowledged, to.again)
	p.signal(t, syscall.SIGTERM)
	if err := p.wait(t); err != nil {
		t.Errorf("the server ended with %v", err)
	}
}
