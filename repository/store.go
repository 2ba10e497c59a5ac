package repository

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"sync"

	"samdok/fault"
	"samdok/metadata"
	"samdok/repository/malware"
	"samdok/storage"
)

// buffers are for copying. 64 KiB is where larger ones stop being faster.
var buffers = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

// store streams one document into an uncommitted writer and past the scanner.
// The zero pending means that the document was refused with a problem.
func (i *intake) store(ctx context.Context, e *metadata.DocumentEntry, body io.Reader) (pending, error) {
	w, err := i.r.documents.Create(ctx, storage.Owner{Tenant: i.tenant, UniqueID: e.UniqueID})
	if err != nil {
		return pending{}, failed(ctx, "repository.store", err, "The documents cannot be stored now. Send the submission again later.")
	}
	p := pending{entry: e, writer: w}
	done := false
	defer func() {
		if !done {
			i.pending = append(i.pending, p) // cancelled with the others
		}
	}()
	if i.r.scan != nil {
		if p.scan, err = i.r.scan(ctx, malware.Document{MimeType: e.MimeType}); err != nil {
			if !i.unscanned(ctx, e, err) {
				return pending{}, i.drain(ctx, body)
			}
			p.scan = nil
		}
	}
	n, err := copyAll(ctx, &p, body, i.r.limits.DocumentBytes)
	if err != nil {
		return pending{}, err
	}
	if n > i.r.limits.DocumentBytes {
		i.refuse(fault.TooLarge, i.r.tooLarge(e))
		i.cut = true // the rest of this document would have to be read first
		return pending{}, nil
	}
	done, p.size = true, n
	return p, nil
}

// copyAll copies at most limit+1 bytes.
func copyAll(ctx context.Context, p *pending, body io.Reader, limit int64) (n int64, err error) {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for n <= limit {
		m, rerr := body.Read(*buf)
		if m > 0 {
			if n += int64(m); n > limit {
				return n, nil
			}
			if _, err := p.writer.Write((*buf)[:m]); err != nil {
				return n, failed(ctx, "repository.store", err, "A document could not be stored. Send the submission again later.")
			}
			if p.scan != nil {
				_, _ = p.scan.Write((*buf)[:m]) // the verdict tells how it went
			}
		}
		if rerr == io.EOF {
			return n, nil
		}
		if rerr != nil {
			return n, broken(ctx, rerr, "A document could not be read to its end.")
		}
		if err := ctx.Err(); err != nil {
			return n, broken(ctx, err, "The request was given up before its documents had arrived.")
		}
	}
	return n, nil
}

// committed is what became of one pending document.
type committed struct {
	info    storage.DocumentInfo
	verdict malware.Verdict
	scanErr error
	err     error
}

// commit gets the verdicts and makes the pending documents durable, all at the
// same time, and compares them with their entries.
func (i *intake) commit(ctx context.Context) error {
	if len(i.problems) > 0 {
		i.cancel()
		return nil
	}
	results := make([]committed, len(i.pending))
	if len(i.pending) == 1 {
		results[0] = i.commitOne(ctx, &i.pending[0])
	} else {
		var wg sync.WaitGroup
		for n := range i.pending {
			wg.Go(func() { results[n] = i.commitOne(ctx, &i.pending[n]) })
		}
		wg.Wait()
	}
	// First remember every key, so that nothing is lost to deletion.
	for n := range i.pending {
		if key := i.pending[n].writer.Key(); results[n].err == nil && key != "" {
			i.keys[i.pending[n].entry.ID] = key
		}
	}
	for n := range results {
		if err := i.settle(ctx, i.pending[n].entry, &results[n]); err != nil {
			return err
		}
	}
	i.cancel() // frees what refused documents hold; nothing after a commit
	return nil
}

func (i *intake) commitOne(ctx context.Context, p *pending) (c committed) {
	c.verdict.Clean = true
	// It may run in a goroutine of its own, where nobody else would catch it.
	defer func() {
		if v := recover(); v != nil {
			c.err = fmt.Errorf("panic with a %T while a document was stored\n%s", v, debug.Stack())
		}
	}()
	if p.scan != nil {
		c.verdict, c.scanErr = p.scan.Verdict()
		if c.scanErr == nil && !c.verdict.Clean || c.scanErr != nil && !i.r.admit {
			return c
		}
	}
	c.info, c.err = p.writer.Commit(ctx)
	return c
}

func (i *intake) settle(ctx context.Context, e *metadata.DocumentEntry, c *committed) error {
	switch {
	case c.err != nil:
		return failed(ctx, "repository.commit", c.err, "A document could not be stored. Send the submission again later.")
	case c.scanErr != nil && !i.unscanned(ctx, e, c.scanErr):
		return nil
	case c.scanErr == nil && !c.verdict.Clean:
		name := c.verdict.Threat
		if name == "" {
			name = "something that it does not name"
		}
		// codeContext names the document (ITI TF-3 Table 4.2.4.1-2).
		i.refuse(fault.Invalid, problem(fault.InvalidDocumentContent, "%s: the malware scanner found %s in this document.", e.UniqueID, name))
		return nil
	}
	for _, p := range i.r.verify(e, c.info) {
		i.refuse(fault.Invalid, p)
	}
	return nil
}

// unscanned decides on a document without a verdict: admitted, or held back.
func (i *intake) unscanned(ctx context.Context, e *metadata.DocumentEntry, err error) bool {
	i.r.logger.ErrorContext(ctx, "the malware scanner gave no verdict", "admitted", i.r.admit, "error", err)
	if i.r.admit {
		return true
	}
	i.refuse(fault.Unavailable, problem(fault.RepositoryBusy,
		"Document %s (%s) could not be scanned for malware, so it is not accepted now. Send the submission again later.", e.ID, e.UniqueID))
	return false
}
