package ledger

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"samdok/access"
	"samdok/audit"
	"samdok/metadata"
)

// filler sets every field it can reach to something that is not zero, so that a
// field the codec forgets is found out.
type filler struct{ n int }

func (f *filler) fill(v reflect.Value) {
	f.n++
	switch p := v.Addr().Interface().(type) {
	case *metadata.Query:
		return // each kind has its own turn
	case *metadata.Code:
		*p = metadata.Code{Value: fmt.Sprint("v", f.n), Scheme: fmt.Sprint("s", f.n)}
		return
	case *time.Time:
		*p = time.Unix(int64(f.n)*1e6, int64(f.n)).UTC()
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprint("text ", f.n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int:
		v.SetInt(int64(f.n))
	case reflect.Uint8:
		v.SetUint(uint64(1 + f.n%3))
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			f.fill(v.Index(i))
		}
	default:
		panic("the filler does not know " + v.Type().String())
	}
}

func allQueries() []metadata.Query {
	qs := []metadata.Query{nil}
	for kind := uint8(1); newQuery(kind) != nil; kind++ {
		q := newQuery(kind)
		new(filler).fill(reflect.ValueOf(q).Elem())
		qs = append(qs, q)
	}
	return qs
}

func fullEvent(q metadata.Query) *audit.Event {
	var e audit.Event
	new(filler).fill(reflect.ValueOf(&e).Elem())
	e.Request.Query = q
	return &e
}

func TestEveryFieldComesBack(t *testing.T) {
	qs := allQueries()
	if len(qs) != 17 {
		t.Fatalf("%d kinds of queries", len(qs)-1)
	}
	for _, q := range qs {
		want := fullEvent(q)
		want.Request.Caller.Hops = 0 // not kept
		b := appendEvent(nil, want)
		got, err := parseEvent(b)
		if err != nil {
			t.Fatalf("%T: %v", q, err)
		}
		if d := cmp.Diff(*want, got); d != "" {
			t.Fatalf("%T: %s", q, d)
		}
		for n := range len(b) { // cut anywhere: an error, never a panic
			if _, err := parseEvent(b[:n]); err == nil {
				t.Fatalf("%T: cut to %d of %d bytes and read", q, n, len(b))
			}
		}
		if _, err := parseEvent(append(b, 0)); err == nil {
			t.Fatal("a record with more behind it was read")
		}
	}
	var zero audit.Event
	if got, err := parseEvent(appendEvent(nil, &zero)); err != nil || !reflect.DeepEqual(got, zero) {
		t.Fatalf("%+v %v", got, err)
	}
}

func FuzzEvent(f *testing.F) {
	for _, q := range allQueries() {
		f.Add(appendEvent(nil, fullEvent(q)))
	}
	f.Add(appendEvent(nil, typicalEvent()))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := parseEvent(b)
		if err != nil {
			return
		}
		again, err := parseEvent(appendEvent(nil, &e))
		if err != nil || !reflect.DeepEqual(e, again) {
			t.Fatalf("%+v became %+v: %v", e, again, err)
		}
	})
}

// typicalEvent is a search with 10 hits.
func typicalEvent() *audit.Event {
	patient := metadata.PatientID{ID: "13920079911", Authority: "2.16.578.1.12.4.1.4.1"}
	e := &audit.Event{
		Request: access.Request{
			Tenant: "default", Action: access.ActionFind, Transaction: "ITI-18",
			Caller: access.Caller{Subject: "hpr:9144889", Organisation: "994598759", Door: "soap", Remote: "10.0.0.7",
				MessageID: "urn:uuid:6d296e90-e5dc-43d0-b455-7c1f3eb35d83", TraceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
			Patients: []metadata.PatientID{patient},
			Query:    &metadata.FindDocuments{Patient: "13920079911^^^&2.16.578.1.12.4.1.4.1&ISO", Filter: metadata.DocumentFilter{Status: []metadata.Status{1}}},
			Time:     time.Unix(1790000000, 5).UTC(),
		},
		Outcome: audit.Success, Rules: []string{"open"}, Time: time.Unix(1790000001, 7).UTC(),
	}
	for i := range 10 {
		e.Items = append(e.Items, access.Item{Kind: access.ItemEntry, ID: metadata.ID(fmt.Sprintf("urn:uuid:6d296e90-e5dc-43d0-b455-7c1f3eb35d%02d", i)),
			UniqueID: fmt.Sprintf("2.16.578.1.12.4.5.1000.1.%d", i), RepositoryID: "2.16.578.1.12.4.5.1000.2", Patient: patient, Controller: "994598759",
			Codes: []metadata.Code{{Value: "N", Scheme: "2.16.840.1.113883.5.25"}}, ClassCode: metadata.CodeRef{Value: "A00-1", Scheme: "2.16.578.1.12.4.1.1.9602"}, Status: 1})
	}
	return e
}

// smallEvent is a registered document.
func smallEvent() *audit.Event {
	e := typicalEvent()
	e.Request.Query, e.Items = nil, e.Items[:1]
	return e
}

func BenchmarkEncode(b *testing.B) {
	for name, e := range map[string]*audit.Event{"1 item": smallEvent(), "10 items": typicalEvent()} {
		b.Run(name, func(b *testing.B) {
			var buf []byte
			b.ReportAllocs()
			for b.Loop() {
				buf = appendEvent(buf[:0], e)
			}
			b.ReportMetric(float64(len(buf)), "B/record")
		})
	}
}
