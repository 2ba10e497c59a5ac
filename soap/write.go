package soap

import "samdok/internal/xmlscan"

const (
	xmlHead      = `<?xml version="1.0" encoding="UTF-8"?>`
	envelopeOpen = `<env:Envelope xmlns:env="` + EnvelopeNS + `" xmlns:wsa="` + AddressingNS + `">`
)

// AppendOpen appends an envelope up to the inside of its body. The prefixes env
// and wsa are declared; the body declares its own.
func AppendOpen(b []byte, h Header) []byte {
	b = append(b, xmlHead...)
	b = append(b, envelopeOpen...)
	b = appendHeaders(b, h)
	return append(b, `</env:Header><env:Body>`...)
}

// AppendClose ends what AppendOpen began.
func AppendClose(b []byte) []byte { return append(b, `</env:Body></env:Envelope>`...) }

// appendHeaders appends the header block, still open. wsa:Action carries
// mustUnderstand in every message (IHE-WSA101), ReplyTo does not (IHE-WSA102).
func appendHeaders(b []byte, h Header) []byte {
	b = append(b, `<env:Header><wsa:Action env:mustUnderstand="1">`...)
	b = xmlscan.AppendText(b, h.Action)
	b = append(b, `</wsa:Action>`...)
	b = appendHeader(b, "MessageID", h.MessageID)
	b = appendHeader(b, "RelatesTo", h.RelatesTo)
	b = appendHeader(b, "To", h.To)
	if h.Correlation != "" {
		b = append(b, `<x:CorrelationTimeToLive xmlns:x="urn:ihe:iti:xcpd:2009">`...)
		b = append(xmlscan.AppendText(b, h.Correlation), `</x:CorrelationTimeToLive>`...)
	}
	b = appendReference(b, "ReplyTo", h.ReplyTo)
	return appendReference(b, "FaultTo", h.FaultTo)
}

func appendHeader(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(append(append(b, `<wsa:`...), name...), '>')
	b = xmlscan.AppendText(b, value)
	return append(append(append(b, `</wsa:`...), name...), '>')
}

func appendReference(b []byte, name, address string) []byte {
	if address == "" {
		return b
	}
	b = append(append(append(b, `<wsa:`...), name...), `><wsa:Address>`...)
	b = xmlscan.AppendText(b, address)
	return append(append(append(b, `</wsa:Address></wsa:`...), name...), '>')
}
