package gateway

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"samdok/access"
	"samdok/discovery"
	"samdok/fault"
	"samdok/metadata"
)

// Options of a Gateway.
type Options struct {
	// Clock is required.
	Clock func() time.Time
	// Locate names the communities that hold something about a patient. sure is
	// false when that is not known: then all are asked. nil: all are always asked.
	Locate func(ctx context.Context, c access.Caller, patient metadata.PatientID) (homes []string, sure bool)
	// Person tells what is known of a patient, for communities that must be asked who
	// that is there; nil: nothing but the id.
	Person func(ctx context.Context, patient metadata.PatientID) (discovery.Person, error)
	// Correlations is how many ids of patients in other communities are remembered, and
	// CorrelationTime how long at most. Defaults 100,000 and 24 h.
	Correlations    int
	CorrelationTime time.Duration
	// TempDir holds what waits beyond memory, encrypted; "" means the system's.
	TempDir string
	// Observe is told of each request to a community; nil: nobody is. objects is
	// their number, took how long it was under way.
	Observe func(home string, query bool, objects int, took time.Duration, err error)
}

// Gateway asks communities. It is safe for concurrent use.
type Gateway struct {
	o       Options
	members atomic.Pointer[directory]
	ids     *discovery.Correlations

	mu    sync.Mutex // of Replace
	stats map[string]*stats
}

// directory is one set of members.
type directory struct {
	list  []*member
	homes map[string]*member // also by Others
}

// New makes a Gateway. The error names a member that is wrong.
func New(o Options, members []Member) (*Gateway, error) {
	setDefault(&o.Correlations, 100_000)
	setDefault(&o.CorrelationTime, 24*time.Hour)
	g := &Gateway{o: o, stats: map[string]*stats{}, ids: discovery.NewCorrelations(o.Correlations, o.CorrelationTime, o.Clock)}
	return g, g.Replace(members)
}

// Replace exchanges the directory. Requests in work end with the old one.
func (g *Gateway) Replace(members []Member) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	d := &directory{homes: map[string]*member{}}
	for _, m := range members {
		if g.stats[m.Home] == nil {
			g.stats[m.Home] = &stats{}
		}
		n := newMember(m, g.stats[m.Home])
		for _, home := range append([]string{m.Home}, m.Others...) {
			if !strings.HasPrefix(home, "urn:oid:") {
				return fmt.Errorf("gateway: the homeCommunityId %q of %s is not of the form urn:oid:OID", home, n.label())
			}
			if other := d.homes[home]; other != nil {
				return fmt.Errorf("gateway: the homeCommunityId %s belongs to two communities: %s and %s", home, other.label(), n.label())
			}
			d.homes[home] = n
		}
		d.list = append(d.list, n)
	}
	g.members.Store(d)
	return nil
}

// target is a community to ask.
type target struct {
	*member // nil: the own one
	leg     *Leg
}

func (t *target) home() string {
	if t.member == nil {
		return t.leg.Homes[0]
	}
	return t.Home
}

// find is who answers for a home, directly or over a bridge.
func (d *directory) find(home string, own *Leg) (target, bool) {
	if own != nil {
		for _, h := range own.Homes {
			if h == home {
				return target{leg: own}, true
			}
		}
	}
	if m := d.homes[home]; m != nil {
		return target{member: m}, true
	}
	for _, m := range d.list {
		if m.Bridge {
			return target{member: m}, true
		}
	}
	return target{}, false
}

const targetList = "$targetCommunityIdList"

// route chooses who is asked (ITI TF-2 3.38.4.1.3; TF-1 18.2.6).
func (g *Gateway) route(ctx context.Context, c access.Caller, q metadata.StoredQuery, own *Leg) ([]target, []fault.Problem, error) {
	const op = "gateway.Find"
	d := g.members.Load()
	patient := patientOf(q.Query)
	if patient == nil || q.Home != "" {
		if q.Home == "" {
			return nil, nil, fault.New(fault.Invalid, op, fault.MissingHomeCommunityID,
				"A query by object needs the attribute home of AdhocQuery, so that the gateway knows which community to ask. It came with the object.")
		}
		t, ok := d.find(q.Home, own)
		if !ok {
			return nil, nil, fault.New(fault.Invalid, op, fault.UnknownCommunity, "The gateway does not know the community %s.", q.Home)
		}
		return []target{t}, nil, nil
	}
	if listed := listedHomes(q.Extra); listed != nil {
		return d.listed(listed, own)
	}
	var all []target
	if own != nil {
		all = append(all, target{leg: own})
	}
	named, sure := g.located(ctx, c, *patient)
	for _, m := range d.list {
		if !sure || m.Bridge || ownsOne(m, named) {
			all = append(all, target{member: m})
		}
	}
	return all, nil, nil
}

func (g *Gateway) located(ctx context.Context, c access.Caller, patient metadata.CX) (homes []string, sure bool) {
	if g.o.Locate == nil {
		return nil, false
	}
	id, err := patient.Patient()
	if err != nil {
		return nil, false
	}
	return g.o.Locate(ctx, c, id)
}

func ownsOne(m *member, homes []string) bool {
	for _, h := range homes {
		if m.owner(h) {
			return true
		}
	}
	return false
}

// listed are the communities of $targetCommunityIdList, each once.
func (d *directory) listed(homes []string, own *Leg) (all []target, problems []fault.Problem, err error) {
	seen := map[string]bool{}
	for _, home := range homes {
		t, ok := d.find(home, own)
		if !ok {
			problems = append(problems, fault.Problem{Code: fault.UnknownCommunity, Location: home,
				Context: "The gateway does not know the community " + home + " of " + targetList + "."})
			continue
		}
		if !seen[t.home()] {
			seen[t.home()] = true
			all = append(all, t)
		}
	}
	return all, problems, nil
}

// listedHomes reads ('urn:oid:1','urn:oid:2'), also over several values; nil when
// the parameter is absent.
func listedHomes(extra []metadata.Slot) []string {
	var homes []string
	for i := range extra {
		if extra[i].Name != targetList {
			continue
		}
		homes = append(make([]string, 0, 4), homes...)
		for _, v := range extra[i].Values {
			for _, h := range strings.Split(strings.Trim(v, "() \t\r\n"), ",") {
				if h = strings.Trim(h, "' \t\r\n"); h != "" {
					homes = append(homes, h)
				}
			}
		}
	}
	return homes
}
