package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"samdok/access"
	"samdok/fault"
	"samdok/internal/config"
	"samdok/internal/courier"
	"samdok/internal/outward"
	"samdok/metadata"
	"samdok/sharing"
	"samdok/soap"
	"samdok/soap/wsnt"
	"samdok/soap/xds"
	"samdok/storage"
	"samdok/subscription"
)

const subscriptionPath = "/services/subscription"

const (
	// settling is how long the notifier waits for more changes before it looks, so
	// that a burst of them costs one look.
	settling = 20 * time.Millisecond
	// looking is how often it looks when nothing was told to it, and flushing how
	// often it notes how far it is although nobody was to be told.
	looking  = time.Second
	flushing = 10 * time.Second
)

// notifier follows the log, and sends what subscribers are to be told (DSUB).
type notifier struct {
	book    *subscription.Book
	broker  *subscription.Broker
	gate    *outward.Gate
	timeout time.Duration
	outbox  storage.Outbox
	log     *slog.Logger
	clock   func() time.Time
	address func() string // of the broker

	use     sharing.Service
	courier *courier.Courier
	poke    chan struct{}
	stop    context.CancelFunc
	done    chan struct{}
	looked  atomic.Int64 // when the log was followed to its end, in Unix seconds
}

// brokerAddress is where subscribers reach the broker.
func (a *App) brokerAddress() string {
	if a.Config.PublicURL != "" {
		return a.Config.PublicURL + subscriptionPath
	}
	return a.outside.URL() + subscriptionPath
}

// openNotifier is nil when DSUB is off.
func (a *App) openNotifier() *notifier {
	c, d := a.Config, a.data
	if !c.DSUB.On {
		return nil
	}
	tenant := access.Tenant(d.identity.Tenant)
	book := subscription.NewBook(subscription.Options{Log: d.log, Tenant: tenant, Clock: a.Clock, PerPatient: c.DSUB.PerPatient, AnyPatient: c.DSUB.AnyPatient})
	return &notifier{
		book: book, gate: a.gate, timeout: c.Outward.Timeout, outbox: d.log, log: a.Log, clock: a.Clock, address: a.brokerAddress,
		broker: subscription.NewBroker(subscription.BrokerOptions{Book: book, Feed: d.log, Index: d.log, Outbox: d.log, Tenant: tenant, Clock: a.Clock, Retry: c.DSUB.Retry}),
		poke:   make(chan struct{}, 1),
	}
}

// uses is what the use cases need of n.
func (n *notifier) uses(c *config.Config) sharing.Subscriptions {
	if n == nil {
		return sharing.Subscriptions{}
	}
	return sharing.Subscriptions{Book: n.book, Broker: n.broker, Consumer: n.gate.Check, Longest: c.DSUB.Longest, Usual: c.DSUB.Usual}
}

// changed tells n that the log has grown. It never waits.
func (n *notifier) changed() {
	if n == nil {
		return
	}
	select {
	case n.poke <- struct{}{}:
	default:
	}
}

// posted tells n that there are letters.
func (n *notifier) posted() {
	if n != nil && n.courier != nil {
		n.courier.Poke()
	}
}

func (n *notifier) start(use sharing.Service) {
	n.use = use
	n.courier = courier.Start(courier.Options{
		Outbox: n.outbox, Queue: storage.QueueNotify, Deliver: n.deliver, Timeout: n.timeout, Clock: n.clock, Log: n.log,
		Destination: func(l storage.Letter) string { return subscription.Destination(l.Body) },
	})
	ctx, stop := context.WithCancel(context.Background())
	n.stop, n.done = stop, make(chan struct{})
	n.looked.Store(n.clock().Unix())
	go n.follow(ctx)
}

// close stops following and sending. What is not sent yet stays in the outbox.
func (n *notifier) close(ctx context.Context) {
	if n == nil {
		return
	}
	if n.stop != nil {
		n.stop()
		<-n.done
		n.courier.Stop(ctx)
	}
}

