package soap

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"samdok/internal/xmlscan"
)

// Header holds the WS-Addressing headers, trimmed; "" for one that is absent.
type Header struct {
	Action    string
	MessageID string
	To        string
	ReplyTo   string // the address
	FaultTo   string
	RelatesTo string
	// Correlation is xcpd:CorrelationTimeToLive, an xs:duration: how long an answer of
	// XCPD may be kept (ITI TF-2 3.55.4.2.2.7).
	Correlation string
	// WithParameters: ReplyTo or FaultTo has reference parameters.
	WithParameters bool
	// Security is the wsse:Security header; nil when there is none. It lies in the
	// request's buffer and is gone with the request.
	Security *Fragment
}

// Fragment is an element cut out of a message.
type Fragment struct {
	XML []byte // from its start tag to its end tag, as sent
	// Bindings are the namespace declarations around it: a wrapper must repeat them
	// so that the canonical form stays the same.
	Bindings []xmlscan.Binding
}

// Asynchronous tells whether the sender wants its answer at another address.
func (h *Header) Asynchronous() bool { return h.ReplyTo != "" && h.ReplyTo != Anonymous }

// ReadEnvelope reads up to the start tag of the body's first child, where it
// leaves sc. What it cannot accept is a *Fault; h is filled in as far as it was
// read. Limits and malformed XML are faults too.
func ReadEnvelope(sc *xmlscan.Scanner, h *Header) error {
	if err := openEnvelope(sc); err != nil {
		return err
	}
	var unknown []Name
	var seen uint16
	for depth := sc.Depth(); ; {
		ok, err := sc.NextChild(depth)
		switch {
		case err != nil:
			return Malformed(err)
		case !ok:
			return Refuse("The envelope has no body.", "Konvolutten mangler Body.")
		case sc.Is(xmlscan.SOAP12, "Header"):
			if err := readHeaders(sc, h, &seen, &unknown); err != nil {
				return err
			}
		case sc.Is(xmlscan.SOAP12, "Body"):
			if err := openBody(sc); err != nil {
				return err
			}
			return checkHeaders(h, unknown)
		default:
			return Refuse("Between the envelope's header and body stands an element of another kind.", "Konvolutten inneholder et ukjent element utenfor Header og Body.")
		}
	}
}

func openEnvelope(sc *xmlscan.Scanner) error {
	if _, err := sc.Next(); err != nil {
		return Malformed(err)
	}
	switch {
	case sc.Is(xmlscan.SOAP12, "Envelope"):
		return nil
	case sc.Is(xmlscan.SOAP11, "Envelope"):
		return Version11()
	case string(sc.Local()) == "Envelope":
		return &Fault{Code: VersionMismatch, Text: "The envelope is of no known SOAP version; use SOAP 1.2 (" + EnvelopeNS + ").", Norsk: "Konvolutten har ukjent SOAP-versjon; bruk SOAP 1.2."}
	}
	return Refuse("The message is not a SOAP envelope: its root element is not Envelope.", "Meldingen er ikke en SOAP-konvolutt.")
}

func openBody(sc *xmlscan.Scanner) error {
	ok, err := sc.NextChild(sc.Depth())
	if err != nil {
		return Malformed(err)
	}
	if !ok {
		return Refuse("The envelope's body is empty.", "Konvoluttens Body er tom.")
	}
	return nil
}

// CloseEnvelope reads on from the end tag of the body's first child to the end.
func CloseEnvelope(sc *xmlscan.Scanner) error {
	for {
		k, err := sc.Next()
		switch {
		case err != nil:
			return Malformed(err)
		case k == xmlscan.EOF:
			return nil
		case k == xmlscan.Start && sc.Depth() <= 3:
			return Refuse("Behind the message in the envelope's body stands another element.", "Konvolutten inneholder mer enn én melding.")
		}
	}
}

// Malformed is the fault for an error of the scanner.
func Malformed(err error) *Fault {
	var fault *Fault
	if errors.As(err, &fault) {
		return fault
	}
	var x *xmlscan.Error
	if errors.As(err, &x) && x.Limit != "" {
		return Refuse("The message is refused: "+x.Error()+".", "Meldingen avvises fordi en grense er overskredet: "+x.Error()+".").WithStatus(http.StatusRequestEntityTooLarge).Because(err)
	}
	if x == nil {
		return Unreadable(err)
	}
	return Refuse("The message is not well-formed XML, or not of the kind SOAP allows: "+x.Error()+".", "Meldingen er ikke gyldig XML: "+x.Error()+".").Because(err)
}

// Unreadable is the fault for a message that the connection did not bring whole:
// it stalled, it broke, or its HTTP chunks are malformed.
func Unreadable(err error) *Fault {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return Fail("The message stopped coming before it was complete, for longer than this server waits (http.stall-timeout).",
			"Meldingen stanset før den var komplett.").WithStatus(http.StatusRequestTimeout).Because(err)
	}
	return Fail("The message could not be read from the connection: it broke, or its transfer coding is malformed.",
		"Meldingen kunne ikke leses fra forbindelsen.").WithStatus(http.StatusBadRequest).Because(err)
}

// The WS-Addressing headers that may stand once, as bits.
var once = [...]string{"Action", "MessageID", "To", "ReplyTo", "FaultTo", "From"}

const seenSecurity = 1 << 15

func readHeaders(sc *xmlscan.Scanner, h *Header, seen *uint16, unknown *[]Name) error {
	for depth := sc.Depth(); ; {
		ok, err := sc.NextChild(depth)
		if err != nil {
			return Malformed(err)
		}
		if !ok {
			return nil
		}
		if !forUs(sc) {
			continue
		}
		switch {
		case sc.NS() == xmlscan.WSA:
			err = readAddressing(sc, h, seen)
		case sc.Is(xmlscan.WSSE, "Security"):
			err = readSecurity(sc, h, seen)
		case sc.Is(xmlscan.XCPD, "CorrelationTimeToLive"):
			h.Correlation, err = sc.ElementText()
			h.Correlation = strings.TrimSpace(h.Correlation)
		case mustUnderstand(sc) && len(*unknown) < 20:
			*unknown = append(*unknown, Name{sc.URI(sc.NS()), string(sc.Local())})
		}
		if err != nil {
			return Malformed(err)
		}
	}
}

// forUs tells whether a header block is meant for the last receiver.
func forUs(sc *xmlscan.Scanner) bool {
	role, ok := sc.AttrNS(xmlscan.SOAP12, "role")
	switch role = strings.TrimSpace(role); {
	case !ok, role == "", role == roleNext, role == roleUltimate:
		return true
	}
	return false
}

func mustUnderstand(sc *xmlscan.Scanner) bool {
	v, _ := sc.AttrNS(xmlscan.SOAP12, "mustUnderstand")
	v = strings.TrimSpace(v)
	return v == "1" || v == "true"
}

func readAddressing(sc *xmlscan.Scanner, h *Header, seen *uint16) error {
	name := string(sc.Local())
	for i := range once {
		if once[i] == name {
			if *seen&(1<<i) != 0 {
				return &Fault{Code: Sender, Sub: InvalidCardinality, Problem: name,
					Text: "The header wsa:" + name + " stands twice.", Norsk: "Headeren wsa:" + name + " finnes to ganger."}
			}
			*seen |= 1 << i
		}
	}
	var to *string
	switch name {
	case "Action":
		to = &h.Action
	case "MessageID":
		to = &h.MessageID
	case "To":
		to = &h.To
	case "RelatesTo":
		if h.RelatesTo != "" { // the first one counts
			return nil
		}
		to = &h.RelatesTo
	case "ReplyTo":
		return readAddress(sc, &h.ReplyTo, &h.WithParameters)
	case "FaultTo":
		return readAddress(sc, &h.FaultTo, &h.WithParameters)
	default:
		return nil
	}
	text, err := sc.ElementText()
	if text = strings.TrimSpace(text); len(text) > maxReason && name != "Action" { // it would be sent back, and recorded
		return &Fault{Code: Sender, Sub: InvalidAddressingHeader, Problem: name,
			Text: fmt.Sprintf("The header wsa:%s is longer than %d characters.", name, maxReason), Norsk: "Headeren wsa:" + name + " er for lang."}
	}
	*to = text
	return err
}

// readAddress reads the Address of an endpoint reference, and whether it has
// reference parameters.
func readAddress(sc *xmlscan.Scanner, to *string, parameters *bool) error {
	for depth := sc.Depth(); ; {
		ok, err := sc.NextChild(depth)
		if err != nil || !ok {
			return err
		}
		switch {
		case sc.Is(xmlscan.WSA, "Address"):
			text, err := sc.ElementText()
			if err != nil {
				return err
			}
			*to = strings.TrimSpace(text)
		case sc.Is(xmlscan.WSA, "ReferenceParameters"):
			some, err := sc.NextChild(sc.Depth())
			if err != nil {
				return err
			}
			*parameters = *parameters || some
		}
	}
}

func readSecurity(sc *xmlscan.Scanner, h *Header, seen *uint16) error {
	if *seen&seenSecurity != 0 {
		return Refuse("The message has two wsse:Security headers; which one counts is not clear.", "Meldingen har to wsse:Security-headere; det er uklart hvilken som gjelder.")
	}
	*seen |= seenSecurity
	from := sc.ElementOffset()
	bindings := sc.Bindings()
	if err := sc.Skip(); err != nil {
		return err
	}
	h.Security = &Fragment{XML: sc.Input()[from:sc.EndOffset()], Bindings: bindings}
	return nil
}

