package app

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"samdok/internal/servertest"
	"samdok/metadata"
	"samdok/metadata/ebrim"
	"samdok/metadata/metadatatest"
	"samdok/soap"
	"samdok/soap/xds"
)

const (
	benchDeadline = 300 * time.Millisecond
	benchEntries  = 10
	benchRate     = 20 // queries a second
)

// played answers each query with entries of its own after a delay; a negative one
// answers never. It speaks as little HTTP as it may, so that twenty of them cost the
// machine little: real ones are on others.
func played(b *testing.B, home string, patient metadatatest.Patient, entries int, delay time.Duration) string {
	body := ebrim.AppendQueryResponseHead(nil, ebrim.Success, nil)
	for _, e := range metadatatest.New(7).Metadata(patient, entries).Entries {
		e.ID, e.Home, e.Status = metadata.ID(metadata.NewUUID().String()), home, metadata.Approved
		body = ebrim.AppendObject(body, e)
	}
	body = soap.AppendClose(ebrim.AppendQueryResponseTail(body))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() }) // ends accepting; the gateway ends the connections
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go answerAll(c, body, delay)
		}
	}()
	return "http://" + l.Addr().String()
}

// answerAll answers the queries of one connection until the gateway closes it.
func answerAll(c net.Conn, body []byte, delay time.Duration) {
	defer c.Close()
	in := bufio.NewReaderSize(c, 16<<10)
	for {
		id, err := messageIDOf(in)
		if err != nil {
			return
		}
		if delay < 0 {
			_, _ = in.ReadByte() // until the gateway gives up
			return
		}
		time.Sleep(delay)
		head := soap.AppendOpen(nil, soap.Header{Action: "urn:ihe:iti:2007:CrossGatewayQueryResponse", RelatesTo: id})
		start := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", soap.ContentType, len(head)+len(body))
		if _, err := (&net.Buffers{start, head, body}).WriteTo(c); err != nil {
			return
		}
	}
}

// messageIDOf reads a request of the gateway, which says its length.
func messageIDOf(in *bufio.Reader) (string, error) {
	length := 0
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return "", err
		}
		if value, is := bytes.CutPrefix(line, []byte("Content-Length: ")); is {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return "", err
			}
		}
		if len(bytes.TrimSpace(line)) == 0 {
			break
		}
	}
	request, err := in.Peek(length)
	if err != nil {
		return "", err
	}
	_, rest, _ := bytes.Cut(request, []byte("MessageID>"))
	id, _, is := bytes.Cut(rest, []byte("<"))
	if !is {
		return "", errors.New("a request without a wsa:MessageID")
	}
	known := string(id)
	_, err = in.Discard(length)
	return known, err
}

// fanOut is a gateway of its own process in front of played communities.
func fanOut(b *testing.B, patient metadatatest.Patient, entries int, deadline time.Duration, delays []time.Duration) *servertest.Server {
	file := "communities:\n"
	for i, d := range delays {
		home := fmt.Sprintf("urn:oid:2.25.8%03d", i)
		file += fmt.Sprintf("  - {home: %s, query: '%s', deadline: %s, failures: 1000000}\n", home, played(b, home, patient, entries, d), deadline)
	}
	path := filepath.Join(b.TempDir(), "communities.yaml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		b.Fatal(err)
	}
	return servertest.Start(b, b.TempDir(), "--gateway-communities", path, "--profiling", "on")
}