// follow turns the log's changes into letters, until ctx ends.
func (n *notifier) follow(ctx context.Context) {
	defer close(n.done)
	tick := time.NewTicker(looking)
	defer tick.Stop()
	flushed := n.clock()
	failing := false
	for {
		posted, err := n.broker.Run(ctx)
		if posted > 0 {
			n.courier.Poke()
		}
		if now := n.clock(); err == nil && now.Sub(flushed) >= flushing {
			flushed = now
			err = n.broker.Flush(ctx)
		}
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			failing = false
			n.looked.Store(n.clock().Unix())
		case !failing:
			failing = true
			n.log.Error("the log cannot be followed, so subscribers are not notified; it is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-n.poke:
			wait(ctx, settling)
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// deliver tells one subscriber of one event, if the subscription lives and its
// subscriber may still see what it is about (ITI-53).
func (n *notifier) deliver(ctx context.Context, l storage.Letter) error {
	notice, err := subscription.DecodeNotice(l.Body)
	if err != nil {
		return courier.GiveUp(err)
	}
	sub, err := n.book.Get(ctx, notice.Subscription)
	if fault.KindOf(err) == fault.NotFound {
		return nil // it has ended: nobody waits for this
	}
	var objects []metadata.Object
	if err == nil {
		objects, err = n.use.Notify(ctx, sub.Caller, sub, notice)
	}
	if err != nil {
		return n.unprepared(l, err)
	}
	if len(objects) == 0 {
		return nil
	}
	// Nothing is expected in return, but every message that begins something has a ReplyTo (IHE_WSA102).
	header := soap.Header{Action: wsnt.ActionNotify, MessageID: l.ID.String(), To: sub.Consumer, ReplyTo: soap.Anonymous}
	b := soap.AppendOpen(make([]byte, 0, 16<<10), header)
	b = wsnt.AppendNotify(b, &wsnt.Notification{
		Reference: xds.SubscriptionAddress(n.address(), sub.ID), Topic: sub.Topic, Producer: notice.Producer, Objects: objects,
	})
	b = soap.AppendClose(b)
	return n.gate.Post(ctx, sub.Consumer, soap.ContentType, int64(len(b)), bytes.NewReader(b))
}

// unprepared keeps the cause, which may name what a person must not read with a
// letter, in the operator's log.
func (n *notifier) unprepared(l storage.Letter, err error) error {
	var r *sharing.Refusal
	if errors.As(err, &r) && r.Reason == sharing.ReasonConsumer {
		return courier.GiveUp(errors.New("the receiver's address is not allowed any more (outward.allow)"))
	}
	n.log.Warn("a notification could not be prepared", "letter", l.ID.String(), "error", err)
	return errors.New("it could not be prepared; the log says why")
}

// watch registers what an alarm looks at.
func (n *notifier) watch(gauge func(name, help string, value func() float64) error) error {
	if n == nil {
		return nil
	}
	count := func(of func(storage.Backlog) float64) func() float64 {
		return func() float64 {
			ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
			defer cancel()
			b, err := n.outbox.Count(ctx, storage.QueueNotify)
			if err != nil {
				return -1
			}
			return of(b)
		}
	}
	return errors.Join(
		gauge("samdok_notifications_waiting", "Notifications that were not taken yet; -1: not known.", count(func(b storage.Backlog) float64 { return float64(b.Waiting) })),
		gauge("samdok_notifications_dead", "Notifications that were given up and wait for the operator; -1: not known.", count(func(b storage.Backlog) float64 { return float64(b.Dead) })),
		gauge("samdok_notifications_oldest_seconds", "Age of the oldest notification that waits; -1: not known.", count(func(b storage.Backlog) float64 {
			if b.Oldest.IsZero() {
				return 0
			}
			return n.clock().Sub(b.Oldest).Seconds()
		})),
		gauge("samdok_notifications_behind_seconds", "Time since the log was last followed to its end.", func() float64 {
			if n.looked.Load() == 0 {
				return 0
			}
			return float64(n.clock().Unix() - n.looked.Load())
		}),
	)
}
