package wsnt

import (
	"errors"
	"strings"
	"time"

	"samdok/fault"
	"samdok/internal/xmlscan"
	"samdok/metadata"
	"samdok/metadata/ebrim"
)

const (
	// NS is the namespace of WS-BaseNotification.
	NS = "http://docs.oasis-open.org/wsn/b-2"
	// SimpleDialect is the dialect of topic expressions that DSUB uses.
	SimpleDialect = "http://docs.oasis-open.org/wsn/t-1/TopicExpression/Simple"

	// Actions begins the values of wsa:Action.
	Actions                   = "http://docs.oasis-open.org/wsn/bw-2/"
	ActionSubscribe           = Actions + "NotificationProducer/SubscribeRequest"
	ActionSubscribeResponse   = Actions + "NotificationProducer/SubscribeResponse"
	ActionRenew               = Actions + "SubscriptionManager/RenewRequest"
	ActionRenewResponse       = Actions + "SubscriptionManager/RenewResponse"
	ActionUnsubscribe         = Actions + "SubscriptionManager/UnsubscribeRequest"
	ActionUnsubscribeResponse = Actions + "SubscriptionManager/UnsubscribeResponse"
	ActionNotify              = Actions + "NotificationConsumer/Notify"

	open  = `<wsnt:`
	bound = ` xmlns:wsnt="` + NS + `">`
	// maxAddress is the longest address, in bytes.
	maxAddress = 2000
)

// Subscribe is the request of ITI-52 (ITI TF-2 3.52.4.1).
type Subscribe struct {
	Consumer string // the address that notifications go to
	Topic    metadata.Topic
	Filter   metadata.EventFilter
	Until    When
}

// DecodeSubscribe reads wsnt:Subscribe; the scanner stands on its start tag and is
// left on its end tag. Errors are *xmlscan.Error for malformed XML and limits, and
// *Error.
func DecodeSubscribe(sc *xmlscan.Scanner, l ebrim.Limits) (Subscribe, error) {
	var s Subscribe
	filters := 0
	for depth := sc.Depth(); ; {
		ok, err := sc.NextChild(depth)
		if err != nil {
			return s, err
		}
		if !ok {
			break
		}
		switch {
		case sc.Is(xmlscan.WSNT, "ConsumerReference"):
			s.Consumer, err = consumer(sc)
		case sc.Is(xmlscan.WSNT, "Filter"):
			filters++
			err = s.filter(sc, l)
		case sc.Is(xmlscan.WSNT, "InitialTerminationTime"):
			s.Until, err = when(sc, UnacceptableInitialTime)
		case sc.Is(xmlscan.WSNT, "SubscriptionPolicy"):
			err = policy(sc)
		}
		if err != nil {
			return s, err
		}
	}
	switch {
	case s.Consumer == "":
		return s, failed("The request has no wsnt:ConsumerReference with an address: nobody could be notified.", "Forespørselen mangler wsnt:ConsumerReference med en adresse.")
	case filters != 1:
		return s, &Error{Name: InvalidFilter, Text: "The request must hold one wsnt:Filter with a wsnt:TopicExpression and a rim:AdhocQuery.", Norsk: "Forespørselen må ha ett wsnt:Filter med wsnt:TopicExpression og rim:AdhocQuery."}
	case !s.Filter.Fits(s.Topic):
		return s, &Error{Name: InvalidFilter, Text: "The filter " + string(s.Filter.ID()) + " cannot be combined with the topic " + string(s.Topic) + ".", Norsk: "Filteret kan ikke kombineres med emnet " + string(s.Topic) + "."}
	}
	return s, nil
}

func failed(text, norsk string) *Error { return &Error{Name: CreationFailed, Text: text, Norsk: norsk} }

// consumer reads an endpoint reference. One that wants header blocks sent along is
// refused: they would have to be made from what a stranger wrote.
func consumer(sc *xmlscan.Scanner) (address string, err error) {
	for depth := sc.Depth(); ; {
		ok, err := sc.NextChild(depth)
		if err != nil || !ok {
			return address, err
		}
		switch {
		case sc.Is(xmlscan.WSA, "Address"):
			if address, err = text(sc); err != nil {
				return "", err
			}
			if len(address) > maxAddress {
				return "", failed("The address of the consumer is too long.", "Mottakerens adresse er for lang.")
			}
		case sc.Is(xmlscan.WSA, "ReferenceParameters"):
			some, err := sc.NextChild(sc.Depth())
			if err != nil {
				return "", err
			}
			if some {
				return "", failed("wsa:ReferenceParameters of the consumer are not supported: put what tells consumers apart into the address.", "wsa:ReferenceParameters støttes ikke: legg det som skiller mottakere i adressen.")
			}
		}
	}
}

