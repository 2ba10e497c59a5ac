package bench

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Op is what is measured.
type Op string

const (
	Register    Op = "register"     // ITI-42
	Provide     Op = "provide"      // ITI-41
	FindRefs    Op = "find-refs"    // ITI-18 FindDocuments, ObjectRef
	FindEntries Op = "find-entries" // ITI-18 FindDocuments, LeafClass
	Retrieve    Op = "retrieve"     // ITI-43
)

// Ops are all operations in the order of the tables.
var Ops = []Op{Register, Provide, FindRefs, FindEntries, Retrieve}

// Options of a run. See cmd/samdok for the flags and their defaults.
type Options struct {
	Targets     []Target
	Op          Op
	Concurrency int
	Rate        float64 // requests per second that are offered; 0: as many as the clients manage
	Rounds      int
	Round       time.Duration // of one target in one round
	WarmUp      time.Duration // of each target, before the first round
	Patients    int
	Hits        int   // entries per patient before the load that the reads find
	Others      int   // further entries per patient, of a class that the reads do not ask for
	Docs        int   // documents per submission of Register and Provide
	Size        int64 // bytes per document
	Writes      float64
	Seed        uint64
	Authority   string      // OID of the patient ids of a feed; "": one for tests
	MLLPTLS     *tls.Config // of the MLLP connections; nil: plain TCP
	TLS         *tls.Config // for https targets; nil: the machine's own trust
	// Progress is told how the preparation goes; may be nil.
	Progress func(target string, done, total int)
}

// Report of a run.
type Report struct {
	Op      Op                  `json:"op"`
	Samples []Sample            `json:"samples"`
	Medians map[string]Sample   `json:"medians"`
	Ratios  *Ratios             `json:"ratios,omitempty"`
	Errors  map[string][]string `json:"errors,omitempty"` // first few of each target
}

// Ratios compare the first target with the second: above 1 is better for the
// first in all four.
type Ratios struct {
	Rate float64 `json:"rate"`
	CPU  float64 `json:"server_cpu"`
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
}

// Run prepares the targets, warms them up and measures them in alternating
// rounds.
func Run(ctx context.Context, o Options) (Report, error) {
	runners := make([]*runner, len(o.Targets))
	for i, t := range o.Targets {
		if !o.Op.isFeed() {
			if err := t.repository(ctx, o); err != nil {
				return Report{}, err
			}
		}
		r, err := newRunner(o, t, uint64(i))
		if err != nil {
			return Report{}, err
		}
		defer r.http.CloseIdleConnections()
		if o.Op.isFeed() {
			if r.feeder, err = newFeeder(ctx, o, t); err != nil {
				return Report{}, fmt.Errorf("%s: %w", t.Name, err)
			}
			defer r.feeder.close()
		}
		if err := r.prepare(ctx); err != nil {
			return Report{}, fmt.Errorf("prepare %s: %w", t.Name, err)
		}
		runners[i] = r
	}
	for _, r := range runners {
		if _, err := r.round(ctx, o.WarmUp); err != nil {
			return Report{}, fmt.Errorf("warm up %s: %w", r.target.Name, err)
		}
	}
	rep := Report{Op: o.Op, Medians: map[string]Sample{}, Errors: map[string][]string{}}
	for range o.Rounds {
		for _, r := range runners {
			s, err := r.round(ctx, o.Round)
			if err != nil {
				return rep, fmt.Errorf("measure %s: %w", r.target.Name, err)
			}
			rep.Samples = append(rep.Samples, s)
		}
	}
	for _, r := range runners {
		mine := slices.DeleteFunc(slices.Clone(rep.Samples), func(s Sample) bool { return s.Target != r.target.Name })
		rep.Medians[r.target.Name] = Median(mine)
		if len(r.failed) > 0 {
			rep.Errors[r.target.Name] = r.failed
		}
	}
	if len(runners) == 2 {
		rep.Ratios = compare(rep.Medians[runners[0].target.Name], rep.Medians[runners[1].target.Name])
	}
	return rep, nil
}

func compare(a, b Sample) *Ratios {
	div := func(x, y float64) float64 {
		if y == 0 {
			return 0
		}
		return x / y
	}
	return &Ratios{
		Rate: div(a.Rate, b.Rate),
		CPU:  div(float64(b.CPU), float64(a.CPU)),
		P50:  div(float64(b.P50), float64(a.P50)),
		P99:  div(float64(b.P99), float64(a.P99)),
	}
}

// runner loads one target.
type runner struct {
	Options
	target Target
	http   *http.Client
	msg    *messages
	slots  []slot
	feeder *feeder // nil when no feed is measured
	seq    atomic.Uint64

	mu     sync.Mutex
	failed []string
}

