package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"samdok/audit/ledger"
	"samdok/internal/app"
	"samdok/internal/config"
	"samdok/internal/telemetry"
)

func (c *cli) ledgerCommand() *cobra.Command {
	cmd := c.command("ledger", c.tr("Keys, checkpoints and proofs of the ledger", "Nøkler, sjekkpunkter og bevis for loggen"), "",
		"  samdok ledger keys > ledger.pub\n  samdok ledger checkpoint > /elsewhere/$(date +%F).txt", nil)
	cmd.RunE = nil
	cmd.AddCommand(
		c.ledgerStateCommand("keys", c.tr("Print the public keys, the newest last", "Skriv de offentlige nøklene, den nyeste sist"),
			c.tr("Whoever has the first key can verify the ledger for ever: each key is signed by the one\nbefore it. Hand it to those who shall be able to verify.", "Den som har den første nøkkelen, kan kontrollere loggen for alltid: hver nøkkel er signert\nav den før. Gi den til dem som skal kunne kontrollere."),
			"  samdok ledger keys --data /var/lib/samdok", app.LedgerCommand{}, func(s app.LedgerState) {
				for _, k := range s.PublicKeys {
					fmt.Fprintln(c.out, k)
				}
			}),
		c.ledgerStateCommand("checkpoint", c.tr("Sign all records up to now and print the checkpoint", "Signer alt til nå og skriv sjekkpunktet"),
			c.tr("A checkpoint that is kept where the operator cannot change it (printed, mailed, with a\nwitness that countersigns notes of the form C2SP tlog-checkpoint) makes every later\nchange of what it signs provable: samdok verify ledger --checkpoint FILE.", "Et sjekkpunkt som tas vare på der driften ikke kan endre det (på papir, i e-post, hos et\nvitne som kontrasignerer noter etter C2SP tlog-checkpoint), gjør enhver senere endring av\ndet som er signert, beviselig: samdok verify ledger --checkpoint FIL."),
			"  samdok ledger checkpoint --data /var/lib/samdok > kept.txt", app.LedgerCommand{}, func(s app.LedgerState) { fmt.Fprint(c.out, s.Checkpoint) }),
		c.rotateKeyCommand(), c.newKeyCommand(), c.proveCommand(), c.witnessCommand(), c.dropCommand(),
	)
	return cmd
}

func (c *cli) ledgerStateCommand(use, short, long, example string, q app.LedgerCommand, show func(app.LedgerState)) *cobra.Command {
	cmd := c.command(use, short, long, example, func(cmd *cobra.Command, _ []string) error {
		conf, err := c.loadConfig(cmd.Flags(), nil)
		if err != nil {
			return err
		}
		return c.askLedger(cmd, conf, q, show)
	})
	cmd.Args = cobra.NoArgs
	c.settingFlags(cmd.Flags())
	return cmd
}

func (c *cli) askLedger(cmd *cobra.Command, conf *config.Config, q app.LedgerCommand, show func(app.LedgerState)) error {
	log, err := telemetry.NewLog(c.err, conf.Log.Level, conf.Log.Format)
	if err != nil {
		return exit(exitUsage, err)
	}
	q.Reader = reader()
	s, err := app.Ledger(cmd.Context(), conf, log, c.clock, q)
	if err == nil {
		show(s)
	}
	return err
}

func (c *cli) rotateKeyCommand() *cobra.Command {
	var file string
	cmd := c.command("rotate-key", c.tr("Replace the key that signs the ledger", "Bytt nøkkelen som signerer loggen"),
		c.tr("The old key signs the new one, so that whoever trusts the old one can go on verifying.\nA ledger whose key is given by a setting needs the new one too; the setting must name\nit at the next start.", "Den gamle nøkkelen signerer den nye, så den som stoler på den gamle, kan fortsette å\nkontrollere. En logg hvis nøkkel er gitt i en innstilling, må få den nye oppgitt;\ninnstillingen må vise til den ved neste start."),
		"  samdok ledger rotate-key --data /var/lib/samdok\n  samdok ledger rotate-key --new-key-file new.key", func(cmd *cobra.Command, _ []string) error {
			conf, err := c.loadConfig(cmd.Flags(), nil)
			if err != nil {
				return err
			}
			q := app.LedgerCommand{Rotate: true}
			if file != "" {
				private, err := c.readSmall(file)
				if err != nil {
					return exit(exitUsage, err)
				}
				q.NewKey = config.Secret(private)
			}
			return c.askLedger(cmd, conf, q, func(s app.LedgerState) { fmt.Fprintln(c.out, s.PublicKeys[len(s.PublicKeys)-1]) })
		})
	cmd.Args = cobra.NoArgs
	cmd.Flags().StringVar(&file, "new-key-file", "", c.tr("`FILE` with the new private key, - for standard input", "`FIL` med den nye private nøkkelen, - for standard inn"))
	c.settingFlags(cmd.Flags())
	return cmd
}

