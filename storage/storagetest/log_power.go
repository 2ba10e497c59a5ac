package storagetest

import (
	"bufio"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"samdok/metadata"
)

// tracedChild runs a child with count submissions under strace.
func tracedChild(t *testing.T, dir string, count int, more ...string) (log, output string) {
	t.Helper()
	var out strings.Builder
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), logChildDir+"="+dir, logChildRound+"="+strconv.Itoa(int(rand.Uint32())), logChildCount+"="+strconv.Itoa(count))
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	return traced(t, cmd, more...), out.String()
}

// PowerCuts watches the system calls of a child with 8 writers. At the moment
// each acknowledgement is written, it takes what the disk surely holds, opens it
// as if the power had failed right then, and looks for everything acknowledged so
// far, that one included. So no success leaves before the fsync it rests on (P1).
// Then it does the same with random parts of what was not synced yet: nothing
// acknowledged may be lost and nothing half there (P2).
//
// The error says what was lost, so that engines can prove that the test finds a
// missing fsync.
func PowerCuts(t *testing.T, e LogEngine, submissions int) error {
	t.Helper()
	dir, submissions := t.TempDir(), max(10, submissions/slower)
	log, _ := tracedChild(t, dir, submissions)
	rng := rand.New(rand.NewPCG(1, uint64(submissions)))
	var acked []metadata.ID
	cuts := 0
	err := replay(log, dir, func(m *machine, line string) error {
		ids := parseAck(line)
		if ids == nil && line != "" {
			return nil
		}
		acked = append(acked, ids...)
		for _, r := range []*rand.Rand{nil, rng} {
			cuts++
			if err := e.survives(t, m, r, acked); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && cuts < submissions {
		t.Fatalf("only %d power cuts for %d submissions", cuts, submissions)
	}
	t.Logf("%d power cuts", cuts)
	return err
}

// survives opens the state after a power cut and checks it.
func (e LogEngine) survives(t *testing.T, m *machine, rng *rand.Rand, acked []metadata.ID) error {
	t.Helper()
	dir, err := os.MkdirTemp(t.TempDir(), "cut")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := m.powerCut(dir, rng); err != nil {
		return err
	}
	l, done := e.Open(t, dir)
	lost := survivors(l, acked)
	if err := done(); err != nil {
		return err
	}
	return lost
}

// RunLogFaults lets the disk under a child fail for a while: the child must get
// errors that say to try again, go on by itself when the fault is over, and keep
// all that was acknowledged. files are the engine's, relative to its folder.
func RunLogFaults(t *testing.T, e LogEngine, files ...string) {
	for _, c := range []struct{ name, inject string }{
		{"disk full", "pwrite64,ftruncate:error=ENOSPC"},
		{"disk now and then full", "pwrite64:error=ENOSPC:when=7+13"},
		{"writes fail", "pwrite64:error=EIO"},
		{"sync fails", "fsync,fdatasync:error=EIO"},
		{"sync now and then fails", "fsync,fdatasync:error=EIO:when=2+3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			acked := faultyChild(t, dir, c.inject, files)
			l, done := e.Open(t, dir)
			if err := errors.Join(survivors(l, acked), done()); err != nil {
				t.Error(err)
			}
		})
	}
}

// faultyChild runs a child, injects faults after some submissions, takes them
// away after some were refused, lets it go on for a while and kills it.
func faultyChild(t *testing.T, dir, inject string, files []string) (acked []metadata.ID) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), logChildDir+"="+dir, logChildRound+"="+strconv.Itoa(int(rand.Uint32())))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	limit := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer limit.Stop()
	var tracer *exec.Cmd
	before, refused, after := 0, 0, 0
	for r := bufio.NewReader(out); after < 100; {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("the child ended after %d, %d refused and %d submissions: %v", before, refused, after, err)
		}
		ids := parseAck(line)
		acked = append(acked, ids...)
		switch {
		case ids == nil:
			refused++
			after = 0
		case refused == 0:
			before++
		default:
			after++
		}
		if before == 50 && refused == 0 && tracer == nil {
			tracer = startFaults(t, cmd.Process.Pid, inject, dir, files)
		}
		if refused == 20 {
			endFaults(t, tracer)
			tracer = nil
			refused++
		}
	}
	if refused < 20 {
		t.Fatalf("only %d submissions were refused", refused)
	}
	return acked
}

func startFaults(t *testing.T, pid int, inject, dir string, files []string) *exec.Cmd {
	t.Helper()
	calls, _, _ := strings.Cut(inject, ":")
	args := []string{"-f", "-qq", "-p", strconv.Itoa(pid), "-o", "/dev/null", "-e", "signal=none", "-e", "trace=" + calls, "-e", "inject=" + inject}
	for _, f := range files {
		args = append(args, "-P", dir+"/"+f)
	}
	cmd := exec.Command("strace", args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v\n%s", err, needStrace)
	}
	return cmd
}

func endFaults(t *testing.T, tracer *exec.Cmd) {
	t.Helper()
	if err := tracer.Process.Signal(os.Interrupt); err != nil { // it lets go of the child
		t.Fatal(err)
	}
	tracer.Wait() // its status tells of the signal
}
