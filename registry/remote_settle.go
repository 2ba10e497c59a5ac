package registry

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"samdok/fault"
	"samdok/metadata"
	"samdok/storage"
)

const (
	// again is the first wait after an unknown outcome; it doubles up to atMost.
	again  = 5 * time.Second
	atMost = 10 * time.Minute
	// lease is longer than the questions about one letter take.
	lease = 5 * time.Minute
)

// owed is the body of a letter: format 1, kind and id of the stream, the
// submission as it is sent.
type owed struct {
	stream  storage.Stream
	message []byte
}

const owedFormat = 1

var errOwed = errors.New("registry: a letter about a submission cannot be read")

func (o owed) encode() []byte {
	b := append(make([]byte, 0, len(o.message)+len(o.stream.ID)+8), owedFormat, byte(o.stream.Kind))
	b = binary.AppendUvarint(b, uint64(len(o.stream.ID)))
	return append(append(b, o.stream.ID...), o.message...)
}

func decodeOwed(b []byte) (o owed, err error) {
	if len(b) < 3 || b[0] != owedFormat {
		return o, errOwed
	}
	n, w := binary.Uvarint(b[2:])
	if w <= 0 || n > uint64(len(b)-2-w) {
		return o, errOwed
	}
	rest := b[2+w:]
	return owed{storage.Stream{Kind: storage.StreamKind(b[1]), ID: string(rest[:n])}, rest[n:]}, nil
}

// Fate is what Settle found out about one submission.
type Fate struct {
	Tenant     string
	Submission *metadata.Submission
	// Registered tells whether the registry has it; when not, Problems say why.
	Registered bool
	Problems   []fault.Problem
}

// Settle finds out what became of submissions whose outcome is not known, as far
// as they are due: it asks the registry for the submission set and sends the
// submission again when it is not there. known is called for each fate before it
// is taken as settled; its error leaves the letter for later.
func (r *Remote) Settle(ctx context.Context, known func(context.Context, Fate) error) error {
	for {
		letters, err := r.o.Outbox.Take(ctx, storage.QueueRegister, r.o.Clock(), lease, 1)
		if err != nil || len(letters) == 0 {
			return err
		}
		l := letters[0]
		if err := r.settle(ctx, l, known); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			r.o.Logger.WarnContext(ctx, "the fate of a submission is still not known", "letter", l.ID.String(), "attempts", l.Attempts, "error", err)
			l.Note = "the registry could not be asked, or gave no clear answer"
			if err := r.o.Outbox.Delay(ctx, l, r.o.Clock().Add(backoff(l.Attempts))); err != nil {
				return err
			}
		}
	}
}

func backoff(attempts int) time.Duration {
	return min(again<<min(max(attempts-1, 0), 10), atMost)
}

// settle is nil when the letter is settled.
func (r *Remote) settle(ctx context.Context, l storage.Letter, known func(context.Context, Fate) error) error {
	o, err := decodeOwed(l.Body)
	if err != nil {
		return err
	}
	held, err := r.held(ctx, l.Tenant, o.stream, l.ID)
	if err != nil {
		return err
	}
	if held == nil { // its sender died before anything was held: nothing was sent
		return r.o.Outbox.Settle(ctx, l)
	}
	sub, err := r.o.Sender.Decode(o.message)
	if err != nil {
		return err
	}
	fate := Fate{Tenant: string(l.Tenant), Submission: sub}
	if fate.Registered, fate.Problems, err = r.fate(ctx, sub); err != nil {
		return err
	}
	if err := known(ctx, fate); err != nil {
		return err
	}
	if !fate.Registered {
		if err := r.drop(ctx, l.Tenant, o.stream, l.ID, true); err != nil {
			return err
		}
	}
	return r.o.Outbox.Settle(ctx, l)
}

// fate asks what became of a submission, and sends it again when the registry does
// not know it.
func (r *Remote) fate(ctx context.Context, sub *metadata.Submission) (registered bool, why []fault.Problem, err error) {
	is, other, err := r.knows(ctx, sub)
	if err != nil || is {
		return is, nil, err
	}
	if other {
		return false, []fault.Problem{{Code: fault.DuplicateUniqueID, Context: "The registry has another submission set with the uniqueId " + sub.Set.UniqueID + ".", Foreign: true}}, nil
	}
	problems, err := r.o.Sender.Register(ctx, sub)
	if err == nil {
		return true, problems, nil
	}
	var f *fault.Error
	if errors.Is(err, ErrNotSent) || !errors.As(err, &f) || f.Kind != fault.Invalid {
		return false, nil, err
	}
	for _, p := range f.Problems {
		// It may have been registered between the question and now, or be hidden
		// from us: then only another answer may decide over documents.
		if p.Code == fault.DuplicateUniqueID {
			if is, other, err = r.knows(ctx, sub); err != nil || is {
				return is, nil, err
			}
			if !other {
				return false, nil, errors.New("registry: the registry has the submission set and does not show it")
			}
		}
	}
	for _, p := range f.Problems {
		switch p.Code {
		case fault.RegistryBusy, fault.RegistryOutOfResources, fault.RegistryNotAvailable:
			return false, nil, err // not the submission's fault: it is tried again
		}
	}
	return false, foreign(f.Problems), nil
}

// knows tells whether the registry has the submission set, or another one with its
// uniqueId.
func (r *Remote) knows(ctx context.Context, sub *metadata.Submission) (is, other bool, err error) {
	ids, err := r.o.Sender.Sets(ctx, sub.Set.UniqueID)
	if err != nil {
		return false, false, err
	}
	for _, id := range ids {
		if id == sub.Set.ID {
			return true, false, nil
		}
	}
	return false, len(ids) > 0, nil
}
