package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"time"
)

func main() {
	documents := flag.Int("documents", 400, "documents to register")
	clients := flag.Int("clients", 8, "clients that register at the same time")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	defer cancel()
	if err := run(ctx, *documents, *clients); err != nil {
		fmt.Fprintln(os.Stderr, "failed:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, documents, clients int) (err error) {
	dir, err := os.MkdirTemp("", "samdok-scaled-")
	if err != nil {
		return err
	}
	s := &system{dir: dir}
	defer func() {
		err = errors.Join(err, s.end())
		if err == nil {
			err = os.RemoveAll(dir)
		} else {
			fmt.Fprintln(os.Stderr, "what the programs said is in", dir)
		}
	}()
	begin := time.Now()
	if err := s.begin(ctx); err != nil {
		return err
	}
	fmt.Printf("Ready after %s:\n   Elasticsearch  %s\n   S3             %s\n   Balancer       %s\n", time.Since(begin).Round(time.Second), s.elasticsearch.url, s.s3.url, s.balancer.url())
	for _, n := range s.nodes {
		fmt.Printf("   %-13s  %s, ready: %s/readyz\n", n.name, n.info.Load().URL, n.info.Load().Internal)
	}
	fmt.Println()
	return newShow(s, documents, clients).run(ctx)
}

// system is everything that runs.
type system struct {
	dir               string
	elasticsearch, s3 *engine
	nodes             []*node
	balancer          *balancer
	cancel            context.CancelFunc
}

func (s *system) begin(ctx context.Context) (err error) {
	if s.s3, err = engineOf(ctx, "SAMDOK_S3_ENDPOINT", "s3", "interop/versitygw/run", s.dir, "/"); err != nil {
		return err
	}
	if s.elasticsearch, err = engineOf(ctx, "SAMDOK_ELASTICSEARCH_URL", "elasticsearch", "interop/elasticsearch/run", s.dir, "/_cluster/health?wait_for_status=yellow"); err != nil {
		return err
	}
	bin := os.Getenv("SAMDOK_BIN")
	if bin == "" {
		bin = filepath.Join(s.dir, "samdok")
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", bin, "./cmd/samdok").CombinedOutput(); err != nil {
			return fmt.Errorf("go build: %w: %s", err, out)
		}
	}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return err
	}
	master := filepath.Join(s.dir, "master.key")
	if err := os.WriteFile(master, []byte(base64.StdEncoding.EncodeToString(key)), 0o600); err != nil {
		return err
	}
	env := []string{"SAMDOK_ELASTICSEARCH_URL=" + s.elasticsearch.url, "SAMDOK_S3_ENDPOINT=" + s.s3.url, "SAMDOK_MASTER_KEY_FILE=" + master,
		"SAMDOK_S3_ACCESS_KEY=" + cmp.Or(os.Getenv("SAMDOK_S3_ACCESS_KEY"), "samdok"), "SAMDOK_S3_SECRET_KEY=" + cmp.Or(os.Getenv("SAMDOK_S3_SECRET_KEY"), "samdok-secret"),
		"SAMDOK_S3_BUCKET=" + cmp.Or(os.Getenv("SAMDOK_S3_BUCKET"), "samdok-example")}
	watching, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	for _, name := range []string{"node-1", "node-2"} {
		n := &node{name: name, dir: s.dir, bin: bin, env: env}
		s.nodes = append(s.nodes, n)
		if err := n.run(ctx); err != nil {
			return err
		}
		go n.watch(watching)
	}
	s.balancer, err = balance(s.nodes)
	return err
}

// end stops everything, the engines last.
func (s *system) end() error {
	var errs []error
	if s.cancel != nil {
		s.cancel()
	}
	if s.balancer != nil {
		s.balancer.close()
	}
	for _, n := range s.nodes {
		if n.process != nil {
			errs = append(errs, n.process.stop())
		}
	}
	return errors.Join(append(errs, s.elasticsearch.end(), s.s3.end())...)
}
