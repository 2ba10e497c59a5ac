package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"samdok/audit"
	"samdok/internal/config"
	"samdok/metadata"
	"samdok/storage"
)

// OutboxCommand is what an operator does with the outbox: look at it, have a
// message tried again, or drop it.
type OutboxCommand struct {
	Retry, Drop string // a letter's id; both "": only look
	// Reason and Operator are recorded when a message is dropped.
	Reason, Operator string
}

// OutboxLetter is a message as commands show it: nothing of its content.
type OutboxLetter struct {
	ID       string    `json:"id"`
	Queue    string    `json:"queue"`
	State    string    `json:"state"` // waiting or dead
	Created  time.Time `json:"created"`
	Due      time.Time `json:"due"`
	Expires  time.Time `json:"expires"`
	Attempts int       `json:"attempts"`
	Note     string    `json:"note,omitempty"`
}

// mostLetters bounds a list.
const mostLetters = 10_000

// ErrNoLetter: the outbox does not hold the message.
var ErrNoLetter = errors.New("the outbox holds no message with this id; `samdok outbox` lists those it holds")

// Outbox works on the outbox, through the server that runs on the data folder or,
// when none does, by itself.
func Outbox(ctx context.Context, c *config.Config, l *slog.Logger, clock func() time.Time, q OutboxCommand) (letters []OutboxLetter, err error) {
	err = operate(ctx, c, l, clock, "/outbox", q, &letters, func(ctx context.Context, d *data) (err error) {
		letters, err = d.outbox(ctx, q, clock)
		return err
	})
	return letters, err
}

func (d *data) outbox(ctx context.Context, q OutboxCommand, clock func() time.Time) ([]OutboxLetter, error) {
	if q.Retry != "" || q.Drop != "" {
		return d.workOnLetter(ctx, q, clock())
	}
	list := []OutboxLetter{}
	for _, queue := range storage.Queues() {
		for l, err := range d.log.Letters(ctx, queue) {
			if err != nil {
				return nil, err
			}
			if len(list) == mostLetters {
				return list, nil
			}
			list = append(list, shownLetter(l))
		}
	}
	return list, nil
}

func shownLetter(l storage.Letter) OutboxLetter {
	state := "waiting"
	if l.Dead {
		state = "dead"
	}
	return OutboxLetter{l.ID.String(), l.Queue.String(), state, l.Created, l.Due, l.Expires, l.Attempts, l.Note}
}

func (d *data) workOnLetter(ctx context.Context, q OutboxCommand, now time.Time) ([]OutboxLetter, error) {
	wanted := q.Retry + q.Drop
	id, ok := metadata.ParseUUID(wanted)
	if !ok {
		return nil, fmt.Errorf("%q is not the id of a message: %w", wanted, ErrNoLetter)
	}
	letter, err := d.letter(ctx, id)
	if err != nil {
		return nil, err
	}
	if q.Retry != "" {
		// As long as it was given at first.
		_, err := d.log.Revive(ctx, id, now, now.Add(letter.Expires.Sub(letter.Created)))
		return []OutboxLetter{shownLetter(letter)}, err
	}
	e := d.event(audit.KindErase, now)
	e.Details = []audit.Detail{
		{Name: "what", Value: "a message of the outbox that was not delivered"}, {Name: "queue", Value: letter.Queue.String()}, {Name: "letter", Value: id.String()},
		{Name: "reason", Value: q.Reason}, {Name: "operator", Value: q.Operator},
	}
	if err := d.record(ctx, e); err != nil { // first: what is gone is always explained
		return nil, err
	}
	return []OutboxLetter{shownLetter(letter)}, d.log.Settle(ctx, letter)
}

func (d *data) letter(ctx context.Context, id metadata.UUID) (storage.Letter, error) {
	for _, queue := range storage.Queues() {
		for l, err := range d.log.Letters(ctx, queue) {
			if err != nil || l.ID == id {
				return l, err
			}
		}
	}
	return storage.Letter{}, ErrNoLetter
}
