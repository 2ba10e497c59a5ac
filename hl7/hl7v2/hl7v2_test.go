package hl7v2

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// lines makes a message of segments.
func lines(s ...string) string { return strings.Join(s, "\r") + "\r" }

const (
	msh = `MSH|^~\&|PAS|OUS^2.16.578.1.12.4.1.2.101&&^x|samdok|HSO|20260102030405||ADT^A01^ADT_A01|4711|P|2.3.1`
	pid = `PID|||13916900216^^^&2.16.578.1.12.4.1.4.1&ISO^NI~A-7^^^PAS||Nordmann^Kari||19690113|F`
)

func event(t *testing.T, s string) (Event, error) {
	t.Helper()
	m, err := Parse([]byte(s), Limits{})
	if err != nil {
		return Event{}, err
	}
	return m.ADT()
}

func TestADT(t *testing.T) {
	fnr := Identifier{"13916900216", HD{"", "2.16.578.1.12.4.1.4.1", "ISO"}, "NI"}
	local := Identifier{"A-7", HD{Namespace: "PAS"}, ""}
	merge := strings.Replace(msh, "ADT^A01^ADT_A01", "ADT^A40", 1)
	for name, c := range map[string]struct {
		in   string
		want Event
	}{
		"admit":           {lines(msh, "EVN|A01|20260102", pid, "PV1||I"), Event{Kind: Added, Patient: []Identifier{fnr, local}}},
		"LF":              {strings.ReplaceAll(lines(msh, "EVN", pid), "\r", "\n"), Event{Kind: Added, Patient: []Identifier{fnr, local}}},
		"CR LF":           {strings.ReplaceAll(lines(msh, "EVN", pid), "\r", "\r\n"), Event{Kind: Added, Patient: []Identifier{fnr, local}}},
		"no last CR":      {strings.TrimRight(lines(msh, pid), "\r"), Event{Kind: Added, Patient: []Identifier{fnr, local}}},
		"other segments":  {lines(msh, "EVN", pid, "ZZ1|a|b", "NK1|1", "NK1|2"), Event{Kind: Added, Patient: []Identifier{fnr, local}}},
		"empty segment":   {lines(msh, "EVN", pid, "PV2"), Event{Kind: Added, Patient: []Identifier{fnr, local}}},
		"register":        {lines(strings.Replace(msh, "A01", "A04", 1), pid), Event{Kind: Added, Patient: []Identifier{fnr, local}}},
		"pre-admit":       {lines(strings.Replace(msh, "A01", "A05", 1), pid), Event{Kind: Added, Patient: []Identifier{fnr, local}}},
		"update":          {lines(strings.Replace(msh, "A01", "A08", 1), pid), Event{Kind: Revised, Patient: []Identifier{fnr, local}}},
		"merge":           {lines(merge, "EVN", pid, `MRG|A-6^^^PAS~""`), Event{Kind: Merged, Patient: []Identifier{fnr, local}, Subsumed: []Identifier{{"A-6", HD{Namespace: "PAS"}, ""}}}},
		"own delimiters":  {lines(`MSH$*%!+$$$$$$$ADT*A01$1$P$2.5`, `PID$$$a!T!b*****x%77***+1.2.3+ISO`), Event{Kind: Added, Patient: []Identifier{{"a+b", HD{}, ""}, {"77", HD{"", "1.2.3", "ISO"}, ""}}}},
		"five delimiters": {lines(`MSH|^~\&#|||||||ADT^A01|1|P|2.8`, `PID|||77`), Event{Kind: Added, Patient: []Identifier{{"77", HD{}, ""}}}},
		"escapes":         {lines(msh, `PID|||a\S\b\T\c\E\d\F\e\R\f\X2d\g\H\h\N\\Zx\\q`), Event{Kind: Added, Patient: []Identifier{{`a^b&c\d|e~f-gh\Zx\\q`, HD{}, ""}}}},
		"8859/1 stated":   {lines(msh+"||||||8859/1", "PID|||\xe6\xf8\xe5"), Event{Kind: Added, Patient: []Identifier{{"æøå", HD{}, ""}}}},
		"8859/1 unstated": {lines(msh, "PID|||\xe6\xf8\xe5"), Event{Kind: Added, Patient: []Identifier{{"æøå", HD{}, ""}}}},
		"UTF-8 unstated":  {lines(msh, "PID|||æøå"), Event{Kind: Added, Patient: []Identifier{{"æøå", HD{}, ""}}}},
		"UTF-8 stated":    {lines(msh+"||||||UNICODE UTF-8~8859/1", "PID|||æøå"), Event{Kind: Added, Patient: []Identifier{{"æøå", HD{}, ""}}}},
	} {
		got, err := event(t, c.in)
		if err != nil || !cmp.Equal(got, c.want) {
			t.Errorf("%s: %v\n%s", name, err, cmp.Diff(c.want, got))
		}
	}
}

