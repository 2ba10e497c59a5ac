package decider

import (
	"context"

	"samdok/access"
)

// Rules that the deciders name in plans.
const (
	RuleOpen     = "open: no access policy configured"
	RuleLoopback = "open: only callers on this machine are allowed"
	RuleDeny     = "deny: everything is refused"
)

// Options of Open.
type Options struct {
	// AllowRemote lets callers on other machines in too.
	AllowRemote bool
}

// Open allows everything, to callers on this machine only unless told otherwise.
type Open struct {
	remote bool
	rules  []string
}

var (
	_ access.Decider = (*Open)(nil)
	_ access.Decider = DenyAll{}
)

// NewOpen makes an Open.
func NewOpen(o Options) *Open {
	return &Open{remote: o.AllowRemote, rules: []string{RuleOpen}}
}

// Plan allows callers on this machine, and all with Options.AllowRemote.
func (d *Open) Plan(_ context.Context, r access.Request) (access.Plan, error) {
	if !d.admits(r) {
		return access.Plan{Effect: access.Deny, Rules: []string{RuleLoopback}}, nil
	}
	return access.Plan{Effect: access.Allow, Rules: d.rules}, nil
}

// Decide allows all items to a caller that Plan admits.
func (d *Open) Decide(_ context.Context, r access.Request, items []access.Item) ([]access.Decision, error) {
	out := make([]access.Decision, len(items))
	if !d.admits(r) {
		return out, nil
	}
	for i := range out {
		out[i].Effect = access.Allow
	}
	return out, nil
}

func (d *Open) admits(r access.Request) bool { return d.remote || r.Caller.Loopback }

// DenyAll refuses everything.
type DenyAll struct{}

func (DenyAll) Plan(context.Context, access.Request) (access.Plan, error) {
	return access.Plan{Effect: access.Deny, Rules: []string{RuleDeny}}, nil
}

func (DenyAll) Decide(_ context.Context, _ access.Request, items []access.Item) ([]access.Decision, error) {
	return make([]access.Decision, len(items)), nil
}
