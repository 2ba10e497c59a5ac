package conformance

import (
	"fmt"
	"strings"
)

// Actions between communities.
const (
	ActionCrossQuery    = "urn:ihe:iti:2007:CrossGatewayQuery"
	ActionCrossRetrieve = "urn:ihe:iti:2007:CrossGatewayRetrieve"
)

// gateway is the address of the responding gateway; without one the case is skipped.
func (t *T) gateway() string {
	if t.target.XCA == "" {
		t.Skipf("needs the address of a responding gateway (--xca)")
	}
	return t.target.XCA
}

// NeedsGateway skips the case when the server is no responding gateway.
func (t *T) NeedsGateway() { t.gateway() }

// CrossQueryBody is the body of ITI-38; an empty home is left out.
func CrossQueryBody(home, returnType, id string, params ...Param) string {
	body := QueryBody(returnType, id, params...)
	if home == "" {
		return body
	}
	return strings.Replace(body, "<rim:AdhocQuery ", fmt.Sprintf(`<rim:AdhocQuery home="%s" `, esc(home)), 1)
}

// CrossQuery sends ITI-38.
func (t *T) CrossQuery(home, returnType, id string, params ...Param) *Answer {
	return t.Post(t.gateway(), soapType, []byte(Envelope(ActionCrossQuery, NewUUID(), "", CrossQueryBody(home, returnType, id, params...))))
}

// CrossRetrieve sends ITI-39.
func (t *T) CrossRetrieve(gets ...Get) *Answer {
	contentType, body := MTOM(Envelope(ActionCrossRetrieve, NewUUID(), "", RetrieveBody(gets...)), nil, 0)
	return t.Post(t.gateway(), contentType, body)
}
