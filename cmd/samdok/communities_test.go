package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"samdok/gateway"
)

// An operator is told who is slow, who is left alone since when and until when, and why,
// in both languages.
func TestCommunitiesAreShown(t *testing.T) {
	at := time.Date(2026, 11, 22, 10, 2, 1, 0, time.Local)
	all := []gateway.Status{
		{Home: "urn:oid:1.1", Name: "West", State: "closed", Asked: 5, Answered: 5, Mean: 12340 * time.Microsecond, Longest: 3 * time.Second, LastAnswer: at},
		{Home: "urn:oid:1.2", Name: "North", State: "open", Asked: 9, Failed: 5, Refused: 4, Since: at.Add(time.Second), Until: at.Add(11 * time.Second), FailingSince: at.Add(-time.Minute), LastFailure: at, Problem: gateway.Closed, Reason: "dial tcp"},
		{Home: "urn:oid:1.3", State: "closed", Asked: 1, Failed: 1, FailingSince: at, LastFailure: at, Problem: gateway.Wrong, Reason: "could not be reached, or answered something that is not an answer: the server answered HTTP 503\x1b[2J " + strings.Repeat("long", 100)},
		{Home: "urn:oid:1.4", State: "half-open"},
		{Home: "urn:oid:1.5", State: "closed"},
	}
	for lang, want := range map[string][]string{
		"en": {"answers", "12.3ms", "3s", "left alone", "failing", "on trial", "not met", "Nov 22 10:02:01",
			"North (urn:oid:1.2): last problem Nov 22 10:02:01: nobody listens at its address. No answer since Nov 22 10:01:01. Left alone since Nov 22 10:02:02; asked again from Nov 22 10:02:12.",
			"urn:oid:1.3: last problem Nov 22 10:02:01: what it answered is not an answer (the server answered HTTP 503"},
		"nb": {"svarer", "i fred", "svikter", "på prøve", "ikke møtt",
			"North (urn:oid:1.2): siste problem 22.11. 10:02:01: ingen lytter på adressen. Ikke noe svar siden 22.11. 10:01:01. I fred siden 22.11. 10:02:02; spørres igjen fra 22.11. 10:02:12.",
			"urn:oid:1.3: siste problem 22.11. 10:02:01: det som ble svart, er ikke et svar (the server answered HTTP 503"},
	} {
		var b bytes.Buffer
		if err := (&cli{out: &b, bokmal: lang == "nb"}).showCommunities(all); err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(b.String(), w) {
				t.Errorf("%s: %q is missing in\n%s", lang, w, b.String())
			}
		}
		if strings.Contains(b.String(), "\x1b") || strings.Contains(b.String(), strings.Repeat("long", 50)) {
			t.Errorf("%s: shows what a peer wrote as it is\n%s", lang, b.String())
		}
		c := cli{bokmal: lang == "nb"}
		said := map[string]bool{}
		for _, p := range []gateway.Trouble{gateway.Slow, gateway.Busy, gateway.Stalled, gateway.Unnamed, gateway.Closed, gateway.Certificate, gateway.Unreachable, gateway.Wrong} {
			said[c.problemOf(&gateway.Status{Problem: p})] = true
		}
		if len(said) != 8 {
			t.Errorf("%s: troubles are not told apart: %v", lang, said)
		}
	}
}

// What holds no community leaves the file as it was: a server that uses it would forget all
// communities within seconds.
func TestImportOfNothing(t *testing.T) {
	dir := t.TempDir()
	file, bundle := filepath.Join(dir, "communities.yaml"), filepath.Join(dir, "bundle.json")
	for name, c := range map[string]struct{ from, text, want string }{
		"an empty Bundle":        {bundle, `{"resourceType":"Bundle","entry":[]}`, "nothing is written"},
		"none that can be used":  {bundle, `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Organization","id":"w","name":"West"}}]}`, "nothing is written"},
		"something else in JSON": {bundle, `{}`, "no resourceType"},
		"a web page":             {bundle, "<html>", "line 1: cannot be read as JSON"},
		"another scheme":         {"ftp://x/y", "", "https://"},
	} {
		for path, text := range map[string]string{file: "communities: [kept]\n", bundle: c.text} {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var out, notes bytes.Buffer
		err := (&cli{out: &out, err: &notes, clock: time.Now}).importCommunities(t.Context(), c.from, file, tlsFlags{})
		if b, e := os.ReadFile(file); e != nil || err == nil || !strings.Contains(err.Error(), c.want) || string(b) != "communities: [kept]\n" {
			t.Errorf("%s: %v %v, the file is now %q", name, err, e, b)
		}
	}
}

// A directory's pages are followed wherever it writes them from, to no other server, and not
// for ever.
func TestImportFollowsPages(t *testing.T) {
	var next string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("page") == "2" {
			io.WriteString(w, `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Endpoint","id":"e","status":"active","connectionType":{"code":"ihe-xca"},"address":"https://w.example/xca"}}],"link":[{"relation":"next","url":"`+next+`"}]}`)
			return
		}
		io.WriteString(w, `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Organization","id":"w","name":"West","identifier":[{"value":"urn:oid:1.2.3"}],"endpoint":[{"reference":"Endpoint/e"}]}}],"link":[{"relation":"next","url":"?page=2"}]}`)
	}))
	defer s.Close()
	for name, c := range map[string]struct{ next, want, wrong string }{
		"relative":       {"", "home: urn:oid:1.2.3", ""},
		"a circle":       {s.URL + "/fhir/Organization?page=2", "", "leads back"},
		"another server": {"http://elsewhere.example/", "", "another server"},
	} {
		next = c.next
		var out, notes bytes.Buffer
		err := (&cli{out: &out, err: &notes, clock: time.Now}).importCommunities(t.Context(), s.URL+"/fhir/Organization", "-", tlsFlags{})
		if got := fmt.Sprint(err); (err == nil) != (c.wrong == "") || !strings.Contains(got, c.wrong) || !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: %v\n%s%s", name, err, out.String(), notes.String())
		}
	}
}
