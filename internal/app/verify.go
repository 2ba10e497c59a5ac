package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"samdok/access"
	"samdok/audit"
	"samdok/internal/config"
	"samdok/storage/verify"
)

// VerifyOptions of VerifyStorage. Report is required.
type VerifyOptions struct {
	Who      string // runs it, for the record
	Read     bool   // every document to its end
	Report   func(verify.Difference)
	Progress func(part string, done, total int64)
}

// VerifyStorage compares log, index and documents, reports each difference and
// records that it did. No server may run on an embedded data folder; nodes of a
// scaled-out installation go on.
func VerifyStorage(ctx context.Context, c *config.Config, l *slog.Logger, clock func() time.Time, o VerifyOptions) (n verify.Counts, err error) {
	if err := hasData(c); err != nil {
		return n, err
	}
	d, end, err := openBeside(ctx, c, l, clock)
	if err != nil {
		return n, err
	}
	defer func() { err = errors.Join(err, end()) }()
	found := 0
	v := verify.Options{Engine: d.log, Documents: d.documents, Read: o.Read, Progress: o.Progress,
		Report: func(f verify.Difference) { found++; o.Report(f) }}
	if n, err = d.verify(ctx, v); err != nil {
		return n, err
	}
	e := d.event(audit.KindVerify, clock())
	e.Request.Caller.Door, e.Request.Caller.Subject = "cli", o.Who
	e.Details = []audit.Detail{{Name: "what", Value: "storage"}, {Name: "documents read", Value: strconv.FormatBool(o.Read)},
		{Name: "streams", Value: strconv.FormatInt(n.Streams, 10)}, {Name: "documents", Value: strconv.FormatInt(n.Documents, 10)}, {Name: "differences", Value: strconv.Itoa(found)}}
	return n, d.record(ctx, e)
}

func (d *data) verify(ctx context.Context, o verify.Options) (verify.Counts, error) {
	tenant := access.Tenant(d.identity.Tenant)
	var log verify.Counts
	var err error
	if e, scaled := d.log.(*scaledEngine); scaled {
		if err := e.strays(ctx, o); err != nil { // first: one may keep the journal from being read
			return log, err
		}
		log, err = e.Verify(ctx, tenant, o.Report, o.Progress)
	} else {
		log, err = verify.Log(ctx, tenant, o)
	}
	if err != nil {
		return log, err
	}
	n, err := verify.Streams(ctx, tenant, o)
	n.Changes = log.Changes
	return n, err
}

// strays names what somebody put where the log and the documents are.
func (e *scaledEngine) strays(ctx context.Context, o verify.Options) error {
	looked := func(n int64) {
		if o.Progress != nil && n%256 == 0 {
			o.Progress(verify.PartObjects, n, 0)
		}
	}
	for stray, err := range e.store.Strays(ctx, looked) {
		switch {
		case err != nil:
			return err
		case stray.Missing:
			o.Report(verify.Difference{What: fmt.Sprintf("unknown object %q: it has the name of a batch, but the batch before it is missing; nodes may take its number for the end of the log. If no batch was lost, move it away", stray.Name)})
		default:
			o.Report(verify.Difference{What: fmt.Sprintf("unknown object %q: samdok did not write it and never reads it; move it away", stray.Name)})
		}
	}
	return nil
}
