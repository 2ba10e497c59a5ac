package xds

import (
	"net/http"
	"strconv"

	"samdok/sharing"
)

// InitiatingTransactions is what InitiatingHandler answers, RespondingTransactions
// what RespondingHandler does.
func InitiatingTransactions() []string { return []string{"ITI-18", "ITI-43"} }

// RespondingTransactions is what RespondingHandler answers.
func RespondingTransactions() []string { return []string{"ITI-38", "ITI-39"} }

// InitiatingHandler is an initiating gateway for the consumers of this community: it
// answers ITI-18 as a registry and ITI-43 as a repository would (ITI TF-1 18.3.3).
func InitiatingHandler(r sharing.Reader, o DoorOptions) Door {
	return gatewayDoor(r, o, "Initiating Gateway's (ITI-18, ITI-43)", actionQuery, actionRetrieve)
}

// RespondingHandler is a responding gateway: it answers ITI-38 and ITI-39 of other
// communities' gateways. An answer is packed when its request is, as ITI-39 always
// should be (ITI TF-2 3.39.5).
func RespondingHandler(r sharing.Reader, o DoorOptions) Door {
	return gatewayDoor(r, o, "Responding Gateway's (ITI-38, ITI-39)", actionCrossQuery, actionCrossRetrieve)
}

func gatewayDoor(r sharing.Reader, o DoorOptions, name, query, retrieve string) *door {
	d := newDoor(nil, o, false)
	d.read, d.gateway, d.actions = r, name, [2]string{query, retrieve}
	return d
}

// hopsHeader counts the gateways that a request has passed, so that two that ask
// each other end.
const hopsHeader = "Samdok-Hops"

// hops reads hopsHeader. A number that cannot be read is as many as there can be.
func hops(r *http.Request) int {
	v := r.Header.Get(hopsHeader)
	if v == "" {
		return 0
	}
	n, err := strconv.ParseUint(v, 10, 8)
	if err != nil {
		return 255
	}
	return int(n)
}
