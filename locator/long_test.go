package locator_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"samdok/locator"
	"samdok/metadata"
	"samdok/storage/keyring"
	"samdok/storage/sqlite"
	"samdok/storage/storagetest"
)

// TestMillions fills a locator with a population (2,000 patients; six million with
// SAMDOK_LONG, see storagetest.Long), 20 holdings each of 4 sources, and looks patients
// up. The numbers in docs/performance.md are its:
//
//	SAMDOK_LONG=1 go test ./locator -run TestMillions -v -timeout 60m
func TestMillions(t *testing.T) {
	patients := 2000
	if storagetest.Long() {
		patients = 6_000_000
	}
	dir := t.TempDir()
	m, err := keyring.NewMaster([]byte(strings.Repeat("k", keyring.MasterSize)))
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keyring.Open(filepath.Join(dir, "keys"), m)
	if err != nil {
		t.Fatal(err)
	}
	defer ring.Close()
	path := filepath.Join(dir, "locator.db")
	cards, err := sqlite.OpenCards(t.Context(), path, sqlite.CardsOptions{Ring: ring})
	if err != nil {
		t.Fatal(err)
	}
	defer cards.Close()
	l := locator.New(locator.Options{Cards: cards, Tenant: "t", Clock: time.Now})
	start := time.Now()
	const batch = 500
	for from := 0; from < patients; from += batch {
		var all []locator.Statement
		for i := range batch {
			all = append(all, statements(from+i)...)
		}
		if _, err := l.State(t.Context(), all); err != nil {
			t.Fatal(err)
		}
	}
	took := time.Since(start)
	size := int64(0)
	for _, name := range []string{path, path + "-wal"} {
		if st, err := os.Stat(name); err == nil {
			size += st.Size()
		}
	}
	t.Logf("%d patients, %d holdings in %s: %.0f holdings/s; %.0f bytes a patient, %.1f a holding", patients, patients*20, took.Round(time.Millisecond),
		float64(patients*20)/took.Seconds(), float64(size)/float64(patients), float64(size)/float64(patients*20))

	times := make([]time.Duration, 20_000)
	for i := range times {
		begin := time.Now()
		all, err := l.Of(context.Background(), patientNumber(rand.IntN(patients)))
		if times[i] = time.Since(begin); err != nil || len(all) != 20 {
			t.Fatalf("%d holdings, %v", len(all), err)
		}
	}
	slices.Sort(times)
	t.Logf("a look-up: p50 %s, p99 %s, longest %s", times[len(times)/2], times[len(times)*99/100], times[len(times)-1])
}

func patientNumber(n int) metadata.PatientID {
	return metadata.PatientID{ID: fmt.Sprintf("%011d", n), Authority: "2.16.578.1.12.4.1.4.1"}
}

// statements are what four sources hold about a patient: 20 things.
func statements(n int) (all []locator.Statement) {
	at := time.Date(2026, 11, 22, 10, 0, 0, n*1000, time.UTC)
	for s := range 4 {
		source := locator.Source{Community: fmt.Sprintf("urn:oid:2.16.578.1.12.4.5.100.9.%d", 21+s), System: fmt.Sprintf("system %d", n%40)}
		st := locator.Statement{Patient: patientNumber(n), Source: source, AsOf: at, Told: locator.ToldByLoad}
		for h := range 5 {
			day := at.AddDate(0, 0, -(n*7+h*31)%3000)
			st.Held = append(st.Held, locator.Held{Organisation: fmt.Sprint(983_000_000 + (n*13+s)%17_000), Kind: locator.KindDocuments,
				Class: metadata.CodeRef{Value: fmt.Sprintf("%c00-1", 'A'+h), Scheme: "2.16.578.1.12.4.1.1.9602"}, First: day, Last: day.AddDate(0, 0, n%400)})
		}
		all = append(all, st)
	}
	return all
}
