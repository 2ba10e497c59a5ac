package identity

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"samdok/access"
	"samdok/fault"
	"samdok/hl7/hl7v2"
	"samdok/hl7/hl7v3"
	"samdok/metadata"
	"samdok/sharing"
)

const (
	fnr = "2.16.578.1.12.4.1.4.1"
	dnr = "2.16.578.1.12.4.1.4.2"
)

var norway = Authorities{{"FNR", fnr}, {"DNR", dnr}}

// service takes feeds; its other use cases are not expected to be called.
type service struct {
	sharing.Service
	feeds   []sharing.PatientFeed
	callers []access.Caller
	err     error
	panics  bool
}

func (s *service) Feed(_ context.Context, c access.Caller, f sharing.PatientFeed) error {
	if s.panics {
		panic("13916900216")
	}
	s.feeds, s.callers = append(s.feeds, f), append(s.callers, c)
	return s.err
}

func id(oid, value string) metadata.PatientID { return metadata.PatientID{ID: value, Authority: oid} }

func v2(values ...string) (all []hl7v2.Identifier) {
	for _, v := range values { // "id^namespace&oid&type"
		value, authority, _ := strings.Cut(v, "^")
		part := strings.Split(authority+"&&", "&")
		all = append(all, hl7v2.Identifier{ID: value, Authority: hl7v2.HD{Namespace: part[0], Universal: part[1], Type: part[2]}})
	}
	return all
}

func TestWhoseIDs(t *testing.T) {
	for name, c := range map[string]struct {
		a        Authorities
		kind     hl7v2.Kind
		patient  []string
		subsumed []string
		want     []sharing.PatientFeed
	}{
		"by OID":                 {norway, hl7v2.Added, []string{"1^&" + fnr + "&ISO"}, nil, []sharing.PatientFeed{{Kind: sharing.PatientAdded, Patient: id(fnr, "1")}}},
		"by name":                {norway, hl7v2.Added, []string{"1^fnr"}, nil, []sharing.PatientFeed{{Kind: sharing.PatientAdded, Patient: id(fnr, "1")}}},
		"the OID counts":         {norway, hl7v2.Added, []string{"1^FNR&" + dnr + "&ISO"}, nil, []sharing.PatientFeed{{Kind: sharing.PatientAdded, Patient: id(dnr, "1")}}},
		"OID as URN, no type":    {norway, hl7v2.Added, []string{"1^&urn:oid:" + fnr}, nil, []sharing.PatientFeed{{Kind: sharing.PatientAdded, Patient: id(fnr, "1")}}},
		"others passed over":     {norway, hl7v2.Revised, []string{"9^PAS", "8^&1.2.3&ISO", "7^", "6^&" + fnr + "&DNS", "1^DNR"}, nil, []sharing.PatientFeed{{Kind: sharing.PatientRevised, Patient: id(dnr, "1")}}},
		"two of ours":            {norway, hl7v2.Added, []string{"1^FNR", "2^DNR", "1^&" + fnr + "&ISO"}, nil, []sharing.PatientFeed{{Kind: sharing.PatientAdded, Patient: id(fnr, "1")}, {Kind: sharing.PatientAdded, Patient: id(dnr, "2")}}},
		"any authority":          {nil, hl7v2.Added, []string{"9^PAS", "8^&1.2.3&ISO"}, nil, []sharing.PatientFeed{{Kind: sharing.PatientAdded, Patient: id("1.2.3", "8")}}},
		"none of ours":           {norway, hl7v2.Added, []string{"9^PAS"}, nil, nil},
		"no name stands for all": {Authorities{{"", fnr}}, hl7v2.Added, []string{"9^"}, nil, nil},
		"merge":                  {norway, hl7v2.Merged, []string{"1^FNR"}, []string{"2^DNR", "9^PAS", "3^FNR"}, []sharing.PatientFeed{{Kind: sharing.PatientsMerged, Patient: id(fnr, "1"), Subsumed: []metadata.PatientID{id(dnr, "2"), id(fnr, "3")}}}},
		"merge, same authority":  {norway, hl7v2.Merged, []string{"1^FNR", "4^DNR"}, []string{"2^DNR"}, []sharing.PatientFeed{{Kind: sharing.PatientsMerged, Patient: id(dnr, "4"), Subsumed: []metadata.PatientID{id(dnr, "2")}}}},
		"merge of others' ids":   {norway, hl7v2.Merged, []string{"1^FNR"}, []string{"9^PAS"}, nil},
		"merge into another's":   {norway, hl7v2.Merged, []string{"9^PAS"}, []string{"1^FNR"}, nil},
	} {
		for i := range c.want {
			c.want[i].Transaction = "ITI-8"
		}
		got, refusal := c.a.V2(hl7v2.Event{Kind: c.kind, Patient: v2(c.patient...), Subsumed: v2(c.subsumed...)})
		if diff := cmp.Diff(c.want, got); diff != "" || (refusal != nil) != (c.want == nil) || refusal != nil && refusal.V2().Code != hl7v2.UnknownKey {
			t.Errorf("%s: %+v\n%s", name, refusal, diff)
		}
	}
	got, refusal := norway.V3(&hl7v3.Feed{Kind: hl7v3.Merged, Patient: []hl7v3.II{{Root: fnr, Extension: "1"}}, Subsumed: []hl7v3.II{{Root: dnr, Extension: "2"}}})
	want := []sharing.PatientFeed{{Transaction: "ITI-44", Kind: sharing.PatientsMerged, Patient: id(fnr, "1"), Subsumed: []metadata.PatientID{id(dnr, "2")}}}
	if diff := cmp.Diff(want, got); diff != "" || refusal != nil {
		t.Error(diff, refusal)
	}
}

