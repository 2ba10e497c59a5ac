package decider_test

import (
	"testing"

	"samdok/access"
	"samdok/access/decider"
)

func TestDeciders(t *testing.T) {
	local, remote := access.Caller{Loopback: true}, access.Caller{Remote: "192.0.2.7"}
	for _, c := range []struct {
		name    string
		decider access.Decider
		caller  access.Caller
		want    access.Effect
		rule    string
	}{
		{"open, this machine", decider.NewOpen(decider.Options{}), local, access.Allow, decider.RuleOpen},
		{"open, another machine", decider.NewOpen(decider.Options{}), remote, access.Deny, decider.RuleLoopback},
		{"open to all", decider.NewOpen(decider.Options{AllowRemote: true}), remote, access.Allow, decider.RuleOpen},
		{"the zero Open", &decider.Open{}, remote, access.Deny, decider.RuleLoopback},
		{"deny", decider.DenyAll{}, local, access.Deny, decider.RuleDeny},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := access.Request{Caller: c.caller, Action: access.ActionFind}
			plan, err := c.decider.Plan(t.Context(), r)
			if err != nil || plan.Effect != c.want || len(plan.Rules) != 1 || plan.Rules[0] != c.rule {
				t.Errorf("plan %+v, %v", plan, err)
			}
			got, err := c.decider.Decide(t.Context(), r, make([]access.Item, 3))
			if err != nil || len(got) != 3 {
				t.Fatalf("decisions %v, %v", got, err)
			}
			for _, d := range got {
				if d.Effect != c.want {
					t.Errorf("decision %v", d)
				}
			}
		})
	}
}
