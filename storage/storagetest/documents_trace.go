package storagetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"samdok/storage"
)

// Trace are the system calls of a run, in the order in which they began.
type Trace []Syscall

// Syscall is one call. Start and End are line numbers of strace's output: a call
// that ended before another began has the smaller number.
type Syscall struct {
	Name       string
	Args       string
	Path       string // of the first file descriptor or name
	Result     string
	Start, End int
}

// Ack is an acknowledgement that the child wrote.
type Ack struct {
	Key  storage.DocumentKey
	Size int64
	At   int // line where the writing began
}

var (
	straceLine    = regexp.MustCompile(`^(\d+) +(\w+)\((.*)$`)
	straceResumed = regexp.MustCompile(`^(\d+) +<\.\.\. (\w+) resumed>.*\) += (.*)$`)
	straceEnd     = regexp.MustCompile(`^(.*)\) += (.*)$`)
	stracePath    = regexp.MustCompile(`^(?:AT_FDCWD[^,]*, )?"([^"]*)"|^\w+<([^>]*)>`)
	straceRange   = regexp.MustCompile(`, (\d+), (\d+)$`)
	straceAck     = regexp.MustCompile(`"ack (\S+) \d+ (\d+)\\n"`)
)

// TraceDocuments runs a child with 8 writers under strace and returns what it
// did and what it acknowledged. strace missing is a failure, not a skip.
func TraceDocuments(t *testing.T, dir string, perWriter int) (Trace, []Ack) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "trace")
	cmd := exec.Command("strace", "-f", "-y", "-s", "120", "-o", out,
		"-e", "trace=pwrite64,write,fsync,fdatasync,sync_file_range,rename,renameat,renameat2,link,linkat", os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir, childCount+"="+strconv.Itoa(perWriter))
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("strace is needed to prove what is synced before it is acknowledged (package strace): %v\n%s", err, b)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	trace := parseTrace(string(b))
	var acks []Ack
	for _, c := range trace {
		if m := straceAck.FindStringSubmatch(c.Args); m != nil && c.Name == "write" {
			a := Ack{Key: storage.DocumentKey(m[1]), At: c.Start}
			if a.Size, err = strconv.ParseInt(m[2], 10, 64); err != nil {
				t.Fatal(err)
			}
			acks = append(acks, a)
		}
	}
	if len(acks) != 8*perWriter {
		t.Fatalf("%d acknowledgements in the trace, want %d", len(acks), 8*perWriter)
	}
	return trace, acks
}

func parseTrace(text string) Trace {
	var all Trace
	open := map[string]int{} // thread and name -> index
	for line, s := range strings.Split(text, "\n") {
		if m := straceResumed.FindStringSubmatch(s); m != nil {
			if i, ok := open[m[1]+m[2]]; ok {
				all[i].Result, all[i].End = m[3], line
				delete(open, m[1]+m[2])
			}
			continue
		}
		m := straceLine.FindStringSubmatch(s)
		if m == nil {
			continue
		}
		c := Syscall{Name: m[2], Args: m[3], Start: line, End: line}
		if args, ok := strings.CutSuffix(c.Args, " <unfinished ...>"); ok {
			c.Args, c.End = args, 1<<62
			open[m[1]+m[2]] = len(all)
		} else if e := straceEnd.FindStringSubmatch(c.Args); e != nil {
			c.Args, c.Result = e[1], e[2]
		}
		if p := stracePath.FindStringSubmatch(c.Args); p != nil {
			c.Path = p[1] + p[2]
		}
		all = append(all, c)
	}
	return all
}

// Synced says where, if anywhere, bytes of a file became durable: the line where
// the first fsync or fdatasync of path ended that began after the write covering
// the offset had ended. 0: nowhere.
func (tr Trace) Synced(path string, offset int64) (line int, err error) {
	written := -1
	for _, c := range tr {
		if c.Name == "pwrite64" && c.Path == path && written < 0 {
			m := straceRange.FindStringSubmatch(c.Args)
			if m == nil {
				return 0, fmt.Errorf("pwrite64(%s) makes no sense", c.Args)
			}
			n, _ := strconv.ParseInt(m[1], 10, 64) // digits, by the expression
			off, _ := strconv.ParseInt(m[2], 10, 64)
			if off <= offset && offset < off+n {
				written = c.End
			}
		}
		if (c.Name == "fdatasync" || c.Name == "fsync") && c.Path == path && written >= 0 && c.Start > written && c.Result == "0" {
			return c.End, nil
		}
	}
	return 0, nil
}

// Renamed is the line where a rename to the path ended, and its source.
func (tr Trace) Renamed(to string) (from string, start, end int) {
	for _, c := range tr {
		if strings.HasPrefix(c.Name, "rename") && c.Result == "0" && strings.Contains(c.Args, `"`+to+`"`) {
			return c.Path, c.Start, c.End
		}
	}
	return "", 0, 0
}

// SyncedAfter is the line where a sync of path ended that began after a line; 0
// when there is none.
func (tr Trace) SyncedAfter(path string, line int) int {
	for _, c := range tr {
		if (c.Name == "fdatasync" || c.Name == "fsync") && c.Path == path && c.Start > line && c.Result == "0" {
			return c.End
		}
	}
	return 0
}
