package hostile

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"samdok/hl7/hl7v2"
	"samdok/hl7/mllp"
)

// adt is a right message about a made-up patient.
func (w *world) adt() string {
	p := w.gen.Patient()
	w.mu.Lock()
	w.secret = append(w.secret, p.FNR)
	w.mu.Unlock()
	id := p.ID()
	return string(hl7v2.ADT{Time: time.Now(), Family: marker, Header: hl7v2.Header{Trigger: "A04", ControlID: "m1", Processing: "P", Version: "2.3.1"},
		Event: hl7v2.Event{Patient: []hl7v2.Identifier{{ID: id.ID, Authority: hl7v2.HD{Universal: id.Authority, Type: "ISO"}}}}}.Append(nil))
}

// fed sends a right message, which is acknowledged at once whatever others do.
func (w *world) fed(t *testing.T) {
	t.Helper()
	begin := time.Now()
	c := w.dialMLLP(t)
	defer c.Close()
	say(c, frame(w.adt()))
	_ = c.(*net.TCPConn).CloseWrite()
	if answer := hear(t, c, time.Minute); !strings.Contains(answer, "MSA|AA|m1") {
		t.Errorf("a normal message: %q", short(answer))
	}
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("a normal message took %v", took)
	}
}

func frame(message string) string { return string(mllp.Append(nil, []byte(message))) }

func (w *world) dialMLLP(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", w.MLLP)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func startMLLP(t *testing.T, args ...string) *world {
	t.Helper()
	return start(t, append([]string{"--mllp-listen", "127.0.0.1:0", "--mllp-stall-timeout", "1s", "--mllp-idle-timeout", "3s"}, args...)...)
}

