package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// process is a program that ends with this one.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string // file of what it says
	done chan error
}

func start(name, dir string, env []string, stdout io.Writer, program string, args ...string) (*process, error) {
	p := &process{name: name, log: filepath.Join(dir, name+".log"), done: make(chan error, 1)}
	f, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer f.Close() // the process has it
	p.cmd = exec.Command(program, args...)
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = io.Writer(f), f
	if stdout != nil {
		p.cmd.Stdout = stdout
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	return p, nil
}

// stop lets it end in order; kill does not.
func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		return nil
	case <-time.After(40 * time.Second):
		p.kill()
		return fmt.Errorf("%s did not end; see %s", p.name, p.log)
	}
}

func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// running tells of a process that ended by itself.
func (p *process) running() error {
	select {
	case err := <-p.done:
		p.done <- err
		b, _ := os.ReadFile(p.log)
		return fmt.Errorf("%s ended (%w): %s", p.name, err, tail(b))
	default:
		return nil
	}
}

func tail(b []byte) string {
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "\n")
}

// engine is Elasticsearch or the S3 server: one that runs already, or one of ours.
type engine struct {
	url string
	*process
}

// engineOf starts a script of interop, unless a variable names one that runs.
func engineOf(ctx context.Context, variable, name, script, dir, health string) (*engine, error) {
	if u := os.Getenv(variable); u != "" {
		return &engine{url: u}, nil
	}
	build := exec.CommandContext(ctx, script, "build")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return nil, fmt.Errorf("%s build: %w", script, err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(ln.Addr().String())
	if err := errors.Join(err, ln.Close()); err != nil {
		return nil, err
	}
	p, err := start(name, dir, nil, nil, script, port, filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	e := &engine{"http://127.0.0.1:" + port, p}
	return e, e.wait(ctx, health)
}

func (e *engine) wait(ctx context.Context, health string) error {
	client := &http.Client{Timeout: 2 * time.Second}
	defer client.CloseIdleConnections()
	for {
		if err := e.running(); err != nil {
			return err
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, e.url+health, nil)
		if err != nil {
			return err
		}
		if a, err := client.Do(r); err == nil {
			_ = a.Body.Close()
			if a.StatusCode < http.StatusInternalServerError {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer at %s; see %s", e.name, e.url, e.log)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (e *engine) end() error {
	if e == nil || e.process == nil {
		return nil
	}
	return e.stop()
}

// node is one samdok.
type node struct {
	name    string
	dir     string
	bin     string
	env     []string
	process *process
	info    atomic.Pointer[info]
	ready   atomic.Bool
}

// info is the part of the line of `samdok serve --json` that is needed here.
type info struct {
	URL                string `json:"url"`
	Internal           string `json:"internal"`
	RepositoryUniqueID string `json:"repository_unique_id"`
}

func (n *node) address() string {
	u, err := url.Parse(n.info.Load().URL)
	if err != nil {
		return ""
	}
	return u.Host
}

// run starts the node and waits until it serves.
func (n *node) run(ctx context.Context) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	n.process, err = start(n.name, n.dir, n.env, w, n.bin, "serve", "--config", "examples/scaled/samdok.yaml", "--json", "--node", n.name,
		"--data", filepath.Join(n.dir, n.name), "--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0", "--log-level", "warn")
	_ = w.Close() // the process has it
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = r.Close() })
	defer stop()
	line, err := bufio.NewReader(r).ReadBytes('\n')
	if err != nil {
		return errors.Join(ctx.Err(), n.process.running(), fmt.Errorf("%s did not start; see %s", n.name, n.process.log))
	}
	var i info
	if err := json.Unmarshal(line, &i); err != nil {
		return err
	}
	n.info.Store(&i)
	return nil
}
