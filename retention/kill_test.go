package retention_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/retention"
	"samdok/storage"
	"samdok/storage/files"
	"samdok/storage/keyring"
	"samdok/storage/sqlite"
	"samdok/storage/storagetest"
	"samdok/subscription"
)

const (
	tenant    access.Tenant = "test"
	own                     = metadatatest.Root + ".42"
	childDir                = "SAMDOK_RETENTION_CHILD"
	childStep               = "SAMDOK_RETENTION_STEP"
	childAll                = "SAMDOK_RETENTION_PATIENT"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := child(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// child erases and kills itself at a step.
func child(dir string) error {
	left, err := strconv.Atoi(os.Getenv(childStep))
	if err != nil {
		return err
	}
	f, err := openFolder(dir, func(string) {
		if left--; left < 0 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // not one instruction more
		}
	})
	if err != nil {
		return err
	}
	target := retention.Target{UniqueIDs: []string{theirs().Entries[0].UniqueID}}
	if os.Getenv(childAll) != "" {
		p, err := theirs().Set.PatientID.Patient()
		if err != nil {
			return err
		}
		target = retention.Target{Patient: p}
	}
	_, err = f.keeper.Erase(context.Background(), tenant, target, retention.Order{Reason: "test"}, yes)
	return err
}

func yes(context.Context, *retention.Plan) error { return nil }

// folder is everything that a data folder holds, but the ledger.
type folder struct {
	ring   *keyring.Ring
	db     *sqlite.DB
	files  *files.Store
	list   *retention.List
	book   *subscription.Book
	keeper *retention.Keeper
}

func openFolder(dir string, step func(string)) (f folder, err error) {
	m, err := keyring.NewMaster(bytes.Repeat([]byte{7}, keyring.MasterSize))
	if err != nil {
		return f, err
	}
	if f.ring, err = keyring.Open(filepath.Join(dir, "keys"), m); err != nil {
		return f, err
	}
	if f.db, err = sqlite.Open(context.Background(), filepath.Join(dir, "log.db"), sqlite.Options{Ring: f.ring}); err != nil {
		return f, err
	}
	if f.files, err = files.Open(filepath.Join(dir, "documents"), files.Options{Ring: f.ring}); err != nil {
		return f, err
	}
	if f.list, err = retention.OpenList(filepath.Join(dir, "keys"), own); err != nil {
		return f, err
	}
	f.book = subscription.NewBook(subscription.Options{Log: f.db, Tenant: tenant, Clock: time.Now})
	f.keeper = retention.New(retention.Options{Log: f.db, Documents: f.files, List: f.list, Clock: time.Now, Step: step, Letters: f.db, Subscriptions: f.book.Forget})
	return f, nil
}

func (f *folder) close() error {
	return errors.Join(f.list.Close(), f.files.Close(), f.db.Close(), f.ring.Close())
}

const secret = "Mistanke om hjerteinfarkt"

// theirs is the same submission in every process: two documents of one patient.
func theirs() *metadata.Submission {
	g := metadatatest.New(118)
	s := g.Metadata(g.Patient(), 2)
	s.Entries[0].Title = metadata.NewText(secret)
	return s
}

// others is a document of another patient.
func others() *metadata.Submission {
	g := metadatatest.New(119)
	return g.Metadata(g.Patient(), 1)
}

// fill stores both, with bytes, and returns the keys of the documents: two of the
// patient, one of the other.
func fill(f *folder) (keys []storage.DocumentKey, err error) {
	for _, s := range []*metadata.Submission{theirs(), others()} {
		c := storagetest.NewChange(s, 0)
		for i := range c.Events[0].Added {
			a := &c.Events[0].Added[i]
			if a.Document == "" {
				continue
			}
			if a.Document, err = storagetest.PutDocument(context.Background(), f.files, []byte(secret+" og 300 kB til: "+string(make([]byte, 300_000*len(keys))))); err != nil {
				return nil, err
			}
			keys = append(keys, a.Document)
		}
		if err := f.db.Append(context.Background(), tenant, []storage.Change{c}); err != nil {
			return nil, err
		}
	}
	if err := f.book.Begin(context.Background(), watching()); err != nil {
		return nil, err
	}
	return keys, f.db.Post(context.Background(), waiting())
}

// watching is a subscription to the patient.
func watching() *subscription.Subscription {
	return &subscription.Subscription{ID: metadata.UUID{15: 9}, Ends: time.Now().Add(time.Hour), Filter: metadata.EventFilter{Patient: theirs().Set.PatientID}}
}

// waiting are letters: about the document, the patient, and somebody else.
func waiting() (letters []storage.Letter) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	for i, body := range []string{"<Value>('" + theirs().Entries[0].UniqueID + "')</Value>", "<Value>'" + html.EscapeString(string(theirs().Set.PatientID)) + "'</Value>",
		"<Value>" + others().Entries[0].UniqueID + "</Value>", "<Value>1" + string(theirs().Set.PatientID) + "</Value>"} {
		letters = append(letters, storage.Letter{ID: metadata.UUID{15: byte(1 + i)}, Tenant: tenant, Queue: storage.QueueAnswers,
			Body: []byte(body), Created: now, Due: now, Expires: now.Add(time.Hour)})
	}
	return letters
}

// checkLetters: those that speak of what is gone are gone.
func checkLetters(t *testing.T, f *folder, erased, whole bool) {
	t.Helper()
	all := waiting()
	want := all
	switch {
	case erased && whole:
		want = all[2:]
	case erased:
		want = all[1:]
	}
	left, err := f.db.Take(context.Background(), storage.QueueAnswers, all[0].Due, 0, 10)
	if err != nil || len(left) != len(want) {
		t.Fatalf("%d letters are left of %d, %v", len(left), len(want), err)
	}
	for i := range left {
		if left[i].ID != want[i].ID {
			t.Fatalf("letter %v is left", left[i].ID)
		}
	}
}

