package enginetest

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
)

// Own is an engine of one test, which may kill it. It ends with the test.
type Own struct {
	URL string // stays the same whenever it is started

	t         testing.TB
	engine    *engine
	run       string
	port, dir string
	cmd       *exec.Cmd
	done      chan struct{}
}

// OwnElasticsearch starts an Elasticsearch for a test alone.
func OwnElasticsearch(t testing.TB) (*Own, Index) {
	t.Helper()
	o := own(t, &elasticsearch)
	return o, Index{URL: o.URL, Prefix: "own-"}
}

// OwnS3 starts an S3 server for a test alone, with a bucket.
func OwnS3(t testing.TB) (*Own, Bucket) {
	t.Helper()
	e, err := s3Engine()
	if err != nil {
		t.Fatal(err)
	}
	o := own(t, e)
	b, _ := makeBucket(t, e.name, o.URL, minio.MakeBucketOptions{})
	return o, b
}

func own(t testing.TB, e *engine) *Own {
	t.Helper()
	o := &Own{t: t, engine: e, dir: t.TempDir()}
	var err error
	if o.run, err = e.build(); err != nil {
		t.Fatal(err)
	}
	if o.port, err = freePort(); err != nil {
		t.Fatal(err)
	}
	o.URL = "http://127.0.0.1:" + o.port
	t.Cleanup(func() {
		if o.cmd != nil {
			o.Kill()
		}
	})
	o.Start()
	return o
}

// Start starts the engine on what it has stored, and waits until it can be used.
func (o *Own) Start() {
	o.t.Helper()
	log, err := os.OpenFile(filepath.Join(o.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		o.t.Fatal(err)
	}
	defer log.Close()
	o.cmd = exec.Command(o.run, o.port, filepath.Join(o.dir, "data"))
	// Short-lived: half the heap, and a start that is not slowed by what pays later.
	o.cmd.Env = append(os.Environ(), "ES_HEAP=512m", "ES_JAVA_OPTS=-XX:TieredStopAtLevel=1")
	o.cmd.Stdout, o.cmd.Stderr = log, log
	o.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := o.cmd.Start(); err != nil {
		o.t.Fatal(err)
	}
	o.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		_ = cmd.Wait()
		close(done)
	}(o.cmd, o.done)
	for begun := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		err := o.engine.ready(o.URL)
		if err == nil {
			return
		}
		select {
		case <-o.done:
			o.t.Fatalf("%s ended instead of starting:\n%s", o.engine.name, tail(log.Name()))
		default:
		}
		if time.Since(begun) > patience {
			o.t.Fatalf("%s is not ready within %s: %v\n%s", o.engine.name, patience, err, tail(log.Name()))
		}
	}
}

// Freeze lets the engine stand still: connections are taken and nothing is answered.
func (o *Own) Freeze() { o.signal(syscall.SIGSTOP) }

// Thaw lets it go on.
func (o *Own) Thaw() { o.signal(syscall.SIGCONT) }

func (o *Own) signal(sig syscall.Signal) {
	o.t.Helper()
	if err := syscall.Kill(-o.cmd.Process.Pid, sig); err != nil {
		o.t.Fatal(err)
	}
}

// Kill ends the engine with SIGKILL, at whatever it does.
func (o *Own) Kill() {
	_ = syscall.Kill(-o.cmd.Process.Pid, syscall.SIGKILL)
	<-o.done
	o.cmd = nil
}
