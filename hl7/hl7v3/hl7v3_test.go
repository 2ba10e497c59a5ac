package hl7v3

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"samdok/internal/xmlscan"
)

func decode(s string) (*Feed, error) {
	sc := xmlscan.New([]byte(s), xmlscan.Limits{})
	if _, err := sc.Next(); err != nil {
		return nil, err
	}
	return Decode(sc)
}

func wellFormed(t *testing.T, b []byte) {
	t.Helper()
	for d := xml.NewDecoder(strings.NewReader(string(b))); ; {
		if _, err := d.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Fatalf("%v in %s", err, b)
		}
	}
}

func merge() *Feed {
	return &Feed{Kind: Merged, ID: II{"1.2.3", "4&7<"}, Sender: II{"1.9.1", ""}, Receiver: II{"1.9.2", `a"b`}, Time: "20260102030405",
		Patient: []II{{"2.16.578.1.12.4.1.4.1", "13916900216"}, {"1.2.3.4", "x"}}, Subsumed: []II{{"2.16.578.1.12.4.1.4.2", "53916900216"}}}
}

// What is written is read back as it was.
func TestRoundTrip(t *testing.T) {
	for _, k := range []Kind{Added, Revised, Merged} {
		want := merge()
		want.Kind = k
		if k != Merged {
			want.Subsumed = nil
		}
		b := want.Append(nil, "Nord<mann", "Kari & co")
		wellFormed(t, b)
		got, err := decode(string(b))
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("%v %s", err, cmp.Diff(want, got))
		}
	}
}

func TestLenient(t *testing.T) {
	for name, change := range map[string]func(string) string{
		"prefixes": func(s string) string {
			s = strings.ReplaceAll(s, "</", "</h:")
			s = strings.ReplaceAll(strings.ReplaceAll(s, "<", "<h:"), "<h:/h:", "</h:")
			return strings.Replace(s, `xmlns="`, `xmlns:h="`, 1)
		},
		"blanks and comments": func(s string) string { return strings.ReplaceAll(s, "><", ">\n <!-- x -->\t<") },
		"null ids": func(s string) string {
			return strings.Replace(s, `<patient classCode="PAT">`, `<patient classCode="PAT"><id nullFlavor="UNK" root="1.2.9"/>`, 1)
		},
		"further content": func(s string) string {
			return strings.Replace(s, `<statusCode code="active"/><patientPerson`, `<x xmlns="urn:x"><id root="1.1" extension="9"/></x><statusCode/><patientPerson`, 1)
		},
		"other ids": func(s string) string {
			return strings.Replace(s, `</patientPerson>`, `<asOtherIDs classCode="PAT"><id root="1.7" extension="7"/></asOtherIDs></patientPerson>`, 1)
		},
	} {
		got, err := decode(change(string(merge().Append(nil, "a", "b"))))
		if err != nil || !cmp.Equal(got, merge()) {
			t.Errorf("%s: %v %s", name, err, cmp.Diff(merge(), got))
		}
	}
}