func (c *cli) newKeyCommand() *cobra.Command {
	var origin string
	cmd := c.command(c.tr("new-key FILE", "new-key FIL"), c.tr("Make a private key to keep outside the data folder", "Lag en privat nøkkel som holdes utenfor datamappen"),
		c.tr("Writes the private key into FILE (it must not be there) and prints the public one. Give\nthe file with the setting ledger-key-file.", "Skriver den private nøkkelen til FIL (den må ikke finnes) og skriver ut den offentlige.\nOppgi filen med innstillingen ledger-key-file."),
		"  samdok ledger new-key /safe/ledger.key > ledger.pub", func(_ *cobra.Command, args []string) error {
			private, public, err := ledger.NewSigningKey(origin)
			if err != nil {
				return err
			}
			f, err := os.OpenFile(filepath.Clean(args[0]), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return exit(exitUsage, err)
			}
			_, err = fmt.Fprintln(f, private)
			if serr := f.Sync(); err == nil {
				err = serr
			}
			if cerr := f.Close(); err == nil {
				err = cerr
			}
			if err == nil {
				_, err = fmt.Fprintln(c.out, public)
			}
			return err
		})
	cmd.Args = cobra.ExactArgs(1)
	cmd.Flags().StringVar(&origin, "origin", "", c.tr("`NAME` of the ledger when it replaces a key: what stands before the first + of its public key", "`NAVN` på loggen når den erstatter en nøkkel: det som står før første + i den offentlige nøkkelen"))
	return cmd
}

func (c *cli) proveCommand() *cobra.Command {
	var ledgerOf string
	cmd := c.command(c.tr("prove RECORD", "prove NUMMER"), c.tr("Prove that a record is in the ledger", "Bevis at en oppføring er i loggen"),
		c.tr("Prints, as JSON, the hash of the record with the number that samdok log shows, the hashes\nfrom it to the root (RFC 6962, 2.1.1) and the signed checkpoint of that root. The proof\nshows nothing of any record.", "Skriver, som JSON, hashen av oppføringen med nummeret som samdok log viser, hashene fra\nden til roten (RFC 6962, 2.1.1) og det signerte sjekkpunktet for roten. Beviset viser\ningenting av innholdet."),
		"  samdok ledger prove 4711 --data /var/lib/samdok", func(cmd *cobra.Command, args []string) error {
			index, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil {
				return c.usage("%q is not the number of a record", "%q er ikke nummeret på en oppføring", args[0])
			}
			conf, err := c.loadConfig(cmd.Flags(), nil)
			if err != nil {
				return err
			}
			log, err := telemetry.NewLog(c.err, conf.Log.Level, conf.Log.Format)
			if err != nil {
				return exit(exitUsage, err)
			}
			p, err := app.ProveRecord(cmd.Context(), conf, log, c.clock, app.ProofRequest{Node: ledgerOf, Index: index})
			if err != nil {
				return err
			}
			path := make([]string, len(p.Path))
			for i := range path {
				path[i] = p.Path[i].String()
			}
			return c.printJSON(map[string]any{"index": p.Index, "leaf": p.Leaf.String(), "path": path, "checkpoint": string(p.Checkpoint.Note)})
		})
	cmd.Args = cobra.ExactArgs(1)
	cmd.Flags().StringVar(&ledgerOf, "ledger", "", c.tr("`NODE` whose ledger it is, with storage scaled, as samdok log --json names it", "`NODE` hvis logg det gjelder, med storage scaled, slik samdok log --json viser den"))
	c.settingFlags(cmd.Flags())
	return cmd
}
