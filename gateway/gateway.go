package gateway

import (
	"context"
	"fmt"
	"slices"
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
	// Locate tells which communities hold something about a patient. Those that it is
	// not sure of are asked, all of them after an error. nil: all are always asked.
	Locate func(ctx context.Context, c access.Caller, patient metadata.PatientID) (Located, error)
	// LocateWithin is how long members are waited for that say where a patient has data
	// (Member.Where). Default 500 ms.
	LocateWithin time.Duration
	// Probe is the share of queries, from 0 to 1, for which those are asked too that
	// hold nothing for sure: so it is found out how often the locator is wrong.
	Probe float64
	// Judged is told of each question to a community that a locator had a say in: its
	// result is found, empty or failed. nil: nobody is.
	Judged func(why Why, result string)
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
	homes map[string][]*member // also by Others; several only if they share it
	// locators are the members that say where patients have data.
	locators []*member
}

// New makes a Gateway. The error names a member that is wrong.
func New(o Options, members []Member) (*Gateway, error) {
	setDefault(&o.Correlations, 100_000)
	setDefault(&o.CorrelationTime, 24*time.Hour)
	setDefault(&o.LocateWithin, 500*time.Millisecond)
	g := &Gateway{o: o, stats: map[string]*stats{}, ids: discovery.NewCorrelations(o.Correlations, o.CorrelationTime, o.Clock)}
	return g, g.Replace(members)
}

// Replace exchanges the directory. Requests in work end with the old one.
func (g *Gateway) Replace(members []Member) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	d := &directory{homes: map[string][]*member{}}
	for _, m := range members {
		key := m.Home
		if len(m.Repositories) > 0 {
			key += " " + m.Name
		}
		if g.stats[key] == nil {
			g.stats[key] = &stats{}
		}
		n := newMember(m, g.stats[key], g.o.Clock)
		for _, home := range append([]string{m.Home}, m.Others...) {
			if !strings.HasPrefix(home, "urn:oid:") {
				return fmt.Errorf("gateway: the homeCommunityId %q of %s is not of the form urn:oid:OID", home, n.label())
			}
			for _, other := range d.homes[home] {
				if !n.shares() || !other.shares() {
					return fmt.Errorf("gateway: the homeCommunityId %s belongs to two communities: %s and %s", home, other.label(), n.label())
				}
				if n.Name == other.Name || slices.ContainsFunc(n.Repositories, func(r string) bool { return slices.Contains(other.Repositories, r) }) {
					return fmt.Errorf("gateway: two members of the homeCommunityId %s have the same name or repository: %s and %s", home, other.label(), n.label())
				}
			}
			d.homes[home] = append(d.homes[home], n)
		}
		d.list = append(d.list, n)
		if n.Where != nil {
			d.locators = append(d.locators, n)
		}
	}
	g.members.Store(d)
	return nil
}

// target is a community to ask.
type target struct {
	*member // nil: the own one
	leg     *Leg
	why     Why
	hint    *metadata.PatientID // the patient's there, as a Health Data Locator said; nil: none did
}

// find are those who answer for a home, directly or over a bridge.
func (d *directory) find(home string, own *Leg) (all []target) {
	mine := own != nil && slices.Contains(own.Homes, home)
	if mine {
		all = append(all, target{leg: own})
	}
	if own != nil && own.Alone && !mine {
		return nil
	}
	for _, m := range d.homes[home] {
		all = append(all, target{member: m})
	}
	if all != nil {
		return all
	}
	for _, m := range d.list {
		if m.Bridge {
			return []target{{member: m}}
		}
	}
	return nil
}

