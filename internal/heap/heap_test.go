package heap

import (
	"math"
	"os"
	"runtime/debug"
	"testing"
	"testing/fstest"
)

func TestMemory(t *testing.T) {
	const gib = 1 << 30
	meminfo := "MemTotal:        4194304 kB\nMemFree: 1 kB\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"nothing":                {nil, 0},
		"machine":                {map[string]string{"proc/meminfo": meminfo}, 4 * gib},
		"no limit":               {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, 4 * gib},
		"container":              {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1073741824\n"}, gib},
		"service":                {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/system.slice/samdok.service\n", "sys/fs/cgroup/system.slice/samdok.service/memory.max": "2147483648\n"}, 2 * gib},
		"slice around a service": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/system.slice/samdok.service\n", "sys/fs/cgroup/system.slice/samdok.service/memory.max": "max\n", "sys/fs/cgroup/system.slice/memory.max": "1073741824\n"}, gib},
		"path from outside":      {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/../../kubepods/pod1\n", "sys/fs/cgroup/memory.max": "1073741824\n"}, gib},
		"version 1":              {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "12:cpu,cpuacct:/a\n4:memory:/docker/abc\n0::/b\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "1073741824\n"}, gib},
		"version 1, no limit":    {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 4 * gib},
		"not numbers":            {map[string]string{"proc/meminfo": "MemTotal: x kB\n", "proc/self/cgroup": "0::/\nmemory\n", "sys/fs/cgroup/memory.max": "much\n"}, 0},
	} {
		root := fstest.MapFS{}
		for file, text := range c.files {
			root[file] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := memory(root); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

type environment map[string]string

func (e environment) get(name string) string { return e[name] }

// What the environment says wins.
func TestTune(t *testing.T) {
	gc, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(math.MaxInt64)
	defer debug.SetGCPercent(gc)
	defer debug.SetMemoryLimit(limit)
	root := fstest.MapFS{"proc/meminfo": {Data: []byte("MemTotal: 1048576 kB\n")}}
	now := func() (int, int64) {
		gc := debug.SetGCPercent(100)
		debug.SetGCPercent(gc)
		return gc, debug.SetMemoryLimit(-1)
	}
	Tune(environment{"GOGC": "100", "GOMEMLIMIT": "1GiB"}.get, root)
	if gc, limit := now(); gc != 100 || limit != math.MaxInt64 {
		t.Errorf("with an environment: %d %%, %d octets", gc, limit)
	}
	Tune(environment{}.get, root)
	if gc, limit := now(); gc != percent || limit != 3<<28 {
		t.Errorf("%d %%, %d octets", gc, limit)
	}
	Tune(os.Getenv, os.DirFS("/")) // as it is called
}