// cpuOf is the processor time of a process so far.
func cpuOf(b *testing.B, pid int) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	f := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	user, err1 := strconv.Atoi(f[11])
	system, err2 := strconv.Atoi(f[12])
	if err1 != nil || err2 != nil {
		b.Fatal(err1, err2)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

// peakOf is the largest resident memory of a process so far, in octets.
func peakOf(b *testing.B, pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return kib << 10
}

// ask sends queries at the rate for a while and reports the latencies and the gateway's
// processor time for each answer of a community.
func (r *fanning) ask(b *testing.B, answering int) {
	one := func() (time.Duration, int) {
		took, count, err := r.find()
		if err != nil {
			b.Error(err)
		}
		return took, count
	}
	for range 40 { // connections, caches
		one()
	}
	var wait sync.WaitGroup
	var mu sync.Mutex
	var took []time.Duration
	var objects atomic.Int64
	written := r.server.Profiled(b, max(1, b.N))
	before, ticks := cpuOf(b, r.server.PID), time.NewTicker(time.Second/benchRate)
	defer ticks.Stop()
	b.ResetTimer()
	n := b.N * benchRate
	for range n {
		<-ticks.C
		wait.Go(func() {
			d, count := one()
			objects.Add(int64(count))
			mu.Lock()
			took = append(took, d)
			mu.Unlock()
		})
	}
	wait.Wait()
	b.StopTimer()
	written()
	slices.Sort(took)
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	b.ReportMetric(ms(took[len(took)/2]), "p50-ms")
	b.ReportMetric(ms(took[len(took)*99/100]), "p99-ms")
	b.ReportMetric(float64(cpuOf(b, r.server.PID)-before)/float64(time.Microsecond)/float64(n*answering), "cpu-µs/answer")
	b.ReportMetric(float64(objects.Load())/float64(n), "entries/query")
}

type fanning struct {
	server  *servertest.Server
	query   []byte // an envelope
	answers sync.Pool
}

func newFanning(b *testing.B, entries int, deadline time.Duration, delays []time.Duration) *fanning {
	patient := metadatatest.New(6).Patient()
	s := fanOut(b, patient, entries, deadline, delays)
	q := metadata.StoredQuery{Query: &metadata.FindDocuments{Patient: patient.ID().CX(), Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}, Return: metadata.LeafClass}
	envelope := soap.AppendOpen(nil, soap.Header{Action: "urn:ihe:iti:2007:RegistryStoredQuery", MessageID: metadata.NewUUID().String(), To: s.Gateway, ReplyTo: soap.Anonymous})
	return &fanning{server: s, query: soap.AppendClose(ebrim.AppendQuery(envelope, q))}
}

// find asks and takes the whole answer. It is counted when the clock has stopped, and not
// read as XML, so that the load costs the machine little.
func (r *fanning) find() (took time.Duration, count int, err error) {
	answer, _ := r.answers.Get().(*bytes.Buffer)
	if answer == nil {
		answer = new(bytes.Buffer)
	}
	defer r.answers.Put(answer)
	answer.Reset()
	start := time.Now()
	resp, err := http.Post(r.server.Gateway, soap.ContentType, bytes.NewReader(r.query))
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	if _, err = answer.ReadFrom(resp.Body); err != nil {
		return 0, 0, err
	}
	return time.Since(start), bytes.Count(answer.Bytes(), []byte("<ExtrinsicObject")), nil
}

// BenchmarkGatewayFanOut asks 20 communities, 20 times a second; an iteration is one
// second. Healthy: each answers after 50 ms. Mixed: 5 to 200 ms, and one is silent until
// its deadline of 300 ms.
func BenchmarkGatewayFanOut(b *testing.B) {
	healthy, mixed := make([]time.Duration, 20), make([]time.Duration, 20)
	for i := range healthy {
		healthy[i], mixed[i] = 50*time.Millisecond, time.Duration(5+i*195/18)*time.Millisecond
	}
	mixed[19] = -1
	b.Run("healthy", func(b *testing.B) { newFanning(b, benchEntries, benchDeadline, healthy).ask(b, 20) })
	b.Run("mixed", func(b *testing.B) { newFanning(b, benchEntries, benchDeadline, mixed).ask(b, 19) })
}

// BenchmarkGatewayLarge asks 8 communities that answer some 32 MiB each, and reports by how
// much the gateway's memory grew.
func BenchmarkGatewayLarge(b *testing.B) {
	const communities, entries = 8, 4700
	r := newFanning(b, entries, time.Minute, make([]time.Duration, communities))
	before := peakOf(b, r.server.PID)
	b.ResetTimer()
	for range b.N {
		if _, count, err := r.find(); err != nil || count != communities*entries {
			b.Fatal(count, err)
		}
	}
	b.ReportMetric(float64(peakOf(b, r.server.PID)-before)/(1<<20), "growth-MiB")
}

// BenchmarkGatewayRetrieve streams a document through two gateways, and the same one
// directly. BENCH_MIB is its size, 256 when it is not set.
func BenchmarkGatewayRetrieve(b *testing.B) {
	size := int64(256) << 20
	if v, err := strconv.ParseInt(os.Getenv("BENCH_MIB"), 10, 64); err == nil {
		size = v << 20
	}
	line := func(s *servertest.Server, more string) string {
		path := filepath.Join(b.TempDir(), "communities.yaml")
		if err := os.WriteFile(path, []byte(fmt.Sprintf("communities:\n  - {home: %s, query: '%s'%s}\n", s.HomeCommunityID, s.XCA, more)), 0o600); err != nil {
			b.Fatal(err)
		}
		return path
	}
	far := servertest.Start(b, b.TempDir(), "--gateway-respond", "on")
	middle := servertest.Start(b, b.TempDir(), "--gateway-respond", "on", "--gateway-respond-scope", "communities", "--gateway-communities", line(far, ""))
	near := servertest.Start(b, b.TempDir(), "--gateway-communities", line(middle, ", bridge: true"))

	g := metadatatest.New(77)
	patient := g.Patient()
	d := g.Document(patient, metadatatest.Kinds()[0])
	d.Entry.Hash, d.Entry.Size = "", metadata.Size{}
	direct := xds.NewClient(xds.Options{RepositoryURL: far.Repository})
	attachment := xds.Attachment{EntryID: d.Entry.ID, MimeType: d.Entry.MimeType, Size: size, Open: func() (io.ReadCloser, error) { return io.NopCloser(io.LimitReader(letters{}, size)), nil }}
	if _, err := direct.Provide(context.Background(), g.Submission(patient, d), []xds.Attachment{attachment}); err != nil {
		b.Fatal(err)
	}
	request := []metadata.DocumentRequest{{Home: far.HomeCommunityID, RepositoryID: far.RepositoryUniqueID, UniqueID: d.Entry.UniqueID}}
	open := func(c *xds.Client) (first, whole time.Duration) {
		start := time.Now()
		_, err := c.Retrieve(context.Background(), request, func(doc xds.Document) error {
			if _, err := io.ReadFull(doc.Body, make([]byte, 1)); err != nil {
				return err
			}
			first = time.Since(start)
			n, err := io.Copy(io.Discard, doc.Body)
			if n+1 != size {
				b.Errorf("%d octets", n+1)
			}
			return err
		})
		if err != nil {
			b.Error(err)
		}
		return first, time.Since(start)
	}
	through := xds.NewClient(xds.Options{RepositoryURL: near.Gateway})
	small := []int64{peakOf(b, middle.PID), peakOf(b, near.PID)}
	var first, near2, near0 time.Duration
	cpu := cpuOf(b, middle.PID) + cpuOf(b, near.PID)
	b.ResetTimer()
	for range b.N {
		_, one := open(direct)
		f, two := open(through)
		first, near0, near2 = first+f, near0+one, near2+two
	}
	b.StopTimer()
	mib := float64(size>>20) * float64(b.N)
	b.ReportMetric(float64(cpuOf(b, middle.PID)+cpuOf(b, near.PID)-cpu)/2/float64(time.Millisecond)/(mib/1024), "cpu-ms/GiB")
	b.ReportMetric(mib/near0.Seconds(), "direct-MiB/s")
	b.ReportMetric(mib/near2.Seconds(), "through-MiB/s")
	b.ReportMetric(near0.Seconds()/near2.Seconds(), "ratio")
	b.ReportMetric(float64(first)/float64(time.Millisecond)/float64(b.N), "first-byte-ms")
	b.ReportMetric(float64(peakOf(b, middle.PID)-small[0])/(1<<20), "middle-growth-MiB")
	b.ReportMetric(float64(peakOf(b, near.PID)-small[1])/(1<<20), "near-growth-MiB")
}

// letters reads without end.
type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte('a' + i%26)
	}
	return len(p), nil
}