func TestRefusals(t *testing.T) {
	a40 := strings.Replace(msh, "ADT^A01^ADT_A01", "ADT^A40", 1)
	for name, c := range map[string]struct {
		in     string
		code   Code
		place  string
		reject bool
	}{
		"empty":               {"", SegmentSequence, "MSH-0", true},
		"no MSH":              {lines(pid), SegmentSequence, "MSH-0", true},
		"short":               {"MSH|^~", DataType, "MSH-2", true},
		"same delimiters":     {"MSH|^^\\&|||||||ADT^A01|1|P|2.5", DataType, "MSH-2", true},
		"letters":             {"MSHa^~\\&abc|||||||", DataType, "MSH-2", true},
		"no control id":       {lines(`MSH|^~\&|||||||ADT^A01||P|2.5`, pid), RequiredField, "MSH-10", true},
		"long control id":     {lines(`MSH|^~\&|||||||ADT^A01|`+strings.Repeat("1", 300)+`|P|2.5`, pid), DataType, "MSH-10", true},
		"no type":             {lines(`MSH|^~\&||||||||1|P|2.5`, pid), RequiredField, "MSH-9", true},
		"version 3":           {lines(`MSH|^~\&|||||||ADT^A01|1|P|3.0`, pid), UnsupportedLevel, "MSH-12", true},
		"processing":          {lines(`MSH|^~\&|||||||ADT^A01|1|X|2.5`, pid), UnsupportedMode, "MSH-11", true},
		"not ADT":             {lines(`MSH|^~\&|||||||ORU^R01|1|P|2.5`, pid), UnsupportedType, "MSH-9", true},
		"other event":         {lines(`MSH|^~\&|||||||ADT^A03|1|P|2.5`, pid), UnsupportedEvent, "MSH-9", true},
		"character set":       {lines(msh+"||||||GB 18030-2000", pid), TableValue, "MSH-18", true},
		"not ASCII":           {lines(msh+"||||||ASCII", "PID|||æ"), DataType, "MSH-18", false},
		"not UTF-8":           {lines(msh+"||||||UNICODE UTF-8", "PID|||\xe6"), DataType, "MSH-18", false},
		"control characters":  {lines(msh, "PID|||a\x00b"), DataType, "-0", true},
		"no PID":              {lines(msh, "EVN|A01"), SegmentSequence, "PID-0", false},
		"two PID":             {lines(msh, pid, pid), SegmentSequence, "PID-0", false},
		"no id":               {lines(msh, `PID|||^^^&1.2.3&ISO~""||x`), RequiredField, "PID-3", false},
		"merge without MRG":   {lines(a40, pid), SegmentSequence, "MRG-0", false},
		"two merges":          {lines(a40, pid, "MRG|1", "MRG|2"), SegmentSequence, "MRG-0", false},
		"merge without id":    {lines(a40, pid, "MRG|"), RequiredField, "MRG-1", false},
		"not segments":        {lines(msh, "pid|||1"), SegmentSequence, "-0", false},
		"segment of no name":  {lines(msh, pid, "P"), SegmentSequence, "-0", false},
		"a line in a segment": {lines(msh, "PID|||1\nmore"), SegmentSequence, "-0", false},
		"many repetitions":    {lines(msh, "PID|||"+strings.Repeat("1~", 101)), DataType, "PID-3", false},
		"many segments":       {lines(msh, pid, strings.Repeat("ZZZ\r", 1001)), SegmentSequence, "-0", true},
		"long":                {lines(msh, pid, "ZZZ|"+strings.Repeat("x", 1<<20)), ApplicationFailed, "-0", true},
	} {
		_, err := event(t, c.in)
		var e *Error
		if !errors.As(err, &e) || e.Code != c.code || e.Reject != c.reject || e.Text == "" {
			t.Errorf("%s: %+v", name, err)
			continue
		}
		if place := e.Segment + "-" + string(rune('0'+e.Field/10)) + string(rune('0'+e.Field%10)); strings.Replace(place, "-0", "-", 1) != c.place && place != c.place && e.Segment+"-0" != c.place {
			t.Errorf("%s: %s, want %s", name, place, c.place)
		}
		if strings.Contains(err.Error(), "13916900216") {
			t.Errorf("%s: the error quotes the id", name)
		}
	}
}

