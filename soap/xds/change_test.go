package xds

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/ebrim"
	"samdok/sharing"
)

// Updates arrive as they were sent, with what the associations ask for, and errors
// name their object.
func TestUpdateRoundTrip(t *testing.T) {
	for _, restricted := range []bool{false, true} {
		var got sharing.Update
		var answer error
		s := serve(t, &service{update: func(_ context.Context, _ access.Caller, u sharing.Update) (sharing.Receipt, error) {
			got = u
			return sharing.Receipt{}, answer
		}}, DoorOptions{})
		sub, _, _ := sample(1)
		sub.Entries[0].LogicalID, sub.Entries[0].Version = metadata.NewUUID().ID(), 3
		link := sub.Associations[0]
		link.PreviousVersion, link.Propagation = "2", "no"
		sub.Associations = append(sub.Associations, &metadata.Association{
			ID: metadata.NewUUID().ID(), Type: metadata.UpdateStatus, Source: sub.Set.ID, Target: metadata.NewUUID().ID(),
			OriginalStatus: metadata.Approved.URN(), NewStatus: metadata.Deprecated.URN(),
		})
		if r, err := s.c.Update(context.Background(), sub, restricted); err != nil || r.Status != ebrim.Success {
			t.Fatalf("%+v, %v", r, err)
		}
		if got.Restricted != restricted || got.Submission.Entries[0].LogicalID != sub.Entries[0].LogicalID || len(got.Problems) > 0 {
			t.Errorf("restricted %v, %v", got.Restricted, got.Problems)
		}
		if diff := cmp.Diff(sub.Associations, got.Submission.Associations); diff != "" {
			t.Error(diff)
		}
		want := []fault.Problem{{Code: fault.MetadataVersionError, Context: "no", Location: string(sub.Entries[0].ID)}}
		answer = &fault.Error{Kind: fault.Invalid, Problems: want}
		_, err := s.c.Update(context.Background(), sub, restricted)
		var refused *RefusedError
		if !errors.As(err, &refused) || !cmp.Equal(refused.Problems, want) {
			t.Errorf("%v", err)
		}
	}
}

// On-demand entries arrive as such, and the answer has the action that the
// standard gives it.
func TestOnDemandRoundTrip(t *testing.T) {
	var got *metadata.Submission
	s := serve(t, &service{onDemand: func(_ context.Context, _ access.Caller, r sharing.Register) (sharing.Receipt, error) {
		got = r.Submission
		return sharing.Receipt{}, nil
	}}, DoorOptions{})
	sub, _, _ := sample(2)
	for _, e := range sub.Entries {
		e.Kind, e.CreationTime, e.Hash, e.Size = metadata.OnDemand, "", "", metadata.Size{}
	}
	if r, err := s.c.RegisterOnDemand(context.Background(), sub); err != nil || r.Status != ebrim.Success {
		t.Fatalf("%+v, %v", r, err)
	}
	if diff := cmp.Diff(sub.Entries, got.Entries); diff != "" {
		t.Error(diff)
	}
	x := &exchange{}
	x.header.Action = actionOnDemand
	if a := x.answerHeader().Action; a != "urn:ihe:iti:2010:RegisterOnDemandDocumentResponse" {
		t.Errorf("the answer's action is %s", a)
	}
}

func TestRemoveRoundTrip(t *testing.T) {
	var got []metadata.ID
	s := serve(t, &service{remove: func(_ context.Context, _ access.Caller, ids []metadata.ID) error {
		got = ids
		return nil
	}}, DoorOptions{})
	want := []metadata.ID{metadata.NewUUID().ID(), metadata.NewUUID().ID()}
	if r, err := s.c.Remove(context.Background(), want); err != nil || r.Status != ebrim.Success || !cmp.Equal(got, want) {
		t.Fatalf("%+v, %v, %v", r, err, got)
	}
	got = nil
	if _, err := s.c.Remove(context.Background(), []metadata.ID{""}); err == nil || got != nil {
		t.Errorf("an ObjectRef without id: %v, %v", err, got)
	}
}

func TestRemoveDocumentsRoundTrip(t *testing.T) {
	var got []metadata.DocumentRequest
	var answer sharing.Removed
	var failure error
	s := serve(t, &service{removeDs: func(_ context.Context, _ access.Caller, r []metadata.DocumentRequest) (sharing.Removed, error) {
		got = r
		return answer, failure
	}}, DoorOptions{})
	want := []metadata.DocumentRequest{{RepositoryID: "1.2.3", UniqueID: "1.2.3.4"}, {Home: "urn:oid:1.2", RepositoryID: "1.2.3", UniqueID: "5^6"}}
	problem := fault.Problem{Code: fault.DocumentUniqueIDError, Context: "5^6", Location: "5^6"}
	for _, c := range []struct {
		removed sharing.Removed
		status  ebrim.Status
	}{
		{sharing.Removed{Documents: 2}, ebrim.Success},
		{sharing.Removed{Documents: 1, Problems: []fault.Problem{problem}}, ebrim.PartialSuccess},
		{sharing.Removed{Problems: []fault.Problem{problem}}, ebrim.Failure},
	} {
		answer = c.removed
		r, err := s.c.RemoveDocuments(context.Background(), want)
		if (err != nil) != (c.status == ebrim.Failure) || r.Status != c.status || !cmp.Equal(r.Problems, c.removed.Problems) || !cmp.Equal(got, want) {
			t.Errorf("%+v: %+v, %v, %v", c, r, err, got)
		}
	}
	failure = fault.New(fault.Busy, "x", fault.RegistryBusy, "busy")
	if r, err := s.c.RemoveDocuments(context.Background(), want); err == nil || r.Problems[0].Code != fault.RepositoryBusy {
		t.Errorf("%+v, %v", r, err)
	}
}
