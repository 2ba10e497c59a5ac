package ledger

import (
	"crypto/rand"
	"path/filepath"
	"testing"

	"samdok/internal/disk"
	"samdok/internal/enginetest"
	"samdok/storage/s3"
)

// held is the file system that tests keep ledgers in: the machine's, or for
// TestOverStore that of a store.
var held disk.FS = disk.OS{}

// on puts a ledger into the place.
func on(o Options) Options {
	if _, local := held.(disk.OS); !local && o.FS == nil {
		o.FS, o.Ahead = held, -1
	}
	return o
}

// folder is an empty folder in the place.
func folder(t testing.TB) string {
	t.Helper()
	if _, local := held.(disk.OS); local {
		return t.TempDir()
	}
	return "ledger/" + rand.Text()
}

// TestOverStore runs tests of ledgers again in an S3 store.
func TestOverStore(t *testing.T) {
	b := enginetest.S3(t)
	store, err := s3.Open(t.Context(), s3.Options{Endpoint: b.Endpoint, Region: b.Region, Bucket: b.Name, AccessKey: b.AccessKey, SecretKey: b.SecretKey, Proven: true})
	if err != nil {
		t.Fatal(err)
	}
	files := store.Files(Kept)
	held = files
	defer func() {
		held = disk.OS{}
		if err := files.Close(); err != nil {
			t.Error(err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	for name, test := range map[string]func(*testing.T){
		"many record at once": TestManyRecordAtOnce, "fails closed and recovers": TestFailsClosedAndRecovers, "searches": TestSearches,
		"index gathered": TestIndexGatheredIsIndexRead, "verified": TestVerifyIsContentWithWhatWasWritten, "verified while recording": TestVerifyWhileRecording,
		"incremental": TestIncrementalVerification, "proofs": TestProofs, "keys": TestKeysAreRotated, "given key": TestGivenKey, "deletion": TestLawfulDeletion,
		"drop cut off": TestDropCutOff, "witness": TestWitness,
	} {
		t.Run(name, test)
	}
}

// copyFolder copies a folder within the place.
func copyFolder(t testing.TB, from string) string {
	t.Helper()
	to := folder(t)
	names, err := held.Names(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		b, err := loadFile(held, from, name)
		if err == nil {
			err = writeWhole(held, to, name, b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// remove deletes a file of the place.
func remove(t fatal, path string) {
	if err := held.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func readFile(t fatal, path string) []byte {
	b, err := loadFile(held, filepath.Dir(path), filepath.Base(path))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeFile(t fatal, path string, b []byte) {
	if err := writeWhole(held, filepath.Dir(path), filepath.Base(path), b); err != nil {
		t.Fatal(err)
	}
}