// TestMLLPMessages: whatever stands in a frame is answered, or its connection is
// closed; nothing is acknowledged that is wrong.
func TestMLLPMessages(t *testing.T) {
	w := startMLLP(t)
	good := w.adt()
	pid := good[strings.Index(good, "PID"):]
	head := good[:strings.Index(good, "PID")]
	for name, c := range map[string]struct{ send, want string }{
		"never-ending":           {"\x0b" + strings.Repeat(good, 50_000), "mllp.message-bytes"},
		"no end block":           {"\x0b" + good, ""},
		"end block only":         {"\x1c\r", ""},
		"empty":                  {frame(""), "MSA|AR"},
		"no MSH":                 {frame(pid), "MSA|AR"},
		"HTTP":                   {"POST /services/registry HTTP/1.1\r\nHost: a\r\n\r\n", ""},
		"TLS":                    {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", ""},
		"binary":                 {frame(random(5_000)), "MSA|AR"},
		"binary behind MSH":      {frame(head + random(5_000)), "MSA|AR|m1"},
		"NUL":                    {frame(strings.Replace(good, marker, "\x00", 1)), "MSA|AR|m1"},
		"frame in a frame":       {frame("\x0b" + good), "MSA|AR"},
		"broken off, then again": {"\x0b" + good[:30] + frame(good), "MSA|AR"},
		"not the encoding said":  {frame(strings.Replace(good, marker, "\xff\xfe", 1)), "MSA|AE|m1"},
		"many segments":          {frame(good + strings.Repeat("ZZZ|\r", 100_000)), "MSA|AR|m1"},
		"many repetitions":       {frame(head + "PID|||" + strings.Repeat("1~", 400_000)), "MSA|AE|m1"},
		"many components":        {frame(head + "PID|||" + strings.Repeat("^", 900_000)), "MSA|AE|m1"},
		"many escapes":           {frame(head + "PID|||" + strings.Repeat(`\X41\`, 150_000) + "^^^&1.2.3&ISO\rZ"), "MSA|AE|m1"},
		"long id":                {frame(head + "PID|||" + strings.Repeat("9", 900_000)), "MSA|AE|m1"},
		"long control id":        {frame(strings.Replace(good, "|m1|", "|"+strings.Repeat("m", 900_000)+"|", 1)), "MSA|AR|mmm"},
		"control id of escapes":  {frame(strings.Replace(good, "|m1|", `|\X0D\MSA\F\AA\X0D\|`, 1) + pid), "MSA|AE|\\X0D\\MSA\\F\\AA\\X0D\\|"},
		"id with line ends":      {frame(head + `PID|||1\X0D\MSH\F\2^^^&1.2.3&ISO` + "\r"), "MSA|AE|m1"},
		"two patients":           {frame(good + pid), "MSA|AE|m1"},
		"merge without survivor": {frame(strings.Replace(head, "A04^ADT_A01", "A40", 1) + "MRG|1^^^&1.2.3&ISO\r"), "MSA|AE|m1"},
		"only delimiters":        {frame("MSH|^~\\&" + strings.Repeat("|", 900_000)), "MSA|AR"},
	} {
		t.Run(name, func(t *testing.T) {
			conn := w.dialMLLP(t)
			go func() {
				say(conn, c.send)
				_ = conn.(*net.TCPConn).CloseWrite()
			}()
			answer := hear(t, conn, time.Minute)
			if !strings.Contains(answer, c.want) || c.want == "" && answer != "" {
				t.Errorf("%q", short(answer))
			}
			if strings.Contains(answer, "\rMSA|AA") {
				t.Errorf("it is acknowledged: %q", short(answer))
			}
			w.fed(t)
		})
	}
	if peak := w.memory(t, "VmHWM"); peak > 400<<20 {
		t.Errorf("%d MiB at most", peak>>20)
	}
	w.normal(t)
	w.calm(t)
	w.end(t)
}

// random are octets that are no end block.
func random(n int) string {
	b := make([]byte, n)
	for i := range b {
		if b[i] = byte(rand.IntN(256)); b[i] == 0x1c {
			b[i] = 0
		}
	}
	return string(b)
}

// TestMLLPSlow: silent, slow and deaf senders, alone and in a crowd, harm nobody
// and are let go.
func TestMLLPSlow(t *testing.T) {
	w := startMLLP(t, "--mllp-connections", "40")
	var group sync.WaitGroup
	attack := func(name string, within time.Duration, send func(net.Conn)) {
		c := w.dialMLLP(t)
		group.Go(func() {
			begin := time.Now()
			go send(c)
			if answer := hear(t, c, within); strings.Contains(answer, "MSA|AA") {
				t.Errorf("%s: %q", name, short(answer))
			}
			if took := time.Since(begin); took > within {
				t.Errorf("%s: let go after %v", name, took)
			}
		})
	}
	good := frame(w.adt())
	attack("silence", 30*time.Second, func(net.Conn) {})
	attack("half a message", 30*time.Second, func(c net.Conn) { say(c, good[:len(good)/2]) })
	attack("one octet in half a second", 40*time.Second, func(c net.Conn) { // whole messages may take ten times the stall timeout
		for i := range len(good) - 3 {
			say(c, good[i:i+1])
			time.Sleep(500 * time.Millisecond)
		}
	})
	deaf := w.dialMLLP(t)
	_ = deaf.(*net.TCPConn).SetReadBuffer(4 << 10)
	go say(deaf, strings.Repeat(good, 20_000)) // ends when the server cuts
	w.fed(t)
	for range 300 { // more than there are places
		w.dialMLLP(t)
	}
	for range 5 {
		w.fed(t)
	}
	group.Wait()
	deaf.Close()
	w.normal(t)
	w.fed(t)
	w.calm(t)
	w.end(t)
}

// TestMLLPCut: a connection that breaks anywhere leaves the server as it was; what
// was answered before is answered right.
func TestMLLPCut(t *testing.T) {
	w := startMLLP(t)
	for i := range 100 {
		c := w.dialMLLP(t)
		message := frame(w.adt()) + frame(w.adt())
		say(c, message[:rand.IntN(len(message))])
		if i%2 == 0 {
			_ = c.(*net.TCPConn).SetLinger(0)
		}
		c.Close()
	}
	many := w.dialMLLP(t)
	var all strings.Builder
	for i := range 500 {
		all.WriteString(frame(strings.Replace(w.adt(), "|m1|", fmt.Sprintf("|n%d|", i), 1)))
	}
	go func() {
		say(many, all.String())
		_ = many.(*net.TCPConn).CloseWrite()
	}()
	answers := strings.Split(hear(t, many, 20*time.Second), "\x1c\r")
	if len(answers) != 501 {
		t.Errorf("%d answers to 500 messages", len(answers)-1)
	}
	for i, a := range answers[:len(answers)-1] {
		if !strings.Contains(a, fmt.Sprintf("MSA|AA|n%d\r", i)) {
			t.Fatalf("answer %d: %q", i, a)
		}
	}
	w.normal(t)
	w.calm(t)
	w.end(t)
}
