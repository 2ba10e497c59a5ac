package scaled

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"strings"

	"samdok/access"
	"samdok/storage"
	"samdok/storage/elastic"
	"samdok/storage/keyring"
	"samdok/storage/s3"
)

// Events implements storage.Log: events of the changes that made version from and
// later ones, as the journal has them.
func (l *Log) Events(ctx context.Context, t access.Tenant, s storage.Stream, from storage.Version) iter.Seq2[storage.Event, error] {
	return func(yield func(storage.Event, error) bool) {
		for c, err := range l.changes(ctx, t, s, from) {
			if err != nil {
				yield(storage.Event{}, wrap("scaled.Events", err, onlyRead))
				return
			}
			for _, ev := range c.events {
				if !yield(ev, nil) {
					return
				}
			}
		}
	}
}

// changes yields the opened changes of a stream from a version on, as of one
// moment, but for what is redacted meanwhile.
func (l *Log) changes(ctx context.Context, t access.Tenant, s storage.Stream, from storage.Version) iter.Seq2[change, error] {
	return func(yield func(change, error) bool) {
		one, err := l.reading(ctx, t)
		if err != nil {
			yield(change{}, err)
			return
		}
		at, err := l.index.Watermark(ctx, t)
		if err != nil {
			yield(change{}, err)
			return
		}
		var groups []group
		for r, err := range l.index.Changes(ctx, t, at, s, max(from, 1)) {
			if err != nil {
				yield(change{}, err)
				return
			}
			if n := len(groups); n == 0 || groups[n-1].seq != r.Seq {
				groups = append(groups, group{seq: r.Seq})
			}
			g := &groups[len(groups)-1]
			g.versions = append(g.versions, r.Version)
		}
		for some, err := range inOrder(ctx, 1, uint64(len(groups)), func(ctx context.Context, n uint64) ([]change, error) {
			return one.group(ctx, s, groups[n-1])
		}) {
			if err != nil {
				yield(change{}, err)
				return
			}
			for _, c := range some {
				if !c.gone && !yield(c, nil) {
					return
				}
			}
		}
	}
}

// group are changes of one stream that follow one another in a batch.
type group struct {
	seq      uint64
	versions []storage.Version
}

func (l *line) group(ctx context.Context, s storage.Stream, g group) ([]change, error) {
	p := places{line: l}
	some := make([]change, len(g.versions))
	for i, v := range g.versions {
		var err error
		if some[i], err = p.change(ctx, s, elastic.Range{Version: v, Seq: g.seq}); err != nil {
			return nil, err
		}
	}
	return some, nil
}

// places reads changes where they lie; it keeps the last batch.
type places struct {
	*line
	raw *rawBatch
}

// change reads one change. When it was redacted since it was looked for, what is
// left of it is read.
func (p *places) change(ctx context.Context, s storage.Stream, r elastic.Range) (change, error) {
	ref := p.log.index.Reference(p.tenant, s)
	for {
		rec, err := p.record(ctx, r.Seq, ref, r.Version)
		if err != nil {
			return change{}, err
		}
		c, err := p.log.openRecord(ctx, rec)
		if err != nil || !c.gone {
			return c, err
		}
		now, err := p.now(ctx, s, r.Version)
		if err != nil || now.Seq == r.Seq {
			return c, err // its key is gone for good
		}
		r = now
	}
}

// now is where a change lies at this moment.
func (p *places) now(ctx context.Context, s storage.Stream, v storage.Version) (elastic.Range, error) {
	at, err := p.log.index.Watermark(ctx, p.tenant)
	if err != nil {
		return elastic.Range{}, err
	}
	for r, err := range p.log.index.Changes(ctx, p.tenant, at, s, v) {
		if err == nil && r.Version != v {
			err = ErrIndex
		}
		return r, err
	}
	return elastic.Range{}, ErrIndex
}

