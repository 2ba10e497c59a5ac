package gateway

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"samdok/access"
	"samdok/metadata"
)

// A member that answers for several communities, or for patients under other ids, is
// left out only when that is safe.
func TestWhoNeedNotBeAsked(t *testing.T) {
	silent := Located{Silent: []string{home(1), home(2)}}
	for name, c := range map[string]struct {
		m     Member
		known Located
		want  Why
	}{
		"silent":         {Member{Home: home(1)}, silent, WhyProbe},
		"named":          {Member{Home: home(1)}, Located{Named: []string{home(1)}, Silent: []string{home(1)}}, WhyNamed},
		"another named":  {Member{Home: home(1), Others: []string{home(3)}}, Located{Named: []string{home(3)}, Silent: []string{home(1)}}, WhyNamed},
		"one not known":  {Member{Home: home(1), Others: []string{home(3)}}, silent, WhyUnsure},
		"all silent":     {Member{Home: home(1), Others: []string{home(2)}}, silent, WhyProbe},
		"bridge":         {Member{Home: home(1), Bridge: true}, silent, WhyUnsure},
		"translated ids": {Member{Home: home(1), Authority: "1.2.3"}, silent, WhyUnsure},
		"nothing known":  {Member{Home: home(1)}, Located{}, WhyUnsure},
	} {
		if got := newMember(c.m, &stats{}, time.Now).why(&c.known); got != c.want {
			t.Errorf("%s: %v, not %v", name, got, c.want)
		}
	}
}

// Misses and needless questions are counted, and what a probe finds is answered.
func TestLocatorIsMeasured(t *testing.T) {
	var mu sync.Mutex
	var judged []string
	known := Located{Named: []string{home(1), home(2)}, Silent: []string{home(3), home(4)}}
	o := Options{Probe: 1, Judged: func(why Why, result string) {
		mu.Lock()
		defer mu.Unlock()
		judged = append(judged, why.String()+" "+result)
	},
		Locate: func(context.Context, access.Caller, metadata.PatientID) (Located, error) { return known, nil }}
	count := func(g *Gateway) (s Status) {
		for _, m := range g.Status() {
			s.Skipped, s.Needless, s.Probed, s.Missed = s.Skipped+m.Skipped, s.Needless+m.Needless, s.Probed+m.Probed, s.Missed+m.Missed
		}
		return s
	}
	members := []Member{{Home: home(1), Community: holder(1, home(1))}, {Home: home(2), Community: holder(0, "")},
		{Home: home(3), Community: holder(1, home(3))}, {Home: home(4), Community: holder(0, "")}}
	g := newGateway(t, o, members...)
	found, _ := ask(t, g, findDocuments, nil)
	if s := count(g); len(found) != 2 || s.Skipped != 0 || s.Needless != 1 || s.Probed != 2 || s.Missed != 1 {
		t.Errorf("found %v, counted %+v", found, s)
	}
	if all := strings.Join(judged, ", "); len(judged) != 4 || !strings.Contains(all, "probe found") || !strings.Contains(all, "named empty") {
		t.Errorf("judged %v", judged)
	}
	narrow := findDocuments
	narrow.Query = &metadata.FindDocuments{Patient: patient, Filter: metadata.DocumentFilter{ClassCode: metadata.AnyOf[metadata.CodeRef]{{Value: "a", Scheme: "b"}}}}
	judged = nil
	if ask(t, g, narrow, nil); judged != nil {
		t.Errorf("a query that selects was judged: %v", judged)
	}
	o.Probe = 0
	g = newGateway(t, o, members...)
	found, _ = ask(t, g, findDocuments, nil)
	if s := count(g); len(found) != 1 || s.Skipped != 2 || s.Probed != 0 {
		t.Errorf("found %v, counted %+v", found, s)
	}
}

// A query ends with the directory that it began with: what was asked is not taken for a
// stranger's because the directory was exchanged meanwhile.
func TestDirectoryIsExchangedUnderQueries(t *testing.T) {
	var g *Gateway
	members := []Member{{Home: home(1), Community: holder(1, home(1))}, {Home: home(2), Community: holder(1, home(2))}}
	o := Options{Locate: func(context.Context, access.Caller, metadata.PatientID) (Located, error) {
		return Located{}, g.Replace(members[:1])
	}}
	g = newGateway(t, o, members...)
	if found, problems := ask(t, g, findDocuments, nil); len(found) != 2 || len(problems) != 0 {
		t.Errorf("found %v, problems %v", found, problems)
	}
	if found, problems := ask(t, g, findDocuments, nil); len(found) != 1 || len(problems) != 0 {
		t.Errorf("of the new directory: found %v, problems %v", found, problems)
	}
}