func text(sc *xmlscan.Scanner) (string, error) {
	t, err := sc.ElementText()
	return strings.TrimSpace(t), err
}

// when reads a termination time. xsi:nil asks for none.
func when(sc *xmlscan.Scanner, wrong string) (When, error) {
	isNil, _ := sc.AttrNS(xmlscan.XSI, "nil")
	t, err := text(sc)
	if err != nil || t == "" && (isNil == "true" || isNil == "1") {
		return When{}, err
	}
	w, ok := parseWhen(t)
	if !ok {
		return w, &Error{Name: wrong, Text: "The termination time is neither a dateTime nor a duration of XML Schema, such as 2030-01-31T12:00:00Z or P30D.", Norsk: "Sluttiden er verken dateTime eller duration etter XML Schema."}
	}
	return w, nil
}

// policy refuses what would change how this broker notifies.
func policy(sc *xmlscan.Scanner) error {
	some, err := sc.NextChild(sc.Depth())
	switch {
	case err != nil:
		return err
	case !some:
		return nil
	case sc.Is(xmlscan.WSNT, "UseRaw"):
		return &Error{Name: UnsupportedPolicy, Text: "wsnt:UseRaw is not supported: notifications come inside wsnt:Notify.", Norsk: "wsnt:UseRaw støttes ikke."}
	}
	return &Error{Name: UnrecognizedPolicy, Text: "The policy in wsnt:SubscriptionPolicy is not known here.", Norsk: "Kravet i wsnt:SubscriptionPolicy er ukjent."}
}

// filter reads wsnt:Filter: one topic and one stored query (ITI TF-2 3.52.5).
func (s *Subscribe) filter(sc *xmlscan.Scanner, l ebrim.Limits) error {
	topics, queries := 0, 0
	for depth := sc.Depth(); ; {
		ok, err := sc.NextChild(depth)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		switch {
		case sc.Is(xmlscan.WSNT, "TopicExpression"):
			topics++
			err = s.topic(sc)
		case sc.Is(xmlscan.RIM, "AdhocQuery"):
			queries++
			if s.Filter, err = l.DecodeFilter(sc); err != nil {
				err = invalidFilter(err)
			}
		default:
			err = &Error{Name: InvalidFilter, Text: "The filter holds an element of an unknown kind; it takes wsnt:TopicExpression and rim:AdhocQuery.", Norsk: "Filteret har et ukjent element."}
		}
		if err != nil {
			return err
		}
	}
	if topics != 1 || queries != 1 {
		return &Error{Name: InvalidFilter, Text: "The filter must hold one wsnt:TopicExpression and one rim:AdhocQuery.", Norsk: "Filteret må ha én wsnt:TopicExpression og én rim:AdhocQuery."}
	}
	return nil
}

// invalidFilter takes the codec's words.
func invalidFilter(err error) error {
	var f *fault.Error
	if !errors.As(err, &f) || len(f.Problems) == 0 {
		return err
	}
	words := make([]string, 0, len(f.Problems))
	for i := range f.Problems {
		words = append(words, f.Problems[i].Context)
	}
	return &Error{Name: InvalidFilter, Text: strings.Join(words, " "), Norsk: "Filteret er ikke gyldig eller støttes ikke."}
}

func (s *Subscribe) topic(sc *xmlscan.Scanner) error {
	dialect, _ := sc.Attr("Dialect")
	t, err := text(sc)
	if err != nil {
		return err
	}
	switch {
	case strings.TrimSpace(dialect) != SimpleDialect:
		return &Error{Name: DialectUnknown, Text: "The dialect of the topic expression is not known; use " + SimpleDialect + ".", Norsk: "Dialekten i emneuttrykket er ukjent; bruk " + SimpleDialect + "."}
	case !isSimple(t):
		return &Error{Name: InvalidTopic, Text: "The topic expression is not a name as the simple dialect wants it, such as ihe:MinimalDocumentEntry.", Norsk: "Emneuttrykket er ikke et navn, slik den enkle dialekten krever."}
	}
	s.Topic = metadata.Topic(t)
	if !s.Topic.Known() {
		return &Error{Name: TopicNotSupported, Text: "The topic is not known here; the topics are " + topicNames() + ".", Norsk: "Emnet er ukjent; emnene er " + topicNames() + "."}
	}
	return nil
}

// isSimple tells whether s has the form of a name with or without a prefix.
func isSimple(s string) bool {
	colons := 0
	for i, c := range s {
		switch {
		case c == ':' && i > 0 && i < len(s)-1 && colons == 0:
			colons++
		case c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80,
			i > 0 && (c == '-' || c == '.' || c >= '0' && c <= '9'):
		default:
			return false
		}
	}
	return s != ""
}