// record finds what a batch says of a version of a stream.
func (p *places) record(ctx context.Context, seq uint64, ref reference, v storage.Version) (*record, error) {
	if p.raw == nil || p.raw.seq != seq {
		raw, err := p.read(ctx, seq)
		if err != nil {
			return nil, err
		}
		p.raw = raw
	}
	for i := range p.raw.records {
		r := &p.raw.records[i]
		if (r.kind == recordChange || r.kind == recordRedaction) && r.ref == ref && r.version == v {
			return r, nil
		}
	}
	return nil, ErrIndex
}

// read reads a batch that must be there.
func (l *line) read(ctx context.Context, seq uint64) (*rawBatch, error) {
	d, err := l.journal.Read(ctx, seq)
	if errors.Is(err, s3.ErrNone) {
		return nil, ErrFork
	}
	if err != nil {
		return nil, err
	}
	raw, err := parseBatch(d)
	if err == nil && raw.seq != seq {
		err = ErrFork
	}
	return raw, err
}

// Feed implements storage.Log. A position is the number of the batch and that of
// the record in it.
func (l *Log) Feed(ctx context.Context, t access.Tenant, after storage.Position) iter.Seq2[storage.Fed, error] {
	return func(yield func(storage.Fed, error) bool) {
		if err := l.feed(ctx, t, after, yield); err != nil {
			yield(storage.Fed{}, wrap("scaled.Feed", err, onlyRead))
		}
	}
}

func (l *Log) feed(ctx context.Context, t access.Tenant, after storage.Position, yield func(storage.Fed, error) bool) error {
	seq, place, err := parsePosition(after)
	if err != nil {
		return err
	}
	one, err := l.reading(ctx, t)
	if err != nil {
		return err
	}
	last, err := l.index.Watermark(ctx, t)
	if err != nil {
		return err
	}
	if seq > last.Seq {
		return storage.ErrPosition
	}
	p := places{line: one}
	for raw, err := range inOrder(ctx, max(seq, 1), last.Seq, one.read) {
		if err != nil {
			return err
		}
		n := raw.seq
		p.raw = raw
		if n == seq && (place >= len(p.raw.records) || p.raw.records[place].kind != recordChange) {
			return storage.ErrPosition
		}
		for i, r := range p.raw.records {
			if n == seq && i <= place || r.kind != recordChange {
				continue
			}
			c, err := p.fed(ctx, &r)
			if err != nil {
				return err
			}
			if !c.gone && !yield(storage.Fed{Position: positionOf(n, i), Stream: c.stream, Version: c.version, Events: c.events}, nil) {
				return nil
			}
		}
	}
	return nil
}

// fed opens a record of the journal, or what was left of it by a redaction.
func (p *places) fed(ctx context.Context, r *record) (change, error) {
	c, err := p.log.openRecord(ctx, r)
	if err != nil || !c.gone {
		return c, err
	}
	named, ok, err := p.log.index.Referred(ctx, r.ref)
	if err != nil || !ok || named.Tenant != p.tenant {
		return c, err
	}
	now, err := p.now(ctx, named.Stream, r.version)
	if errors.Is(err, keyring.ErrDestroyed) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	elsewhere := places{line: p.line}
	return elsewhere.change(ctx, named.Stream, now)
}

func positionOf(seq uint64, place int) storage.Position {
	return storage.Position(strconv.FormatUint(seq, 10) + "." + strconv.Itoa(place))
}

func parsePosition(p storage.Position) (seq uint64, place int, err error) {
	if p == "" {
		return 0, 0, nil
	}
	a, b, _ := strings.Cut(string(p), ".")
	seq, err = strconv.ParseUint(a, 10, 64)
	place, also := strconv.Atoi(b)
	if err != nil || also != nil || seq == 0 || place < 0 || positionOf(seq, place) != p {
		return 0, 0, storage.ErrPosition
	}
	return seq, place, nil
}
