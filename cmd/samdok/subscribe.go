package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"samdok/metadata"
	"samdok/soap/wsnt"
	"samdok/soap/xds"
)

// subscribing is what the flags of subscribe say.
type subscribing struct {
	topic, consumer, listen, broker string
	kind, class                     []string
	last                            time.Duration
	asJSON                          bool
}

func (c *cli) subscribeCommand() *cobra.Command {
	var patient patientFlags
	var s subscribing
	var profileName string
	var server *serverFlags
	cmd := c.command("subscribe", c.tr("Be told of a patient's new documents (ITI-52, ITI-53)", "Få varsel om en pasients nye dokumenter (ITI-52, ITI-53)"),
		c.tr(`Asks a notification broker to tell of what is registered about a patient. With --consumer
the notifications go to an address of yours, and the command ends; the printed address of
the subscription ends it later: samdok unsubscribe ADDRESS.

With --listen the command receives the notifications itself and prints them until Ctrl-C,
then ends the subscription. The server must allow the address (outward.allow; loopback
allows this machine).

Topics: minimal (references), full (metadata), set (submission sets), folder, and the
extended ones of the profile by their own names, such as ihe:ExtendedFullDocumentEntry.`,
			`Ber en varslingstjeneste si fra om det som registreres om en pasient. Med --consumer
går varslene til en adresse du har, og kommandoen slutter; adressen som skrives ut,
avslutter abonnementet senere: samdok unsubscribe ADRESSE.

Med --listen tar kommandoen selv imot varslene og skriver dem ut til Ctrl-C, og avslutter
så abonnementet. Tjeneren må tillate adressen (outward.allow; loopback tillater denne
maskinen).

Emner: minimal (referanser), full (metadata), set (innsendinger), folder (mapper), og
profilens utvidede med sine egne navn, som ihe:ExtendedFullDocumentEntry.`),
		`  samdok subscribe --patient-file pasient.txt --listen 127.0.0.1:0
  samdok subscribe --patient-file pasient.txt --topic minimal --for 720h \
      --consumer https://my.example.no/notify`,
		func(cmd *cobra.Command, _ []string) error {
			if (s.consumer == "") == (s.listen == "") {
				return c.usage("where shall notifications go? Give --consumer URL or --listen HOST:PORT", "hvor skal varslene gå? Oppgi --consumer URL eller --listen VERT:PORT")
			}
			id, err := c.patientFrom(patient)
			if err != nil {
				return err
			}
			ask, err := c.subscription(&s, profileName, id)
			if err != nil {
				return err
			}
			client, broker, err := c.brokerClient(server, s.broker)
			if err != nil {
				return err
			}
			if s.listen != "" {
				return c.listenFor(cmd.Context(), client, broker, ask, &s)
			}
			g, err := client.Subscribe(cmd.Context(), broker, ask)
			if err != nil {
				return c.explain(cmd.Context(), err)
			}
			return c.subscribed(g, s.asJSON)
		})
	cmd.Args = cobra.NoArgs
	f := cmd.Flags()
	c.patientFlags(f, &patient)
	f.StringVar(&s.topic, "topic", "full", c.tr("`TOPIC`: what to be told of, and how", "`EMNE`: hva det skal varsles om, og hvordan"))
	f.StringArrayVar(&s.kind, "type", nil, c.tr("`CODE`: only this kind of document", "`KODE`: bare denne dokumenttypen"))
	f.StringArrayVar(&s.class, "class", nil, c.tr("`CODE`: only this class of documents", "`KODE`: bare denne dokumentklassen"))
	f.StringVar(&s.consumer, "consumer", "", c.tr("`URL` that notifications go to", "`URL` som varslene går til"))
	f.StringVar(&s.listen, "listen", "", c.tr("`HOST:PORT`: receive here and print; port 0 picks a free one", "`VERT:PORT`: ta imot her og skriv ut; port 0 velger en ledig"))
	f.StringVar(&s.broker, "broker", "", c.tr("`URL`: broker's endpoint, instead of --url", "`URL`: varslingstjenestens endepunkt, i stedet for --url"))
	f.DurationVar(&s.last, "for", 0, c.tr("how long; without it the broker chooses", "hvor lenge; uten den velger tjenesten"))
	f.BoolVar(&s.asJSON, "json", false, c.tr("print JSON", "skriv JSON"))
	f.StringVar(&profileName, "profile", "norway", c.tr("`norway|base`: whose codes and names", "`norway|base`: profilen som koder og navn kommer fra"))
	server = c.serverFlags(f)
	return cmd
}

func (c *cli) unsubscribeCommand() *cobra.Command {
	var server *serverFlags
	cmd := c.command(c.tr("unsubscribe ADDRESS", "unsubscribe ADRESSE"), c.tr("End a subscription (ITI-52)", "Avslutt et abonnement (ITI-52)"),
		c.tr("Ends the subscription with the address that `samdok subscribe` printed.", "Avslutter abonnementet med adressen som `samdok subscribe` skrev ut."),
		`  samdok unsubscribe 'http://127.0.0.1:8080/services/subscription?id=...'`,
		func(cmd *cobra.Command, args []string) error {
			if u, err := url.Parse(args[0]); err != nil || u.Host == "" {
				return c.usage("that is not the address of a subscription as samdok subscribe printed it, http://...", "det er ikke adressen til et abonnement slik samdok subscribe skrev den, http://...")
			}
			client, _, err := c.brokerClient(server, "")
			if err != nil {
				return err
			}
			return c.explain(cmd.Context(), client.Unsubscribe(cmd.Context(), args[0]))
		})
	cmd.Args = cobra.ExactArgs(1)
	server = c.serverFlags(cmd.Flags())
	return cmd
}