const admit = "MSH|^~\\&|PAS|OUS|||20260102||ADT^A01|m-1|P|2.3.1\rPID|||13916900216^^^FNR\r"

func TestAnswers(t *testing.T) {
	refused := func(k fault.Kind, text string) error { return fault.New(k, "x", fault.RegistryError, "%s", text) }
	for name, c := range map[string]struct {
		message string
		err     error
		panics  bool
		tooLong bool
		want    string // code, error code, part of the text
		feeds   int
	}{
		"taken":          {message: admit, want: "AA||", feeds: 1},
		"not HL7":        {message: "GET /", want: "AR|100|MSH"},
		"not ours":       {message: strings.Replace(admit, "FNR", "XXX", 1), want: "AE|204|patient-authorities"},
		"line end in id": {message: strings.Replace(admit, "13916900216", `1\X0D\2`, 1), want: "AE|102|control"},
		"long id":        {message: strings.Replace(admit, "13916900216", strings.Repeat("9", 257), 1), want: "AE|102|longer"},
		"too long":       {message: admit, tooLong: true, want: "AR|207|mllp.message-bytes"},
		"invalid":        {message: admit, err: refused(fault.Invalid, "bad id"), want: "AE|102|bad id", feeds: 1},
		"unknown":        {message: admit, err: refused(fault.NotFound, "nobody"), want: "AE|204|nobody", feeds: 1},
		"lives on":       {message: admit, err: refused(fault.Conflict, "was merged"), want: "AE|205|was merged", feeds: 1},
		"denied":         {message: admit, err: refused(fault.Denied, "may not"), want: "AE|207|may not", feeds: 1},
		"busy":           {message: admit, err: refused(fault.Busy, "queue is full"), want: "AR|207|again", feeds: 1},
		"broken":         {message: admit, err: errors.New("disk sda1: secret"), want: "AR|207|reference", feeds: 1},
		"canceled":       {message: admit, err: context.Canceled, want: "AR|207|again", feeds: 1},
		"panic":          {message: admit, panics: true, want: "AR|207|reference"},
		"panic, no MSH":  {message: "", panics: true, want: "AR|100|MSH"},
	} {
		var log bytes.Buffer
		svc := &service{err: c.err, panics: c.panics}
		d := &Door{Service: svc, Authorities: norway, Clock: time.Now, Log: slog.New(slog.NewTextHandler(&log, nil))}
		answer := string(d.Answer(t.Context(), access.Caller{Door: "mllp", Remote: "10.0.0.7"}, []byte(c.message), c.tooLong))
		code, rest, _ := strings.Cut(c.want, "|")
		number, text, _ := strings.Cut(rest, "|")
		got, control, said, err := hl7v2.ReadAnswer([]byte(answer))
		wantControl := "m-1"
		if !strings.HasPrefix(c.message, "MSH") {
			wantControl = ""
		}
		if err != nil || got != code || control != wantControl || !strings.Contains(said, text) || number != "" && !strings.Contains(answer, number+"&") && !strings.Contains(answer, "|"+number+"^") {
			t.Errorf("%s: %v\n%q", name, err, answer)
		}
		if len(svc.feeds) != c.feeds {
			t.Errorf("%s: %d feeds", name, len(svc.feeds))
		}
		for _, secret := range []string{"13916900216", "sda1"} {
			if strings.Contains(answer, secret) || secret != "sda1" && strings.Contains(log.String(), secret) {
				t.Errorf("%s: %s is told\n%s\n%s", name, secret, answer, log.String())
			}
		}
		if c.feeds > 0 && (svc.callers[0].MessageID != "m-1" || svc.callers[0].Name != "OUS|PAS" || svc.callers[0].Remote != "10.0.0.7") {
			t.Errorf("%s: %+v", name, svc.callers[0])
		}
	}
}

// A certificate's name is not replaced by what a message claims.
func TestProvenName(t *testing.T) {
	svc := &service{}
	d := &Door{Service: svc, Authorities: norway, Clock: time.Now, Log: slog.New(slog.DiscardHandler)}
	d.Answer(t.Context(), access.Caller{Subject: "CN=pas", Name: "pas"}, []byte(admit), false)
	if svc.callers[0].Name != "pas" || svc.callers[0].Subject != "CN=pas" {
		t.Errorf("%+v", svc.callers[0])
	}
}
