package app

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"samdok/audit"
	"samdok/internal/bench"
	"samdok/internal/config"
	"samdok/internal/heap"
	"samdok/internal/telemetry"
)

// forgetful is a Recorder that records nothing.
type forgetful struct{}

func (forgetful) Record(context.Context, *audit.Event) (audit.Receipt, error) {
	return audit.Receipt{}, nil
}

func (forgetful) RecordTwo(context.Context, *audit.Event, *audit.Event) error { return nil }

const childData = "SAMDOK_TEST_RECORDING_DATA"

// unrecordedChild runs a server when this process was started as one: with the
// ledger, or without when the second word of the variable says so.
func unrecordedChild() bool {
	dir, how, ok := strings.Cut(os.Getenv(childData), "|")
	if !ok {
		return false
	}
	if err := serveChild(dir, how == "without"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

func serveChild(dir string, without bool) error {
	heap.Tune(os.Getenv, os.DirFS("/")) // as samdok serve does
	c, err := config.Load(config.Input{Flags: map[string]string{"data": dir, "listen": "127.0.0.1:0", "internal-listen": "off"}})
	if err != nil {
		return err
	}
	l, err := telemetry.NewLog(os.Stderr, "warn", "text")
	if err != nil {
		return err
	}
	o := Options{Config: c, Log: l, Clock: time.Now, Version: "test"}
	if without {
		o.recorder = forgetful{}
	}
	a, err := Open(context.Background(), o)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return a.Serve(ctx, func() error { _, err := fmt.Println(a.Info().URL); return err })
}

// child starts a server of its own process, so that its CPU time is its own.
func child(b *testing.B, how string) bench.Target {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childData+"="+b.TempDir()+"|"+how)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			b.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }() // ends with the process
	return bench.Target{Name: how, URL: strings.TrimSpace(line), PID: cmd.Process.Pid}
}

// BenchmarkRecording loads two whole servers in turns, one with the ledger and one
// with a recorder that forgets, and reports the share of recording in the CPU time
// of a request: the median over the pairs of rounds, since what else the machine does
// changes meanwhile. Reads only: the writes among reads would be measured with them.
// A rate is offered to both; without one, few clients that wait for a record leave
// a server idle between requests, which costs CPU time of its own, and the one
// without records never.
//
//	go test ./internal/app -run '^$' -bench Recording -benchtime 1x
func BenchmarkRecording(b *testing.B) {
	for _, op := range []bench.Op{bench.FindEntries, bench.Retrieve} {
		for _, load := range []struct {
			clients int
			rate    float64
		}{{64, 200}, {64, 600}, {64, 1000}, {64, 0}, {32, 0}, {8, 0}} {
			b.Run(fmt.Sprintf("%s/%d clients/%v per s", op, load.clients, load.rate), func(b *testing.B) {
				with, without := child(b, "with"), child(b, "without")
				for b.Loop() {
					r, err := bench.Run(b.Context(), bench.Options{Targets: []bench.Target{with, without}, Op: op, Concurrency: load.clients, Rate: load.rate,
						Rounds: 15, Round: time.Second, WarmUp: 2 * time.Second, Patients: 1000, Hits: 10, Docs: 1, Size: 10 << 10, Seed: 1})
					if err != nil {
						b.Fatal(err)
					}
					w, wo := r.Medians["with"], r.Medians["without"]
					if w.Errors+wo.Errors > 0 {
						b.Fatal(r.Errors)
					}
					b.ReportMetric(float64(w.CPU.Nanoseconds())/1000, "with-us")
					b.ReportMetric(float64(wo.CPU.Nanoseconds())/1000, "without-us")
					b.ReportMetric(100*recordingShare(r.Samples), "%recording")
				}
			})
		}
	}
}

// recordingShare is the median share over pairs of rounds, one with and one without.
func recordingShare(all []bench.Sample) float64 {
	var shares []float64
	for pair := range slices.Chunk(all, 2) {
		shares = append(shares, float64(pair[0].CPU-pair[1].CPU)/float64(pair[0].CPU))
	}
	slices.Sort(shares)
	return shares[len(shares)/2]
}
