package app

import (
	"context"
	"time"

	"samdok/access"
	"samdok/fault"
	"samdok/internal/outward"
	"samdok/metadata"
	"samdok/sharing"
)

// SubscriptionView is a subscription as commands show it. Names of its JSON are
// part of the interface: scripts rest on them.
type SubscriptionView struct {
	ID           string    `json:"id"`
	Topic        string    `json:"topic"`
	AnyPatient   bool      `json:"any_patient,omitempty"`
	Created      time.Time `json:"created"`
	Ends         time.Time `json:"ends"`
	Host         string    `json:"host"` // that notifications go to, with its port
	Organisation string    `json:"organisation,omitempty"`
	// When they are asked for only.
	Patient  string `json:"patient,omitempty"`
	Person   string `json:"person,omitempty"`
	Consumer string `json:"consumer,omitempty"`
}

func (a *App) supervise(ctx context.Context, c access.Caller, q sharing.Supervise) ([]SubscriptionView, error) {
	all, err := a.keeping.Subscriptions(ctx, c, q)
	if err != nil {
		return nil, err
	}
	views := make([]SubscriptionView, len(all))
	for i := range all {
		s := &all[i]
		v := SubscriptionView{ID: s.ID.String(), Topic: string(s.Topic), AnyPatient: s.Filter.Patient == "", Created: s.Created, Ends: s.Ends,
			Host: outward.Host(s.Consumer), Organisation: s.Caller.Organisation}
		if q.Reveal {
			v.Patient, v.Person, v.Consumer = string(s.Filter.Patient), s.Caller.Subject, s.Consumer
		}
		views[i] = v
	}
	return views, nil
}

func (a *App) cancel(ctx context.Context, c access.Caller, q *Release) error {
	id, ok := metadata.ParseUUID(q.ID)
	if !ok {
		return fault.New(fault.NotFound, "app.cancel", fault.RegistryError, "%q is not the id of a subscription; `samdok subscriptions list` shows them.", q.ID)
	}
	return a.keeping.Cancel(ctx, c, id, q.Reason)
}