func TestRefusals(t *testing.T) {
	whole := string(merge().Append(nil, "a", "b"))
	for name, c := range map[string]struct {
		old, new string
		code     Code
	}{
		"unknown interaction":  {"PRPA_IN201304UV02", "PRPA_IN201305UV02", Unsupported},
		"other interactionId":  {`extension="PRPA_IN201304UV02"`, `extension="PRPA_IN201301UV02"`, SyntaxError},
		"no message id":        {`<id root="1.2.3" extension="4&amp;7&lt;"/>`, ``, ElementMissing},
		"no event":             {"registrationEvent", "registrationRequest", ElementMissing},
		"no patient":           {"<patient ", "<patient xmlns='urn:x' ", ElementMissing},
		"id without root":      {`<id root="1.2.3.4" extension="x"/>`, `<id extension="x"/>`, DataType},
		"id without extension": {`<id root="1.2.3.4" extension="x"/>`, `<id root="1.2.3.4"/>`, DataType},
		"no replacement":       {"replacementOf", "replacedBy", ElementMissing},
		"two replacements":     {`</subject1></priorRegistration></replacementOf>`, `</subject1></priorRegistration></replacementOf><replacementOf><priorRegistration><subject1><priorRegisteredRole/></subject1></priorRegistration></replacementOf>`, ElementMissing},
		"nothing subsumed":     {`<id root="2.16.578.1.12.4.1.4.2" extension="53916900216"/>`, ``, ElementMissing},
		"many ids":             {`<id root="1.2.3.4" extension="x"/>`, strings.Repeat(`<id root="1.2.3.4" extension="x"/>`, 200), DataType},
	} {
		_, err := decode(strings.ReplaceAll(whole, c.old, c.new))
		var e *Error
		if !errors.As(err, &e) || e.Code != c.code || strings.Contains(e.Text, "5391690") {
			t.Errorf("%s: %+v", name, err)
		}
	}
	var x *xmlscan.Error
	if _, err := decode(whole[:len(whole)-40]); !errors.As(err, &x) {
		t.Errorf("cut off: %v", err)
	}
}

func TestAcknowledgement(t *testing.T) {
	for want, e := range map[string]*Error{"CA": nil, "CE": {UnknownKey, "an id & <more>", false}, "CR": {InternalError, "later", true}} {
		b := (&Acknowledgement{ID: II{Root: "u"}, Time: "2026", Sender: II{"1.2", ""}, Target: II{"1.2.3", "4&7"}, Err: e}).Append(nil)
		wellFormed(t, b)
		sc := xmlscan.New(b, xmlscan.Limits{})
		sc.Next()
		code, target, text, err := ReadAcknowledgement(sc)
		if err != nil || code != want || target != (II{"1.2.3", "4&7"}) || e != nil && text != e.Text {
			t.Errorf("%s: %q %v %q %v", want, code, target, text, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, k := range []Kind{Added, Revised, Merged} {
		m := merge()
		m.Kind = k
		f.Add(string(m.Append(nil, "a", "b")))
	}
	f.Add(`<PRPA_IN201301UV02 xmlns="urn:hl7-org:v3"/>`)
	f.Add(`<a/>`)
	f.Add(`<PRPA_IN201304UV02 xmlns="urn:hl7-org:v3"><id root="1"/><interactionId extension="PRPA_IN201304UV02"/><controlActProcess><subject><registrationEvent><subject1><patient><id root="1" extension="2"/></patient></subject1></registrationEvent></subject></controlActProcess></PRPA_IN201304UV02>`)
	f.Fuzz(func(t *testing.T, s string) {
		got, err := decode(s)
		var e *Error
		var x *xmlscan.Error
		switch {
		case errors.As(err, &e):
			if got == nil {
				t.Fatal("nothing to answer to")
			}
		case errors.As(err, &x):
			return
		case err != nil:
			t.Fatalf("an error of another type: %T", err)
		default:
			for _, id := range append(append([]II(nil), got.Patient...), got.Subsumed...) {
				if id.Root == "" || id.Extension == "" {
					t.Fatalf("%+v", got)
				}
			}
			again, err := decode(string(got.Append(nil, "a", "b")))
			if got.Kind != Merged {
				got.Subsumed = nil
			}
			if err != nil || !cmp.Equal(again, got) && !strings.Contains(s, "\uFFFD") {
				t.Fatalf("%v %s", err, cmp.Diff(got, again))
			}
		}
		ack := (&Acknowledgement{ID: II{Root: "u"}, Receiver: got.Sender, Target: got.ID, Err: e}).Append(nil)
		sc := xmlscan.New(ack, xmlscan.Limits{Text: 1 << 24})
		sc.Next()
		if _, _, _, err := ReadAcknowledgement(sc); err != nil {
			t.Fatalf("%v in %s", err, ack)
		}
	})
}