func TestAnswer(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	parse := func(s string) *Message {
		m, _ := Parse([]byte(s), Limits{})
		return m
	}
	wrong := refuse(RequiredField, "PID", 3, "it is | missing")
	for name, c := range map[string]struct {
		a    Answer
		want string
	}{
		"AA": {Answer{To: parse(lines(msh+"||||||8859/1", pid))},
			`MSH|^~\&|samdok|HSO|PAS|OUS^2.16.578.1.12.4.1.2.101^x|20260102030405+0000||ACK^A01|c1|P|2.3.1||||||8859/1` + "\rMSA|AA|4711\r"},
		"AE, 2.3.1": {Answer{To: parse(lines(msh, pid)), Err: wrong},
			`MSH|^~\&|samdok|HSO|PAS|OUS^2.16.578.1.12.4.1.2.101^x|20260102030405+0000||ACK^A01|c1|P|2.3.1` + "\r" + `MSA|AE|4711|it is \F\ missing` + "\r" + `ERR|PID^1^3^101&Required field missing&HL70357` + "\r"},
		"AR, 2.5": {Answer{To: parse(lines(`MSH$*%!+$$$$$$$ADT*A01$4!F!7$T$2.5`, pid)), Err: reject(ApplicationFailed, "", 0, "try again")},
			`MSH|^~\&|||||20260102030405+0000||ACK^A01|c1|T|2.5` + "\r" + `MSA|AR|4$7|try again` + "\r" + `ERR||| 207^Application internal error^HL70357|E||||try again` + "\r"},
		"nothing read": {Answer{Err: reject(SegmentSequence, "MSH", 0, "no MSH")},
			`MSH|^~\&|||||20260102030405+0000||ACK|c1|P|2.5` + "\r" + `MSA|AR||no MSH` + "\r" + `ERR||MSH^1|100^Segment sequence error^HL70357|E||||no MSH` + "\r"},
	} {
		c.a.ControlID, c.a.Time = "c1", at
		got := string(c.a.Append(nil))
		if want := strings.Replace(c.want, "||| 207", "|||207", 1); got != want {
			t.Errorf("%s:\ngot  %q\nwant %q", name, got, want)
		}
		m, err := Parse([]byte(got), Limits{})
		if err != nil || m.Type != "ACK" {
			t.Errorf("%s: the answer cannot be read: %v", name, err)
			continue
		}
		code, id, text, err := ReadAnswer([]byte(got))
		wantID := ""
		if c.a.To != nil {
			wantID = c.a.To.ControlID
		}
		if err != nil || !strings.HasPrefix(name, code) && name != "nothing read" || id != wantID || c.a.Err != nil && text != c.a.Err.Text {
			t.Errorf("%s: %q %q %q %v", name, code, id, text, err)
		}
	}
}

