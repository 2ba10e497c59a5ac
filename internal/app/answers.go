package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"samdok/access"
	"samdok/internal/courier"
	"samdok/internal/outward"
	"samdok/soap/async"
	"samdok/soap/xds"
	"samdok/storage"
)

// answers keeps and sends the answers that go to wsa:ReplyTo.
type answers struct {
	app     *App
	doors   map[string]xds.Door
	courier *courier.Courier // nil until the server serves
}

// later is what the doors get: nil when asynchronous answers are off.
func (s *answers) later() xds.Later {
	if !s.app.Config.Async.On {
		return nil
	}
	return s
}

// Allowed implements xds.Later.
func (s *answers) Allowed(address string) error { return s.app.gate.Check(address) }

// Keep implements xds.Later.
func (s *answers) Keep(ctx context.Context, p *async.Postponed) error {
	body, err := p.Encode()
	if err != nil {
		return err
	}
	now := s.app.Clock()
	err = s.app.data.log.Post(ctx, []storage.Letter{{
		ID: p.ID, Tenant: access.Tenant(s.app.data.identity.Tenant), Queue: storage.QueueAnswers, Body: body,
		Created: now, Due: now, Expires: now.Add(s.app.Config.Async.Expire),
	}})
	if err == nil && s.courier != nil {
		s.courier.Poke()
	}
	return err
}

// start begins to deliver, also what an earlier server left, and even when no new
// requests are accepted any more.
func (s *answers) start() {
	s.courier = courier.Start(courier.Options{
		Outbox: s.app.data.log, Queue: storage.QueueAnswers, Clock: s.app.Clock, Log: s.app.Log,
		Timeout: s.app.Config.Outward.Timeout, Deliver: s.deliver, Destination: destination,
		Watch: func(o courier.Outcome) { s.app.metrics.Letter(storage.QueueAnswers.String(), o.String()) },
	})
}

// stop ends deliveries; what is not delivered stays in the outbox.
func (s *answers) stop(ctx context.Context) {
	if s.courier != nil {
		s.courier.Stop(ctx)
	}
}

// letterText is what a letter says, for an erasure that looks for somebody in it.
func letterText(l *storage.Letter) []byte {
	if l.Queue != storage.QueueAnswers {
		return l.Body
	}
	p, err := async.Decode(l.Body)
	switch {
	case err != nil:
		return l.Body
	case p.Answer != nil:
		return p.Answer.Body
	}
	return p.Request.Envelope
}

// destination is the host that a letter goes to.
func destination(l storage.Letter) string {
	p, err := async.Decode(l.Body)
	if err != nil {
		return ""
	}
	return outward.Host(p.To)
}

func (s *answers) deliver(ctx context.Context, l storage.Letter) error {
	p, err := async.Decode(l.Body)
	if err != nil {
		return courier.GiveUp(err)
	}
	door := s.doors[p.Door]
	if p.Request != nil && door == nil {
		return courier.GiveUp(fmt.Errorf("this server has no endpoint %q any more", p.Door))
	}
	// A retrieval that hangs in the storage must end too.
	err = p.Deliver(ctx, s.app.gate.Post, func(ctx context.Context, p *async.Postponed, w http.ResponseWriter) { door.Resume(ctx, p, w) })
	var refused *outward.NotAllowedError
	if errors.As(err, &refused) {
		return courier.GiveUp(err)
	}
	return err
}

// letterMetrics shows what waits in the outbox.
func (a *App) letterMetrics() error {
	var errs []error
	for _, q := range storage.Queues() {
		count := func() storage.Backlog {
			ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
			defer cancel()
			b, err := a.data.log.Count(ctx, q)
			if err != nil {
				a.Log.Warn("the outbox cannot be counted", "queue", q.String(), "error", err)
			}
			return b
		}
		name := "samdok_outbox_" + q.String()
		errs = append(errs,
			a.metrics.Gauge(name+"_waiting", "Messages that wait to be delivered ("+q.String()+").", func() float64 { return float64(count().Waiting) }),
			a.metrics.Gauge(name+"_dead", "Messages that were given up, for samdok outbox ("+q.String()+").", func() float64 { return float64(count().Dead) }),
			a.metrics.Gauge(name+"_oldest_seconds", "Age of the oldest message that waits ("+q.String()+").", func() float64 {
				if b := count(); b.Waiting > 0 {
					return a.Clock().Sub(b.Oldest).Seconds()
				}
				return 0
			}))
	}
	return errors.Join(errs...)
}

// outboxWarning tells readiness what an operator should see to; it does not make
// the server unready: a receiver that is down is no reason to stop work.
func (a *App) outboxWarning(ctx context.Context) string {
	for _, q := range storage.Queues() {
		b, err := a.data.log.Count(ctx, q)
		switch {
		case err != nil:
			return "it cannot be counted: " + err.Error()
		case b.Dead > 0:
			return fmt.Sprintf("%d messages of the queue %s were given up; see samdok outbox", b.Dead, q)
		case b.Waiting > 0 && a.Clock().Sub(b.Oldest) > lateAfter:
			return fmt.Sprintf("the oldest message of the queue %s waits since %s; see samdok outbox", q, b.Oldest.Format(time.RFC3339))
		}
	}
	return ""
}

// lateAfter is when a message that waits is worth an operator's look.
const lateAfter = 15 * time.Minute
