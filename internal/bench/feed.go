package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"samdok/hl7/hl7v2"
	"samdok/hl7/hl7v3"
	"samdok/hl7/mllp"
)

// Identity feeds: mostly patients that are new, some that change, some that turn out
// to be one.
const (
	Feed     Op = "feed"      // ITI-44
	FeedMLLP Op = "feed-mllp" // ITI-8
)

// Feeds are the operations of identity feeds.
var Feeds = []Op{FeedMLLP, Feed}

func (o Op) isFeed() bool { return o == Feed || o == FeedMLLP }

// The mix of a feed.
const (
	feedMerges = 0.05
	feedNews   = 0.55
)

// defaultAuthority of made-up patients.
const defaultAuthority = "1.3.6.1.4.1.21367.2005.13.20.1000"

// feeder makes messages of an identity feed and knows whom it has told of.
type feeder struct {
	run       string
	authority string
	next      uint64

	mu     sync.Mutex
	known  []uint64          // acknowledged, not merged, in no message now
	conns  chan *mllp.Client // at rest
	opened []*mllp.Client
}

// story is one message.
type story struct {
	trigger  string // of HL7 v2
	patient  uint64
	subsumed uint64 // 0: none
}

// invent chooses what to tell. Patients in work are nobody else's.
func (f *feeder) invent(rng *rand.Rand) story {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := rng.Float64()
	switch n := len(f.known); {
	case p < feedMerges && n > 100:
		s := story{"A40", f.take(rng), f.take(rng)}
		return s
	case p < feedMerges+feedNews || n <= 100:
		f.next++
		return story{"A04", f.next, 0}
	default:
		return story{"A08", f.take(rng), 0}
	}
}

func (f *feeder) take(rng *rand.Rand) uint64 {
	i, last := rng.IntN(len(f.known)), len(f.known)-1
	p := f.known[i]
	f.known[i] = f.known[last]
	f.known = f.known[:last]
	return p
}

// told notes that a message was acknowledged.
func (f *feeder) told(s story) {
	f.mu.Lock()
	f.known = append(f.known, s.patient)
	f.mu.Unlock()
}

func (f *feeder) id(n uint64) string { return "F" + f.run + "-" + strconv.FormatUint(n, 10) }

func (f *feeder) v2(s story) []byte {
	ids := func(n uint64) []hl7v2.Identifier {
		if n == 0 {
			return nil
		}
		return []hl7v2.Identifier{{ID: f.id(n), Authority: hl7v2.HD{Universal: f.authority, Type: "ISO"}}}
	}
	return hl7v2.ADT{Time: time.Now(), Family: "Grevling", Given: "Kvart", Birth: "19690113", Sex: "M",
		Header: hl7v2.Header{Trigger: s.trigger, ControlID: s.trigger + f.id(s.patient), Processing: "P", Version: "2.3.1", SendingApplication: hl7v2.HD{Namespace: "BENCH"}},
		Event:  hl7v2.Event{Patient: ids(s.patient), Subsumed: ids(s.subsumed)},
	}.Append(nil)
}

func (f *feeder) v3(s story) []byte {
	kind := map[string]hl7v3.Kind{"A04": hl7v3.Added, "A08": hl7v3.Revised, "A40": hl7v3.Merged}[s.trigger]
	ids := func(n uint64) []hl7v3.II {
		if n == 0 {
			return nil
		}
		return []hl7v3.II{{Root: f.authority, Extension: f.id(n)}}
	}
	m := hl7v3.Feed{Kind: kind, ID: hl7v3.II{Root: f.authority, Extension: s.trigger + f.id(s.patient)}, Sender: hl7v3.II{Root: f.authority, Extension: "bench"},
		Time: time.Now().UTC().Format("20060102150405"), Patient: ids(s.patient), Subsumed: ids(s.subsumed)}
	return envelope(hl7v3.ActionPrefix+kind.Interaction(), m.Append(nil, "Grevling", "Kvart"))
}

// newFeeder connects the senders.
func newFeeder(ctx context.Context, o Options, t Target) (*feeder, error) {
	f := &feeder{run: strconv.FormatInt(time.Now().UnixNano()%1e9, 36), authority: o.Authority, conns: make(chan *mllp.Client, o.Concurrency)}
	if f.authority == "" {
		f.authority = defaultAuthority
	}
	if o.Op != FeedMLLP {
		return f, nil
	}
	if t.MLLP == "" {
		return nil, errors.New("where does it listen for MLLP? Give --mllp HOST:PORT")
	}
	for range o.Concurrency {
		c, err := mllp.Dial(ctx, t.MLLP, o.MLLPTLS)
		if err != nil {
			return nil, errors.Join(err, f.close())
		}
		f.opened = append(f.opened, c)
		f.conns <- c
	}
	return f, nil
}

func (f *feeder) close() error {
	var errs []error
	for _, c := range f.opened {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// feed sends one message of the measured kind.
func (r *runner) feed(ctx context.Context, rng *rand.Rand) (sent, got int64, err error) {
	s := r.feeder.invent(rng)
	if r.Op == FeedMLLP {
		sent, got, err = r.feeder.overMLLP(ctx, s)
	} else {
		b := r.feeder.v3(s)
		var answer []byte
		answer, err = r.post(ctx, 44, soapType, bytes.NewReader(b), int64(len(b)))
		if err == nil && !bytes.Contains(answer, []byte(`typeCode code="CA"`)) && !bytes.Contains(answer, []byte(`typeCode code="AA"`)) {
			err = fmt.Errorf("%s was refused: %s", s.trigger, excerpt(answer))
		}
		sent, got = int64(len(b)), int64(len(answer))
	}
	if err == nil {
		r.feeder.told(s)
	}
	return sent, got, err
}

func (f *feeder) overMLLP(ctx context.Context, s story) (sent, got int64, err error) {
	var c *mllp.Client
	select {
	case c = <-f.conns:
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	}
	defer func() { f.conns <- c }()
	m := f.v2(s)
	answer, err := c.Send(ctx, m)
	if err != nil {
		return 0, 0, err
	}
	code, control, text, err := hl7v2.ReadAnswer(answer)
	switch {
	case err != nil:
		return 0, 0, err
	case code != "AA":
		return 0, 0, fmt.Errorf("%s was refused: %s %s", s.trigger, code, text)
	case !strings.HasSuffix(control, f.id(s.patient)):
		return 0, 0, errors.New("the answer belongs to another message")
	}
	return int64(len(m)), int64(len(answer)), nil
}
