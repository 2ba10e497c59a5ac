package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
)

// trickle gives a byte now and then, as long as it is read.
type trickle struct {
	ctx   context.Context
	every time.Duration
}

func (r *trickle) Read(b []byte) (int, error) {
	select {
	case <-r.ctx.Done():
		return 0, r.ctx.Err()
	case <-time.After(r.every):
		b[0] = 'x'
		return 1, nil
	}
}

func retrieving(open func(ctx context.Context) []Document) *community {
	return &community{retrieve: func(ctx context.Context, _ []metadata.DocumentRequest) (*Retrieved, error) {
		return &Retrieved{Documents: open(ctx)}, nil
	}}
}

// past is a document that is not read ahead to its end.
func past(rest io.Reader) io.Reader {
	return io.MultiReader(bytes.NewReader(make([]byte, aheadBytes)), rest)
}

func of(n int, unique string) metadata.DocumentRequest {
	return metadata.DocumentRequest{Home: home(n), RepositoryID: "1.2", UniqueID: unique}
}

// A byte now and then is not enough: a document has to come at a rate.
func TestTooSlowToBeADocument(t *testing.T) {
	slow := retrieving(func(ctx context.Context) []Document {
		return []Document{{Request: of(1, "a"), Body: past(&trickle{ctx, 5 * time.Millisecond})}}
	})
	g := newGateway(t, Options{}, Member{Home: home(1), Community: slow, Limits: Limits{Stall: 200 * time.Millisecond}})
	r, err := g.Retrieve(t.Context(), access.Caller{}, []metadata.DocumentRequest{of(1, "a")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.Copy(io.Discard, r.Documents[0].Body); !errors.Is(err, errStall) {
		t.Errorf("%v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if s := g.Status()[0]; s.Broken != 1 || s.Reason == "" {
		t.Errorf("%+v", s)
	}
}

// Two documents of one answer come one after the other on one connection. That whoever
// reads them pauses in the first is no stall of the community's, and a connection that
// ends behind such a pause is not held against it; one that ends without is.
func TestPausesOfTheReader(t *testing.T) {
	cut := errors.New("cut off")
	for name, c := range map[string]struct {
		pause  time.Duration
		behind error // what comes behind the first octets of the second document
		broken int64
		want   error
	}{
		"a long pause, all comes":     {time.Hour, io.EOF, 0, nil},
		"a long pause, it is cut off": {time.Hour, cut, 0, errUntaken},
		"no pause, it is cut off":     {0, cut, 1, cut},
	} {
		synctest.Test(t, func(t *testing.T) {
			two := retrieving(func(context.Context) []Document {
				return []Document{{Request: of(1, "a"), Body: past(strings.NewReader("first"))}, {Request: of(1, "b"), Body: io.MultiReader(strings.NewReader("sec"), errReader{c.behind})}}
			})
			g := newGateway(t, Options{}, Member{Home: home(1), Community: two, Limits: Limits{Stall: time.Minute, Deadline: time.Second}})
			r, err := g.Retrieve(t.Context(), access.Caller{}, []metadata.DocumentRequest{of(1, "a"), of(1, "b")}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(r.Documents[0].Body, make([]byte, aheadBytes+2)); err != nil {
				t.Error(name, err)
			}
			time.Sleep(c.pause)
			if b, err := io.ReadAll(r.Documents[0].Body); err != nil || string(b) != "rst" {
				t.Errorf("%s: the rest of the first: %q, %v", name, b, err)
			}
			if b, err := io.ReadAll(r.Documents[1].Body); !errors.Is(err, c.want) || string(b) != "sec" {
				t.Errorf("%s: the second: %q, %v", name, b, err)
			}
			if err := r.Close(); err != nil {
				t.Error(name, err)
			}
			if s := g.Status()[0]; s.Broken != c.broken || s.Answered != 1 {
				t.Errorf("%s: %+v", name, s)
			}
		})
	}
}

// lastByte gives one byte when its time is up already, and then no more.
type lastByte struct {
	ctx  context.Context
	over bool
}

func (r *lastByte) Read(b []byte) (int, error) {
	<-r.ctx.Done()
	if r.over {
		return 0, r.ctx.Err()
	}
	r.over, b[0] = true, 'x'
	return 1, nil
}

// A byte that comes just as the time runs out does not hide why the next one fails.
func TestTooSlowBesideAByte(t *testing.T) {
	slow := retrieving(func(ctx context.Context) []Document {
		return []Document{{Request: of(1, "a"), Body: past(&lastByte{ctx: ctx})}}
	})
	g := newGateway(t, Options{}, Member{Home: home(1), Community: slow, Limits: Limits{Stall: 50 * time.Millisecond}})
	r, err := g.Retrieve(t.Context(), access.Caller{}, []metadata.DocumentRequest{of(1, "a")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r.Documents[0].Body); !errors.Is(err, errStall) {
		t.Errorf("%v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// A small document that does not come whole is a problem, not an answer that breaks off,
// also when its community is the only one that is asked.
func TestSmallDocumentThatDoesNotCome(t *testing.T) {
	for name, c := range map[string]struct {
		body func(ctx context.Context) io.Reader
		says string
	}{
		"cut off": {func(context.Context) io.Reader {
			return io.MultiReader(strings.NewReader("be"), errReader{errors.New("cut off")})
		}, errBroken.Error()},
		"stalled":  {func(ctx context.Context) io.Reader { return &stuck{ctx: ctx} }, errStall.Error()},
		"panicked": {func(context.Context) io.Reader { return panicking{} }, errBroken.Error()},
	} {
		alone := retrieving(func(ctx context.Context) []Document {
			return []Document{{Request: of(1, "a"), Body: strings.NewReader("a")}, {Request: of(1, "b"), Body: c.body(ctx)}}
		})
		g := newGateway(t, Options{}, Member{Home: home(1), Community: alone, Limits: Limits{Stall: 50 * time.Millisecond}})
		r, err := g.Retrieve(t.Context(), access.Caller{}, []metadata.DocumentRequest{of(1, "a"), of(1, "b")}, nil)
		if err != nil {
			t.Fatal(name, err)
		}
		last := fault.Problem{}
		if n := len(r.Problems); n > 0 {
			last = r.Problems[n-1]
		}
		if last.Code != fault.UnavailableCommunity || last.Location != "b" || !strings.Contains(last.Context, c.says) {
			t.Errorf("%s: %+v", name, r.Problems)
		}
		if err := r.Close(); err != nil {
			t.Error(name, err)
		}
		if s := g.Status()[0]; s.Failed != 1 || s.Broken != 0 || s.InWork != 0 {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("x") }

// When several communities are asked, a document that breaks off early costs a problem;
// what came before it, and what is too large to be read ahead, comes whole.
func TestReadingAhead(t *testing.T) {
	large := bytes.Repeat([]byte("x"), 3*aheadBytes)
	broken := retrieving(func(context.Context) []Document {
		return []Document{{Request: of(1, "small"), Body: strings.NewReader("small")},
			{Request: of(1, "cut"), Body: io.MultiReader(strings.NewReader("be"), errReader{errors.New("cut off")})}, {Request: of(1, "behind"), Body: strings.NewReader("b")}}
	})
	whole := retrieving(func(context.Context) []Document {
		return []Document{{Request: of(2, "empty"), Body: strings.NewReader("")}, {Request: of(2, "large"), Body: bytes.NewReader(large)}, {Request: of(2, "last"), Body: strings.NewReader("last")}}
	})
	g := newGateway(t, Options{}, Member{Home: home(1), Community: broken}, Member{Home: home(2), Community: whole})
	r, err := g.Retrieve(t.Context(), access.Caller{}, []metadata.DocumentRequest{of(1, "small"), of(1, "cut"), of(1, "behind"), of(2, "empty"), of(2, "large"), of(2, "last")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, d := range r.Documents {
		b, err := io.ReadAll(d.Body)
		if err != nil {
			t.Error(err)
		}
		got[d.Request.UniqueID] = string(b)
	}
	if len(got) != 4 || got["small"] != "small" || got["large"] != string(large) || got["last"] != "last" || got["empty"] != "" {
		t.Errorf("%d documents", len(got))
	}
	if len(r.Problems) != 2 || r.Problems[0].Location != "cut" || r.Problems[1].Location != "behind" || r.Problems[0].Code != "XDSUnavailableCommunity" {
		t.Errorf("%+v", r.Problems)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if s := g.Status()[0]; s.Failed != 1 || s.Answered != 0 {
		t.Errorf("%+v", s)
	}
}

// A document that breaks off late ends the answer, behind everything that was here.
func TestWholeDocumentsComeFirst(t *testing.T) {
	late := retrieving(func(context.Context) []Document {
		return []Document{{Request: of(1, "small"), Body: strings.NewReader("s")},
			{Request: of(1, "late"), Body: io.MultiReader(bytes.NewReader(make([]byte, 2*aheadBytes)), errReader{errors.New("cut off")})}}
	})
	whole := retrieving(func(context.Context) []Document {
		return []Document{{Request: of(2, "whole"), Body: strings.NewReader("w")}}
	})
	g := newGateway(t, Options{}, Member{Home: home(1), Community: late}, Member{Home: home(2), Community: whole})
	own := &Leg{Homes: []string{home(0)}, Community: retrieving(func(context.Context) []Document {
		return []Document{{Request: of(0, "own"), Body: bytes.NewReader(make([]byte, 2*aheadBytes))}}
	})}
	r, err := g.Retrieve(t.Context(), access.Caller{}, []metadata.DocumentRequest{of(1, "small"), of(1, "late"), of(2, "whole"), of(0, "own")}, own)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var came []string
	for _, d := range r.Documents {
		if _, err := io.Copy(io.Discard, d.Body); err != nil {
			break
		}
		came = append(came, d.Request.UniqueID)
	}
	if strings.Join(came, " ") != "whole own small" {
		t.Errorf("before the answer broke came %q", came)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }
