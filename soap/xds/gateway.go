package xds

import (
	"net/http"
	"strconv"
	"strings"

	"samdok/fault"
	"samdok/sharing"
)

// InitiatingTransactions is what InitiatingHandler answers, RespondingTransactions
// what RespondingHandler does.
func InitiatingTransactions() []string { return []string{"ITI-18", "ITI-43", "ITI-55", "ITI-56"} }

// RespondingTransactions is what RespondingHandler answers.
func RespondingTransactions() []string { return []string{"ITI-38", "ITI-39"} }

// InitiatingHandler is an initiating gateway for the consumers of this community: it
// answers ITI-18 as a registry and ITI-43 as a repository would (ITI TF-1 18.3.3), and
// asks the communities who a patient is and where there is something in the name of the
// community home; knows tells which others it can ask. Answers about patients are not to
// be kept: each community said how long for the gateway only.
func InitiatingHandler(r sharing.Reader, patients sharing.Discoverer, home string, knows func(home string) bool, o DoorOptions) Door {
	d := gatewayDoor(r, o, "Initiating Gateway's ("+strings.Join(InitiatingTransactions(), ", ")+")", actionQuery, actionRetrieve)
	d.discover, d.discovery = patients, DiscoveryOptions{Home: home, Knows: knows}
	return d
}

// RespondingHandler is a responding gateway: it answers ITI-38 and ITI-39 of other
// communities' gateways in the name of the community home, which is the location of
// errors that have no other (ITI TF-2 3.38.4.1.3). Answers to ITI-39 are packed, also when
// the request is not (ITI TF-2 3.39.5).
func RespondingHandler(r sharing.Reader, home string, o DoorOptions) Door {
	d := gatewayDoor(r, o, "Responding Gateway's (ITI-38, ITI-39)", actionCrossQuery, actionCrossRetrieve)
	d.home = home
	return d
}

func gatewayDoor(r sharing.Reader, o DoorOptions, name, query, retrieve string) *door {
	d := newDoor(nil, o, false)
	d.read, d.gateway, d.actions = r, name, [2]string{query, retrieve}
	return d
}

// located gives problems without a location that of the door.
func (d *door) located(list []fault.Problem) []fault.Problem {
	if d.home == "" {
		return list
	}
	out := append([]fault.Problem(nil), list...)
	for i := range out {
		if out[i].Location == "" {
			out[i].Location = d.home
		}
	}
	return out
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