// holder is who has a repository of a home; a problem says why nobody has.
func (d *directory) holder(r *metadata.DocumentRequest, own *Leg) (target, *fault.Problem) {
	all := d.find(r.Home, own)
	if len(all) == 0 {
		return target{}, &fault.Problem{Code: fault.UnknownCommunity, Location: r.UniqueID, Context: "The gateway does not know the community " + r.Home + "."}
	}
	for _, t := range all {
		if t.member != nil && slices.Contains(t.Repositories, r.RepositoryID) {
			return t, nil
		}
	}
	for _, t := range all {
		if t.member == nil || !t.shares() {
			return t, nil
		}
	}
	return target{}, &fault.Problem{Code: fault.UnknownRepositoryID, Location: r.UniqueID,
		Context: "The gateway knows no repository " + r.RepositoryID + " of the community " + r.Home + "."}
}

// Knows tells whether somebody answers for a community, directly or over a bridge.
func (g *Gateway) Knows(home string) bool { return len(g.members.Load().find(home, nil)) > 0 }

// Has tells whether a member has named the repository of a document, so that it is not
// in the own one although the home may be.
func (g *Gateway) Has(r metadata.DocumentRequest) bool {
	return slices.ContainsFunc(g.members.Load().homes[r.Home], func(m *member) bool { return slices.Contains(m.Repositories, r.RepositoryID) })
}

const targetList = "$targetCommunityIdList"

// route chooses who is asked (ITI TF-2 3.38.4.1.3; TF-1 18.2.6).
func (g *Gateway) route(ctx context.Context, c access.Caller, d *directory, q metadata.StoredQuery, own *Leg) ([]target, []fault.Problem, error) {
	const op = "gateway.Find"
	patient := patientOf(q.Query)
	if patient == nil || q.Home != "" {
		if q.Home == "" {
			return nil, nil, fault.New(fault.Invalid, op, fault.MissingHomeCommunityID,
				"A query by object needs the attribute home of AdhocQuery, so that the gateway knows which community to ask. It came with the object.")
		}
		all := d.find(q.Home, own)
		if len(all) == 0 {
			return nil, nil, fault.New(fault.Invalid, op, fault.UnknownCommunity, "The gateway does not know the community %s.", q.Home)
		}
		return all, nil, nil
	}
	if listed := listedHomes(q.Extra); listed != nil {
		return d.listed(listed, own)
	}
	if own != nil && own.Alone {
		return d.find(own.Homes[0], own), nil, nil
	}
	var all []target
	if own != nil {
		all = append(all, target{leg: own})
	}
	return append(all, g.located(ctx, c, d, *patient)...), nil, nil
}

// listed are the communities of $targetCommunityIdList, each once.
func (d *directory) listed(homes []string, own *Leg) (all []target, problems []fault.Problem, err error) {
	seen := map[*member]bool{}
	for _, home := range homes {
		found := d.find(home, own)
		if len(found) == 0 {
			problems = append(problems, fault.Problem{Code: fault.UnknownCommunity, Location: home,
				Context: "The gateway does not know the community " + home + " of " + targetList + "."})
			continue
		}
		for _, t := range found {
			if !seen[t.member] {
				seen[t.member] = true
				all = append(all, t)
			}
		}
	}
	return all, problems, nil
}

// Supported is the query as a responding gateway understands it: of the communities in
// $targetCommunityIdList it directs the query to those that it supports (ITI TF-1 18.2.6).
// The list names the others for other gateways, so that they are no problem here.
func (g *Gateway) Supported(q metadata.StoredQuery, own *Leg) metadata.StoredQuery {
	listed := listedHomes(q.Extra)
	if listed == nil {
		return q
	}
	d := g.members.Load()
	mine := slices.DeleteFunc(listed, func(home string) bool { return len(d.find(home, own)) == 0 })
	extra := make([]metadata.Slot, 0, len(q.Extra))
	for _, s := range q.Extra {
		if s.Name != targetList {
			extra = append(extra, s)
		}
	}
	q.Extra = append(extra, metadata.Slot{Name: targetList, Values: quoted(mine)})
	return q
}

// quoted writes each home as a value of its own: ('urn:oid:1').
func quoted(homes []string) []string {
	values := make([]string, len(homes))
	for i, h := range homes {
		values[i] = "('" + h + "')"
	}
	return values
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
					homes = append(homes, metadata.ParseHome(h))
				}
			}
		}
	}
	return homes
}
