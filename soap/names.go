package soap

// Namespaces and fixed addresses (ITI TF-2 V.2.4).
const (
	EnvelopeNS   = "http://www.w3.org/2003/05/soap-envelope"
	Envelope11NS = "http://schemas.xmlsoap.org/soap/envelope/"
	AddressingNS = "http://www.w3.org/2005/08/addressing"
	XopNS        = "http://www.w3.org/2004/08/xop/include"
	SecurityNS   = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"

	// Anonymous is the address that means "in the HTTP response".
	Anonymous = AddressingNS + "/anonymous"
	// None is the address that means "discard".
	None = AddressingNS + "/none"

	addressingFault = AddressingNS + "/fault"
	soapFault       = AddressingNS + "/soap/fault"

	roleNext     = EnvelopeNS + "/role/next"
	roleUltimate = EnvelopeNS + "/role/ultimateReceiver"
)

// Media types (ITI TF-2 V.3.2, V.8).
const (
	MediaType   = "application/soap+xml"
	MediaType11 = "text/xml"
	ContentType = "application/soap+xml; charset=UTF-8"
)
