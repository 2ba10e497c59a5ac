package xds

import (
	"context"
	"errors"
	"strings"
	"testing"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/ebrim"
	"samdok/sharing"
)

func across() metadata.StoredQuery {
	return metadata.StoredQuery{Query: &metadata.FindFoldersForMultiplePatients{Patients: []metadata.CX{"1^^^&1.2&ISO", "2^^^&1.2&ISO"},
		Filter: metadata.FolderFilter{Status: []metadata.Status{metadata.Approved}}}}
}

func TestAcross(t *testing.T) {
	var got metadata.StoredQuery
	svc := &service{find: func(_ context.Context, _ access.Caller, q metadata.StoredQuery, _ func(metadata.Object) error) (sharing.Found, error) {
		got = q
		return sharing.Found{}, nil
	}}
	on := serve(t, svc, DoorOptions{Across: true})
	if _, err := on.c.Find(t.Context(), across()); err != nil {
		t.Fatal(err)
	}
	if q, ok := got.Query.(*metadata.FindFoldersForMultiplePatients); !ok || len(q.Patients) != 2 {
		t.Fatalf("the use case got %+v", got.Query)
	}

	// Off, the action is unknown.
	off := serve(t, svc, DoorOptions{})
	var f *FaultError
	if _, err := off.c.Find(t.Context(), across()); !errors.As(err, &f) || f.Subcode != "ActionNotSupported" {
		t.Fatalf("switched off: %v", err)
	}

	// Neither transaction answers the other's queries, switched on or off.
	query := string(ebrim.AppendQuery(nil, across()))
	for _, s := range []*server{on, off} {
		_, _, body := s.post(t, "/registry", "application/soap+xml; charset=UTF-8", envelope(actionQuery, query))
		if !strings.Contains(body, string(fault.UnknownStoredQuery)) {
			t.Errorf("ITI-18 answers a query of ITI-51: %s", body)
		}
	}
	_, _, body := on.post(t, "/registry", "application/soap+xml; charset=UTF-8",
		envelope(actionAcross, string(ebrim.AppendQuery(nil, metadata.StoredQuery{Query: &metadata.GetAssociations{IDs: []metadata.ID{"urn:uuid:00000000-0000-4000-8000-000000000001"}}}))))
	if !strings.Contains(body, string(fault.UnknownStoredQuery)) || !strings.Contains(body, actionAcross+response) {
		t.Errorf("ITI-51 answers a query of ITI-18: %s", body)
	}
}
