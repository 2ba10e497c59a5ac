package ledger

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"samdok/access"
	"samdok/metadata"
)

// TestSearchUnderSeveralIDs: records of any id of a patient, each once and in the order
// of the ledger, also from one on and of segments with and without an index.
func TestSearchUnderSeveralIDs(t *testing.T) {
	l := open(t, folder(t), Options{Ring: ring(t, t.TempDir()), SegmentSize: 3000, CheckpointEvery: -1})
	patient := func(i int) metadata.PatientID {
		return metadata.PatientID{ID: fmt.Sprint("A-", i), Authority: "1.2.3.4"}
	}
	moment := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC) // one for all
	want := []string{}
	index := map[string]int64{}
	for i := range 60 {
		e := smallEvent()
		e.Time, e.Request.Caller.EventID = moment, fmt.Sprint(i)
		e.Request.Patients = []metadata.PatientID{patient(i % 4)}
		if e.Items = nil; i%8 == 0 {
			e.Items = []access.Item{{Kind: access.ItemEntry, Patient: patient(1)}}
		}
		r, err := l.Record(context.Background(), e)
		if err != nil {
			t.Fatal(err)
		}
		index[fmt.Sprint(i)] = r.Index
		if i%4 < 2 {
			want = append(want, fmt.Sprint(i))
		}
	}
	slices.Reverse(want)
	q := Search{Patient: patient(0), Also: []metadata.PatientID{patient(1), patient(9)}}
	if got := found(t, l, q); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	var paged []string
	for {
		got := found(t, l, q)
		if len(got) == 0 {
			break
		}
		got = got[:min(7, len(got))]
		paged, q.Before = append(paged, got...), index[got[len(got)-1]]
	}
	if !slices.Equal(paged, want) {
		t.Errorf("page by page %v, want %v", paged, want)
	}
}
