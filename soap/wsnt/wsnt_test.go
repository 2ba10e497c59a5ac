package wsnt

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"samdok/internal/xmlscan"
	"samdok/metadata"
	"samdok/metadata/ebrim"
	"samdok/metadata/metadatatest"
)

var now = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// asked is a Subscribe with parts that a test can change.
type asked struct{ consumer, topic, query, rest string }

func (a asked) xml() []byte {
	return []byte(`<w:Subscribe xmlns:w="` + NS + `" xmlns:a="http://www.w3.org/2005/08/addressing" xmlns:rim="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">` +
		a.consumer + `<w:Filter>` + a.topic + a.query + `</w:Filter>` + a.rest + `</w:Subscribe>`)
}

func slot(name, value string) string {
	return `<rim:Slot name="` + name + `"><rim:ValueList><rim:Value>` + value + `</rim:Value></rim:ValueList></rim:Slot>`
}

func query(id metadata.ID, slots ...string) string {
	return `<rim:AdhocQuery id="` + string(id) + `">` + strings.Join(slots, "") + `</rim:AdhocQuery>`
}

func topic(t string) string {
	return `<w:TopicExpression Dialect="` + SimpleDialect + `">` + t + `</w:TopicExpression>`
}

var patient = slot("$XDSDocumentEntryPatientId", "'st3498702^^^&amp;1.3.6.1.4.1.21367.2005.3.7&amp;ISO'")

func usual() asked {
	return asked{
		consumer: `<w:ConsumerReference><a:Address> https://recipient.example.org/xdsBnotification </a:Address></w:ConsumerReference>`,
		topic:    topic("ihe:MinimalDocumentEntry"),
		query:    query(metadata.DocumentEventsID, patient, slot("$XDSDocumentEntryHealthcareFacilityTypeCode", "('Emergency^^scheme')")),
		rest:     `<w:InitialTerminationTime>2030-05-31T00:00:00.00000Z</w:InitialTerminationTime>`,
	}
}

func decode(b []byte) (Subscribe, error) {
	sc := xmlscan.New(b, xmlscan.Limits{})
	if _, err := sc.Next(); err != nil {
		return Subscribe{}, err
	}
	return DecodeSubscribe(sc, ebrim.Limits{})
}

func TestSubscribe(t *testing.T) {
	s, err := decode(usual().xml())
	if err != nil {
		t.Fatal(err)
	}
	want := Subscribe{
		Consumer: "https://recipient.example.org/xdsBnotification", Topic: metadata.TopicMinimalDocument,
		Filter: metadata.EventFilter{Patient: "st3498702^^^&1.3.6.1.4.1.21367.2005.3.7&ISO",
			Documents: &metadata.DocumentFilter{Facility: metadata.AnyOf[metadata.CodeRef]{{Value: "Emergency", Scheme: "scheme"}}}},
		Until: When{At: time.Date(2030, 5, 31, 0, 0, 0, 0, time.UTC)},
	}
	if d := cmp.Diff(want, s, cmp.AllowUnexported(When{})); d != "" {
		t.Error(d)
	}
}

