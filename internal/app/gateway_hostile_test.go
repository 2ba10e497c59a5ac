package app

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"samdok/metadata"
	"samdok/metadata/ebrim"
	"samdok/metadata/metadatatest"
	"samdok/soap/xds"
)

// enemy is one hostile community's request in hand.
type enemy struct {
	w            http.ResponseWriter
	r            *http.Request
	home         string
	id, action   string
	unique, repo string
	entry        string // an ExtrinsicObject, well made
	soapType     string
}

var (
	messageID = regexp.MustCompile(`MessageID[^>]*>([^<]*)<`)
	actionOf  = regexp.MustCompile(`Action[^>]*>([^<]*)<`)
	uniqueOf  = regexp.MustCompile(`DocumentUniqueId>([^<]*)<`)
	repoOf    = regexp.MustCompile(`RepositoryUniqueId>([^<]*)<`)
)

func first(re *regexp.Regexp, s string) string {
	if m := re.FindStringSubmatch(s); m != nil {
		return m[1]
	}
	return ""
}

// envelope is an answer in SOAP.
func (e *enemy) envelope(body string) string {
	return `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing"><s:Header><a:Action s:mustUnderstand="1">` + e.action +
		`Response</a:Action><a:RelatesTo>` + e.id + `</a:RelatesTo></s:Header><s:Body>` + body + `</s:Body></s:Envelope>`
}

// found is an AdhocQueryResponse.
func (e *enemy) found(objects string) string {
	return e.envelope(`<q:AdhocQueryResponse xmlns:q="urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0" status="urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success"><RegistryObjectList xmlns="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0">` +
		objects + `</RegistryObjectList></q:AdhocQueryResponse>`)
}

// document is one DocumentResponse.
func (e *enemy) document(home, unique, cid string) string {
	if home != "" {
		home = "<x:HomeCommunityId>" + home + "</x:HomeCommunityId>"
	}
	return `<x:DocumentResponse>` + home + `<x:RepositoryUniqueId>` + e.repo + `</x:RepositoryUniqueId><x:DocumentUniqueId>` + unique +
		`</x:DocumentUniqueId><x:mimeType>text/plain</x:mimeType><x:Document><xop:Include xmlns:xop="http://www.w3.org/2004/08/xop/include" href="cid:` + cid + `"/></x:Document></x:DocumentResponse>`
}

// packed answers ITI-39; parts are Content-ID, bytes, Content-ID, bytes.
func (e *enemy) packed(documents string, parts ...string) {
	e.w.Header().Set("Content-Type", `multipart/related; type="application/xop+xml"; start="<r@x>"; start-info="application/soap+xml"; boundary=b`)
	io.WriteString(e.w, e.wrapped(documents, parts...)+"--b--\r\n")
}

func (e *enemy) wrapped(documents string, parts ...string) string {
	all := "--b\r\nContent-Type: application/xop+xml; charset=UTF-8; type=\"application/soap+xml\"\r\nContent-ID: <r@x>\r\n\r\n" +
		e.envelope(`<x:RetrieveDocumentSetResponse xmlns:x="urn:ihe:iti:xds-b:2007"><rs:RegistryResponse xmlns:rs="urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0" status="urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success"/>`+documents+`</x:RetrieveDocumentSetResponse>`) + "\r\n"
	for i := 0; i+1 < len(parts); i += 2 {
		all += "--b\r\nContent-Type: text/plain\r\nContent-ID: <" + parts[i] + ">\r\n\r\n" + parts[i+1] + "\r\n"
	}
	return all
}

func (e *enemy) send(body string) {
	e.w.Header().Set("Content-Type", e.soapType)
	io.WriteString(e.w, body)
}

// slowly sends a byte a second.
func (e *enemy) slowly(s string) {
	for i := range s {
		if _, err := io.WriteString(e.w, s[i:i+1]); err != nil {
			return
		}
		e.w.(http.Flusher).Flush()
		select {
		case <-e.r.Context().Done():
			return
		case <-time.After(time.Second):
		}
	}
}

// raw answers bytes of its own making, below HTTP.
func (e *enemy) raw(s string) {
	c, _, err := e.w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	io.WriteString(c, s)
	c.(*net.TCPConn).CloseWrite()
	time.AfterFunc(2*time.Second, func() { c.Close() })
}

func (e *enemy) zipped(s string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.WriteString(z, s)
	z.Close()
	return b.Bytes()
}

