package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"samdok/access"
	"samdok/access/guard"
	"samdok/audit"
	"samdok/internal/config"
)

// event is one about the system, not about a use case.
func (d *data) event(kind audit.Kind, now time.Time) *audit.Event {
	return &audit.Event{
		Kind: kind, Outcome: audit.Success, Time: now,
		Request: access.Request{Tenant: access.Tenant(d.identity.Tenant), Time: now, Caller: access.Caller{Door: "system", Loopback: true}},
	}
}

// record makes an event durable.
func (d *data) record(ctx context.Context, e *audit.Event) error {
	if _, err := d.ledger.Record(ctx, e); err != nil {
		return fmt.Errorf("the ledger: %w", err)
	}
	return nil
}

// attempted makes the one record of something that a person orders on this machine,
// however it ends: done, refused, failed, given up by whoever asked, or with a panic,
// which goes on. Without the record it is an error.
func (d *data) attempted(ctx context.Context, e *audit.Event, body func() error) (err error) {
	e.Outcome = audit.Panicked // until body returns
	defer func() {
		e.Time = d.clock()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), guard.DefaultRecordTimeout)
		defer cancel()
		err = errors.Join(err, d.record(ctx, e))
	}()
	err = body()
	switch {
	case err == nil:
		e.Outcome = audit.Success
	case ctx.Err() != nil:
		e.Outcome = audit.Aborted
	default:
		e.Outcome = audit.Errored
	}
	return err
}

// settingsName keeps the settings of the last start, secrets hidden, so that the
// next one can record what changed.
const settingsName = "settings.last"

// recordStart records that the server starts, with its settings, and what changed
// since the last start.
func (d *data) recordStart(ctx context.Context, c *config.Config, version string, now time.Time) error {
	path := filepath.Join(d.dir, settingsName)
	before, err := loadSettings(path)
	if err != nil {
		return err
	}
	is := map[string]string{}
	if is[rulesSetting], err = rulesDigest(c); err != nil {
		return err
	}
	start := d.event(audit.KindStart, now)
	start.Details = []audit.Detail{{Name: "version", Value: version}}
	changed := d.event(audit.KindConfig, now)
	for _, s := range config.Settings() {
		value := s.Value(c)
		is[s.Name] = value
		if value != s.Default {
			start.Details = append(start.Details, audit.Detail{Name: s.Name, Value: value})
		}
		if was, known := before[s.Name]; before != nil && (!known && value != s.Default || known && was != value) {
			changed.Details = append(changed.Details, audit.Detail{Name: s.Name, Value: fmt.Sprintf("%q instead of %q", value, was)})
		}
	}
	is[masterSetting] = d.fingerprint()
	policy := d.policyChange(before, is, changed, now)
	events := []*audit.Event{start}
	if d.created {
		key := d.event(audit.KindKey, now)
		key.Details = d.newKeys(c)
		events = append(events, key)
	}
	if len(changed.Details) > 0 {
		events = append(events, changed)
	}
	if e := d.masterChange(before, now); e != nil {
		events = append(events, e)
	}
	if len(policy.Details) > 0 {
		events = append(events, policy)
	}
	for _, e := range events {
		if err := d.record(ctx, e); err != nil {
			return err
		}
	}
	b, err := json.MarshalIndent(is, "", "  ")
	if err != nil {
		return err
	}
	return writeDurably(path, append(b, '\n'))
}

// rulesSetting is what settings.last calls the text of the retention rules.
const rulesSetting = "retention.rules (text)"

// policyChange is the event of what changed of who may do what, and of what is
// erased when.
func (d *data) policyChange(before, is map[string]string, changed *audit.Event, now time.Time) *audit.Event {
	e := d.event(audit.KindPolicy, now)
	for _, c := range changed.Details {
		if strings.HasPrefix(c.Name, "access.") || strings.HasPrefix(c.Name, "retention.") {
			e.Details = append(e.Details, c)
		}
	}
	if was := before[rulesSetting]; was != is[rulesSetting] {
		e.Details = append(e.Details, audit.Detail{Name: rulesSetting, Value: fmt.Sprintf("%q instead of %q", is[rulesSetting], was)})
	}
	return e
}

// newKeys are the keys that a new data folder begins with.
func (d *data) newKeys(c *config.Config) []audit.Detail {
	origin := func(given bool) string {
		if given {
			return "given"
		}
		return "made now"
	}
	all := []audit.Detail{{Name: "ledger key", Value: origin(c.LedgerKey != "") + ": " + d.ledger.PublicKeys()[0]}}
	if c.Encryption {
		all = append(all, audit.Detail{Name: "master key", Value: origin(c.MasterKey != "")})
	}
	return slices.Clip(all)
}

// loadSettings is nil when there was no start before.
func loadSettings(path string) (map[string]string, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	var before map[string]string
	if err := json.Unmarshal(b, &before); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w; delete it, and the next start records no change of settings", path, err)
	}
	return before, nil
}
