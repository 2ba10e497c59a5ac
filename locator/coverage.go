package locator

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Level is how much a community tells of itself. Numbers are stored.
type Level uint8

const (
	LevelUnknown Level = iota
	// LevelOrganisation: which organisations hold something; the community's own
	// locator knows the rest.
	LevelOrganisation
	// LevelSystem: which systems hold what.
	LevelSystem
)

var levelNames = [...]string{"unknown", "organisation", "system"}

func (l Level) String() string {
	if int(l) < len(levelNames) {
		return levelNames[l]
	}
	return levelNames[0]
}

// LevelNamed is the level of a name; LevelUnknown when it is none.
func LevelNamed(name string) Level {
	for i := 1; i < len(levelNames); i++ {
		if levelNames[i] == name {
			return Level(i)
		}
	}
	return LevelUnknown
}

// Coverage is a community's report that the locator knows everything of it.
type Coverage struct {
	Community string
	Level     Level
	// AsOf is the moment, by the community's clock, up to which everything was told.
	AsOf time.Time
	// Ended: the community no longer tells.
	Ended bool
	// Heard is when the report came, and Current whether it still counts. The locator
	// sets them.
	Heard   time.Time
	Current bool
}

const (
	coverageKey = "coverage"
	// coverageVersion is the first byte of the card of all coverage; JSON follows.
	coverageVersion = 0xc1
	// MaxCommunities that can report.
	MaxCommunities = 10_000
)

type coverageCard struct {
	Community string
	Level     Level
	AsOf      time.Time
	Ended     bool `json:",omitempty"`
	Heard     time.Time
}

// Cover takes a report. One that is older than the last changes nothing.
func (l *Locator) Cover(ctx context.Context, c Coverage) error {
	if p := CheckCommunity(c.Community); p != nil {
		return p
	}
	if c.Level != LevelOrganisation && c.Level != LevelSystem {
		return &Problem{"/level", "The level must be organisation or system."}
	}
	if c.AsOf.Before(epoch) || c.AsOf.Year() > 2999 {
		return &Problem{"/asOf", "Give the time up to which everything was told, between 2020 and 2999."}
	}
	if p := l.ahead(c.AsOf); p != nil {
		return p
	}
	return l.o.Cards.Revise(ctx, l.o.Tenant, []string{coverageKey}, func(_ int, old []byte) ([]byte, bool, error) {
		all, err := decodeCoverage(old)
		if err != nil {
			return nil, false, err
		}
		i, there := slices.BinarySearchFunc(all, c.Community, func(x coverageCard, home string) int { return cmp.Compare(x.Community, home) })
		is := coverageCard{c.Community, c.Level, c.AsOf.UTC(), c.Ended, l.o.Clock().UTC()}
		switch {
		case there && c.AsOf.Before(all[i].AsOf):
			return nil, true, nil
		case there:
			all[i] = is
		case len(all) >= MaxCommunities:
			return nil, false, &Problem{"/community", fmt.Sprintf("%d communities report already, which is the most.", MaxCommunities)}
		default:
			all = slices.Insert(all, i, is)
		}
		b, err := json.Marshal(all)
		return append([]byte{coverageVersion}, b...), false, err
	})
}

func decodeCoverage(b []byte) (all []coverageCard, err error) {
	if len(b) == 0 {
		return nil, nil
	}
	if b[0] != coverageVersion {
		return nil, errCard
	}
	if err := json.Unmarshal(b[1:], &all); err != nil {
		return nil, fmt.Errorf("%w: %w", errCard, err)
	}
	return all, nil
}

// Coverage is what communities report of themselves, ordered by community.
func (l *Locator) Coverage(ctx context.Context) ([]Coverage, error) {
	b, err := l.o.Cards.Card(ctx, l.o.Tenant, coverageKey)
	if err != nil {
		return nil, err
	}
	all, err := decodeCoverage(b)
	if err != nil {
		return nil, err
	}
	now := l.o.Clock()
	out := make([]Coverage, len(all))
	for i, c := range all {
		out[i] = Coverage{Community: c.Community, Level: c.Level, AsOf: c.AsOf, Ended: c.Ended, Heard: c.Heard,
			Current: !c.Ended && now.Sub(c.Heard) <= l.o.Stale && c.Heard.Sub(now) <= l.o.Stale}
	}
	return out, nil
}
