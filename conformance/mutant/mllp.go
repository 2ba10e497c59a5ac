package mutant

import (
	"bufio"
	"io"
	"net"

	"samdok/conformance"
)

// listenMLLP passes HL7 v2 on; a message and its answer are an exchange of the path
// "/mllp".
func (p *Proxy) listenMLLP() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic("mutant: " + err.Error()) // as httptest does
	}
	p.mllp = l
	p.conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.conns.Go(func() {
				defer c.Close()
				p.passOn(c)
			})
		}
	})
}

// passOn ends when either side does; a case sees that as a missing answer.
func (p *Proxy) passOn(from net.Conn) {
	to, err := net.Dial("tcp", p.target.MLLP)
	if err != nil {
		return
	}
	defer to.Close()
	requests, answers := bufio.NewReader(from), bufio.NewReader(to)
	for {
		request, err := conformance.ReadFrame(requests)
		if err != nil {
			return
		}
		x := &conformance.Exchange{Path: "/mllp", Request: []byte(request)}
		if p.mutant.Request != nil {
			p.mutant.Request(x)
		}
		if _, err := io.WriteString(to, conformance.Frame(string(x.Request))); err != nil {
			return
		}
		answer, err := conformance.ReadFrame(answers)
		if err != nil {
			return
		}
		x.Response = []byte(answer)
		if p.mutant.Response != nil {
			p.mutant.Response(x)
		}
		if _, err := io.WriteString(from, conformance.Frame(string(x.Response))); err != nil {
			return
		}
	}
}