// hostiles are communities that attack whoever asks them; each entry says what is told
// of it: codes for a query, and codes for a retrieval of its document ("": it came).
type hostile struct {
	query, retrieve string
	answer          func(*enemy)
}

const (
	gone  = "XDSUnavailableCommunity"
	wrong = "XDSRepositoryError"
)

// either answers a query in one way and a retrieval in another.
func either(query, retrieve func(*enemy)) func(*enemy) {
	return func(e *enemy) {
		if strings.HasSuffix(e.action, "Query") {
			query(e)
		} else {
			retrieve(e)
		}
	}
}

// theirs answers a query well.
func theirs(e *enemy) { e.send(e.found(e.entry)) }

// asBoth is a fault of the transport, the same for both transactions.
func asBoth(answer func(*enemy)) hostile { return hostile{gone, gone, answer} }

func hostiles() map[string]hostile {
	content := "dokument"
	return map[string]hostile{
		"silence":          asBoth(func(e *enemy) { <-e.r.Context().Done() }),
		"a byte a second":  asBoth(func(e *enemy) { e.w.Header().Set("Content-Type", e.soapType); e.slowly(e.found(e.entry)) }),
		"a byte of header": asBoth(func(e *enemy) { e.raw("HTTP/1.1 200 OK\r\nX-A: ") }),
		"endless headers": asBoth(func(e *enemy) {
			e.raw("HTTP/1.1 200 OK\r\n" + strings.Repeat("X-Padding: "+strings.Repeat("a", 1000)+"\r\n", 2000) + "\r\n")
		}),
		"endless 1xx": asBoth(func(e *enemy) { e.raw(strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 5000)) }),
		"HTTP/0.9":    asBoth(func(e *enemy) { e.raw("<s:Envelope/>") }),
		"Content-Length too long": asBoth(func(e *enemy) {
			e.raw(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", e.soapType, 1<<20, strings.TrimSuffix(e.found(e.entry), "</s:Envelope>")))
		}),
		"Content-Length too short": asBoth(func(e *enemy) {
			e.raw(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: 300\r\n\r\n%s", e.soapType, e.found(e.entry)))
		}),
		"two Content-Lengths": asBoth(func(e *enemy) {
			e.raw(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: 3\r\nContent-Length: 5000\r\n\r\n%s", e.soapType, e.found(e.entry)))
		}),
		"a redirect":           asBoth(func(e *enemy) { http.Redirect(e.w, e.r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect) }),
		"a redirect to itself": asBoth(func(e *enemy) { http.Redirect(e.w, e.r, e.r.URL.Path, http.StatusPermanentRedirect) }),
		"202 and nothing":      asBoth(func(e *enemy) { e.w.WriteHeader(http.StatusAccepted) }),
		"204":                  asBoth(func(e *enemy) { e.w.WriteHeader(http.StatusNoContent) }),
		"401": asBoth(func(e *enemy) {
			e.w.Header().Set("WWW-Authenticate", "Basic")
			e.w.WriteHeader(http.StatusUnauthorized)
		}),
		"a gzip bomb": asBoth(func(e *enemy) {
			e.w.Header().Set("Content-Encoding", "gzip")
			e.w.Header().Set("Content-Type", e.soapType)
			e.w.Write(e.zipped(e.found(strings.Repeat(" ", 32<<20))))
		}),
		"a SOAP fault with 200": asBoth(func(e *enemy) {
			e.send(`<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><s:Fault><s:Code><s:Value>s:Receiver</s:Value></s:Code><s:Reason><s:Text xml:lang="en">no</s:Text></s:Reason></s:Fault></s:Body></s:Envelope>`)
		}),
		"another message's answer": asBoth(func(e *enemy) {
			e.id = "urn:uuid:00000000-0000-4000-8000-000000000000"
			e.send(e.found(e.entry))
		}),
		"another action": asBoth(func(e *enemy) { e.action = "urn:ihe:iti:2007:RegisterDocumentSet-b"; e.send(e.found(e.entry)) }),
		"too deep":       asBoth(func(e *enemy) { e.send(e.envelope(strings.Repeat("<a>", 100_000))) }),
		"entities": asBoth(func(e *enemy) {
			e.send(`<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>` + e.envelope("<x>&b;</x>"))
		}),
		"invalid UTF-8":       asBoth(func(e *enemy) { e.send(e.found("\xff\xfe")) }),
		"more behind the end": {"", gone, either(func(e *enemy) { e.send(e.found(e.entry) + "<more/>") }, func(e *enemy) { e.send(e.envelope("<x/>") + "<more/>") })},

		"without home":     {"XDSMissingHomeCommunityId", "", either(func(e *enemy) { e.send(e.found(strings.Replace(e.entry, ` home="`+e.home+`"`, "", 1))) }, func(e *enemy) { e.packed(e.document("", e.unique, "1"), "1", content) })},
		"a neighbour's":    {"XDSUnknownCommunity", wrong, either(func(e *enemy) { e.send(e.found(strings.Replace(e.entry, e.home, "urn:oid:"+regionHome+"1", 1))) }, func(e *enemy) { e.packed(e.document("urn:oid:"+regionHome+"1", e.unique, "1"), "1", content) })},
		"our own":          {"XDSUnknownCommunity", wrong, either(func(e *enemy) { e.send(e.found(strings.Replace(e.entry, e.home, "urn:oid:"+regionHome+"3", 1))) }, func(e *enemy) { e.packed(e.document("urn:oid:"+regionHome+"3", e.unique, "1"), "1", content) })},
		"fewer documents":  {"", wrong, either(theirs, func(e *enemy) { e.packed("") })},
		"another document": {"", wrong, either(theirs, func(e *enemy) { e.packed(e.document(e.home, "1.2.3.4.5", "1"), "1", content) })},
		"more documents": {"", wrong + " and it", either(theirs, func(e *enemy) {
			e.packed(e.document(e.home, e.unique, "1")+e.document(e.home, "1.2.3.4.5", "2"), "1", content, "2", "x")
		})},
		"twice": {"", wrong + " and it", either(theirs, func(e *enemy) {
			e.packed(e.document(e.home, e.unique, "1")+e.document(e.home, e.unique, "2"), "1", content, "2", "other bytes")
		})},
		"a part missing": {"", gone, either(theirs, func(e *enemy) { e.packed(e.document(e.home, e.unique, "1")) })},
		"another part":   {"", gone, either(theirs, func(e *enemy) { e.packed(e.document(e.home, e.unique, "1"), "2", content) })},
		"extra parts":    {"", "", either(theirs, func(e *enemy) { e.packed(e.document(e.home, e.unique, "1"), "0", "x", "1", content, "2", "x") })},
		"cut off": {"", gone, either(theirs, func(e *enemy) {
			e.w.Header().Set("Content-Type", `multipart/related; type="application/xop+xml"; start="<r@x>"; start-info="application/soap+xml"; boundary=b`)
			io.WriteString(e.w, e.wrapped(e.document(e.home, e.unique, "1"), "1", content[:3]))
		})},
		"a slow document": {"", gone, either(theirs, func(e *enemy) {
			e.w.Header().Set("Content-Type", `multipart/related; type="application/xop+xml"; start="<r@x>"; start-info="application/soap+xml"; boundary=b`)
			io.WriteString(e.w, strings.TrimSuffix(e.wrapped(e.document(e.home, e.unique, "1"), "1", ""), "\r\n"))
			e.slowly(strings.Repeat("a", 1000))
		})},
	}
}

// All kinds of hostile communities at once, behind one gateway with a good one: the good
// one's documents and the own ones come in time, and each enemy costs only its own.
func TestHostileCommunities(t *testing.T) {
	patient := metadatatest.New(14).Patient()
	good := newRegion(t, 1, patient)
	all := hostiles()
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	lines := []string{good.line("")}
	home := func(i int) string { return fmt.Sprint("urn:oid:", regionHome, "9.", i) }
	unique := func(i int) string { return fmt.Sprint(regionHome, "9.", i, ".2") }
	repo := func(i int) string { return fmt.Sprint(regionHome, "9.", i, ".1") }
	for i, name := range names {
		d := metadatatest.New(uint64(100+i)).Document(patient, metadatatest.Note).Entry
		d.Home, d.UniqueID, d.RepositoryID, d.PatientID, d.Status = home(i), unique(i), repo(i), patient.CX(), metadata.Approved
		entry := string(ebrim.AppendObject(nil, d))
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			all[name].answer(&enemy{w: w, r: r, home: home(i), id: first(messageID, string(b)), action: first(actionOf, string(b)), unique: first(uniqueOf, string(b)), repo: first(repoOf, string(b)),
				entry: entry, soapType: "application/soap+xml; charset=UTF-8"})
		}))
		t.Cleanup(s.Close)
		// Who answers in some way has time to, on a loaded machine too.
		deadline, stall := "2s", "2s"
		switch {
		case name == "a slow document": // it is read ahead within the deadline
			deadline = "6s"
		case all[name].query != gone:
			deadline, stall = "1m", "1m"
		}
		lines = append(lines, fmt.Sprintf("  - {home: %s, query: '%s', deadline: %s, stall: %s, retries: 0}", home(i), s.URL, deadline, stall))
	}
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	secure.Config.ErrorLog = nil
	t.Cleanup(secure.Close)
	lines = append(lines, fmt.Sprintf("  - {home: %s, query: '%s', deadline: 2s}", home(len(names)), secure.URL))
	national := newRegion(t, 3, patient, "gateway-communities", communitiesFile(t, lines...))
	client := gatewayClient(national.app)
	log.SetOutput(io.Discard) // net/http quotes there what comes unasked; see telemetry.Libraries
	defer log.SetOutput(os.Stderr)

	start := time.Now()
	found := findAll(t, client, patient, metadata.LeafClass)
	if took := time.Since(start); took > 15*time.Second { // 2 s, and room for a loaded machine
		t.Errorf("the query took %v", took)
	}
	told := map[string]string{}
	for _, p := range found.Problems {
		told[p.Location] += string(p.Code)
	}
	came := map[string]bool{}
	for _, o := range found.Objects {
		came[metadata.HomeOf(o)] = true
	}
	if !came["urn:oid:"+regionHome+"1"] || !came["urn:oid:"+regionHome+"3"] {
		t.Errorf("documents of %v", came)
	}
	for i, name := range names {
		if told[home(i)] != all[name].query || came[home(i)] != (all[name].query == "") {
			t.Errorf("%s: told %q, document %v", name, told[home(i)], came[home(i)])
		}
	}
	if told[home(len(names))] != gone {
		t.Errorf("a wrong certificate: %q", told[home(len(names))])
	}
	var wait sync.WaitGroup
	places := make(chan struct{}, 6)
	for i, name := range names {
		places <- struct{}{}
		wait.Go(func() {
			defer func() { <-places }()
			retrieves(t, client, national, good, name, all[name].retrieve, metadata.DocumentRequest{Home: home(i), RepositoryID: repo(i), UniqueID: unique(i)})
		})
	}
	wait.Wait()
}

