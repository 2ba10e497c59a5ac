package retention

import (
	"bytes"
	"context"
	"encoding/json"
	"html"
	"slices"

	"samdok/access"
	"samdok/metadata"
	"samdok/storage"
)

// forgetLetters drops what waits in the outbox and names what a plan takes away: a
// whole patient by each id that it ever had, otherwise the objects by entryUUID and
// uniqueId. It comes before the log is redacted, which forgets the names.
func (k *Keeper) forgetLetters(ctx context.Context, p *Plan) error {
	if k.letters == nil {
		return nil
	}
	words, err := k.words(ctx, p)
	if err != nil || len(words) == 0 {
		return err
	}
	_, err = k.letters.Forget(ctx, p.Tenant, func(l *storage.Letter) bool {
		text := l.Body
		if k.text != nil {
			text = k.text(l)
		}
		return slices.ContainsFunc(words, func(w []byte) bool { return names(text, w) })
	})
	return err
}

// words are what letters about the plan's objects hold, as it stands in XML and in
// JSON.
func (k *Keeper) words(ctx context.Context, p *Plan) (words [][]byte, err error) {
	add := func(word string) {
		if word == "" {
			return
		}
		quoted, err := json.Marshal(word)
		if err != nil {
			return
		}
		for _, form := range []string{word, html.EscapeString(word), string(quoted[1 : len(quoted)-1])} {
			words = append(words, []byte(form))
		}
	}
	for i := range p.Objects {
		id := p.Objects[i].Object.ObjectID()
		if u, ok := metadata.ParseUUID(string(id)); ok {
			add(u.String())
		}
		add(metadata.UniqueIDOf(p.Objects[i].Object))
	}
	for _, s := range p.streams {
		if !s.whole {
			continue
		}
		all, err := k.absorbed(ctx, p.Tenant, s.stream)
		if err != nil {
			return nil, err
		}
		for _, s := range all {
			if patient, ok := s.Patient(); ok {
				add(patient.ID + "^^^")
				add(`"` + patient.ID + `"`) // an id of HL7 v3
			}
		}
	}
	return words, nil
}

// endSubscriptions ends those to the patients whom a plan takes away as a whole, under
// all ids that they ever had, and gives the streams that tell of them.
func (k *Keeper) endSubscriptions(ctx context.Context, p *Plan) (streams []storage.Stream, err error) {
	if k.ending == nil {
		return nil, nil
	}
	for _, s := range p.streams {
		if !s.whole {
			continue
		}
		all, err := k.absorbed(ctx, p.Tenant, s.stream)
		if err != nil {
			return nil, err
		}
		for _, patient := range all {
			ended, err := k.ending(ctx, patient)
			if err != nil {
				return nil, err
			}
			streams = append(streams, ended...)
		}
	}
	return streams, nil
}

// NumbersOf are all ids that a patient has or had, by any of them: the one that is in use
// first, then those that were merged into it, in chains too.
func (k *Keeper) NumbersOf(ctx context.Context, t access.Tenant, id metadata.PatientID) ([]metadata.PatientID, error) {
	stream := storage.PatientStream(id)
	state, _, err := k.log.Load(ctx, t, stream, storage.Refs{})
	if err != nil {
		return nil, err
	}
	if state.Standing.Into != (storage.Stream{}) {
		stream = state.Standing.Into
	}
	streams, err := k.absorbed(ctx, t, stream)
	if err != nil {
		return nil, err
	}
	var all []metadata.PatientID
	for _, s := range streams {
		if p, ok := s.Patient(); ok {
			all = append(all, p)
		}
	}
	return all, nil
}

// absorbed are a stream and those that were merged into it, in chains too.
func (k *Keeper) absorbed(ctx context.Context, t access.Tenant, s storage.Stream) ([]storage.Stream, error) {
	all := []storage.Stream{s}
	for i := 0; i < len(all); i++ {
		for ev, err := range k.log.Events(ctx, t, all[i], 1) {
			if err != nil {
				return nil, err
			}
			if ev.Kind != storage.EventAbsorbed {
				continue
			}
			streams, err := ev.Merged()
			if err != nil {
				return nil, err
			}
			all = append(all, streams...)
		}
	}
	return all, nil
}

// names tells whether a text has a word that does not begin within another one.
func names(text, word []byte) bool {
	for at := 0; ; {
		i := bytes.Index(text[at:], word)
		if i < 0 {
			return false
		}
		at += i
		if at == 0 || !inWord(text[at-1]) || !inWord(word[0]) {
			return true
		}
		at++
	}
}

func inWord(b byte) bool {
	return b == '.' || b == '-' || '0' <= b && b <= '9' || 'a' <= b|0x20 && b|0x20 <= 'z'
}
