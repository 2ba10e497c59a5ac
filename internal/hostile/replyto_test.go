package hostile

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"samdok/metadata"
	"samdok/soap"
)

// counter counts who comes; nobody may.
func counter(t *testing.T) (srv *httptest.Server, came *atomic.Int64) {
	came = new(atomic.Int64)
	srv = httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { came.Add(1) }))
	t.Cleanup(srv.Close)
	return srv, came
}

// askFor is a harmless query whose answer is to go to an address, written as it is.
func askFor(replyTo string) string {
	body := `<q:AdhocQueryRequest xmlns:q="urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0"><q:ResponseOption returnType="ObjectRef"/><AdhocQuery ` + rim + ` id="` + string(metadata.GetDocumentsID) +
		`"><Slot name="$XDSDocumentEntryUniqueId"><ValueList><Value>('1.2.3')</Value></ValueList></Slot></AdhocQuery></q:AdhocQueryRequest>`
	return strings.Replace(envelope(actionQuery, body), soap.Anonymous, replyTo, 1)
}

// subscribeAt subscribes for an address, written as it is.
func subscribeAt(consumer string) string {
	return envelope("http://docs.oasis-open.org/wsn/bw-2/NotificationProducer/SubscribeRequest", `<n:Subscribe xmlns:n="http://docs.oasis-open.org/wsn/b-2" xmlns:a="http://www.w3.org/2005/08/addressing">`+
		`<n:ConsumerReference><a:Address>`+consumer+`</a:Address></n:ConsumerReference><n:Filter>`+
		`<n:TopicExpression Dialect="http://docs.oasis-open.org/wsn/t-1/TopicExpression/Simple">ihe:FullDocumentEntry</n:TopicExpression>`+
		`<AdhocQuery `+rim+` id="urn:uuid:aa2332d0-f8fe-11e0-be50-0800200c9a66"><Slot name="$XDSDocumentEntryPatientId"><ValueList><Value>'13911699170^^^&amp;2.16.578.1.12.4.1.4.1&amp;ISO'</Value></ValueList></Slot></AdhocQuery>`+
		`</n:Filter></n:Subscribe>`)
}

// Whatever a stranger gives as wsa:ReplyTo, or as the consumer of notifications,
// nothing is sent but to the address on
// the list, and not on from there.
func TestReplyTo(t *testing.T) {
	elsewhere, strayed := counter(t)
	var arrived atomic.Int64
	allowed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived.Add(1)
		if strings.HasSuffix(r.URL.Path, "/redirect") {
			http.Redirect(w, r, elsewhere.URL+"/stolen", http.StatusTemporaryRedirect)
		}
	}))
	t.Cleanup(allowed.Close)
	u, err := url.Parse(allowed.URL)
	if err != nil {
		t.Fatal(err)
	}
	_, other, err := net.SplitHostPort(strings.TrimPrefix(elsewhere.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	w := start(t, "--async-answers", "on", "--dsub-broker", "on", "--outward-allow", allowed.URL+"/answers")
	for name, address := range map[string]string{
		"another port":           elsewhere.URL + "/answers",
		"another host":           "http://localhost:" + u.Port() + "/answers",
		"another host and port":  "http://localhost:" + other + "/answers",
		"short form of the host": "http://127.1:" + u.Port() + "/answers",
		"number as the host":     "http://2130706433:" + u.Port() + "/answers",
		"IPv6":                   "http://[::1]:" + u.Port() + "/answers",
		"mapped IPv6":            "http://[::ffff:127.0.0.1]:" + u.Port() + "/answers",
		"a name for it":          "http://127.0.0.1.nip.invalid:" + u.Port() + "/answers",
		"metadata of a cloud":    "http://169.254.169.254/latest/meta-data",
		"private":                "http://10.0.0.1/answers",
		"another scheme":         "https://" + u.Host + "/answers",
		"file":                   "file:///etc/passwd",
		"file with the host":     "file://" + u.Host + "/answers",
		"gopher":                 "gopher://" + u.Host + "/answers",
		"javascript":             "javascript:alert(1)",
		"no scheme":              "//" + u.Host + "/answers",
		"only a path":            "/answers",
		"user and password":      "http://" + marker + ":" + marker + "@" + u.Host + "/answers",
		"host as the user":       "http://" + u.Host + "@127.0.0.1:" + other + "/answers",
		"another path":           allowed.URL + "/",
		"beginning of the path":  allowed.URL + "/answersandmore",
		"up from the path":       allowed.URL + "/answers/../admin",
		"up, escaped":            allowed.URL + "/answers/%2e%2e/admin",
		"backslash":              "http://127.0.0.1:" + other + `\@` + u.Host + "/answers",
		"fragment":               allowed.URL + "/answers#" + marker,
		"line break inside":      allowed.URL + "/answers&#13;&#10;X-Evil:%201",
		"tab inside":             "http://127.0.0.1&#9;:" + u.Port() + "/answers",
		"not ASCII":              "http://１27.0.0.1:" + u.Port() + "/answers",
		"huge":                   allowed.URL + "/answers/" + strings.Repeat("a", 500_000),
		"two addresses":          allowed.URL + "/answers " + elsewhere.URL,
		"huge port":              "http://127.0.0.1:99999999999/answers",
		"none":                   soap.None,
	} {
		t.Run(name, func(t *testing.T) {
			status, answer := w.post(t, w.Registry, plain, strings.NewReader(askFor(address)))
			if status != 400 || !strings.Contains(answer, "Fault>") || !strings.Contains(answer, "ReplyTo") {
				t.Errorf("HTTP %d: %s", status, short(answer))
			}
			if status, answer := w.post(t, w.Subscription, plain, strings.NewReader(subscribeAt(address))); status < 400 || !strings.Contains(answer, "Fault>") {
				t.Errorf("as a consumer of notifications: HTTP %d: %s", status, short(answer))
			}
		})
	}
	if n := arrived.Load(); n != 0 {
		t.Errorf("%d answers were sent for refused addresses", n)
	}
	for i, path := range []string{"/answers/redirect", "/answers"} {
		if status, answer := w.post(t, w.Registry, plain, strings.NewReader(askFor(allowed.URL+path))); status != 202 || answer != "" {
			t.Errorf("%s: HTTP %d: %s", path, status, short(answer))
		}
		for until := time.Now().Add(time.Minute); arrived.Load() <= int64(i) && time.Now().Before(until); {
			time.Sleep(20 * time.Millisecond)
		}
	}
	if n := arrived.Load(); n < 2 {
		t.Errorf("%d answers were sent, expected both that are allowed", n)
	}
	if status, answer := w.post(t, w.Subscription, plain, strings.NewReader(subscribeAt(allowed.URL+"/answers"))); status != 200 {
		t.Errorf("the allowed consumer: HTTP %d: %s", status, short(answer))
	}
	if n := strayed.Load(); n != 0 {
		t.Errorf("%d answers were sent elsewhere", n)
	}
	w.normal(t)
	w.end(t)
}
