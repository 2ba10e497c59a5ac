package hl7v3

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"samdok/discovery"
	"samdok/internal/xmlscan"
	"samdok/metadata"
)

func scan(s string) (*xmlscan.Scanner, error) {
	sc := xmlscan.New([]byte(s), xmlscan.Limits{})
	_, err := sc.Next()
	return sc, err
}

func decodeQuery(s string) (*PatientQuery, error) {
	sc, err := scan(s)
	if err != nil {
		return nil, err
	}
	return DecodePatientQuery(sc)
}

func whole() *PatientQuery {
	return &PatientQuery{ID: II{"1.2.3", "4&7<"}, Sender: II{Root: "1.9.1"}, Receiver: II{"1.9.2", `a"b`}, SenderHome: "1.2.578.1", Time: "20260102030405",
		QueryID: II{"1.2.9", "q"}, Priority: "I", Authority: "1.5.6",
		Query: discovery.Query{Minimum: 80, IDs: []metadata.PatientID{{ID: "13816900216", Authority: "2.16.578.1.12.4.1.4.1"}, {ID: "x", Authority: "1.2"}},
			Person: discovery.Person{Names: []discovery.Name{{Family: "Nord<mann", Given: "Kari & Anne"}, {Family: "Hansen"}}, Gender: "F", Birth: "19800131",
				Addresses: []discovery.Address{{Street: "Gata 1", City: "Oslo", PostCode: "0155", State: "X", Country: "NO"}}, Telecoms: []string{"tel:+4712345678"},
				BirthPlace: "Bodø", MothersMaidenName: "Olsen"}}}
}

func TestPatientQueryRoundTrip(t *testing.T) {
	for _, want := range []*PatientQuery{whole(), {ID: II{Root: "1.2"}, QueryID: II{Root: "1.3"}, Priority: "D"}} {
		b := want.Append(nil)
		wellFormed(t, b)
		got, err := decodeQuery(string(b))
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("%v %s", err, cmp.Diff(want, got))
		}
	}
}

func TestPatientQueryLenient(t *testing.T) {
	text := string(whole().Append(nil))
	for name, c := range map[string]struct{ old, new string }{
		"search name left out": {`<value><given>Kari &amp; Anne</given><family>Nord&lt;mann</family></value>`, `<value use="SRCH"><given>x</given></value><value><given>Kari</given><given>&amp; Anne</given><family>Nord&lt;mann</family></value>`},
		"null id":              {`<livingSubjectId>`, `<livingSubjectId><value nullFlavor="NI"/></livingSubjectId><livingSubjectId>`},
		"birth as interval":    {`<value value="19800131"/>`, `<value><center value="19800131"/></value>`},
		"unknown parameter":    {`<parameterList>`, `<parameterList><principalCareProviderId><value root="1.1" extension="1"/></principalCareProviderId>`},
	} {
		got, err := decodeQuery(strings.Replace(text, c.old, c.new, 1))
		if err != nil || !cmp.Equal(got, whole()) {
			t.Errorf("%s: %v %s", name, err, cmp.Diff(whole(), got))
		}
	}
}

// Times of HL7 v3 have fractions and zones; those of XDS have neither.
func TestBirthTimes(t *testing.T) {
	for sent, want := range map[string]metadata.DTM{"19800131": "19800131", "198001": "198001", "19800131235900+0100": "19800131235900",
		"19800131000000.0000-0500": "19800131000000", "198001310000+01": "198001310000"} {
		q, err := decodeQuery(strings.Replace(string(whole().Append(nil)), `value="19800131"`, `value="`+sent+`"`, 1))
		if err != nil || q.Query.Birth != want {
			t.Errorf("query with %s: %q, %v", sent, q.Query.Birth, err)
		}
		known := discovery.Candidate{ID: metadata.PatientID{ID: "7", Authority: "1.2"}, Person: discovery.Person{Birth: "19800131"}, Home: "urn:oid:1.2.578.2"}
		answer := string((&PatientAnswer{Target: II{"1.2.3", "4"}, Query: &PatientQuery{}, Answer: discovery.Answer{Candidates: []discovery.Candidate{known}}}).Append(nil))
		got, _, err := decodeAnswer(strings.Replace(answer, `value="19800131"`, `value="`+sent+`"`, 1))
		if err != nil || len(got.Candidates) != 1 || got.Candidates[0].Person.Birth != want {
			t.Errorf("answer with %s: %+v, %v", sent, got, err)
		}
	}
}

