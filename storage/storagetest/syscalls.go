package storagetest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The system calls of a child process, as strace writes them down, are enough to
// know what a disk holds at any moment: bytes are safe when an fsync that began
// after their write has returned, a name when an fsync of its folder has. From
// that, the state after a power cut is put together and opened again. Nothing of
// the engine is replaced: what is watched is what runs.

// tracedCalls are all calls that change files. Those without a case in
// machine.call fail the test when they hit the watched folder.
const tracedCalls = "open,openat,creat,write,writev,pwrite64,pwritev,pwritev2,fsync,fdatasync,sync_file_range,ftruncate,truncate,fallocate," +
	"rename,renameat,renameat2,unlink,unlinkat,link,linkat,symlink,symlinkat,mkdir,mkdirat,copy_file_range,sendfile"

const needStrace = "this test needs strace and the right to use it; install it with: apt-get install strace"

// traced runs a command under strace and returns the path of its log.
func traced(t testing.TB, cmd *exec.Cmd, more ...string) string {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatal(needStrace)
	}
	log := filepath.Join(t.TempDir(), "strace")
	args := append([]string{strace, "-f", "--seccomp-bpf", "-y", "-xx", "-s", "1000000", "-qq", "-e", "signal=none", "-e", "trace=" + tracedCalls, "-o", log}, more...)
	cmd.Args = append(args, cmd.Args...)
	cmd.Path = strace
	if err := cmd.Run(); err != nil {
		t.Fatalf("the traced child: %v", err)
	}
	return log
}

// file is what a machine knows of one file.
type file struct {
	now     []byte // what a read would give
	safe    []byte // what survives a power cut for sure
	named   bool   // its name survives
	synced  int    // how many changes are safe
	pending []func([]byte) []byte
}

// machine follows the files below dir.
type machine struct {
	dir     string
	files   map[string]*file
	syncing map[string]int // by thread: how many changes of the file its fsync covers
}

// replay reads a log of traced. It calls acked with each line that the child wrote
// to standard output, at the moment the write began, and with "" at the end.
func replay(log, dir string, acked func(m *machine, line string) error) error {
	f, err := os.Open(log)
	if err != nil {
		return err
	}
	defer f.Close()
	m := &machine{dir: dir, files: map[string]*file{}, syncing: map[string]int{}}
	begun := map[string]string{} // by thread: a call that has not returned
	for r := bufio.NewReaderSize(f, 1<<20); ; {
		line, err := r.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return acked(m, "")
		}
		if err != nil {
			return err
		}
		thread, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		rest = strings.TrimLeft(rest, " ")
		switch {
		case strings.HasPrefix(rest, "+++") || strings.HasPrefix(rest, "---"):
			continue
		case strings.HasSuffix(rest, " <unfinished ...>"):
			begun[thread] = strings.TrimSuffix(rest, " <unfinished ...>")
			err = m.begin(thread, begun[thread], acked)
		case strings.HasPrefix(rest, "<... "):
			_, end, _ := strings.Cut(rest, " resumed>")
			err = m.end(thread, begun[thread]+end)
			delete(begun, thread)
		default:
			if err = m.begin(thread, rest, acked); err == nil {
				err = m.end(thread, rest)
			}
		}
		if err != nil {
			return fmt.Errorf("%w in: %.200s", err, rest)
		}
	}
}

var (
	fdCall   = regexp.MustCompile(`^(\w+)\((\d+)<([^>]*)>`)
	quoted   = regexp.MustCompile(`"((?:\\x[0-9a-f]{2})*)"`)
	pathCall = regexp.MustCompile(`^(\w+)\((?:AT_FDCWD(?:<[^>]*>)?, )?"((?:\\x[0-9a-f]{2})*)"`)
)

// begin is the moment a call is made: what it says is on its way.
func (m *machine) begin(thread, call string, acked func(*machine, string) error) error {
	f := fdCall.FindStringSubmatch(call)
	if f == nil {
		return nil
	}
	switch {
	case f[1] == "write" && f[2] == "1":
		return acked(m, string(unquote(call)))
	case strings.HasSuffix(f[1], "sync"):
		if x := m.files[string(unhexed(f[3]))]; x != nil {
			m.syncing[thread] = x.synced + len(x.pending)
		}
	}
	return nil
}

// end is the moment a call has returned: what it did is done.
func (m *machine) end(thread, call string) error {
	at := strings.LastIndex(call, " = ")
	if at < 0 {
		return nil // killed within
	}
	call, result := strings.TrimRight(call[:at], " "), call[at+3:]
	if strings.HasPrefix(result, "-1") || strings.HasPrefix(result, "?") {
		return nil
	}
	if f := fdCall.FindStringSubmatch(call); f != nil && f[1] != "openat" && f[1] != "unlinkat" && f[1] != "mkdirat" && f[1] != "linkat" && f[1] != "renameat" && f[1] != "renameat2" {
		return m.onFile(thread, f[1], string(unhexed(f[3])), call, result)
	}
	return m.onName(call, result)
}