// slot is what the load knows of one patient. started counts entries whose
// registration was sent, acked those that were acknowledged: an answer must lie
// between the two.
type slot struct {
	started, acked atomic.Int64
	last           atomic.Uint64 // seq of the entry acknowledged last; 0: none
}

func newRunner(o Options, t Target, n uint64) (*runner, error) {
	msg, err := newMessages(o.Seed+n, t.RepositoryID, o.Size, o.Others, 1, o.Docs, o.Hits)
	if err != nil {
		return nil, err
	}
	return &runner{Options: o, target: t, http: client(o.Concurrency, o.TLS), msg: msg, slots: make([]slot, o.Patients)}, nil
}

// prepare registers what the reads will look for.
func (r *runner) prepare(ctx context.Context) error {
	if r.Op == Register || r.Op == Provide || r.Op.isFeed() {
		return nil
	}
	var next atomic.Int64
	return r.workers(ctx, func(ctx context.Context, _ *rand.Rand) (bool, error) {
		p := int(next.Add(1) - 1)
		if p >= len(r.slots) {
			return false, nil
		}
		if r.Progress != nil && (p%100 == 0 || p == len(r.slots)-1) {
			r.Progress(r.target.Name, p+1, len(r.slots))
		}
		if r.Op == Retrieve {
			return true, r.write(ctx, p, Provide, 1)
		}
		if err := r.others(ctx, p); err != nil {
			return true, err
		}
		return true, r.write(ctx, p, Register, r.Hits)
	})
}

// others registers what the reads shall not find.
func (r *runner) others(ctx context.Context, p int) error {
	if r.Others == 0 {
		return nil
	}
	seq := r.seq.Add(uint64(r.Others)) - uint64(r.Others) + 1
	b := r.msg.others.fill(nil, r.msg.run, p, seq)
	answer, err := r.post(ctx, 42, soapType, bytes.NewReader(b), int64(len(b)))
	if err == nil && !success(answer) {
		err = fmt.Errorf("%s was refused: %s", Register, excerpt(answer))
	}
	return err
}

// workers runs f in Concurrency goroutines until it says false or fails.
func (r *runner) workers(ctx context.Context, f func(context.Context, *rand.Rand) (bool, error)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for w := range r.Concurrency {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(r.Seed, uint64(w)))
			for ctx.Err() == nil {
				more, err := f(ctx, rng)
				if err != nil {
					cancel(err)
				}
				if !more || err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil && ctx.Err() != nil {
		return err
	}
	return nil
}

// round loads the target for a while and measures it.
func (r *runner) round(ctx context.Context, d time.Duration) (Sample, error) {
	if d <= 0 {
		return Sample{}, nil
	}
	var (
		mu        sync.Mutex
		latencies []time.Duration
		bad       int
		in, out   atomic.Int64
	)
	rssBase, rssPeak := r.target.rss(), atomic.Int64{}
	watch, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() { // memory is sampled, CPU is counted by the system
		defer close(watched)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			rssPeak.Store(max(rssPeak.Load(), r.target.rss()))
			select {
			case <-watch.Done():
				return
			case <-tick.C:
			}
		}
	}()
	cpu0, err := r.target.cpu()
	if err != nil {
		stop()
		return Sample{}, err
	}
	begin := time.Now()
	end := begin.Add(d)
	pace := pace{begin: begin, rate: r.Rate}
	err = r.workers(ctx, func(ctx context.Context, rng *rand.Rand) (bool, error) {
		zipf := rand.NewZipf(rng, 1.07, 20, uint64(len(r.slots)-1))
		mine := make([]time.Duration, 0, 4096)
		wrong := 0
		for ctx.Err() == nil {
			t := pace.next(ctx)
			if !t.Before(end) {
				break
			}
			sent, got, err := r.one(ctx, rng, zipf)
			if err != nil {
				wrong++
				r.fail(err)
				if wrong > 100 {
					return false, fmt.Errorf("more than 100 wrong answers, the last: %w", err)
				}
				continue
			}
			mine = append(mine, time.Since(t))
			in.Add(got)
			out.Add(sent)
		}
		mu.Lock()
		latencies = append(latencies, mine...)
		bad += wrong
		mu.Unlock()
		return false, nil
	})
	elapsed := time.Since(begin)
	cpu1, cpuErr := r.target.cpu()
	stop()
	<-watched
	if err == nil {
		err = cpuErr
	}
	slices.Sort(latencies)
	s := Sample{
		Target: r.target.Name, Op: string(r.Op), Requests: len(latencies), Errors: bad,
		Seconds: elapsed.Seconds(), Rate: float64(len(latencies)) / elapsed.Seconds(),
		P50: percentile(latencies, .50), P95: percentile(latencies, .95), P99: percentile(latencies, .99),
		RSS: max(0, rssPeak.Load()-rssBase), BytesIn: in.Load(), BytesOut: out.Load(),
	}
	if len(latencies) > 0 {
		s.CPU = (cpu1 - cpu0) / time.Duration(len(latencies))
	}
	return s, err
}

