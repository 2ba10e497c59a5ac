package subscription

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"samdok/metadata"
)

// Notice is what a letter of storage.QueueNotify says: a subscription and the
// objects that something happened to. Objects of the own log are named only: they
// are read, and access to them is decided, when the letter is delivered.
type Notice struct {
	Subscription metadata.UUID
	Objects      []metadata.ID
	// Gone: the objects were removed and are told as they were.
	Gone bool
	// Published objects are not in the own log (ITI-54).
	Published []metadata.Object
	// Producer is who published them.
	Producer string
}

// letter is the form of a Notice behind its version. Fields may be added; none may
// be renamed.
type letter struct {
	Subscription string
	Objects      []metadata.ID             `json:",omitempty"`
	Gone         bool                      `json:",omitempty"`
	Entries      []*metadata.DocumentEntry `json:",omitempty"`
	Sets         []*metadata.SubmissionSet `json:",omitempty"`
	Folders      []*metadata.Folder        `json:",omitempty"`
	Producer     string                    `json:",omitempty"`
}

// encodeNotice is the body of a letter: a version, the destination with its length
// before it, and JSON.
func encodeNotice(n *Notice, consumer string) ([]byte, error) {
	l := letter{Subscription: n.Subscription.String(), Objects: n.Objects, Gone: n.Gone, Producer: n.Producer}
	for _, o := range n.Published {
		switch o := o.(type) {
		case *metadata.DocumentEntry:
			l.Entries = append(l.Entries, o)
		case *metadata.SubmissionSet:
			l.Sets = append(l.Sets, o)
		case *metadata.Folder:
			l.Folders = append(l.Folders, o)
		}
	}
	b, err := json.Marshal(l)
	if err != nil {
		return nil, fmt.Errorf("subscription: a notice cannot be written: %w", err)
	}
	to := ""
	if u, err := url.Parse(consumer); err == nil && len(u.Host) < 256 {
		to = strings.ToLower(u.Host)
	}
	return append(append([]byte{version, byte(len(to))}, to...), b...), nil
}

// Destination is the host that a letter goes to; "" when it cannot be read.
func Destination(body []byte) string {
	to, _, ok := cutLetter(body)
	if !ok {
		return ""
	}
	return string(to)
}

func cutLetter(body []byte) (to, rest []byte, ok bool) {
	if len(body) < 2 || body[0] != version || len(body) < 2+int(body[1]) {
		return nil, nil, false
	}
	return body[2 : 2+int(body[1])], body[2+int(body[1]):], true
}

// DecodeNotice reads the body of a letter.
func DecodeNotice(body []byte) (Notice, error) {
	var l letter
	_, rest, ok := cutLetter(body)
	if !ok {
		return Notice{}, fmt.Errorf("subscription: a letter of a version that this program does not know")
	}
	if err := json.Unmarshal(rest, &l); err != nil {
		return Notice{}, fmt.Errorf("subscription: a letter cannot be read: %w", err)
	}
	n := Notice{Objects: l.Objects, Gone: l.Gone, Producer: l.Producer}
	id, ok := metadata.ParseUUID(l.Subscription)
	if !ok {
		return Notice{}, fmt.Errorf("subscription: a letter names no subscription")
	}
	n.Subscription = id
	for _, o := range l.Entries {
		n.Published = append(n.Published, o)
	}
	for _, o := range l.Sets {
		n.Published = append(n.Published, o)
	}
	for _, o := range l.Folders {
		n.Published = append(n.Published, o)
	}
	return n, nil
}

// letterID is the same for the same event, subscription and part, so that the
// outbox knows a letter that it is given twice.
func letterID(event, subscription metadata.UUID, part string) metadata.UUID {
	h := sha256.New()
	h.Write([]byte("samdok notice 1\x00"))
	h.Write(event[:])
	h.Write(subscription[:])
	h.Write([]byte(part))
	var u metadata.UUID
	copy(u[:], h.Sum(nil))
	u[6] = u[6]&0x0f | 0x80 // version 8: of our own making
	u[8] = u[8]&0x3f | 0x80
	return u
}
