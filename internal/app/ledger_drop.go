package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"samdok/audit"
	"samdok/audit/ledger"
	"samdok/internal/config"
)

// DropRequest asks for the records of use from before a time to be destroyed.
type DropRequest struct {
	Before time.Time
	Reason string // one line, for whoever verifies the ledger; it names nobody
	DryRun bool
	Who    string
}

// DropAnswer are the segments whose records were destroyed, or would be.
type DropAnswer struct {
	Segments []DroppedSegment `json:"segments"`
}

// DroppedSegment is a segment of a node's ledger.
type DroppedSegment struct {
	ledger.Segment
	Node string `json:"node,omitempty"` // "": there is only one
}

// DropRecords destroys the records of full segments that are wholly from before a
// time. A signed note takes the place of each; the hashes stay, so that all proofs
// hold. Of many nodes, those that live drop their own records only, and a command those
// of nodes that have ended.
func DropRecords(ctx context.Context, c *config.Config, l *slog.Logger, clock func() time.Time, q DropRequest) (a DropAnswer, err error) {
	err = operate(ctx, c, l, clock, "/ledger/drop", q, &a, func(ctx context.Context, d *data) (err error) {
		a, err = d.drop(ctx, q)
		return err
	})
	return a, err
}

func (d *data) drop(ctx context.Context, q DropRequest) (a DropAnswer, err error) {
	if err := d.mayDrop(&q); err != nil {
		e := d.dropping(&q, "refused", audit.Failed)
		return a, errors.Join(err, d.record(ctx, e))
	}
	d.copying.Lock() // no backup copies half of it
	defer d.copying.Unlock()
	a.Segments = []DroppedSegment{}
	if d.ledgers == nil {
		err := d.dropIn(ctx, q, &nodeLedger{Ledger: d.ledger}, &a)
		return a, err
	}
	for of, err := range d.ledgers.ended(ctx) {
		if err == nil {
			err = d.dropIn(ctx, q, of, &a)
		}
		if err != nil {
			return a, err
		}
	}
	return a, nil
}

// dropIn destroys segments of one ledger.
func (d *data) dropIn(ctx context.Context, q DropRequest, of *nodeLedger, a *DropAnswer) error {
	all, err := of.Segments()
	if err != nil {
		return err
	}
	for _, s := range all {
		if s.Until.After(q.Before) {
			break
		}
		if !q.DryRun {
			if err := d.dropOne(ctx, q, of, s); err != nil {
				return err
			}
		}
		a.Segments = append(a.Segments, DroppedSegment{s, of.node})
	}
	return nil
}

func (d *data) mayDrop(q *DropRequest) error {
	if !q.DryRun && q.Reason == "" {
		return errors.New("records are destroyed for a reason only; give one")
	}
	if youngest := d.clock().Add(-d.keep); q.Before.After(youngest) {
		return fmt.Errorf("records from after %s must be kept (setting retention.records)", youngest.UTC().Format(time.RFC3339))
	}
	return nil
}

// dropOne records it before and after.
func (d *data) dropOne(ctx context.Context, q DropRequest, of *nodeLedger, s ledger.Segment) error {
	tell := func(ctx context.Context, step string, outcome audit.Outcome) error {
		e := d.dropping(&q, step, outcome)
		e.Details = append(e.Details, audit.Detail{Name: "segment of the ledger", Value: strconv.FormatUint(s.Number, 10)},
			audit.Detail{Name: "records before", Value: s.Until.UTC().Format(time.RFC3339)})
		if of.node != "" {
			e.Details = append(e.Details, audit.Detail{Name: "node", Value: of.node})
		}
		return d.record(ctx, e)
	}
	if err := tell(ctx, "begins", audit.Success); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx) // what has begun is ended and recorded
	if _, err := of.Drop(ctx, s.Number, q.Reason); err != nil {
		return errors.Join(err, tell(ctx, "not ended", audit.Errored))
	}
	return tell(ctx, "ended", audit.Success)
}

// dropping is the event of one step.
func (d *data) dropping(q *DropRequest, step string, outcome audit.Outcome) *audit.Event {
	e := d.event(audit.KindErase, d.clock())
	e.Outcome = outcome
	e.Request.Caller.Door, e.Request.Caller.Subject = "cli", q.Who
	e.Details = []audit.Detail{{Name: "what", Value: "records of use"}, {Name: "step", Value: step}, {Name: "reason", Value: q.Reason}}
	return e
}
