package subscription

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"samdok/access"
	"samdok/metadata"
	"samdok/storage"
)

var (
	id   = metadata.UUID{0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x47, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0x00}
	at   = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	some = Subscription{
		ID: id, Created: at, Ends: at.Add(time.Hour), Topic: metadata.TopicMinimalDocument, Consumer: "https://a.example.no/x",
		Filter: metadata.EventFilter{Patient: "1^^^&1.2&ISO", Documents: &metadata.DocumentFilter{TypeCode: metadata.AnyOf[metadata.CodeRef]{{Value: "a", Scheme: "b"}}}},
		Caller: access.Caller{Subject: "dr", Organisation: "983975267", Loopback: true},
	}
)

// What was written by the first version is read for ever.
const begunV1 = `{"ID":"urn:uuid:11223344-5566-4788-99aa-bbccddeeff00","Created":"2026-11-22T10:00:00Z","Ends":"2026-11-22T11:00:00Z","Topic":"ihe:MinimalDocumentEntry",` +
	`"Filter":{"Patient":"1^^^\u00261.2\u0026ISO","Documents":{"TypeCode":[{"Value":"a","Scheme":"b"}]}},"Consumer":"https://a.example.no/x","Caller":{"Subject":"dr","Organisation":"983975267","Loopback":true}}`

func TestFirstVersionIsRead(t *testing.T) {
	var s Subscription
	if err := s.apply(&storage.Event{Kind: storage.EventSubscribed, Body: append([]byte{1, 1}, begunV1...)}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(some, s); d != "" {
		t.Error(d)
	}
	if err := s.apply(&storage.Event{Kind: storage.EventSubscribed, Body: []byte{1, 2, 0, 0, 0, 0, 0x6a, 0, 0, 0}}); err != nil || s.Ends.Unix() != 0x6a000000 {
		t.Error(err, s.Ends)
	}
	if err := s.apply(&storage.Event{Kind: storage.EventUnsubscribed, Body: []byte{1, 3}}); err != nil || !s.Ended || s.Live(at) {
		t.Error(err, s)
	}
	list, err := hex.DecodeString("0104" + "112233445566478899aabbccddeeff00" + "000000006a000000")
	if err != nil {
		t.Fatal(err)
	}
	if all, err := decodeList(list); err != nil || len(all) != 1 || all[0] != (member{id, 0x6a000000}) || string(encodeList(all)) != string(list) {
		t.Error(all, err)
	}
	n, err := DecodeNotice([]byte("\x01\x0ca.example.no" + `{"Subscription":"urn:uuid:11223344-5566-4788-99aa-bbccddeeff00","Objects":["urn:uuid:x"],"Gone":true}`))
	if err != nil || n.Subscription != id || len(n.Objects) != 1 || !n.Gone {
		t.Error(n, err)
	}
}

func TestWrittenAndRead(t *testing.T) {
	body, err := encode(&some)
	if err != nil {
		t.Fatal(err)
	}
	var s Subscription
	if err := s.apply(&storage.Event{Kind: storage.EventSubscribed, Body: body}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(some, s); d != "" {
		t.Error(d)
	}
	want := Notice{Subscription: id, Published: []metadata.Object{&metadata.DocumentEntry{UniqueID: "1"}, &metadata.SubmissionSet{UniqueID: "2"}, &metadata.Folder{UniqueID: "3"}}, Producer: "p"}
	b, err := encodeNotice(&want, "https://A.example.no:8443/x?y")
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeNotice(b)
	if d := cmp.Diff(want, got); err != nil || d != "" || Destination(b) != "a.example.no:8443" {
		t.Error(err, d, Destination(b))
	}
}

// What cannot be read is an error that names no content.
func TestDamaged(t *testing.T) {
	for _, body := range []string{"", "\x01", "\x02\x01{}", "\x01\x09", "\x01\x01{", "\x01\x01{}", "\x01\x02\x00"} {
		var s Subscription
		if err := s.apply(&storage.Event{Kind: storage.EventSubscribed, Body: []byte(body)}); err == nil {
			t.Errorf("%q is taken", body)
		}
	}
	for _, body := range []string{"", "\x01", "\x01\x04abc", "\x01\x01"} {
		if _, err := decodeList([]byte(body)); err == nil {
			t.Errorf("the list %q is taken", body)
		}
	}
	for _, body := range []string{"", "\x01", "\x01\x05ab", "\x02\x00{}", "\x01\x00{}", "\x01\x00secret"} {
		if _, err := DecodeNotice([]byte(body)); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("the letter %q: %v", body, err)
		}
	}
}

// The same event and subscription make the same letter; others make others.
func TestLetterIDs(t *testing.T) {
	one := letterID(id, some.ID, "")
	if one != letterID(id, some.ID, "") || one == letterID(id, some.ID, "x") || one == letterID(metadata.UUID{1}, some.ID, "") || one == letterID(id, metadata.UUID{1}, "") {
		t.Error("ids of letters")
	}
}