// retrieves asks for the document of an enemy between two good ones.
func retrieves(t *testing.T, client *xds.Client, national, good *region, name, want string, evil metadata.DocumentRequest) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	of := func(r *region) metadata.DocumentRequest {
		return metadata.DocumentRequest{Home: r.app.Info().HomeCommunityID, RepositoryID: r.app.Info().RepositoryUniqueID, UniqueID: r.entry.UniqueID}
	}
	got := map[string]string{}
	answer, err := client.Retrieve(ctx, []metadata.DocumentRequest{evil, of(good), of(national)}, func(d xds.Document) error {
		b, err := io.ReadAll(d.Body)
		got[d.Request.UniqueID] += string(b)
		return err
	})
	if err != nil || got[good.entry.UniqueID] != string(good.bytes) || got[national.entry.UniqueID] != string(national.bytes) {
		t.Errorf("%s: the others' documents did not come: %v", name, err)
		return
	}
	told := ""
	for _, p := range answer.Problems {
		if strings.Contains(p.Location, evil.UniqueID) {
			told = string(p.Code)
		} else if told == "" {
			told = string(p.Code)
		}
	}
	if got[evil.UniqueID] != "" {
		if told != "" {
			told += " and it"
		}
		if got[evil.UniqueID] != "dokument" {
			t.Errorf("%s: %q came", name, got[evil.UniqueID])
		}
	}
	if want == gone && strings.Contains(name, "part") { // known before the answer begins, so the connection need not break
		if answer, err := client.Retrieve(ctx, []metadata.DocumentRequest{evil}, nil); codes(answer.Problems) != gone+"@"+evil.UniqueID {
			t.Errorf("%s, asked for alone: %+v %v", name, answer, err)
		}
	}
	if told != want {
		t.Errorf("%s: told %q, want %q; %+v", name, told, want, answer.Problems)
	}
}