func topicNames() string {
	var names []string
	for _, t := range metadata.Topics() {
		names = append(names, string(t))
	}
	return strings.Join(names, ", ")
}

// DecodeRenew reads wsnt:Renew like DecodeSubscribe.
func DecodeRenew(sc *xmlscan.Scanner) (When, error) {
	var w When
	for depth := sc.Depth(); ; {
		ok, err := sc.NextChild(depth)
		if err != nil || !ok {
			return w, err
		}
		if sc.Is(xmlscan.WSNT, "TerminationTime") {
			if w, err = when(sc, UnacceptableTime); err != nil {
				return w, err
			}
		}
	}
}

// AppendSubscribe appends wsnt:Subscribe. Until is written as a point of time from
// now.
func AppendSubscribe(b []byte, s *Subscribe, now time.Time) []byte {
	b = append(b, open+`Subscribe`+bound+`<wsnt:ConsumerReference><wsa:Address>`...)
	b = xmlscan.AppendText(b, s.Consumer)
	b = append(b, `</wsa:Address></wsnt:ConsumerReference><wsnt:Filter><wsnt:TopicExpression Dialect="`+SimpleDialect+`">`...)
	b = xmlscan.AppendText(b, string(s.Topic))
	b = append(b, `</wsnt:TopicExpression>`...)
	b = ebrim.AppendFilter(b, &s.Filter)
	b = append(b, `</wsnt:Filter>`...)
	if !s.Until.IsZero() {
		b = appendTime(b, "InitialTerminationTime", s.Until.From(now))
	}
	return append(b, `</wsnt:Subscribe>`...)
}

// AppendRenew appends wsnt:Renew.
func AppendRenew(b []byte, until time.Time) []byte {
	b = append(b, open+`Renew`+bound...)
	return append(appendTime(b, "TerminationTime", until), `</wsnt:Renew>`...)
}

// AppendUnsubscribe appends wsnt:Unsubscribe.
func AppendUnsubscribe(b []byte) []byte {
	return append(b, `<wsnt:Unsubscribe xmlns:wsnt="`+NS+`"/>`...)
}

// Granted is the answer to Subscribe and, without a Reference, to Renew.
type Granted struct {
	Reference string    // the address for Renew and Unsubscribe
	Ends      time.Time // zero: not told
	Now       time.Time
}

// AppendSubscribeResponse appends the answer to Subscribe (ITI TF-2 3.52.4.2).
func AppendSubscribeResponse(b []byte, g Granted) []byte {
	b = append(b, open+`SubscribeResponse`+bound+`<wsnt:SubscriptionReference><wsa:Address>`...)
	b = xmlscan.AppendText(b, g.Reference)
	b = append(b, `</wsa:Address></wsnt:SubscriptionReference>`...)
	b = appendTime(b, "CurrentTime", g.Now)
	return append(appendTime(b, "TerminationTime", g.Ends), `</wsnt:SubscribeResponse>`...)
}

// AppendRenewResponse appends the answer to Renew.
func AppendRenewResponse(b []byte, g Granted) []byte {
	b = append(b, open+`RenewResponse`+bound...)
	b = appendTime(b, "TerminationTime", g.Ends)
	return append(appendTime(b, "CurrentTime", g.Now), `</wsnt:RenewResponse>`...)
}

// AppendUnsubscribeResponse appends the answer to Unsubscribe.
func AppendUnsubscribeResponse(b []byte) []byte {
	return append(b, `<wsnt:UnsubscribeResponse xmlns:wsnt="`+NS+`"/>`...)
}

// DecodeGranted reads the answer to Subscribe or Renew.
func DecodeGranted(sc *xmlscan.Scanner) (Granted, error) {
	var g Granted
	for depth := sc.Depth(); ; {
		ok, err := sc.NextChild(depth)
		if err != nil || !ok {
			return g, err
		}
		switch {
		case sc.Is(xmlscan.WSNT, "SubscriptionReference"):
			g.Reference, err = reference(sc)
		case sc.Is(xmlscan.WSNT, "TerminationTime"):
			g.Ends, err = moment(sc)
		case sc.Is(xmlscan.WSNT, "CurrentTime"):
			g.Now, err = moment(sc)
		}
		if err != nil {
			return g, err
		}
	}
}

func moment(sc *xmlscan.Scanner) (time.Time, error) {
	w, err := when(sc, UnacceptableTime)
	return w.At, err
}

// reference reads the address of an endpoint reference.
func reference(sc *xmlscan.Scanner) (address string, err error) {
	for depth := sc.Depth(); ; {
		ok, err := sc.NextChild(depth)
		if err != nil || !ok {
			return address, err
		}
		if sc.Is(xmlscan.WSA, "Address") {
			if address, err = text(sc); err != nil {
				return "", err
			}
		}
	}
}