// TestKilledErasure kills a process between every two steps of an erasure. The
// next start ends it, and nothing else is lost; when it had not begun it has not
// happened.
func TestKilledErasure(t *testing.T) {
	for _, whole := range []bool{false, true} {
		for step := 0; ; step++ {
			if killedAt(t, step, whole) {
				if step < 6 {
					t.Fatalf("only %d steps: the test proves too little", step)
				}
				break
			}
		}
	}
}

func killedAt(t *testing.T, step int, whole bool) (ended bool) {
	t.Helper()
	dir := t.TempDir()
	f, err := openFolder(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := fill(&f)
	if err := errors.Join(err, f.close()); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir, childStep+"="+strconv.Itoa(step))
	if whole {
		cmd.Env = append(cmd.Env, childAll+"=1")
	}
	cmd.Stderr = os.Stderr
	killed := cmd.Run()
	var exit *exec.ExitError
	if killed != nil && (!errors.As(killed, &exit) || exit.Exited()) {
		t.Fatalf("step %d: %v", step, killed)
	}
	if f, err = openFolder(dir, nil); err != nil {
		t.Fatalf("step %d: %v", step, err)
	}
	begun := len(f.list.All()) > 0
	for range 2 {
		if err := f.keeper.Resume(context.Background(), tenant, false, func(retention.Done) error { return nil }); err != nil {
			t.Fatalf("step %d: %v", step, err)
		}
	}
	if len(f.list.Open()) > 0 {
		t.Fatalf("step %d: the erasure is still open", step)
	}
	for range 2 {
		checkErased(t, &f, keys, begun, whole)
		if err := f.db.Rebuild(context.Background(), nil); err != nil {
			t.Fatal(err)
		}
	}
	if !begun && step > 0 {
		t.Fatalf("step %d: the list does not know of it", step)
	}
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
	return killed == nil
}

// checkErased: the first document, or the patient, is gone or there as a whole;
// the rest is as it was.
func checkErased(t *testing.T, f *folder, keys []storage.DocumentKey, erased, whole bool) {
	t.Helper()
	checkLetters(t, f, erased, whole)
	_, err := f.book.Get(context.Background(), watching().ID)
	if ended := fault.KindOf(err) == fault.NotFound; err != nil && !ended || ended != (erased && whole) {
		t.Fatalf("the subscription: %v", err)
	}
	for i, s := range []*metadata.Submission{theirs(), others()} {
		for j, d := range s.Entries {
			gone := erased && i == 0 && (whole || j == 0)
			st, err := f.db.Lookup(context.Background(), tenant, storage.Refs{UniqueIDs: []string{d.UniqueID}, WithRemoved: true})
			if err != nil || (len(st.Objects) == 0) != gone {
				t.Fatalf("entry %d of %d: %d found, gone is %v, %v", j, i, len(st.Objects), gone, err)
			}
			_, err = storagetest.ReadSome(context.Background(), f.files, keys[2*i+j])
			if (fault.KindOf(err) == fault.NotFound && err != nil) != gone || !gone && err != nil {
				t.Fatalf("document %d of %d: gone is %v, %v", j, i, gone, err)
			}
		}
	}
}

// TestRestoredCopy: a copy of everything made before the erasure does not know of
// it. With the list of today it is erased there too, wholly, and again is nothing
// more to do; what the copy does not hold is no hindrance.
func TestRestoredCopy(t *testing.T) {
	for _, whole := range []bool{false, true} {
		dir, copied, early := t.TempDir(), filepath.Join(t.TempDir(), "copy"), filepath.Join(t.TempDir(), "early")
		f, err := openFolder(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.close(); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(early, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		if f, err = openFolder(dir, nil); err != nil {
			t.Fatal(err)
		}
		keys, err := fill(&f)
		if err := errors.Join(err, f.close()); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		if f, err = openFolder(dir, nil); err != nil {
			t.Fatal(err)
		}
		p, err := theirs().Set.PatientID.Patient()
		if err != nil {
			t.Fatal(err)
		}
		target := retention.Target{UniqueIDs: []string{theirs().Entries[0].UniqueID}}
		if whole {
			target = retention.Target{Patient: p}
		}
		done, err := f.keeper.Erase(context.Background(), tenant, target, retention.Order{Reason: "test"}, yes)
		if err != nil || done.Whole != whole {
			t.Fatal(err)
		}
		checkErased(t, &f, keys, true, whole)
		if err := f.close(); err != nil {
			t.Fatal(err)
		}
		list, err := retention.ReadList(dir, "keys")
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(list, []byte(p.ID)) || bytes.Contains(list, []byte(theirs().Entries[0].UniqueID)) {
			t.Fatal("the list tells of somebody")
		}
		for _, at := range []string{copied, early} {
			if n, err := retention.Merge(filepath.Join(at, "keys"), list, own); err != nil || n != 1 {
				t.Fatalf("%d, %v", n, err)
			}
			again, err := openFolder(at, nil)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := again.keeper.Resume(context.Background(), tenant, true, func(d retention.Done) error {
					if !d.Resumed {
						t.Error("not told as resumed")
					}
					return nil
				}); err != nil {
					t.Fatal(err)
				}
			}
			if at == copied {
				checkErased(t, &again, keys, true, whole)
			}
			if err := again.close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
