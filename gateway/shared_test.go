package gateway

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
)

// keeper has documents of whatever repository it is asked for.
func keeper(home string) *community {
	c := holder(1, home)
	c.retrieve = func(_ context.Context, r []metadata.DocumentRequest) (*Retrieved, error) {
		var d []Document
		for i := range r {
			d = append(d, Document{Request: r[i], Body: strings.NewReader(r[i].UniqueID)})
		}
		return &Retrieved{Documents: d}, nil
	}
	return c
}

// Several registries of one home, beside the own one and elsewhere, are all asked; a
// document is fetched where its repository is.
func TestSharedHomes(t *testing.T) {
	own, a, b, c, far := keeper(home(0)), keeper(home(0)), keeper(home(1)), keeper(home(1)), keeper(home(2))
	members := []Member{
		{Home: home(0), Name: "beside", Repositories: []string{"1.1"}, Community: a},
		{Home: home(1), Name: "b", Repositories: []string{"2.1", "2.2"}, Community: b},
		{Home: home(1), Name: "c", Repositories: []string{"2.3"}, Community: c},
		{Home: home(2), Community: far},
	}
	g := newGateway(t, Options{}, members...)
	leg := &Leg{Homes: []string{home(0)}, Community: own}
	alone := &Leg{Homes: []string{home(0)}, Community: own, Alone: true}
	byID := metadata.StoredQuery{Query: &metadata.GetDocuments{}}
	at := func(q metadata.StoredQuery, home string) metadata.StoredQuery {
		q.Home = home
		return q
	}
	for name, w := range map[string]struct {
		q        metadata.StoredQuery
		own      *Leg
		found    string
		problems string
	}{
		"everybody":               {findDocuments, leg, "0 0 1 1 2", ""},
		"one home":                {at(findDocuments, home(1)), leg, "1 1", ""},
		"listed":                  {listing("('" + home(1) + "','" + home(0) + "')"), leg, "0 0 1 1", ""},
		"by id":                   {at(byID, home(0)), leg, "0 0", ""},
		"alone":                   {findDocuments, alone, "0 0", ""},
		"alone, by id":            {at(byID, home(0)), alone, "0 0", ""},
		"alone, somebody else's":  {at(byID, home(1)), alone, "", "XDSUnknownCommunity "},
		"alone, listed elsewhere": {listing("('" + home(2) + "','" + home(0) + "')"), alone, "0 0", "XDSUnknownCommunity " + home(2)},
	} {
		found, problems := ask(t, g, w.q, w.own)
		slices.Sort(found)
		if got := strings.ReplaceAll(strings.Join(found, " "), "urn:oid:1.2.", ""); got != w.found || strings.Join(problems, " ") != w.problems {
			t.Errorf("%s: found %q, problems %q", name, got, problems)
		}
	}
	for name, w := range map[string]struct {
		home, repository string
		own              *Leg
		from             *community
		code             fault.Code
	}{
		"own":               {home(0), "9.9", leg, own, ""},
		"beside the own":    {home(0), "1.1", leg, a, ""},
		"alone":             {home(0), "1.1", alone, a, ""},
		"first":             {home(1), "2.2", leg, b, ""},
		"second":            {home(1), "2.3", leg, c, ""},
		"nobody's":          {home(1), "2.4", leg, nil, fault.UnknownRepositoryID},
		"another home's":    {home(2), "2.3", leg, far, ""},
		"alone, another's":  {home(1), "2.3", alone, nil, fault.UnknownCommunity},
		"an unknown home's": {home(7), "2.3", leg, nil, fault.UnknownCommunity},
	} {
		for _, k := range []*community{own, a, b, c, far} {
			k.asked.Store(0)
		}
		r, err := g.Retrieve(context.Background(), access.Caller{}, []metadata.DocumentRequest{{Home: w.home, RepositoryID: w.repository, UniqueID: "x"}}, w.own)
		if err != nil {
			t.Fatal(name, err)
		}
		if w.from == nil {
			if len(r.Documents) != 0 || len(r.Problems) != 1 || r.Problems[0].Code != w.code || r.Problems[0].Location != "x" {
				t.Errorf("%s: %+v", name, r)
			}
		} else if len(r.Documents) != 1 || w.from.asked.Load() != 1 {
			t.Errorf("%s: %+v", name, r)
		} else if text, err := io.ReadAll(r.Documents[0].Body); string(text) != "x" || err != nil {
			t.Errorf("%s: %q, %v", name, text, err)
		}
		if err := r.Close(); err != nil {
			t.Error(name, err)
		}
	}
	if !g.Has(metadata.DocumentRequest{Home: home(0), RepositoryID: "1.1"}) || g.Has(metadata.DocumentRequest{Home: home(0), RepositoryID: "9.9"}) {
		t.Error("whose repository is whose")
	}
	if s := g.Status(); s[1].Asked == 0 || s[2].Asked == 0 || s[1].Name != "b" {
		t.Errorf("%+v", s)
	}
	for name, wrong := range map[string]Member{
		"without repositories": {Home: home(1), Name: "d", Community: c},
		"the same repository":  {Home: home(1), Name: "d", Repositories: []string{"2.3"}, Community: c},
		"the same name":        {Home: home(1), Name: "c", Repositories: []string{"2.5"}, Community: c},
	} {
		if err := g.Replace(append(slices.Clip(members), wrong)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
