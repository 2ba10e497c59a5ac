package storagetest

import (
	"testing"

	"samdok/storage"
)

// LogIndex is an engine's log and index in one.
type LogIndex interface {
	storage.Log
	storage.Index
}

// LogEngine is what the suite must know about an engine.
type LogEngine struct {
	// Open opens the engine in dir, anew each time it is called. The returned
	// function closes it.
	Open func(tb testing.TB, dir string) (LogIndex, func() error)
	// Pace is how much longer than in one process on a local disk an Append takes, for
	// tests that kill after some time; 0 is 1.
	Pace int
}

// RunLogIndex runs the suite for storage.Log and storage.Index (promises P1 to
// P4). Engines also call RunLogKill from a test whose TestMain calls LogChild.
func RunLogIndex(t *testing.T, e LogEngine) {
	t.Run("model", e.model)
	t.Run("versions", e.versions)
	t.Run("guards", e.guards)
	t.Run("claims", e.claims)
	t.Run("all or none", e.allOrNone)
	t.Run("overlay", e.overlay)
	t.Run("associations", e.associations)
	t.Run("order and restriction", e.order)
	t.Run("scan", e.scan)
	t.Run("mail", e.mail)
	t.Run("versions of an object", e.successions)
	t.Run("removal", e.removal)
	t.Run("removal and references", e.removalAndReferences)
	t.Run("removed documents", e.unbind)
	t.Run("on-demand", e.onDemand)
	t.Run("documents that come late", e.late)
	t.Run("known patients", e.known)
	t.Run("bodies", e.bodies)
	t.Run("merged patients", e.merge)
	t.Run("half a merge", e.halfMerges)
	t.Run("a merge and writers", e.mergeAndWriters)
	t.Run("a large merge", e.largeMerge)
	t.Run("tenants", e.tenants)
	t.Run("events", e.events)
	t.Run("own objects", e.owned)
	t.Run("writers of one stream", e.oneStream)
	t.Run("writers of what they read", e.counters)
	t.Run("writers of many streams", e.manyStreams)
	t.Run("readers and writers", e.readersAndWriters)
	t.Run("large stream", e.large)
	t.Run("large submission", e.largeSubmission)
	t.Run("rebuild", e.rebuild)
	t.Run("canceled context", e.canceled)
}

// open opens an engine in a new folder.
func (e LogEngine) open(t testing.TB) LogIndex {
	t.Helper()
	l, done := e.Open(t, t.TempDir())
	t.Cleanup(func() {
		if err := done(); err != nil {
			t.Error(err)
		}
	})
	return l
}
