package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"samdok/metadata"
	"samdok/metadata/ebrim"
	"samdok/metadata/metadatatest"
)

// known waits until the national locator knows in which regions a patient has
// documents, and that the others have none. It asks the regions' locators.
func (r *regions) known(ctx context.Context, p metadatatest.Patient, where ...*region) error {
	for end := r.c.clock().Add(10 * time.Second); ; {
		a, err := r.locator.Locate(ctx, p.ID(), true, false)
		if err != nil {
			return err
		}
		right := len(a.Unanswered) == 0
		for _, one := range r.all {
			home := "urn:oid:" + one.home
			_, covered := a.Covers(home)
			right = right && covered && a.Names(home) == slices.Contains(where, one)
		}
		if right {
			return nil
		}
		if r.c.clock().After(end) {
			return errors.New("the locator has not learned where there are documents")
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// onlyOne: of a patient with documents in one region, only that one is asked.
func (r *regions) onlyOne(ctx context.Context) error {
	other, one := r.gen.Patient(), r.all[0]
	d := r.gen.Document(other, metadatatest.Note)
	s := submission{documents: []metadatatest.Document{d}, metadata: r.gen.Submission(other, d)}
	if _, err := one.client.Provide(ctx, s.metadata, s.parts()); err != nil {
		return err
	}
	if err := r.known(ctx, other, one); err != nil {
		return err
	}
	before := r.asked()
	answer, err := r.gateway.Find(ctx, metadata.StoredQuery{Query: &metadata.FindDocuments{Patient: other.CX(), Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}})
	if err != nil {
		return err
	}
	var names, rest []string
	for i, n := range r.asked() {
		if n > before[i] {
			names = append(names, r.all[i].name)
			continue
		}
		rest = append(rest, r.all[i].name)
	}
	if answer.Status != ebrim.Success || len(answer.Objects) != 1 || len(names) != 1 || names[0] != one.name {
		return errors.New("the locator named one region, and these were asked: " + strings.Join(names, ", "))
	}
	places, err := r.locator.Where(ctx, other.ID(), r.c.tr("en", "nb"))
	if err != nil {
		return err
	}
	if len(places.Places) != 1 {
		return errors.New("the patient is not told where there is something")
	}
	r.c.say("6. Registered a document of %s %s in %s only. The locator knew: the gateway asked %s, and not %s.\n   The patient is told: %s\n",
		"6. Registrerte et dokument for %s %s bare i %s. Lokalisatoren visste det: gatewayen spurte %s, og ikke %s.\n   Pasienten får vite: %s\n",
		other.Given, other.Family, one.name, strings.Join(names, ", "), strings.Join(rest, ", "), clean(places.Places[0].Text))
	return nil
}

// asked is how often each region was asked for documents.
func (r *regions) asked() []int64 {
	n := make([]int64, len(r.all))
	for _, s := range r.national.Communities() {
		for i, one := range r.all {
			if s.Home == "urn:oid:"+one.home {
				n[i] = s.Asked
			}
		}
	}
	return n
}
