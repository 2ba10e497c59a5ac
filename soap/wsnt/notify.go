package wsnt

import (
	"samdok/internal/xmlscan"
	"samdok/metadata"
	"samdok/metadata/ebrim"
)

// Notification is one wsnt:NotificationMessage: what a broker tells (ITI TF-2
// 3.53.4.1.2), or what a publisher tells the broker (3.54.4.1.2).
type Notification struct {
	Reference string         // of the subscription; "" when published
	Topic     metadata.Topic // "" when published
	Producer  string         // who published: the sourceId as a URI
	Objects   []metadata.Object
	// Refs stand instead of objects in a minimal notification.
	Refs    []ebrim.Ref
	Defects int // how many problems the objects have
}

// AppendNotify appends wsnt:Notify with one message. A minimal topic turns Objects
// into references.
func AppendNotify(b []byte, n *Notification) []byte {
	b = append(b, open+`Notify`+bound+`<wsnt:NotificationMessage>`...)
	if n.Reference != "" {
		b = append(b, `<wsnt:SubscriptionReference><wsa:Address>`...)
		b = xmlscan.AppendText(b, n.Reference)
		b = append(b, `</wsa:Address></wsnt:SubscriptionReference>`...)
	}
	if n.Topic != "" {
		b = append(b, `<wsnt:Topic Dialect="`+SimpleDialect+`">`...)
		b = xmlscan.AppendText(b, string(n.Topic))
		b = append(b, `</wsnt:Topic>`...)
	}
	if n.Producer != "" {
		b = append(b, `<wsnt:ProducerReference><wsa:Address>`...)
		b = xmlscan.AppendText(b, n.Producer)
		b = append(b, `</wsa:Address></wsnt:ProducerReference>`...)
	}
	b = append(b, `<wsnt:Message>`...)
	b = ebrim.AppendObjects(b, n.Objects, n.Topic.Minimal())
	return append(b, `</wsnt:Message></wsnt:NotificationMessage></wsnt:Notify>`...)
}

// DecodeNotify reads wsnt:Notify; the scanner stands on its start tag and is left
// on its end tag. Errors are those of the scanner, and *fault.Error when a message
// holds something else than lcm:SubmitObjectsRequest.
func DecodeNotify(sc *xmlscan.Scanner, l ebrim.Limits) ([]Notification, error) {
	var all []Notification
	for depth := sc.Depth(); ; {
		ok, err := sc.NextChild(depth)
		if err != nil || !ok {
			return all, err
		}
		if sc.Is(xmlscan.WSNT, "NotificationMessage") {
			var n Notification
			if err := n.read(sc, l); err != nil {
				return all, err
			}
			all = append(all, n)
		}
	}
}

func (n *Notification) read(sc *xmlscan.Scanner, l ebrim.Limits) error {
	for depth := sc.Depth(); ; {
		ok, err := sc.NextChild(depth)
		if err != nil || !ok {
			return err
		}
		switch {
		case sc.Is(xmlscan.WSNT, "SubscriptionReference"):
			n.Reference, err = reference(sc)
		case sc.Is(xmlscan.WSNT, "ProducerReference"):
			n.Producer, err = reference(sc)
		case sc.Is(xmlscan.WSNT, "Topic"):
			var t string
			t, err = text(sc)
			n.Topic = metadata.Topic(t)
		case sc.Is(xmlscan.WSNT, "Message"):
			err = n.message(sc, l)
		}
		if err != nil {
			return err
		}
	}
}

func (n *Notification) message(sc *xmlscan.Scanner, l ebrim.Limits) error {
	for depth := sc.Depth(); ; {
		ok, err := sc.NextChild(depth)
		if err != nil || !ok {
			return err
		}
		o, err := l.DecodeObjects(sc)
		if err != nil {
			return err
		}
		n.Objects = append(n.Objects, o.Objects...)
		n.Refs = append(n.Refs, o.Refs...)
		n.Defects += len(o.Defects)
	}
}
