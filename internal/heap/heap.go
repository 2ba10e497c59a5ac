package heap

import (
	"io/fs"
	"math"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

const (
	// percent is how much may be allocated before a collection, of what was in use after
	// the last one. With Go's own 100 a gateway collects three times as often, and the
	// requests at those times wait.
	percent = 300
	// share of the memory there is from which on the collector works as often as it
	// must to stay below it. The rest is for SQLite, the kernel and others.
	share = 0.75
)

// Tune sets the collector, unless GOGC or GOMEMLIMIT of the environment do. root is
// the root of the file system.
func Tune(getenv func(string) string, root fs.FS) {
	if getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
	if n := memory(root); n > 0 && getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(int64(share * float64(n)))
	}
}

// memory is how many octets this process may have: of the machine, or less if its
// control group says so. 0: not known.
func memory(root fs.FS) int64 {
	least := int64(math.MaxInt64)
	take := func(n int64) {
		if n > 0 {
			least = min(least, n)
		}
	}
	take(total(root))
	b, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		b = nil // no Linux, or none in a group
	}
	for _, line := range strings.Split(string(b), "\n") {
		// hierarchy:controllers:path; version 2 has neither number nor controllers
		f := strings.SplitN(line, ":", 3)
		switch {
		case len(f) < 3:
		case f[0] == "0" && f[1] == "":
			upwards("sys/fs/cgroup", f[2], func(dir string) { take(number(root, dir+"/memory.max")) })
		case f[1] == "memory":
			upwards("sys/fs/cgroup/memory", f[2], func(dir string) { take(number(root, dir+"/memory.limit_in_bytes")) })
		}
	}
	if least == math.MaxInt64 {
		return 0
	}
	return least
}

// upwards calls f for a group and all groups around it: each may limit it. Inside a
// container the path may be one that is seen from outside only.
func upwards(base, group string, f func(dir string)) {
	for group = path.Clean("/" + group); group != "/"; group = path.Dir(group) {
		f(base + group)
	}
	f(base)
}

// total is the memory of the machine.
func total(root fs.FS) int64 {
	b, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), "MemTotal:")
	fields := strings.Fields(rest)
	if len(fields) < 2 || fields[1] != "kB" {
		return 0
	}
	n, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}

// number is what a file of a control group says; 0: nothing, or "max".
func number(root fs.FS, name string) int64 {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
