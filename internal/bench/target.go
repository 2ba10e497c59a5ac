package bench

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// Target is one server under load.
type Target struct {
	Name string
	// URL is the server's base ("http://host:port", samdok's fixed endpoints are
	// added) or a pattern in which {iti} stands for iti18, iti41, iti42 or iti43.
	URL string
	// MLLP is HOST:PORT for HL7 v2; "" when it is not measured.
	MLLP string
	// RepositoryID is the repositoryUniqueId under which documents are asked for.
	RepositoryID string
	// PID is the server's process id for CPU and memory; 0: not measured.
	PID int
}

func (t Target) endpoint(iti int) string {
	if strings.Contains(t.URL, "{iti}") {
		return strings.ReplaceAll(t.URL, "{iti}", fmt.Sprintf("iti%d", iti))
	}
	base := strings.TrimRight(t.URL, "/")
	switch iti {
	case 41, 43:
		return base + "/services/repository"
	case 44:
		return base + "/services/patient-identity"
	}
	return base + "/services/registry"
}

// cpu is the CPU time that the process has used, user and system.
func (t Target) cpu() (time.Duration, error) {
	if t.PID == 0 {
		return 0, nil
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", t.PID))
	if err != nil {
		return 0, fmt.Errorf("read the CPU time of process %d (is --server-pid right?): %w", t.PID, err)
	}
	// The command name may hold blanks: fields start after its closing bracket.
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("process %d: /proc stat has %d fields", t.PID, len(fields))
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	sys, err2 := strconv.ParseInt(fields[12], 10, 64)
	if err1 != nil || err2 != nil {
		return 0, fmt.Errorf("process %d: /proc stat is not as expected", t.PID)
	}
	const tick = time.Second / 100 // USER_HZ is 100 on every Linux that Go supports
	return time.Duration(user+sys) * tick, nil
}

// rss is the resident memory of the process in bytes.
func (t Target) rss() int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", t.PID))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// client keeps one connection per worker open.
func client(workers int, secure *tls.Config) *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig:     secure,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		MaxIdleConns:        workers * 2,
		MaxIdleConnsPerHost: workers * 2,
		WriteBufferSize:     64 << 10,
		ReadBufferSize:      64 << 10,
		DisableCompression:  true,
	}}
}
