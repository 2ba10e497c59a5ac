//go:build !linux

package disk

// Sync is fsync where there is no fdatasync.
func (f *osFile) Sync() error { return f.File.Sync() }

func (f *osFile) Punch(off, n int64) error { return f.zeros(off, n) }

// WriteSync is a write and an fsync.
func (f *osFile) WriteSync(p []byte, off int64) error { return f.writeThenSync(p, off) }
