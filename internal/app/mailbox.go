package app

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"samdok/access"
	"samdok/fault"
	"samdok/internal/config"
	"samdok/mailbox"
	"samdok/sharing"
)

// MailRequest asks the server on this machine for what lies in a mailbox.
type MailRequest struct {
	Mailbox string
	Message string // uniqueId of the submission set, to open it
	Reader  string
}

// MailMessage is a message as commands show it. Names of its JSON are part of the
// interface: scripts rest on them.
type MailMessage struct {
	ID        string         `json:"id"` // uniqueId of the submission set
	Received  time.Time      `json:"received"`
	From      string         `json:"from,omitempty"`
	SourceID  string         `json:"source_id"`
	MessageID string         `json:"message_id,omitempty"`
	Title     string         `json:"title,omitempty"`
	Patient   string         `json:"patient,omitempty"`
	Documents []MailDocument `json:"documents"`
}

// MailDocument is one document of a message.
type MailDocument struct {
	UniqueID string `json:"unique_id"`
	MimeType string `json:"mime_type"`
	Title    string `json:"title,omitempty"`
	Size     int64  `json:"size"`
	SHA1     string `json:"sha1,omitempty"`
}

func mailMessage(m mailbox.Message) MailMessage {
	v := MailMessage{ID: m.Set.UniqueID, Received: m.Received, From: m.From, SourceID: m.Set.SourceID, MessageID: m.MessageID,
		Title: m.Set.Title.String(), Patient: string(m.Set.PatientID), Documents: []MailDocument{}}
	for _, e := range m.Entries {
		v.Documents = append(v.Documents, MailDocument{UniqueID: e.UniqueID, MimeType: e.MimeType, Title: e.Title.String(), Size: e.Size.Octets, SHA1: e.Hash})
	}
	return v
}

func (q MailRequest) caller() access.Caller {
	return access.Caller{Subject: q.Reader, Door: "cli", Loopback: true, Organisation: q.Mailbox}
}

// serveMail are the server's ends of ListMail and OpenMail.
func serveMail(mux *http.ServeMux, svc sharing.Service, l *slog.Logger) {
	mux.Handle("POST /mailbox/list", serveOperation(l, func(ctx context.Context, q MailRequest) ([]MailMessage, error) {
		all := []MailMessage{}
		_, err := svc.ListMail(ctx, q.caller(), q.Mailbox, func(m mailbox.Message) error {
			all = append(all, mailMessage(m))
			return nil
		})
		return all, err
	}))
	mux.HandleFunc("POST /mailbox/open", func(w http.ResponseWriter, r *http.Request) {
		var q MailRequest
		if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&q); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		m, err := svc.OpenMail(r.Context(), q.caller(), q.Mailbox, q.Message)
		if err != nil {
			status := http.StatusInternalServerError
			if fault.KindOf(err) == fault.NotFound {
				status = http.StatusNotFound
			}
			http.Error(w, operatorText(err), status)
			return
		}
		w.Header().Set("Content-Type", "application/x-tar")
		err = writeMail(w, m)
		m.Retrieved.Close(err)
		if err != nil {
			l.Error("a message could not be handed out", "error", err)
			panic(http.ErrAbortHandler) // the stream must not look whole
		}
	})
}

// writeMail writes a tar of message.json and the documents, named by their number.
func writeMail(w io.Writer, m sharing.Mail) error {
	t := tar.NewWriter(w)
	b, err := json.MarshalIndent(mailMessage(m.Message), "", "  ")
	if err != nil {
		return err
	}
	if err := t.WriteHeader(&tar.Header{Name: "message.json", Mode: 0o600, Size: int64(len(b)), ModTime: m.Received}); err != nil {
		return err
	}
	if _, err := t.Write(b); err != nil {
		return err
	}
	for i, d := range m.Retrieved.Documents {
		h := &tar.Header{Name: fmt.Sprintf("document-%d", i+1), Mode: 0o600, Size: d.Size, ModTime: m.Received, PAXRecords: map[string]string{"SAMDOK.mime": d.MimeType, "SAMDOK.id": d.Request.UniqueID}}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		if _, err := io.Copy(t, d.Body); err != nil {
			return err
		}
	}
	return t.Close()
}

// ErrNoMail: the mailbox has no such message, or not for this reader.
var ErrNoMail = errors.New("no such message")

// ListMail asks the server that runs on the data folder for a mailbox's messages.
func ListMail(ctx context.Context, c *config.Config, q MailRequest) (all []MailMessage, err error) {
	conn, err := dialMail(ctx, c)
	if err != nil {
		return nil, err
	}
	return all, askServer(ctx, conn, "/mailbox/list", q, &all)
}

// OpenMail gets a message: each is called for message.json and then for each
// document, with its name, its kind and its bytes.
func OpenMail(ctx context.Context, c *config.Config, q MailRequest, each func(name, mimeType string, body io.Reader) error) error {
	conn, err := dialMail(ctx, c)
	if err != nil {
		return err
	}
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
	defer transport.CloseIdleConnections()
	body, w := io.Pipe()
	go func() { w.CloseWithError(json.NewEncoder(w).Encode(q)) }()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://control/mailbox/open", body)
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	a, err := transport.RoundTrip(r)
	if err != nil {
		return fmt.Errorf("the server did not answer; its log tells why: %w", err)
	}
	defer a.Body.Close()
	if a.StatusCode != http.StatusOK {
		text, err := io.ReadAll(io.LimitReader(a.Body, 4096))
		if a.StatusCode == http.StatusNotFound {
			return ErrNoMail
		}
		return errors.Join(fmt.Errorf("the server refused: %s", text), err)
	}
	t := tar.NewReader(a.Body)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := each(h.Name, h.PAXRecords["SAMDOK.mime"], t); err != nil {
			return err
		}
	}
}

func dialMail(ctx context.Context, c *config.Config) (net.Conn, error) {
	if err := hasData(c); err != nil {
		return nil, err
	}
	conn, err := dialControl(ctx, c.Data)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("no server runs on %s, and a mailbox is read through it: start `samdok serve` with this folder first", c.Data)
	}
	return conn, err
}
