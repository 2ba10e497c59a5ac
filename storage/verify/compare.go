package verify

import (
	"context"
	"crypto/sha1" //nolint:gosec // XDS entries have SHA-1
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/storage"
)

// lookedUp is how many objects are asked for at a time.
const lookedUp = 256

// comparison is one look at a stream.
type comparison struct {
	*run
	stream storage.Stream
	merged bool // into another: its objects are found there
	name   string

	known    map[metadata.ID]bool // objects of the log; true: a search must find it
	absorbed bool                 // others were merged into it

	found                     []Difference
	objects, documents, bytes int64
}

func (c *comparison) say(format string, args ...any) {
	c.found = append(c.found, Difference{c.name, fmt.Sprintf(format, args...)})
}

// compare walks the stream's events and asks for what they added.
func (c *comparison) compare(ctx context.Context) error {
	c.known = map[metadata.ID]bool{}
	some := map[metadata.ID]storage.DocumentKey{}
	for ev, err := range c.Engine.Events(ctx, c.tenant, c.stream, 1) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			c.say("the log cannot be read: %v", err)
			return nil
		}
		c.absorbed = c.absorbed || ev.Kind == storage.EventAbsorbed
		for _, a := range ev.Added {
			id := a.Object.ObjectID()
			c.known[id] = false
			if !storage.IsTombstone(a.Object) {
				some[id] = a.Document
			}
			if len(some) == lookedUp {
				if err := c.lookup(ctx, some); err != nil {
					return err
				}
				clear(some)
			}
		}
	}
	if err := c.lookup(ctx, some); err != nil {
		return err
	}
	if c.merged {
		return nil // it is searched as the survivor's
	}
	return c.search(ctx)
}

// lookup asks for objects by their ids.
func (c *comparison) lookup(ctx context.Context, some map[metadata.ID]storage.DocumentKey) error {
	if len(some) == 0 {
		return nil
	}
	refs := storage.Refs{Everywhere: true, WithRemoved: true}
	for id := range some {
		refs.IDs = append(refs.IDs, id)
	}
	st, err := c.Engine.Lookup(ctx, c.tenant, refs)
	if err != nil {
		return err
	}
	for _, o := range st.Objects {
		id := o.Object.ObjectID()
		if _, asked := some[id]; !asked {
			continue
		}
		delete(some, id)
		c.objects++
		if o.Removed {
			continue
		}
		if !c.merged && o.Stream != c.stream {
			c.say("object %s is found in another stream", id)
			continue
		}
		c.known[id] = true
		if err := c.document(ctx, o); err != nil {
			return err
		}
	}
	for id := range some {
		c.say("object %s of the log is not in the index", id)
	}
	return nil
}

// search asks for everything of the stream.
func (c *comparison) search(ctx context.Context) error {
	everything := storage.Filter{Documents: &metadata.DocumentFilter{Kinds: []metadata.EntryKind{metadata.Stable, metadata.OnDemand}},
		SubmissionSets: &metadata.SubmissionSetFilter{}, Folders: &metadata.FolderFilter{}, Associations: true}
	for o, err := range c.Engine.Find(ctx, c.tenant, c.stream, everything, access.Restriction{}) {
		if err != nil {
			return err
		}
		id := o.Object.ObjectID()
		if _, of := c.known[id]; !of && !c.absorbed {
			c.say("a search finds object %s, which the log does not have", id)
		}
		delete(c.known, id)
	}
	for id, living := range c.known {
		if living {
			c.say("object %s is in the index, but a search does not find it", id)
		}
	}
	return nil
}

// document compares an entry with its bytes.
func (c *comparison) document(ctx context.Context, o storage.Placed) error {
	e, ok := o.Object.(*metadata.DocumentEntry)
	if c.Documents == nil || o.Document == "" || !ok {
		return nil
	}
	c.documents++
	info, err := c.Documents.Stat(ctx, o.Document)
	if err == nil && c.Read {
		err = c.read(ctx, o.Document, info)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && fault.KindOf(err) == fault.NotFound:
		c.say("the bytes of document %s are missing", e.ID)
	case err != nil:
		c.say("the bytes of document %s cannot be read: %v", e.ID, err)
	case e.Hash != "" && !strings.EqualFold(e.Hash, hex.EncodeToString(info.SHA1[:])):
		c.say("the bytes of document %s are not those that its entry has the hash of", e.ID)
	}
	return nil
}

// read reads a document to its end.
func (c *comparison) read(ctx context.Context, key storage.DocumentKey, info storage.DocumentInfo) error {
	r, _, err := c.Documents.Open(ctx, key, 0)
	if err != nil {
		return err
	}
	defer r.Close()
	one, two := sha1.New(), sha256.New() //nolint:gosec // as above
	n, err := io.Copy(io.MultiWriter(one, two), r)
	c.bytes += n
	if err != nil {
		return err
	}
	if n != info.Size || [sha1.Size]byte(one.Sum(nil)) != info.SHA1 || [sha256.Size]byte(two.Sum(nil)) != info.SHA256 {
		return fmt.Errorf("they are %d, and not the %d that were stored", n, info.Size)
	}
	return nil
}
