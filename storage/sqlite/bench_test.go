package sqlite_test

import (
	"testing"

	"samdok/storage/storagetest"
)

func BenchmarkLogIndex(b *testing.B) { storagetest.BenchLogIndex(b, engine(true)) }