// pace says when requests are due.
type pace struct {
	begin time.Time
	rate  float64
	sent  atomic.Int64
}

// next waits until a request is due, and is that time: who measures from there also
// counts how long a request waited for a client that was not free.
func (p *pace) next(ctx context.Context) time.Time {
	if p.rate <= 0 {
		return time.Now()
	}
	due := p.begin.Add(time.Duration(float64(p.sent.Add(1)) / p.rate * float64(time.Second)))
	t := time.NewTimer(time.Until(due))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	return due
}

func (r *runner) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.failed) < 5 {
		r.failed = append(r.failed, err.Error())
	}
}

// one sends one request of the mix: the measured operation or, for reads, now and
// then a write to a patient chosen evenly (so that the popular ones do not grow).
func (r *runner) one(ctx context.Context, rng *rand.Rand, zipf *rand.Zipf) (sent, got int64, err error) {
	switch r.Op {
	case Feed, FeedMLLP:
		return r.feed(ctx, rng)
	case Register, Provide:
		p := rng.IntN(len(r.slots))
		n := r.Docs
		return r.msg.size(r.Op, n), 0, r.write(ctx, p, r.Op, n)
	}
	if rng.Float64() < r.Writes {
		p := rng.IntN(len(r.slots))
		op := Register
		if r.Op == Retrieve {
			op = Provide
		}
		if err := r.write(ctx, p, op, 1); err != nil {
			return 0, 0, err
		}
		// Half of the writes are read back at once by their writer.
		if rng.IntN(2) == 0 {
			got, err := r.read(ctx, p)
			return 0, got, err
		}
		return 0, 0, nil
	}
	got, err = r.read(ctx, int(zipf.Uint64()))
	return 0, got, err
}

func (r *runner) write(ctx context.Context, p int, op Op, n int) error {
	s := &r.slots[p]
	seq := r.seq.Add(uint64(n)) - uint64(n) + 1
	s.started.Add(int64(n))
	iti, contentType, body, length := r.msg.write(op, p, seq, n)
	answer, err := r.post(ctx, iti, contentType, body, length)
	if err != nil {
		return err
	}
	if !success(answer) {
		return fmt.Errorf("%s was refused: %s", op, excerpt(answer))
	}
	s.acked.Add(int64(n))
	s.last.Store(seq + uint64(n) - 1)
	return nil
}

func (r *runner) read(ctx context.Context, p int) (int64, error) {
	s := &r.slots[p]
	low, last := s.acked.Load(), s.last.Load()
	if r.Op == Retrieve {
		return r.retrieve(ctx, last)
	}
	iti, contentType, body, length := r.msg.find(p, r.Op == FindRefs)
	answer, err := r.post(ctx, iti, contentType, body, length)
	if err != nil {
		return 0, err
	}
	if !success(answer) {
		return 0, fmt.Errorf("%s failed: %s", r.Op, excerpt(answer))
	}
	if got := r.msg.count(answer, r.Op == FindRefs); got < low || got > s.started.Load() {
		return 0, fmt.Errorf("%s: %d entries in the answer, between %d and %d were registered", r.Op, got, low, s.started.Load())
	}
	if last != 0 && !r.msg.mentions(answer, last, r.Op == FindRefs) {
		return 0, fmt.Errorf("%s: an acknowledged entry is missing in the answer", r.Op)
	}
	return int64(len(answer)), nil
}

func (r *runner) retrieve(ctx context.Context, seq uint64) (int64, error) {
	iti, contentType, body, length := r.msg.retrieve(seq)
	resp, err := r.send(ctx, iti, contentType, body, length)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return r.msg.checkDocument(resp.Body)
}

func (r *runner) send(ctx context.Context, iti int, contentType string, body io.Reader, length int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.target.endpoint(iti), body)
	if err != nil {
		return nil, err
	}
	req.ContentLength = length
	req.Header.Set("Content-Type", contentType)
	return r.http.Do(req)
}

func (r *runner) post(ctx context.Context, iti int, contentType string, body io.Reader, length int64) ([]byte, error) {
	resp, err := r.send(ctx, iti, contentType, body, length)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("HTTP %d: %s", resp.StatusCode, excerpt(answer))
	}
	return answer, nil
}