func TestPatientQueryRefusals(t *testing.T) {
	text := string(whole().Append(nil))
	for name, c := range map[string]struct {
		old, new string
		code     Code
	}{
		"no id":           {`<id root="1.2.3" extension="4&amp;7&lt;"/>`, ``, ElementMissing},
		"no query id":     {`<queryId root="1.2.9" extension="q"/>`, ``, ElementMissing},
		"id without root": {`<value root="1.2" extension="x"/>`, `<value extension="x"/>`, DataType},
		"id is no OID":    {`<value root="1.2" extension="x"/>`, `<value root="urn:x" extension="x"/>`, DataType},
		"no birth time":   {`value="19800131"`, `value="soon"`, DataType},
		"many names":      {`<livingSubjectName>`, strings.Repeat(`<livingSubjectName><value/></livingSubjectName>`, 300) + `<livingSubjectName>`, DataType},
	} {
		got, err := decodeQuery(strings.Replace(text, c.old, c.new, 1))
		var e *Error
		if !errors.As(err, &e) || e.Code != c.code || got == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func decodeAnswer(s string) (discovery.Answer, II, error) {
	sc, err := scan(s)
	if err != nil {
		return discovery.Answer{}, II{}, err
	}
	return DecodePatientAnswer(sc)
}

func TestPatientAnswerRoundTrip(t *testing.T) {
	one := discovery.Candidate{ID: metadata.PatientID{ID: "7&", Authority: "1.2"}, Others: []metadata.PatientID{{ID: "8", Authority: "1.3"}},
		Person: discovery.Person{Names: []discovery.Name{{Family: "N", Given: "K"}}, Gender: "F", Birth: "19800131"}, Home: "urn:oid:1.2.578.2", Locator: true, Degree: 95}
	two := one
	two.Home, two.Locator, two.ID.ID = "urn:oid:1.2.578.3", false, "9"
	for name, c := range map[string]struct {
		answer discovery.Answer
		codes  string
	}{
		"one":     {discovery.Answer{Candidates: []discovery.Candidate{one}}, "OK"},
		"several": {discovery.Answer{Candidates: []discovery.Candidate{one, two}}, "OK"},
		"more":    {discovery.Answer{More: []discovery.Attribute{discovery.GenderRequested, discovery.AddressRequested}}, "OK"},
		"nothing": {discovery.Answer{}, "NF"},
	} {
		b := (&PatientAnswer{ID: II{Root: "1"}, Sender: II{Root: "1.9"}, SenderHome: "1.2.578.2", Receiver: II{Root: "1.8"}, Target: II{"1.2.3", "4"}, Query: whole(), Answer: c.answer}).Append(nil)
		wellFormed(t, b)
		got, target, err := decodeAnswer(string(b))
		if err != nil || target != (II{"1.2.3", "4"}) || !cmp.Equal(got, c.answer) || !strings.Contains(string(b), `queryResponseCode code="`+c.codes+`"`) {
			t.Errorf("%s: %v %v %s", name, err, target, cmp.Diff(c.answer, got))
		}
	}
	b := (&PatientAnswer{Target: II{"1.2.3", "4"}, Query: whole(), Trouble: discovery.Busy}).Append(nil)
	wellFormed(t, b)
	var e *discovery.Error
	if _, _, err := decodeAnswer(string(b)); !errors.As(err, &e) || e.Trouble != discovery.Busy || !strings.Contains(string(b), `typeCode code="AE"`) {
		t.Errorf("%v", err)
	}
	// A patient without a home, or without an id, is nobody that can be asked about; an
	// answer of such only is not one that knows nobody.
	for _, cut := range []string{`<id root="1.2" extension="7&amp;"/>`, `<id root="1.2.578.2"/><code`} {
		for n, candidates := range [][]discovery.Candidate{{one}, {one, two}} {
			b := string((&PatientAnswer{Query: whole(), Answer: discovery.Answer{Candidates: candidates}}).Append(nil))
			with := strings.Replace(b, cut, map[bool]string{true: "<code", false: ""}[strings.HasSuffix(cut, "<code")], 1)
			if got, _, err := decodeAnswer(with); (err != nil) != (n == 0) || with == b || len(got.Candidates) != n {
				t.Errorf("%d: %v %+v", n, err, got)
			}
		}
	}
}

func TestLocations(t *testing.T) {
	p := metadata.PatientID{ID: "1&", Authority: "1.2"}
	b := AppendLocationQuery(nil, p)
	wellFormed(t, b)
	sc, _ := scan(string(b))
	if got, err := DecodeLocationQuery(sc); err != nil || got != p {
		t.Error(got, err)
	}
	want := []discovery.Location{{Home: "urn:oid:1.2.1", ID: metadata.PatientID{ID: "a", Authority: "1.7"}}, {Home: "urn:oid:1.2.2", ID: p}}
	b = AppendLocationAnswer(nil, p, want)
	wellFormed(t, b)
	sc, _ = scan(string(b))
	if got, err := DecodeLocationAnswer(sc, p); err != nil || !cmp.Equal(got, want) {
		t.Error(got, err)
	}
	sc, _ = scan(string(b))
	if got, err := DecodeLocationAnswer(sc, metadata.PatientID{ID: "2", Authority: "1.2"}); err != nil || len(got) != 0 {
		t.Error("an answer about somebody else", got, err)
	}
	for _, wrong := range []string{`<x:PatientLocationQueryRequest xmlns:x="urn:ihe:iti:xcpd:2009"/>`, `<x:PatientLocationQueryRequest xmlns:x="urn:ihe:iti:xcpd:2009"><x:RequestedPatientId root="1.2"/></x:PatientLocationQueryRequest>`} {
		sc, _ := scan(wrong)
		var e *Error
		if _, err := DecodeLocationQuery(sc); !errors.As(err, &e) {
			t.Error(err)
		}
	}
}

func FuzzPatientQuery(f *testing.F) {
	f.Add(string(whole().Append(nil)))
	f.Add(`<PRPA_IN201305UV02 xmlns="urn:hl7-org:v3"/>`)
	f.Add(`<PRPA_IN201305UV02 xmlns="urn:hl7-org:v3"><controlActProcess><queryByParameter><parameterList><livingSubjectName><value><given><given/></given></value></livingSubjectName></parameterList></queryByParameter></controlActProcess></PRPA_IN201305UV02>`)
	f.Fuzz(func(t *testing.T, s string) {
		got, err := decodeQuery(s)
		if err != nil {
			var e *Error
			if errors.As(err, &e) && got == nil {
				t.Fatal("nothing to answer to")
			}
			return
		}
		again, err := decodeQuery(string(got.Append(nil)))
		if err != nil {
			t.Fatalf("%v: %s", err, got.Append(nil))
		}
		if again.QueryID != got.QueryID && !strings.Contains(s, "\uFFFD") {
			t.Fatalf("%s", cmp.Diff(got, again))
		}
		if _, _, err := decodeAnswer(string((&PatientAnswer{Query: got}).Append(nil))); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzPatientAnswer(f *testing.F) {
	one := discovery.Candidate{ID: metadata.PatientID{ID: "7", Authority: "1.2"}, Home: "urn:oid:1.2.578.2", Person: discovery.Person{Names: []discovery.Name{{Family: "N", Given: "K"}}}}
	f.Add(string((&PatientAnswer{Query: whole(), Answer: discovery.Answer{Candidates: []discovery.Candidate{one}}}).Append(nil)))
	f.Add(string((&PatientAnswer{Query: whole(), Trouble: discovery.Internal}).Append(nil)))
	f.Add(string(AppendLocationAnswer(nil, one.ID, []discovery.Location{{Home: "urn:oid:1.2", ID: one.ID}})))
	f.Fuzz(func(t *testing.T, s string) {
		if sc, err := scan(s); err == nil {
			_, _ = DecodeLocationAnswer(sc, one.ID)
		}
		if sc, err := scan(s); err == nil {
			_, _ = DecodeLocationQuery(sc)
		}
		got, _, err := decodeAnswer(s)
		if err != nil {
			return
		}
		for _, c := range got.Candidates {
			if c.Home == "" || c.ID.ID == "" {
				t.Fatalf("%+v", c)
			}
		}
	})
}
