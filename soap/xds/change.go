package xds

import (
	"context"

	"samdok/internal/xmlscan"
	"samdok/metadata"
	"samdok/metadata/ebrim"
	"samdok/sharing"
	"samdok/soap"
)

const rmdNS = "urn:ihe:iti:rmd:2017"

// update answers ITI-57 (XDS Metadata Update, ITI TF-2 3.57) and ITI-92.
func (x *exchange) update(restricted bool) error {
	if err := x.expect(xmlscan.LCM, "SubmitObjectsRequest"); err != nil {
		return err
	}
	sub, problems, err := x.d.o.Limits.Metadata.DecodeSubmission(x.scan)
	if err != nil {
		return x.undecoded(err)
	}
	if err := soap.CloseEnvelope(x.scan); err != nil {
		return err
	}
	receipt, err := x.d.svc.Update(x.r.Context(), x.caller(), sharing.Update{Submission: sub, Problems: problems, Restricted: restricted})
	x.receipt(receipt, err)
	return nil
}

// remove answers ITI-62 (Remove Metadata and Documents, ITI TF-2 3.62).
func (x *exchange) remove() error {
	if err := x.expect(xmlscan.LCM, "RemoveObjectsRequest"); err != nil {
		return err
	}
	ids, err := x.d.o.Limits.Metadata.DecodeRemove(x.scan)
	if err != nil {
		return x.undecoded(err)
	}
	if err := soap.CloseEnvelope(x.scan); err != nil {
		return err
	}
	err = x.d.svc.Remove(x.r.Context(), x.caller(), ids)
	x.receipt(sharing.Receipt{}, err)
	return nil
}

// removeDocuments answers ITI-86 (Remove Metadata and Documents, ITI TF-2 3.86).
func (x *exchange) removeDocuments() error {
	if err := x.expect(xmlscan.RMD, "RemoveDocumentsRequest"); err != nil {
		return err
	}
	requests, err := x.documentRequests()
	if err != nil {
		return err
	}
	if err := soap.CloseEnvelope(x.scan); err != nil {
		return err
	}
	if err := x.msg.finish(); err != nil {
		return err
	}
	done, err := x.d.svc.RemoveDocuments(x.r.Context(), x.caller(), requests)
	if err != nil {
		x.registryResponse(ebrim.Failure, x.problems(err))
		return nil
	}
	x.registryResponse(outcome(done.Problems, done.Documents), x.forActor(done.Problems))
	return nil
}

// Update sends ITI-57, or ITI-92 when it is restricted.
func (c *Client) Update(ctx context.Context, s *metadata.Submission, restricted bool) (ebrim.RegistryResponse, error) {
	action := actionUpdate
	if restricted {
		action = actionRestricted
	}
	call := c.call(action, c.o.UpdateURL)
	env := soap.AppendOpen(make([]byte, 0, 16<<10), call.header)
	env = soap.AppendClose(ebrim.AppendSubmission(env, s))
	return call.registry(ctx, plain(env))
}

// Remove sends ITI-62.
func (c *Client) Remove(ctx context.Context, ids []metadata.ID) (ebrim.RegistryResponse, error) {
	call := c.call(actionRemove, c.o.RemoveURL)
	env := soap.AppendOpen(make([]byte, 0, 2<<10), call.header)
	env = soap.AppendClose(ebrim.AppendRemove(env, ids))
	return call.registry(ctx, plain(env))
}

// RemoveDocuments sends ITI-86. A partial success is no error: see Problems of the
// answer.
func (c *Client) RemoveDocuments(ctx context.Context, requests []metadata.DocumentRequest) (ebrim.RegistryResponse, error) {
	call := c.call(actionRemoveDocuments, c.o.RemoveDocumentsURL)
	env := soap.AppendOpen(make([]byte, 0, 2<<10), call.header)
	env = append(env, `<rmd:RemoveDocumentsRequest xmlns:rmd="`+rmdNS+`" xmlns:xds="`+xdsNS+`">`...)
	env = appendRequests(env, requests)
	env = soap.AppendClose(append(env, `</rmd:RemoveDocumentsRequest>`...))
	return call.registry(ctx, plain(env))
}

// appendRequests appends DocumentRequests, in the order of the schema.
func appendRequests(b []byte, requests []metadata.DocumentRequest) []byte {
	e := envelopeOf{b: b}
	for i := range requests {
		e.b = append(e.b, `<xds:DocumentRequest>`...)
		e.element("HomeCommunityId", requests[i].Home)
		e.element("RepositoryUniqueId", requests[i].RepositoryID)
		e.element("DocumentUniqueId", requests[i].UniqueID)
		e.b = append(e.b, `</xds:DocumentRequest>`...)
	}
	return e.b
}
