package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"samdok/internal/app"
	"samdok/internal/config"
	"samdok/internal/telemetry"
)

func (c *cli) backupCommand() *cobra.Command {
	var withoutKey bool
	cmd := c.command(c.tr("backup FOLDER", "backup MAPPE"), c.tr("Copy the data folder while the server runs", "Kopier datamappen mens tjeneren kjører"),
		c.tr(`Writes a whole copy of the data folder, true at one moment, as one tar file into FOLDER
(or to standard output for -). The server need not stop; all that was acknowledged
before the backup began is in it.

The copy holds the master key when the key lies in the data folder: it is then as secret
as the documents. --without-master-key leaves it out; without the key a backup cannot be
read.`,
			`Skriver en hel kopi av datamappen, slik den er på ett tidspunkt, som én tar-fil i MAPPE
(eller til standard ut for -). Tjeneren trenger ikke stoppe; alt som var bekreftet før
kopieringen begynte, er med.

Kopien inneholder hovednøkkelen når den ligger i datamappen: da er den like hemmelig som
dokumentene. --without-master-key utelater den; uten nøkkelen kan kopien ikke leses.`),
		`  samdok backup /backup --data /var/lib/samdok
  samdok backup - --data /var/lib/samdok --without-master-key | ssh backup 'cat > samdok.tar'`,
		func(cmd *cobra.Command, args []string) error {
			conf, err := c.loadConfig(cmd.Flags(), nil)
			if err != nil {
				return err
			}
			return c.backup(cmd.Context(), conf, args[0], !withoutKey)
		})
	cmd.Args = cobra.ExactArgs(1)
	cmd.Flags().BoolVar(&withoutKey, "without-master-key", false, c.tr("leave the master key out", "utelat hovednøkkelen"))
	c.settingFlags(cmd.Flags())
	return cmd
}

func (c *cli) backup(ctx context.Context, conf *config.Config, target string, withKey bool) (err error) {
	log, err := telemetry.NewLog(c.err, conf.Log.Level, conf.Log.Format)
	if err != nil {
		return exit(exitUsage, err)
	}
	progress := c.bytesBar(-1, c.tr("copying", "kopierer"))
	defer progress.done()
	write := func(w io.Writer) error {
		return app.Backup(ctx, conf, log, c.clock, w, withKey, func(done int64) { progress.set(done, -1) })
	}
	if target == "-" {
		return write(c.out)
	}
	if err := os.MkdirAll(target, 0o700); err != nil {
		return err
	}
	// A file with its final name is a whole backup.
	path := filepath.Join(target, "samdok-"+c.clock().UTC().Format("20060102T150405Z")+".tar")
	f, err := os.OpenFile(path+".part", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(write(f), f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path+".part"))
	}
	if err := os.Rename(path+".part", path); err != nil {
		return err
	}
	progress.done()
	c.say("%s", "%s", path)
	if withKey {
		c.note("Keep it as secret as the documents: it holds the master key if that lies in the data folder.", "Hold den like hemmelig som dokumentene: den inneholder hovednøkkelen hvis den ligger i datamappen.")
	} else {
		c.note("The master key is not in it; keep the key apart, or the backup cannot be read.", "Hovednøkkelen er ikke med; ta vare på den et annet sted, ellers kan kopien ikke leses.")
	}
	return nil
}

func (c *cli) restoreCommand() *cobra.Command {
	var data string
	var o app.RestoreOptions
	cmd := c.command(c.tr("restore FILE", "restore FIL"), c.tr("Make a data folder of a backup", "Lag en datamappe av en sikkerhetskopi"),
		c.tr(`Unpacks a backup into an empty folder and checks every file. A backup that is damaged or
not whole leaves nothing behind.

What was erased after the backup was made is still in it. The first start erases it again,
by the newest list of erasures: the file keys/erasures of the folder the backup was made
of. Give that folder, or a copy of the file, with --erasures. When there is none, say why
with --without-erasures; that is recorded.`,
			`Pakker ut en sikkerhetskopi i en tom mappe og kontrollerer hver fil. En kopi som er skadet
eller ikke hel, etterlater ingenting.

Det som ble slettet etter at kopien ble laget, er fortsatt i den. Den første starten sletter
det på nytt, etter den nyeste listen over slettinger: filen keys/erasures i mappen kopien
ble laget av. Oppgi mappen, eller en kopi av filen, med --erasures. Finnes den ikke, så si
hvorfor med --without-erasures; det blir loggført.`),
		"  samdok restore /backup/samdok-20261122T015500Z.tar --data /srv/new --erasures /var/lib/samdok\n  ssh backup 'cat samdok.tar' | samdok restore - --without-erasures 'nothing was ever erased'",
		func(cmd *cobra.Command, args []string) error {
			if (o.Erasures == "") == (o.Without == "") {
				return c.usage("what was erased after the backup? Give --erasures FOLDER (or a copy of its keys/erasures), or --without-erasures REASON",
					"hva ble slettet etter kopien? Oppgi --erasures MAPPE (eller en kopi av keys/erasures der), eller --without-erasures GRUNN")
			}
			return c.restore(cmd.Context(), args[0], data, o)
		})
	cmd.Args = cobra.ExactArgs(1)
	cmd.Flags().StringVar(&data, "data", "samdok-data", c.tr("`FOLDER` to make; empty or missing", "`MAPPE` som lages; tom eller ikke der"))
	cmd.Flags().StringVar(&o.Erasures, "erasures", "", c.tr("`FILE`: the newest list of erasures, or the data folder that has it", "`FIL`: den nyeste listen over slettinger, eller datamappen den er i"))
	cmd.Flags().StringVar(&o.Without, "without-erasures", "", c.tr("`REASON` why there is no list of erasures; it is recorded", "`GRUNN` til at det ikke finnes noen liste; blir loggført"))
	return cmd
}

func (c *cli) restore(ctx context.Context, from, data string, o app.RestoreOptions) error {
	o.Who = reader()
	r, size := c.in, int64(-1)
	if from != "-" {
		f, err := os.Open(from)
		if err != nil {
			return exit(exitUsage, err)
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil {
			size = info.Size()
		}
		r = f
	}
	progress := c.bytesBar(size, c.tr("restoring", "gjenoppretter"))
	restored, err := app.Restore(ctx, stoppable{ctx, r}, data, o, func(done int64) { progress.set(done, size) })
	progress.done()
	if err != nil {
		return err
	}
	c.say("Restored %d files (%s) into %s, as they were on %s.", "Gjenopprettet %d filer (%s) i %s, slik de var %s.",
		restored.Files, humanSize(restored.Octets), data, restored.Made.Format("2006-01-02 15:04:05 UTC"))
	if restored.Erasures > 0 {
		c.note("%d erasures came after the backup; the first start does them again.", "%d slettinger kom etter kopien; den første starten gjør dem på nytt.", restored.Erasures)
	}
	if !restored.WithKey {
		c.note("The master key was not in the backup: give it with --master-key-file, or put it at %s.", "Hovednøkkelen var ikke i kopien: oppgi den med --master-key-file, eller legg den i %s.", filepath.Join(data, "master.key"))
	}
	return nil
}