func (c *cli) brokerClient(server *serverFlags, broker string) (*xds.Client, string, error) {
	if server.async != "" {
		return nil, "", c.usage("--async does not fit here: a broker answers in the same connection", "--async passer ikke her: varslingstjenesten svarer i samme forbindelse")
	}
	client, err := c.client(server, 1)
	if err != nil {
		return nil, "", err
	}
	base := strings.TrimRight(first(server.url, c.getenv("SAMDOK_URL"), defaultURL), "/")
	return client, first(broker, base+"/services/subscription"), nil
}

// topicNamed takes the short names of the usual topics.
func topicNamed(name string) metadata.Topic {
	switch name {
	case "full":
		return metadata.TopicFullDocument
	case "minimal":
		return metadata.TopicMinimalDocument
	case "set":
		return metadata.TopicSubmissionSet
	case "folder":
		return metadata.TopicFolder
	}
	return metadata.Topic(name)
}

func (c *cli) subscription(s *subscribing, profileName string, patient metadata.PatientID) (*wsnt.Subscribe, error) {
	ask := &wsnt.Subscribe{Consumer: s.consumer, Topic: topicNamed(s.topic), Filter: metadata.EventFilter{Patient: patient.CX()}}
	if s.last > 0 {
		ask.Until = wsnt.After(s.last)
	}
	p, err := c.loadProfile(profileName)
	if err != nil {
		return nil, err
	}
	q, err := c.query(&search{kind: s.kind, class: s.class, status: "approved"}, p, patient)
	if err != nil {
		return nil, err
	}
	documents := &metadata.DocumentFilter{}
	if found, ok := q.(*metadata.FindDocuments); ok {
		documents.TypeCode, documents.ClassCode = found.Filter.TypeCode, found.Filter.ClassCode
	}
	for _, f := range []metadata.EventFilter{
		{Documents: documents}, {SubmissionSets: &metadata.SubmissionSetSelection{}}, {Folders: &metadata.FolderSelection{}},
	} {
		if f.Fits(ask.Topic) {
			f.Patient = ask.Filter.Patient
			ask.Filter = f
			return ask, nil
		}
	}
	return nil, c.usage("there is no topic %q", "det finnes ikke noe emne %q", s.topic)
}

// subscribed tells where a subscription is ended and when it ends by itself.
func (c *cli) subscribed(g wsnt.Granted, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(c.out).Encode(map[string]any{"subscription": g.Reference, "ends": g.Ends})
	}
	_, err := fmt.Fprintf(c.out, "%s\n", clean(g.Reference))
	if err == nil && !g.Ends.IsZero() {
		c.note("It ends at %s.", "Det slutter %s.", g.Ends.Local().Format(time.DateTime))
	}
	return err
}

// listenFor receives until ctx ends.
func (c *cli) listenFor(ctx context.Context, client *xds.Client, broker string, ask *wsnt.Subscribe, s *subscribing) (err error) {
	l, err := net.Listen("tcp", s.listen)
	if err != nil {
		return exit(exitFailed, err)
	}
	ask.Consumer = "http://" + l.Addr().String() + "/notify"
	printing := printer{c: c, asJSON: s.asJSON, seen: map[string]bool{}}
	h := &http.Server{Handler: wsnt.Consumer{Take: printing.take}, ReadHeaderTimeout: 10 * time.Second}
	broken := make(chan error, 1)
	go func() { broken <- h.Serve(l) }()
	defer func() { err = errors.Join(err, h.Close()) }()
	g, err := client.Subscribe(ctx, broker, ask)
	if err != nil {
		return c.explain(ctx, err)
	}
	c.note("Subscribed until %s; notifications come to %s. Ctrl-C ends it.", "Abonnerer til %s; varsler kommer til %s. Ctrl-C avslutter.", g.Ends.Local().Format(time.DateTime), ask.Consumer)
	select {
	case <-ctx.Done():
	case err := <-broken:
		return exit(exitFailed, err)
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return c.explain(ending, client.Unsubscribe(ending, g.Reference))
}

// printer shows what comes, one line each.
type printer struct {
	c      *cli
	asJSON bool
	mu     sync.Mutex
	seen   map[string]bool // ids of messages: a broker may send one twice
}

func (p *printer) take(_ context.Context, id string, all []wsnt.Notification) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen[id] {
		return nil
	}
	for _, n := range all {
		for _, o := range n.Objects {
			if err := p.object(n.Topic, o); err != nil {
				return err
			}
		}
		for _, r := range n.Refs {
			if err := p.line(n.Topic, "document", string(r.ID), "", ""); err != nil {
				return err
			}
		}
	}
	p.seen[id] = true
	return nil
}

func (p *printer) object(t metadata.Topic, o metadata.Object) error {
	switch o := o.(type) {
	case *metadata.DocumentEntry:
		return p.line(t, "document", string(o.ID), o.UniqueID, o.Title.String())
	case *metadata.SubmissionSet:
		return p.line(t, "submission-set", string(o.ID), o.UniqueID, o.Title.String())
	case *metadata.Folder:
		return p.line(t, "folder", string(o.ID), o.UniqueID, o.Title.String())
	}
	return nil
}

func (p *printer) line(t metadata.Topic, kind, id, unique, title string) error {
	if p.asJSON {
		return json.NewEncoder(p.c.out).Encode(map[string]string{"topic": string(t), "kind": kind, "id": id, "unique_id": unique, "title": title})
	}
	_, err := fmt.Fprintf(p.c.out, "%s\t%s\t%s\n", clean(kind), clean(id), clean(title))
	return err
}