// checkHeaders applies the rules that hold for every request and answer.
func checkHeaders(h *Header, unknown []Name) error {
	if len(unknown) > 0 {
		f := &Fault{Code: MustUnderstand, NotUnderstood: unknown,
			Text:  "A header is marked mustUnderstand and not understood here: " + list(unknown) + ".",
			Norsk: "En header er merket mustUnderstand, men forstås ikke her: " + list(unknown) + "."}
		return f
	}
	if h.Action == "" {
		return required("Action", "it names the transaction")
	}
	return nil
}

// CheckRequest applies the rules of a request that wants an answer: a MessageID,
// and an answer in the same connection or at an address that is allowed. allowed
// says why an address is not; nil: there are no asynchronous answers.
func CheckRequest(h *Header, allowed func(address string) error) error {
	if h.MessageID == "" {
		return required("MessageID", "the answer must refer to it")
	}
	if h.ReplyTo == None {
		return &Fault{Code: Sender, Sub: OnlyAnonymousSupported, Problem: "ReplyTo",
			Text: "wsa:ReplyTo is " + None + ": nobody would get the answer.", Norsk: "wsa:ReplyTo sier at ingen skal ha svaret."}
	}
	elsewhere := h.FaultTo != "" && h.FaultTo != Anonymous && h.FaultTo != None
	switch {
	case !h.Asynchronous() && !elsewhere:
		return nil
	case allowed == nil:
		return &Fault{Code: Sender, Sub: OnlyAnonymousSupported, Problem: "ReplyTo",
			Text:  "Asynchronous answers are not switched on at this server. Leave wsa:ReplyTo and wsa:FaultTo out, or use the address " + Anonymous + ", to get the answer in the same connection.",
			Norsk: "Asynkrone svar er ikke slått på på denne tjeneren. Utelat wsa:ReplyTo og wsa:FaultTo, eller bruk adressen " + Anonymous + ", for å få svaret i samme forbindelse."}
	case !h.Asynchronous() || h.FaultTo == Anonymous || h.FaultTo == None:
		return &Fault{Code: Sender, Sub: InvalidAddress, Problem: "FaultTo",
			Text:  "wsa:ReplyTo and wsa:FaultTo must both be addresses of yours, or both the anonymous address; wsa:FaultTo may be left out.",
			Norsk: "wsa:ReplyTo og wsa:FaultTo må begge være egne adresser, eller begge den anonyme adressen; wsa:FaultTo kan utelates."}
	case h.WithParameters:
		return &Fault{Code: Sender, Sub: InvalidAddressingHeader, Problem: "ReplyTo",
			Text:  "wsa:ReplyTo or wsa:FaultTo has wsa:ReferenceParameters, which an asynchronous answer of this server cannot carry. Put what you need into the address.",
			Norsk: "wsa:ReplyTo eller wsa:FaultTo har wsa:ReferenceParameters, som asynkrone svar fra denne tjeneren ikke kan ha med."}
	}
	if err := allowed(h.ReplyTo); err != nil {
		return notAllowed("ReplyTo", err)
	}
	if elsewhere {
		if err := allowed(h.FaultTo); err != nil {
			return notAllowed("FaultTo", err)
		}
	}
	return nil
}

func notAllowed(header string, err error) *Fault {
	return &Fault{Code: Sender, Sub: InvalidAddress, Problem: header,
		Text:  "Answers are not sent to the address in wsa:" + header + ": " + err.Error() + ". Ask the operator of this server to allow it (outward.allow).",
		Norsk: "Svar sendes ikke til adressen i wsa:" + header + ". Be tjenerens driftsansvarlige om å tillate den (outward.allow)."}
}

func required(name, why string) *Fault {
	return &Fault{Code: Sender, Sub: HeaderRequired, Problem: name,
		Text:  fmt.Sprintf("The header wsa:%s (namespace %s) is missing: %s.", name, AddressingNS, why),
		Norsk: fmt.Sprintf("Headeren wsa:%s (navnerom %s) mangler.", name, AddressingNS)}
}

// UnknownAction is the fault for an action that an endpoint does not have.
func UnknownAction(action, endpoint string) *Fault {
	return &Fault{Code: Sender, Sub: ActionNotSupported, Problem: action,
		Text:  fmt.Sprintf("The action %q is not one of the %s. Check the wsa:Action and the address.", clip(action), endpoint),
		Norsk: fmt.Sprintf("Handlingen %q finnes ikke på dette endepunktet. Kontroller wsa:Action og adressen.", clip(action))}
}

func list(names []Name) string {
	var b strings.Builder
	for i, n := range names {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("{" + n.Space + "}" + n.Local)
	}
	return clip(b.String())
}