// Every fault that ITI TF-2 3.52.4.1.3 and WS-BaseNotification name for what a
// subscriber can get wrong.
func TestFaults(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*asked)
		want   string
	}{
		"no consumer": {func(a *asked) { a.consumer = "" }, CreationFailed},
		"reference parameters": {func(a *asked) {
			a.consumer = `<w:ConsumerReference><a:Address>http://x</a:Address><a:ReferenceParameters><x/></a:ReferenceParameters></w:ConsumerReference>`
		}, CreationFailed},
		"no topic":      {func(a *asked) { a.topic = "" }, InvalidFilter},
		"two topics":    {func(a *asked) { a.topic += a.topic }, InvalidFilter},
		"dialect":       {func(a *asked) { a.topic = strings.Replace(a.topic, "Simple", "Full", 1) }, DialectUnknown},
		"no dialect":    {func(a *asked) { a.topic = "<w:TopicExpression>ihe:FullDocumentEntry</w:TopicExpression>" }, DialectUnknown},
		"not a name":    {func(a *asked) { a.topic = topic("ihe:Full//*") }, InvalidTopic},
		"unknown topic": {func(a *asked) { a.topic = topic("ihe:Everything") }, TopicNotSupported},
		"no query":      {func(a *asked) { a.query = "" }, InvalidFilter},
		"unknown query": {func(a *asked) { a.query = query(metadata.FindDocumentsID, patient) }, InvalidFilter},
		"no patient":    {func(a *asked) { a.query = query(metadata.DocumentEventsID) }, InvalidFilter},
		"unknown parameter": {func(a *asked) {
			a.query = query(metadata.DocumentEventsID, patient, slot("$XDSDocumentEntryTitle", "'x'"))
		}, InvalidFilter},
		"a code without scheme": {func(a *asked) {
			a.query = query(metadata.DocumentEventsID, patient, slot("$XDSDocumentEntryClassCode", "('x')"))
		}, InvalidFilter},
		"everything of everybody": {func(a *asked) { a.query = query(metadata.AnyDocumentEventsID) }, InvalidFilter},
		"topic of another class":  {func(a *asked) { a.topic = topic("ihe:SubmissionSetMetadata") }, InvalidFilter},
		"another filter":          {func(a *asked) { a.query += `<w:MessageContent Dialect="x">true()</w:MessageContent>` }, InvalidFilter},
		"not a time":              {func(a *asked) { a.rest = `<w:InitialTerminationTime>soon</w:InitialTerminationTime>` }, UnacceptableInitialTime},
		"raw":                     {func(a *asked) { a.rest = `<w:SubscriptionPolicy><w:UseRaw/></w:SubscriptionPolicy>` }, UnsupportedPolicy},
		"policy":                  {func(a *asked) { a.rest = `<w:SubscriptionPolicy><x/></w:SubscriptionPolicy>` }, UnrecognizedPolicy},
	} {
		t.Run(name, func(t *testing.T) {
			a := usual()
			c.change(&a)
			_, err := decode(a.xml())
			var e *Error
			if !errors.As(err, &e) || e.Name != c.want {
				t.Fatalf("%v, want %s", err, c.want)
			}
			f := e.Fault(now)
			if !strings.Contains(string(f.Detail), ":"+c.want+" ") || f.Action != faultAction || f.Norsk == "" {
				t.Errorf("%s", f.Detail)
			}
			sc := xmlscan.New(f.Detail, xmlscan.Limits{})
			for k := xmlscan.Start; k != xmlscan.EOF; {
				var err error
				if k, err = sc.Next(); err != nil {
					t.Fatalf("%v in %s", err, f.Detail)
				}
			}
		})
	}
}

func TestWhen(t *testing.T) {
	for text, want := range map[string]time.Time{
		"2030-01-31T12:00:00Z":      time.Date(2030, 1, 31, 12, 0, 0, 0, time.UTC),
		"2030-01-31T12:00:00+01:00": time.Date(2030, 1, 31, 11, 0, 0, 0, time.UTC),
		"2030-01-31T12:00:00":       time.Date(2030, 1, 31, 12, 0, 0, 0, time.UTC),
		"P1Y2M3DT4H5M6.5S":          now.AddDate(0, 14, 0).Add(76*time.Hour + 5*time.Minute + 6500*time.Millisecond),
		"PT36H":                     now.Add(36 * time.Hour),
		"P30D":                      now.AddDate(0, 0, 30),
	} {
		w, ok := parseWhen(text)
		if !ok || !w.From(now).Equal(want) || w.IsZero() {
			t.Errorf("%s: %v, want %v", text, w.From(now), want)
		}
	}
	for _, bad := range []string{"", "P", "PT", "P1", "-P1D", "P1H", "PT1D", "P1.5D", "P999999999999Y", "PT99999999999999S", "2030-01-31", "tomorrow", "P1D1Y", "PT.S"} {
		if w, ok := parseWhen(bad); ok {
			t.Errorf("%s is taken for %v", bad, w)
		}
	}
}

