package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"samdok/internal/app"
	"samdok/internal/config"
)

func (c *cli) mailboxCommand() *cobra.Command {
	cmd := c.command("mailbox", c.tr("Read what was sent to an organisation (XDR)", "Les det som er sendt til en virksomhet (XDR)"),
		c.tr(`Shows the messages in an organisation's mailbox, and gets one with its documents. It asks
the server that runs on the data folder; every reading is recorded.`,
			`Viser meldingene i en virksomhets postkasse, og henter en med dokumentene. Den spør tjeneren
som kjører på datamappen; hver lesing blir loggført.`),
		`  samdok mailbox list 974749025
  samdok mailbox get 974749025 2.999.1 -o received`, nil)
	cmd.RunE = nil
	cmd.AddCommand(c.mailboxListCommand(), c.mailboxGetCommand())
	return cmd
}

func (c *cli) mailboxListCommand() *cobra.Command {
	var asJSON bool
	cmd := c.command("list ORGANISATION", c.tr("List the messages of a mailbox, the oldest first", "List meldingene i en postkasse, de eldste først"),
		c.tr("ORGANISATION is the organisation's id as in intendedRecipient.\nExit code 4 when the mailbox is empty.", "ORGANISATION er virksomhetens id som i intendedRecipient. Sluttkode 4 når postkassen er tom."),
		`  samdok mailbox list 974749025
  samdok mailbox list 974749025 --json`,
		func(cmd *cobra.Command, args []string) error {
			conf, err := c.loadConfig(cmd.Flags(), nil)
			if err != nil {
				return err
			}
			return c.listMail(cmd.Context(), conf, args[0], asJSON)
		})
	cmd.Args = cobra.ExactArgs(1)
	cmd.Flags().BoolVar(&asJSON, "json", false, c.tr("print JSON, one message a line", "skriv JSON, én melding per linje"))
	c.settingFlags(cmd.Flags())
	return cmd
}

func (c *cli) listMail(ctx context.Context, conf *config.Config, org string, asJSON bool) error {
	all, err := app.ListMail(ctx, conf, app.MailRequest{Mailbox: org, Reader: reader()})
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return exit(exitNotFound, errors.New(c.tr("the mailbox is empty", "postkassen er tom")))
	}
	if asJSON {
		e := json.NewEncoder(c.out)
		for i := range all {
			if err := e.Encode(&all[i]); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, c.tr("RECEIVED\tID\tDOCUMENTS\tTITLE", "MOTTATT\tID\tDOKUMENTER\tTITTEL"))
	for _, m := range all {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", m.Received.Format("2006-01-02 15:04:05Z"), m.ID, len(m.Documents), m.Title)
	}
	return w.Flush()
}

func (c *cli) mailboxGetCommand() *cobra.Command {
	var dir string
	cmd := c.command("get ORGANISATION ID", c.tr("Get a message with its documents", "Hent en melding med dokumentene"),
		c.tr("Writes message.json and the documents into a new folder. ID is as samdok mailbox list\nshows it. Exit code 4 when there is no such message.",
			"Skriver message.json og dokumentene til en ny mappe. ID er slik samdok mailbox list viser\nden. Sluttkode 4 når meldingen ikke finnes."),
		`  samdok mailbox get 974749025 2.999.1 -o received`,
		func(cmd *cobra.Command, args []string) error {
			conf, err := c.loadConfig(cmd.Flags(), nil)
			if err != nil {
				return err
			}
			return c.getMail(cmd.Context(), conf, args[0], args[1], dir)
		})
	cmd.Args = cobra.ExactArgs(2)
	cmd.Flags().StringVarP(&dir, "output", "o", "message", c.tr("`FOLDER` to make", "`MAPPE` som lages"))
	c.settingFlags(cmd.Flags())
	return cmd
}

func (c *cli) getMail(ctx context.Context, conf *config.Config, org, id, dir string) (err error) {
	made := false
	err = app.OpenMail(ctx, conf, app.MailRequest{Mailbox: org, Message: id, Reader: reader()}, func(name, mimeType string, body io.Reader) error {
		if !made {
			if err := os.Mkdir(dir, 0o700); err != nil {
				return err
			}
			made = true
		}
		if mimeType != "" {
			name += extension(mimeType)
		}
		f, err := os.OpenFile(filepath.Join(dir, filepath.Base(name)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, body)
		return errors.Join(err, f.Close())
	})
	switch {
	case errors.Is(err, app.ErrNoMail):
		return exit(exitNotFound, errors.New(c.tr("there is no such message in the mailbox", "meldingen finnes ikke i postkassen")))
	case err != nil && made:
		return errors.Join(err, os.RemoveAll(dir)) // a part must not look like the whole
	}
	return err
}