// What is written is read back as it was.
func TestWriteADT(t *testing.T) {
	want := Event{Kind: Merged,
		Patient:  []Identifier{{`a|b^c&d~e\f` + "\rø", HD{"", "1.2.3", "ISO"}, "NI"}, {"2", HD{Namespace: "x^y"}, ""}},
		Subsumed: []Identifier{{"3", HD{"n", "1.2.4", "ISO"}, ""}}}
	b := ADT{Header: Header{Trigger: "A40", ControlID: "1", Processing: "P", Version: "2.3.1", SendingApplication: HD{"a", "1.2", "ISO"}},
		Time: time.Unix(0, 0), Event: want, Family: "Nord|mann", Given: "Kari"}.Append(nil)
	m, err := Parse(b, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.ADT()
	if err != nil || !cmp.Equal(got, want) || m.SendingApplication != (HD{"a", "1.2", "ISO"}) {
		t.Errorf("%v\n%s\n%q", err, cmp.Diff(want, got), b)
	}
}

func FuzzParse(f *testing.F) {
	a40 := strings.Replace(msh, "ADT^A01^ADT_A01", "ADT^A40", 1)
	for _, s := range []string{"", "MSH", msh, lines(msh, "EVN", pid), lines(a40, pid, "MRG|1^^^&1.2.3&ISO"), lines(msh+"||||||8859/1", "PID|||\xe6\\X41\\"),
		lines(`MSH$*%!+$$$$$$$ADT*A01$1$P$2.5`, `PID$$$a!T!b`), lines(msh, "PID|||\\X0D\\\\.br\\~~~^^^&&&"), strings.Repeat("MSH|^~\\&|\r", 50), "MSH\r\r\r\r\r\r", "MSH|^~\\&\r|||\n",
		lines(`MSH|^~\&|||||||ADT^A01|\X00\|P|2.`, pid), lines(msh+"||||||UNICODE UTF-8", "PID|||æøå\xff")} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b, Limits{})
		var e *Error
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("an error of another type: %T", err)
		}
		var event Event
		if err == nil {
			if event, err = m.ADT(); err != nil && !errors.As(err, &e) {
				t.Fatalf("an error of another type: %T", err)
			}
		}
		// Whatever came, the answer is a message that can be read and refers to it.
		answer := Answer{To: m, Err: e, ControlID: "1", Time: time.Unix(0, 0)}.Append(nil)
		if _, id, _, err := ReadAnswer(answer); err != nil {
			t.Fatalf("%q: %v", answer, err)
		} else if m != nil && isASCII(m.ControlID) && id != m.ControlID {
			t.Fatalf("%q answers %q, not %q", answer, id, m.ControlID)
		}
		if err != nil {
			return
		}
		for _, id := range event.Patient {
			if id.ID == "" {
				t.Fatal("an empty id")
			}
		}
		again := ADT{Header: m.Header, Time: time.Unix(0, 0), Event: event}.Append(nil)
		m2, err := Parse(again, Limits{})
		if err != nil {
			if len(again) > 1<<20 || !isASCII(m.ControlID) {
				return
			}
			t.Fatalf("%q: %v", again, err)
		}
		if got, err := m2.ADT(); clean(event) && (err != nil || !cmp.Equal(got, event)) {
			t.Fatalf("%v %s", err, cmp.Diff(event, got))
		}
	})
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// clean tells whether no value holds what is dropped when it is written.
func clean(e Event) bool {
	for _, id := range append(append([]Identifier(nil), e.Patient...), e.Subsumed...) {
		for _, s := range []string{id.ID, id.Authority.Namespace, id.Authority.Universal, id.Authority.Type, id.TypeCode} {
			if !isASCII(s) {
				return false
			}
		}
	}
	return true
}
