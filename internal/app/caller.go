package app

import (
	"net/http"

	"samdok/access"
	"samdok/soap"
	"samdok/soap/xds"
)

// caller says who asks. Until tokens are there, nobody is authenticated. A request
// that a proxy passed on does not come from this machine, although its connection
// does: the open decider must not let it in.
func caller(r *http.Request, h soap.Header) access.Caller {
	c := xds.AnonymousCaller(r, h)
	for _, name := range [...]string{"X-Forwarded-For", "Forwarded", "X-Real-Ip", "Via"} {
		if _, passedOn := r.Header[name]; passedOn {
			c.Loopback = false
		}
	}
	return c
}