func (m *machine) inside(path string) bool {
	return path == m.dir || strings.HasPrefix(path, m.dir+"/")
}

func (m *machine) onFile(thread, name, path, call, result string) error {
	if !m.inside(path) {
		return nil
	}
	if name == "fsync" || name == "fdatasync" {
		m.synced(thread, path)
		return nil
	}
	x := m.files[path]
	if x == nil {
		return fmt.Errorf("%s of %s, which was not seen opened", name, path)
	}
	args := strings.Split(strings.TrimSuffix(call[strings.LastIndexByte(call, '"')+1:], ")"), ", ")
	switch name {
	case "pwrite64":
		at, err := strconv.Atoi(args[len(args)-1])
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(result)
		if err != nil {
			return err
		}
		b := unquote(call)[:n]
		x.do(func(old []byte) []byte { return writeAt(old, b, at) })
	case "write":
		b := unquote(call)
		x.do(func(old []byte) []byte { return append(old, b...) }) // logs are opened to append
	case "ftruncate":
		args = strings.Split(strings.TrimSuffix(call, ")"), ", ")
		size, err := strconv.Atoi(args[len(args)-1])
		if err != nil {
			return err
		}
		x.do(func(old []byte) []byte { return resize(old, size) })
	default:
		return fmt.Errorf("the test does not know what %s does", name)
	}
	return nil
}

// synced makes safe what was written before the sync began; of a folder, the
// names in it.
func (m *machine) synced(thread, path string) {
	if x := m.files[path]; x != nil {
		n := max(0, m.syncing[thread]-x.synced) // another thread's fsync may have been faster
		for _, change := range x.pending[:n] {
			x.safe = change(x.safe)
		}
		x.pending, x.synced = slices.Clone(x.pending[n:]), x.synced+n
		return
	}
	for name, x := range m.files {
		if filepath.Dir(name) == path {
			x.named = true
		}
	}
}

func (m *machine) onName(call, result string) error {
	p := pathCall.FindStringSubmatch(call)
	if p == nil {
		return nil
	}
	path := string(unhexed(p[2]))
	if opened := fdCall.FindStringSubmatch("fd(" + result); opened != nil {
		path = string(unhexed(opened[3]))
	}
	if !m.inside(path) {
		return nil
	}
	switch p[1] {
	case "open", "openat":
		if m.files[path] == nil && strings.Contains(call, "O_CREAT") {
			m.files[path] = &file{}
		}
	case "unlink", "unlinkat":
		delete(m.files, path)
	case "mkdir", "mkdirat":
	default:
		return fmt.Errorf("the test does not know what %s does", p[1])
	}
	return nil
}

func (x *file) do(change func([]byte) []byte) {
	x.now = change(x.now)
	x.pending = append(x.pending, change)
}

func writeAt(old, b []byte, at int) []byte {
	if len(old) < at+len(b) {
		old = resize(old, at+len(b))
	}
	copy(old[at:], b)
	return old
}

func resize(b []byte, n int) []byte {
	if n <= len(b) {
		return b[:n]
	}
	return append(b, make([]byte, n-len(b))...)
}

// powerCut writes the files as a disk may hold them after a power cut: all that
// is safe, and of what is not any part, in any order, torn anywhere (with rng
// nil: nothing of it).
func (m *machine) powerCut(dir string, rng *rand.Rand) error {
	for _, path := range slices.Sorted(maps.Keys(m.files)) {
		x := m.files[path]
		if !x.named && (rng == nil || rng.IntN(2) == 0) {
			continue
		}
		content := slices.Clone(x.safe)
		if rng != nil {
			for _, i := range rng.Perm(len(x.pending)) {
				if rng.IntN(2) == 0 {
					content = torn(rng, content, x.pending[i](slices.Clone(content)))
				}
			}
		}
		to := filepath.Join(dir, strings.TrimPrefix(path, m.dir))
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(to, content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// torn is before with some of its sectors as after.
func torn(rng *rand.Rand, before, after []byte) []byte {
	if rng.IntN(3) > 0 || len(after) < len(before) {
		return after
	}
	const sector = 512
	before = resize(before, len(after))
	for at := 0; at < len(after); at += sector {
		if end := min(at+sector, len(after)); rng.IntN(2) == 0 {
			copy(before[at:end], after[at:end])
		}
	}
	return before
}

func unquote(call string) []byte {
	q := quoted.FindStringSubmatch(call)
	if q == nil {
		return nil
	}
	return unhexed(q[1])
}

func unhexed(s string) []byte {
	b := make([]byte, 0, len(s)/4)
	for i := 0; i+3 < len(s); i += 4 {
		n, _ := strconv.ParseUint(s[i+2:i+4], 16, 8)
		b = append(b, byte(n))
	}
	return b
}
