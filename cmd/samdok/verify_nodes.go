package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"samdok/audit/ledger"
	"samdok/internal/app"
	"samdok/internal/config"
	"samdok/internal/telemetry"
)

// verifyLedgers checks the ledgers of all nodes in the store.
func (c *cli) verifyLedgers(ctx context.Context, conf *config.Config, v *verification) error {
	log, err := telemetry.NewLog(c.err, conf.Log.Level, conf.Log.Format)
	if err != nil {
		return exit(exitUsage, err)
	}
	var said ledger.VerifyOptions
	if err := c.readTrusted(v, &said); err != nil {
		return err
	}
	progress := c.bytesBar(-1, c.tr("verifying", "kontrollerer"))
	o := ledger.NodesOptions{Trusted: said.Trusted, Kept: said.Checkpoints, Progress: func(done, total int64) { progress.set(done, total) }}
	if said.Since != nil {
		o.Since = &ledger.Verified{}
		if err := json.Unmarshal(said.Since, o.Since); err != nil {
			return exit(exitUsage, fmt.Errorf("%s: %w", v.state, err))
		}
	}
	start := c.clock()
	r, err := app.VerifyLedgers(ctx, conf, log, c.clock, o)
	progress.done()
	if err != nil {
		return err
	}
	if v.asJSON {
		err = c.printJSON(r)
	} else {
		c.showNodes(r, c.since(start))
	}
	if err != nil {
		return err
	}
	if len(r.Findings) > 0 {
		return fmt.Errorf(c.tr("the ledgers are not as they were signed; first: %s", "loggene er ikke slik de ble signert; først: %s"), nodeFinding(&r.Findings[0]))
	}
	if v.state == "" {
		return nil
	}
	b, err := json.Marshal(&r.Verified)
	if err != nil {
		return err
	}
	return keep(v.state, b)
}

func nodeFinding(f *ledger.NodeFinding) string {
	if f.Node == "" {
		return f.Text
	}
	return f.Node + ": " + f.Text
}

func (c *cli) showNodes(r *ledger.NodesReport, took string) {
	for i := range r.Findings {
		c.say("%s: %s", "%s: %s", strings.ToUpper(string(r.Findings[i].Kind)), nodeFinding(&r.Findings[i]))
	}
	var records, signed, leaves int64
	for _, n := range r.Nodes {
		records, signed, leaves = records+n.Records, signed+n.Signed, leaves+n.Leaves
		for _, d := range n.Dropped {
			c.say("%s: records %d to %d were destroyed on %s: %s", "%s: oppføring %d til %d ble slettet %s: %s", n.Node, d.First, d.End-1, d.Time.Format("2006-01-02"), d.Reason)
		}
	}
	c.say("Checked %d records in the ledgers of %d nodes and %d lists of them in %s; %d of %d are signed.", "Kontrollerte %d oppføringer i loggene til %d noder og %d lister over dem på %s; %d av %d er signert.",
		records, len(r.Nodes), r.Lists, took, signed, leaves)
	switch {
	case len(r.Findings) > 0:
	case r.Trusted:
		c.say("Nothing was altered.", "Ingenting er endret.")
	default:
		c.say("Nothing was altered, if %s is the key that you trust (--key).", "Ingenting er endret, hvis %s er nøkkelen du stoler på (--key).", r.Newest)
	}
}
