package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/soap/xds"
)

// show is what is done with the system, from outside.
type show struct {
	*system
	documents, clients int
	client             *xds.Client
	work               []one
	retries            atomic.Int64
	done               atomic.Int64
}

// one is a document of a patient, and whether it was acknowledged.
type one struct {
	patient      metadatatest.Patient
	document     metadatatest.Document
	submission   *metadata.Submission
	acknowledged bool
}

func newShow(s *system, documents, clients int) *show {
	return &show{system: s, documents: documents, clients: clients, client: clientOf(s.balancer.url(), clients)}
}

func clientOf(url string, parallel int) *xds.Client {
	return xds.NewClient(xds.Options{RegistryURL: url + "/services/registry", RepositoryURL: url + "/services/repository",
		HTTP: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: parallel, IdleConnTimeout: time.Second}}})
}

func (s *show) run(ctx context.Context) error {
	seed := metadata.NewUUID()
	g := metadatatest.New(uint64(seed[0])<<24 | uint64(seed[1])<<16 | uint64(seed[2])<<8 | uint64(seed[3]))
	g.Now = time.Now()
	patients := make([]metadatatest.Patient, max(1, s.documents/8))
	for i := range patients {
		patients[i] = g.Patient()
	}
	for i := range s.documents {
		p := patients[i%len(patients)]
		d := g.Document(p, metadatatest.Kinds()[i%3])
		s.work = append(s.work, one{patient: p, document: d, submission: g.Submission(p, d)})
	}
	for _, step := range []func(context.Context) error{s.register, s.checkAll, s.again} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	fmt.Println("Everything was right.")
	return nil
}

// register sends everything through the balancer and kills a node half-way.
func (s *show) register(ctx context.Context) error {
	begin := time.Now()
	bar := s.bar()
	var clients sync.WaitGroup
	next := make(chan *one)
	errs := make(chan error, s.clients)
	for range s.clients {
		clients.Go(func() {
			for w := range next {
				if err := s.provide(ctx, w); err != nil {
					errs <- err
					return
				}
				_ = bar.Add(1)
			}
		})
	}
	killed := 0
	for i := range s.work {
		if i == len(s.work)/2 {
			s.nodes[0].process.kill()
			killed = int(s.done.Load())
		}
		select {
		case next <- &s.work[i]:
		case err := <-errs:
			close(next)
			clients.Wait()
			return err
		}
	}
	close(next)
	clients.Wait()
	close(errs)
	if err := <-errs; err != nil {
		return err
	}
	took := time.Since(begin)
	fmt.Printf("1. Registered %d documents of %d patients by ITI-41 through the balancer in %s (%.0f a second),\n   and killed %s (kill -9) after %d of them: %d requests broke and were sent again.\n\n",
		len(s.work), max(1, s.documents/8), took.Round(10*time.Millisecond), float64(len(s.work))/took.Seconds(), s.nodes[0].name, killed, s.retries.Load())
	return nil
}

func (s *show) bar() *progressbar.ProgressBar {
	if !term.IsTerminal(int(os.Stderr.Fd())) {
		return progressbar.DefaultSilent(int64(len(s.work)))
	}
	return progressbar.Default(int64(len(s.work)), "registering")
}

// provide sends one document until it is acknowledged. A submission whose answer
// was lost is sent again as it was: either it is stored now, or the answer says
// that it is there already.
func (s *show) provide(ctx context.Context, w *one) error {
	d := w.document
	for ctx.Err() == nil {
		_, err := s.client.Provide(ctx, w.submission, []xds.Attachment{xds.BytesAttachment(d.Entry.ID, d.Entry.MimeType, d.Bytes)})
		var refused *xds.RefusedError
		switch {
		case err == nil:
		case errors.As(err, &refused) && isThere(refused.Problems):
		case errors.As(err, &refused) && !isBusy(refused.Problems):
			return fmt.Errorf("a document was refused: %w", err)
		default:
			s.retries.Add(1)
			time.Sleep(200 * time.Millisecond)
			continue
		}
		w.acknowledged = true
		s.done.Add(1)
		return nil
	}
	return ctx.Err()
}

func isThere(problems []fault.Problem) bool {
	for _, p := range problems {
		if p.Code == fault.DuplicateUniqueID {
			return true
		}
	}
	return false
}

func isBusy(problems []fault.Problem) bool {
	for _, p := range problems {
		if p.Code != fault.RegistryBusy && p.Code != fault.RepositoryBusy && p.Code != fault.RegistryError && p.Code != fault.RepositoryError {
			return false
		}
	}
	return true
}

// checkAll finds and opens everything that was acknowledged, through the node that
// is left.
func (s *show) checkAll(ctx context.Context) error {
	begin := time.Now()
	if err := s.check(ctx, s.client); err != nil {
		return err
	}
	fmt.Printf("2. Found and opened all %d through the node that is left, in %s: nothing is lost, every byte is as it was registered.\n\n", len(s.work), time.Since(begin).Round(10*time.Millisecond))
	return nil
}

// again starts the node that was killed and asks it alone.
func (s *show) again(ctx context.Context) error {
	n := s.nodes[0]
	n.ready.Store(false)
	begin := time.Now()
	if err := n.run(ctx); err != nil {
		return err
	}
	up := time.Since(begin)
	if err := s.check(ctx, clientOf(n.info.Load().URL, s.clients)); err != nil {
		return err
	}
	fmt.Printf("3. Started %s again: it served after %s and has everything too.\n\n", n.name, up.Round(10*time.Millisecond))
	return nil
}

func (s *show) check(ctx context.Context, client *xds.Client) error {
	found := map[metadata.PatientID]map[string]*metadata.DocumentEntry{}
	for i := range s.work {
		w := &s.work[i]
		id, err := w.patient.CX().Patient()
		if err != nil {
			return err
		}
		if found[id] == nil {
			if found[id], err = s.entries(ctx, client, w.patient); err != nil {
				return err
			}
		}
		e := found[id][w.document.Entry.UniqueID]
		if e == nil {
			return fmt.Errorf("%s was acknowledged and is not found", w.document.Entry.ID)
		}
		var got []byte
		_, err = client.Retrieve(ctx, []metadata.DocumentRequest{{Home: e.Home, RepositoryID: e.RepositoryID, UniqueID: e.UniqueID}}, func(d xds.Document) (err error) {
			got, err = io.ReadAll(d.Body)
			return err
		})
		if err != nil {
			return fmt.Errorf("%s was acknowledged and cannot be opened: %w", e.ID, err)
		}
		if !bytes.Equal(got, w.document.Bytes) {
			return fmt.Errorf("the bytes of %s are not those that were registered", e.ID)
		}
	}
	return nil
}

func (s *show) entries(ctx context.Context, client *xds.Client, p metadatatest.Patient) (map[string]*metadata.DocumentEntry, error) {
	a, err := client.Find(ctx, metadata.StoredQuery{Query: &metadata.FindDocuments{Patient: p.CX(), Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}})
	if err != nil {
		return nil, err
	}
	found := map[string]*metadata.DocumentEntry{}
	for _, o := range a.Objects {
		if e, ok := o.(*metadata.DocumentEntry); ok {
			if found[e.UniqueID] != nil {
				return nil, fmt.Errorf("%s is registered twice", e.ID)
			}
			found[e.UniqueID] = e
		}
	}
	return found, nil
}
