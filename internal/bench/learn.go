package bench

import (
	"context"
	"errors"
	"fmt"
	"regexp"
)

var repositoryID = regexp.MustCompile(`(?s)name="repositoryUniqueId".*?Value>([0-9.]+)<`)

// learn provides one document and reads from its entry under which
// repositoryUniqueId the server keeps it.
func learn(ctx context.Context, o Options, t Target) (string, error) {
	o.Patients, o.Op, o.Size, o.Concurrency = 1, Provide, 100, 1
	t.RepositoryID = elsewhere // replaced by the server
	r, err := newRunner(o, t, 99)
	if err != nil {
		return "", err
	}
	defer r.http.CloseIdleConnections()
	if err := r.write(ctx, 0, Provide, 1); err != nil {
		return "", err
	}
	iti, contentType, body, length := r.msg.find(0, false)
	answer, err := r.post(ctx, iti, contentType, body, length)
	if err != nil {
		return "", err
	}
	if m := repositoryID.FindSubmatch(answer); m != nil {
		return string(m[1]), nil
	}
	return "", errors.New("the entry of a provided document names no repositoryUniqueId; give --repository-id")
}

// repository fills in the repositoryUniqueId of a target.
func (t *Target) repository(ctx context.Context, o Options) error {
	if t.RepositoryID != "" {
		return nil
	}
	id, err := learn(ctx, o, *t)
	if err != nil {
		return fmt.Errorf("learn the repositoryUniqueId of %s: %w", t.Name, err)
	}
	t.RepositoryID = id
	return nil
}
