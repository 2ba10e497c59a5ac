package sharing_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"samdok/metadata"
	"samdok/sharing"
	"samdok/subscription"
)

// BenchmarkRegisterWithSubscriptions is a registration and what the broker does
// with it, when nobody, or many, subscribe to other patients. "off" has no broker.
func BenchmarkRegisterWithSubscriptions(b *testing.B) {
	for _, n := range []int{-1, 0, 10_000} {
		name := fmt.Sprint(n)
		if n < 0 {
			name = "off"
		}
		b.Run(name, func(b *testing.B) {
			w := newWorld(b)
			w.others(n)
			if _, err := w.broker.Run(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := w.Register(b.Context(), caller, sharing.Register{Submission: w.elsewhere()}); err != nil {
					b.Fatal(err)
				}
				if n >= 0 {
					if _, err := w.broker.Run(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// BenchmarkBroker is what the broker does with one change of a patient to whom
// nobody subscribes, when many are read at once, as under load.
func BenchmarkBroker(b *testing.B) {
	for _, n := range []int{0, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := newWorld(b)
			w.others(n)
			const changes = 1000
			var group sync.WaitGroup
			for range 10 {
				group.Go(func() {
					for range changes / 10 {
						w.mu.Lock()
						s := w.elsewhere()
						w.mu.Unlock()
						if _, err := w.Register(context.Background(), caller, sharing.Register{Submission: s}); err != nil {
							b.Error(err)
						}
					}
				})
			}
			group.Wait()
			for b.Loop() {
				again := subscription.NewBroker(w.brokerOptions)
				if _, err := again.Run(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/changes, "µs/change")
		})
	}
}

// others makes subscriptions to n other patients.
func (w *world) others(n int) {
	var group sync.WaitGroup
	for i := range 64 {
		group.Go(func() {
			for j := i; j < n; j += 64 {
				q := w.asking()
				q.Filter.Patient = metadata.PatientID{ID: fmt.Sprint("other-", j), Authority: "1.2.3"}.CX()
				s := subscription.Subscription{ID: metadata.NewUUID(), Created: w.now(), Ends: w.now().Add(time.Hour), Topic: q.Topic, Filter: q.Filter, Consumer: q.Consumer, Caller: caller}
				if err := w.book.Begin(context.Background(), &s); err != nil {
					w.Error(err)
				}
			}
		})
	}
	group.Wait()
}
