package app

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"samdok/audit"
	"samdok/audit/ledger"
	"samdok/internal/telemetry"
)

// Whoever reads the log is recorded once, also when it cannot be read, is not waited
// for, or a defect ends it. Nothing is shown then.
func TestFailedReadingIsRecorded(t *testing.T) {
	dir := t.TempDir()
	l, err := telemetry.NewLog(t.Output(), "warn", "text")
	if err != nil {
		t.Fatal(err)
	}
	d, err := openData(t.Context(), settings(t, dir), l, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.close(); err != nil {
			t.Error(err)
		}
	}()
	read := func(ctx context.Context) error {
		a, err := d.readLog(ctx, LogRequest{Reader: "os:test", Reason: "complaint"}, time.Now)
		if err != nil && len(a.Records) > 0 {
			t.Error("records were shown in spite of an error")
		}
		return err
	}
	if err := read(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(LedgerDir(dir), dir+"/away"); err != nil {
		t.Fatal(err)
	}
	broken := read(t.Context())
	if err := os.Rename(dir+"/away", LedgerDir(dir)); err != nil {
		t.Fatal(err)
	}
	if broken == nil {
		t.Fatal("read without its files")
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := read(gone); !errors.Is(err, context.Canceled) {
		t.Fatalf("nobody waits: %v", err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a panic was swallowed")
			}
		}()
		_ = d.attempted(t.Context(), d.readingOf(&LogRequest{Reader: "os:test"}, time.Now()), func() error { panic("defect") })
	}()
	var got []audit.Outcome
	for r, err := range d.ledger.Find(t.Context(), ledger.Search{Person: "os:test"}) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Event.Kind == audit.KindReadLog {
			got = append(got, r.Event.Outcome)
		}
	}
	want := []audit.Outcome{audit.Panicked, audit.Aborted, audit.Errored, audit.Success} // the newest first
	if len(got) != len(want) {
		t.Fatalf("recorded: %v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("recorded: %v, want %v", got, want)
		}
	}
}
