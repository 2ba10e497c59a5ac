package enginetest

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// engine is one that test processes share.
type engine struct {
	name string // of its folder under interop
	// ready tells whether the server at an address can be used.
	ready func(url string) error
	// users stays open, and locked, as long as the process: it keeps the engine
	// running.
	users *os.File
}

//go:embed keep.sh
var keep string

// patience is how long an engine may take to start on a busy machine: 4 minutes were
// seen where 20 programs wanted each core. One that ends instead is told of at once.
const patience = 8 * time.Minute

// share is the address of the running engine, which is started when there is none.
func (e *engine) share() (url string, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("enginetest: %s: %w", e.name, err)
		}
	}()
	run, err := e.build()
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "samdok", "shared", e.name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	if e.users, err = lock(filepath.Join(dir, "users"), syscall.LOCK_SH); err != nil {
		return "", err
	}
	starting, err := lock(filepath.Join(dir, "starting"), syscall.LOCK_EX)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, starting.Close()) }()
	if known, err := os.ReadFile(filepath.Join(dir, "url")); err == nil && e.ready(string(known)) == nil {
		return string(known), nil
	}
	return e.start(run, dir)
}

// build fetches and builds the engine, once a machine, and returns its run script.
func (e *engine) build() (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	run := filepath.Join(root, "interop", e.name, "run")
	if out, err := exec.Command(run, "build").CombinedOutput(); err != nil {
		return "", fmt.Errorf("`%s build`: %w\n%s", run, err, out)
	}
	return run, nil
}

func (e *engine) start(run, dir string) (string, error) {
	port, err := freePort()
	if err != nil {
		return "", err
	}
	return e.startAt(run, dir, port)
}

func (e *engine) startAt(run, dir, port string) (string, error) {
	base := filepath.Join(dir, port)
	// An earlier one may have had the same port.
	if err := os.Remove(base + ".ended"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	log, err := os.Create(base + ".log")
	if err != nil {
		return "", err
	}
	defer log.Close()
	// In a session of its own, the child of nobody: it outlives this process.
	cmd := exec.Command("setsid", "--fork", "bash", "-c", keep, "keep", run, port, dir)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		return "", err
	}
	url := "http://127.0.0.1:" + port
	for begun := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		err := e.ready(url)
		if err == nil {
			break
		}
		if _, gone := os.Stat(base + ".ended"); gone == nil {
			return "", fmt.Errorf("it ended instead of starting:\n%s", tail(base+".log"))
		}
		if time.Since(begun) > patience {
			return "", fmt.Errorf("not ready within %s: %w\n%s", patience, err, tail(base+".log"))
		}
	}
	return url, os.WriteFile(filepath.Join(dir, "url"), []byte(url), 0o600)
}

func lock(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), how)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(err, f.Close())
		}
	}
}

// freePort is one that nobody listens on now.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, errors.Join(err, l.Close())
}

// tail is the end of what an engine wrote.
func tail(path string) []byte {
	b, err := os.ReadFile(path)
	if err != nil {
		return []byte(err.Error())
	}
	lines := bytes.SplitAfter(b, []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-30):], nil)
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("the test does not run in a folder of the module")
		}
		dir = up
	}
}

// call asks an engine over a connection that is not kept, so that no goroutine of
// it is left in the test.
func call(method, url string) ([]byte, error) {
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %s", method, url, res.Status, strings.TrimSpace(string(body)))
	}
	return body, err
}