func TestNotifyRoundTrip(t *testing.T) {
	g := metadatatest.New(1)
	p := g.Patient()
	sub := g.Metadata(p, 2)
	for _, e := range sub.Entries {
		e.Status = metadata.Approved
	}
	for _, topic := range []metadata.Topic{metadata.TopicFullDocument, metadata.TopicMinimalDocument} {
		n := Notification{Reference: "http://broker/?id=1", Topic: topic, Producer: "urn:oid:1.2", Objects: []metadata.Object{sub.Entries[0], sub.Entries[1]}}
		b := []byte(`<x xmlns:wsa="http://www.w3.org/2005/08/addressing">` + string(AppendNotify(nil, &n)) + `</x>`)
		sc := xmlscan.New(b, xmlscan.Limits{})
		for !sc.Is(xmlscan.WSNT, "Notify") {
			if _, err := sc.Next(); err != nil {
				t.Fatal(err)
			}
		}
		got, err := DecodeNotify(sc, ebrim.Limits{})
		if err != nil || len(got) != 1 {
			t.Fatal(err, got)
		}
		if got[0].Reference != n.Reference || got[0].Topic != topic || got[0].Producer != n.Producer || got[0].Defects != 0 {
			t.Errorf("%+v", got[0])
		}
		if topic.Minimal() {
			if len(got[0].Objects) != 0 || len(got[0].Refs) != 2 || got[0].Refs[1].ID != sub.Entries[1].ID {
				t.Errorf("%+v", got[0])
			}
		} else if len(got[0].Objects) != 2 || got[0].Objects[1].(*metadata.DocumentEntry).UniqueID != sub.Entries[1].UniqueID {
			t.Errorf("%+v", got[0])
		}
	}
}

// FuzzMessages: whatever a stranger sends ends in a value or an error, and a
// subscription that is understood is the same when written and read again.
func FuzzMessages(f *testing.F) {
	f.Add(usual().xml())
	a := usual()
	a.topic, a.query = topic("ihe:FolderMetadata"), query(metadata.FolderEventsID, slot("$XDSFolderPatientId", "'a^^^&amp;1.2&amp;ISO'"), slot("$XDSFolderUniqueId", "('1.2.3')"), slot("$XDSFolderCodeList", "('a^^b')"))
	f.Add(a.xml())
	a.topic, a.query = topic("ihe:SubmissionSetMetadata"), query(metadata.AnySubmissionSetEventsID, slot("$XDSSubmissionSetIntendedRecipient", "('|Welby%')"), slot("$XDSSubmissionSetAuthor", "('x%')"))
	a.rest = `<w:InitialTerminationTime>P1M</w:InitialTerminationTime>`
	f.Add(a.xml())
	a = usual()
	a.query = query(metadata.AnyDocumentEventsID, slot("$XDSDocumentEntryTypeCode", "('a^^b')"))
	f.Add(a.xml())
	g := metadatatest.New(1)
	sub := g.Metadata(g.Patient(), 1)
	f.Add(AppendNotify(nil, &Notification{Topic: metadata.TopicFullDocument, Objects: []metadata.Object{sub.Entries[0], &sub.Set}}))
	f.Add([]byte(`<w:Renew xmlns:w="` + NS + `"><w:TerminationTime>PT1H</w:TerminationTime></w:Renew>`))
	f.Add(AppendSubscribeResponse(nil, Granted{Reference: "x", Ends: now, Now: now}))
	f.Fuzz(func(t *testing.T, b []byte) {
		sc := xmlscan.New(b, xmlscan.Limits{})
		if _, err := sc.Next(); err != nil {
			return
		}
		switch string(sc.Local()) {
		case "Notify":
			if all, err := DecodeNotify(sc, ebrim.Limits{}); err == nil {
				for i := range all {
					AppendNotify(nil, &all[i])
				}
			}
		case "Renew":
			_, _ = DecodeRenew(sc)
		case "SubscribeResponse":
			_, _ = DecodeGranted(sc)
		default:
			want, err := DecodeSubscribe(sc, ebrim.Limits{})
			if err != nil {
				return
			}
			again := `<x xmlns:wsa="http://www.w3.org/2005/08/addressing">` + string(AppendSubscribe(nil, &want, now)) + `</x>`
			sc := xmlscan.New([]byte(again), xmlscan.Limits{})
			for !sc.Is(xmlscan.WSNT, "Subscribe") {
				if _, err := sc.Next(); err != nil {
					t.Fatalf("%v in %s", err, again)
				}
			}
			got, err := DecodeSubscribe(sc, ebrim.Limits{})
			want.Until, got.Until = When{}, When{}
			if d := cmp.Diff(want, got, cmp.AllowUnexported(When{})); err != nil || d != "" {
				t.Fatalf("%v %s\n%s", err, d, again)
			}
		}
	})
}
